//! What the steps speak of: hosts, records, repositories; and what the runbook was made from.

use super::Book;
use super::manual::{self, postgres, restic};
use super::page::{Block, Line};
use model::nouns::{Manager, SourceKind};
use model::{Digest, HostName, Mode};
use plan::objectives::words;

pub fn blocks(book: &Book<'_>) -> Vec<Block> {
    let mut out = vec![Block::Heading("Hosts".into())];
    let rows: Vec<Vec<Line>> = book
        .estate
        .hosts()
        .map(|(host, region)| {
            let lost = if book.is_lost(region) { " (presumed lost)" } else { "" };
            vec![
                Line::default().code(host.to_string()),
                Line::default().code(region.to_string()).plain(lost),
                there(book, host),
            ]
        })
        .collect();
    out.push(Block::Table { header: vec!["host", "region", "what is there"], rows });
    let controllers: Vec<Line> = book
        .estate
        .controllers()
        .map(|(name, region, at)| {
            Line::from("Controller ")
                .code(name.to_string())
                .plain(" in ")
                .code(region.to_string())
                .plain(": ")
                .code(at)
        })
        .collect();
    if !controllers.is_empty() {
        out.push(Block::Points(controllers));
    }
    out.extend(records(book));
    out.extend(repositories(book));
    out
}

/// Sources and services of a host, with where they answer.
fn there(book: &Book<'_>, host: &HostName) -> Line {
    let mut parts: Vec<Line> = Vec::new();
    for source in book.estate.sources().filter(|source| source.members.contains(host)) {
        let line = Line::from("source ").code(source.name.to_string());
        let spec = book.estate.source_on(&source.name, host).map(|spec| spec.kind);
        parts.push(match spec {
            Some(SourceKind::Postgres(spec)) => {
                line.plain(" at ").code(postgres::address(&spec)).plain(", database ").code(spec.database)
            }
            Some(SourceKind::Files(spec)) => {
                line.plain(": ").codes(spec.paths.iter().map(|path| path.display()))
            }
            None => line.plain(format!(" ({})", source.kind)),
        });
    }
    for (service, hosts) in book.estate.services() {
        if !hosts.contains(host) {
            continue;
        }
        let line = Line::from("service ").code(service.to_string());
        parts.push(match book.estate.service_on(service, host).map(|spec| spec.manager) {
            Some(Manager::Systemd { unit }) => line.plain(": unit ").code(unit),
            Some(Manager::Container { container }) => line.plain(": container ").code(container),
            Some(Manager::Process(process)) => line.plain(": process ").code(process.argv.join(" ")),
            None => line,
        });
    }
    let mut out = Line::default();
    for (number, part) in parts.into_iter().enumerate() {
        out = if number > 0 { out.plain("; ").and(part) } else { out.and(part) };
    }
    out
}

fn records(book: &Book<'_>) -> Vec<Block> {
    let rows: Vec<Vec<Line>> = book
        .estate
        .records()
        .flat_map(|record| {
            let servers = record.zone.servers.clone();
            let (name, fqdn, ttl) = (record.name.clone(), record.fqdn.clone(), words(record.ttl));
            record.values.into_iter().map(move |(region, values)| {
                vec![
                    Line::default().code(name.to_string()),
                    Line::default().code(&fqdn),
                    Line::default().code(region.to_string()),
                    Line::default().codes(values),
                    ttl.clone().into(),
                    Line::default().codes(&servers),
                ]
            })
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let header = vec!["record", "name in DNS", "region", "addresses", "time to live", "servers"];
    vec![Block::Heading("DNS records".into()), Block::Table { header, rows }]
}

fn repositories(book: &Book<'_>) -> Vec<Block> {
    let mut out = Vec::new();
    for (repository, region) in book.estate.repositories() {
        let lost = if book.is_lost(region) { ", presumed lost" } else { "" };
        let line = Line::default()
            .code(repository.name.to_string())
            .plain(" at ")
            .code(&repository.at)
            .plain(" (region ")
            .code(region.to_string())
            .plain(format!("{lost}); its password: "))
            .and(manual::secret(&repository.password))
            .plain(".");
        out.push(Block::Text(line));
        out.push(Block::Shell(restic::overview(repository)));
    }
    if out.is_empty() {
        return out;
    }
    let how = Line::from("Each is an ordinary restic repository. A snapshot carries the tag ")
        .code("lifeboat:source=NAME")
        .plain("; a database is the file ")
        .code("/DATABASE.dump")
        .plain(" in it, for pg_restore; ")
        .code("/lifeboat.json")
        .plain(" beside it says what was recorded. On a host that has the password:");
    [Block::Heading("Restore without Lifeboat".into()), Block::Text(how)].into_iter().chain(out).collect()
}

/// Files with their digests, and the command that makes it again. No time: the same estate gives the same bytes.
pub fn made_from(book: &Book<'_>) -> Vec<Block> {
    let plan = &book.shown.plan;
    let mut again = format!("lifeboat plan render --plan {}", plan.name);
    if plan.mode == Mode::Drill {
        again.push_str(" --mode drill");
    }
    let made = Line::from(format!("By lifeboat {}, with ", book.version))
        .code(again)
        .plain(". It is worth as much as the estate it was made from: make it again when one of these files changes.");
    let rows = book.estate.files().iter().map(|file| {
        vec![
            Line::default().code(&file.path),
            Line::default().code(Digest::of_bytes(file.text.as_bytes()).to_string()),
        ]
    });
    vec![
        Block::Heading("What this was made from".into()),
        Block::Text(made),
        Block::Table { header: vec!["file", "SHA-256"], rows: rows.collect() },
    ]
}
