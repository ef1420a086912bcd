//! Unit files of systemd to a draft.

use super::draft::{Draft, HOST, Noun, name, text};
use super::{kinds, read, secrets};
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::path::Path;

/// Where an administrator's own units are.
const FOLDER: &str = "etc/systemd/system";
/// Most units that are read.
const MAX_UNITS: usize = 1_000;

/// What is read of a unit: values by section and key, in order.
type Unit = BTreeMap<(String, String), Vec<String>>;

/// Reads the units of a machine whose file system is at `root`.
pub fn draft(root: &Path) -> Result<Draft, Failure> {
    let folder = root.join(FOLDER);
    let entries = std::fs::read_dir(&folder).map_err(|error| Failure::file("read", &folder, &error))?;
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| file.ends_with(".service"))
        .take(MAX_UNITS)
        .collect();
    files.sort();
    let mut draft = Draft { origin: format!("the units of /{FOLDER}"), ..Draft::default() };
    let mut units: Vec<(String, Unit)> = Vec::new();
    for file in files {
        let path = folder.join(&file);
        let stem = file.trim_end_matches(".service");
        // Links are other names of units that a package brought.
        let link = std::fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file());
        if link || stem.starts_with("lifeboat") {
            continue;
        }
        if stem.ends_with('@') {
            draft.notes.push(format!("left out: {file} is a template; name its instances yourself"));
            continue;
        }
        units.push((stem.to_string(), unit(&read::text(&path)?)));
    }
    for (stem, unit) in &units {
        if values(unit, "Service", "Type").any(|kind| kind == "oneshot") {
            draft.notes.push(format!(
                "left out: {stem}.service runs once and ends; a timer or another unit starts it"
            ));
            continue;
        }
        service(stem, unit, &mut draft);
    }
    Ok(draft)
}

/// Sections and keys; a line that ends in a backslash goes on in the next one.
fn unit(text: &str) -> Unit {
    let mut unit = Unit::new();
    let mut section = String::new();
    let joined = text.replace("\\\n", " ");
    for line in joined.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(head) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = head.to_string();
        } else if let Some((key, value)) = line.split_once('=') {
            let key = (section.clone(), key.trim().to_string());
            unit.entry(key).or_default().push(value.trim().to_string());
        }
    }
    unit
}

fn values<'u>(unit: &'u Unit, section: &str, key: &str) -> impl Iterator<Item = &'u str> {
    unit.get(&(section.to_string(), key.to_string())).into_iter().flatten().map(String::as_str)
}

fn service(stem: &str, unit: &Unit, draft: &mut Draft) {
    let own = name(stem);
    let needed = ["Requires", "BindsTo", "Requisite", "Wants"];
    let units = needed.iter().flat_map(|key| values(unit, "Unit", key)).flat_map(str::split_whitespace);
    let needs = units.filter_map(|unit| unit.strip_suffix(".service")).map(name).collect();
    let environment = environment(unit);
    for (variable, value) in &environment {
        if secrets::named(variable) || secrets::in_url(value) {
            draft.secrets.push(secrets::told(variable, &own, None));
        }
    }
    if values(unit, "Service", "ExecStart").any(|line| secrets::in_command(&line.into())) {
        draft.secrets.push(secrets::told("the password in `ExecStart`", &own, None));
    }
    for file in values(unit, "Service", "EnvironmentFile") {
        let file = file.trim_start_matches('-');
        draft.notes.push(format!("not read: {file} of {own}, which may hold secrets"));
    }
    draft.services.push(Noun {
        name: own.clone(),
        choices: vec![vec![
            ("kind", "systemd".into()),
            ("unit", text(&format!("{stem}.service"))),
            ("hosts", format!("[{HOST}]")),
        ]],
        services: vec![("needs", needs)],
        comments: values(unit, "Unit", "Description").take(1).map(str::to_string).collect(),
        otherwise: "a unit; its name is none that this version takes.".to_string(),
        ..Noun::default()
    });
    let port = environment
        .iter()
        .find(|(variable, _)| *variable == "PORT")
        .and_then(|(_, port)| port.parse::<u16>().ok());
    if let Some(port) = port {
        draft.checks.push(Noun {
            name: format!("{own}-answers"),
            choices: vec![vec![("tcp", format!("{{ address: {} }}", text(&format!("127.0.0.1:{port}"))))]],
            fields: vec![("of", own.clone())],
            ..Noun::default()
        });
    }
    data(&own, unit, draft);
}

/// The source behind a unit whose program is a database.
fn data(own: &str, unit: &Unit, draft: &mut Draft) {
    let programs = values(unit, "Service", "ExecStart").filter_map(|line| line.split_whitespace().next());
    let mut programs = programs.map(|program| program.trim_start_matches(['-', '@', ':', '+', '!']));
    let Some(database) = programs.find_map(kinds::database) else { return };
    let source = format!("{own}-data");
    let place = secrets::place(&source);
    let (fields, comments) = kinds::source(database, "127.0.0.1", database.port, &place, |_| None);
    draft.secrets.push(format!("needed: the password of {source}. Write it to {place} on each of its hosts, readable by the agent alone"));
    draft.sources.push(Noun {
        name: source,
        choices: vec![fields],
        services: vec![("server", vec![own.to_string()])],
        comments,
        otherwise: format!("{} of unit {own}; this version cannot back it up yet.", database.kind),
        ..Noun::default()
    });
}

/// `Environment=A=1 "B=two words"`
fn environment(unit: &Unit) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in values(unit, "Service", "Environment") {
        let mut quote = None;
        let mut words = vec![String::new()];
        for c in line.chars() {
            match (c, quote) {
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (' ', None) => words.push(String::new()),
                (c, _) => words.iter_mut().last().into_iter().for_each(|word| word.push(c)),
            }
        }
        found.extend(
            words
                .iter()
                .filter_map(|word| word.split_once('='))
                .map(|(key, value)| (key.to_string(), value.to_string())),
        );
    }
    found
}
