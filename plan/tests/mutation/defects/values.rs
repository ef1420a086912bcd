//! Single values that are not what they should be, and texts that are no YAML.

use super::broken::Broken;
use crate::tree::{Path, Tree, map};

const DURATIONS: [&str; 17] = [
    "ttl",
    "within",
    "every",
    "takes",
    "transfer",
    "timeout",
    "stop-grace",
    "valid-for",
    "rto",
    "rpo",
    "detection",
    "proven",
    "for",
    "pause",
    "silence",
    "keep-old",
    "lag",
];

/// Maps whose keys are names that people choose.
const FREE: [&str; 6] = ["environment", "variables", "answers", "inputs", "outputs", "vault"];

/// Whether a node is a value that stands for itself under one of some keys.
pub fn value(path: &Path, node: &Tree, keys: &[&str]) -> bool {
    let own = path.last().is_some_and(|key| keys.contains(&key.as_str()));
    let free = path.iter().rev().skip(1).any(|key| FREE.contains(&key.as_str()));
    own && !free && node.text().is_some_and(|text| !text.contains("${{"))
}

/// Whether a node is a value in a section of an estate.
fn within(path: &Path, node: &Tree, section: &str, key: &str) -> bool {
    path.first().is_some_and(|first| first == section) && value(path, node, &[key])
}

/// An item of a list, or the one value that stands for it, under a key.
fn item(path: &Path, node: &Tree, key: &str) -> bool {
    let list = path.len() > 1 && path[path.len() - 2] == key && path[path.len() - 1].parse::<usize>().is_ok();
    node.text().is_some() && (list || path.last().is_some_and(|own| own == key))
}

pub fn name(b: &mut Broken<'_>) -> Option<()> {
    let all = b.nodes(|path, node, plan| {
        path.len() == 2
            && matches!(node, Tree::Map(_))
            && if plan { path[0] == "steps" } else { path[0] != "drill" }
    });
    let (file, path) = b.pick(&all)?;
    let bad = b.pick(&["two words", "-dash", "sl/ash", "ümlaut", "a:b", ""])?;
    let pairs = b.files[file].tree.get_mut(&path[0])?.pairs_mut();
    pairs.iter_mut().find(|(key, _)| *key == path[1])?.0 = bad.to_string();
    b.told(file, &[path[0].clone(), bad.to_string()]);
    Some(())
}

pub fn duration(b: &mut Broken<'_>) -> Option<()> {
    b.spoil(|path, node, _| value(path, node, &DURATIONS), &["soon", "10", "5 minutes", "-1h", "1,5h", "1y"])
}

pub fn nothing(b: &mut Broken<'_>) -> Option<()> {
    b.spoil(|path, node, _| value(path, node, &DURATIONS), &["0s", "0m", "0h0s"])
}

pub fn cron(b: &mut Broken<'_>) -> Option<()> {
    let clock = |path: &Path, node: &Tree, _| {
        within(path, node, "schedules", "at") || within(path, node, "maintenance", "at")
    };
    b.spoil(clock, &["every night", "61 * * * *", "0 2 * *", "* * * * FOO"])
}

pub fn zone(b: &mut Broken<'_>) -> Option<()> {
    let zone = |path: &Path, node: &Tree, _| {
        within(path, node, "schedules", "zone") || within(path, node, "maintenance", "zone")
    };
    b.spoil(zone, &["Mars/Base", "Europe/Berln", "local time"])
}

pub fn never(b: &mut Broken<'_>) -> Option<()> {
    b.spoil(|path, node, _| within(path, node, "schedules", "at"), &["0 0 30 2 *", "0 0 31 4,6 *"])
}

pub fn syntax(b: &mut Broken<'_>) -> Option<()> {
    let file = b.rng.usize(0..b.files.len());
    b.told(file, &[]);
    b.edit = Some((file, |text, rng| {
        let bad =
            ["\nbroken: \"never closed\n", "\n  - a: [b\n c: d\n", "\n}\n", "\n\tx: y\n: :\n", "\na: b: c\n"];
        text.push_str(bad[rng.usize(0..bad.len())]);
    }));
    Some(())
}

pub fn deep(b: &mut Broken<'_>) -> Option<()> {
    let mut nest = Tree::from("deep");
    for _ in 0..40 {
        nest = Tree::List(vec![nest]);
    }
    let (file, path) = b.any(|path, node, plan| plan && value(path, node, &["plan"]))?;
    b.files[file].tree.set("title", nest);
    b.spots.clear();
    let _ = path;
    b.told(file, &["title".to_string()]);
    Some(())
}

pub fn large(b: &mut Broken<'_>) -> Option<()> {
    let file = b.rng.usize(0..b.files.len());
    b.told(file, &[]);
    b.edit = Some((file, |text, _| text.push_str(&"# long\n".repeat(160_000))));
    Some(())
}

pub fn documents(b: &mut Broken<'_>) -> Option<()> {
    let file = b.rng.usize(0..b.files.len());
    b.told(file, &[]);
    b.edit = Some((file, |text, _| text.push_str("\n---\nregions: {}\n")));
    Some(())
}

pub fn wrong_type(b: &mut Broken<'_>) -> Option<()> {
    const SINGLE: [&str; 16] = [
        "region",
        "source",
        "record",
        "channel",
        "state",
        "kind",
        "at",
        "in",
        "unit",
        "database",
        "primary",
        "role",
        "record",
        "pool",
        "on-failure",
        "server",
    ];
    let keys: Vec<&str> = SINGLE.iter().chain(&DURATIONS).copied().collect();
    let (file, path) = b.any(|path, node, _| {
        path.len() > 1 && value(path, node, &keys) && !within(path, node, "drill", "")
    })?;
    let what = b.at(file, &path)?.clone();
    *b.at_mut(file, &path)? = map().with("what", what);
    Some(())
}

pub fn no_number(b: &mut Broken<'_>) -> Option<()> {
    let keys = ["retries", "tries", "days", "port", "status", "at-least"];
    b.spoil(|path, node, _| value(path, node, &keys), &["many", "3.5", "1e3", "three"])
}

pub fn no_truth(b: &mut Broken<'_>) -> Option<()> {
    b.spoil(|path, node, _| value(path, node, &["alone", "rebuilds"]), &["maybe", "1", "yess"])
}

pub fn word(b: &mut Broken<'_>) -> Option<()> {
    let keys = [
        "kind",
        "state",
        "evidence",
        "on-failure",
        "stop-signal",
        "class",
        "mode",
        "type",
        "undo",
        "cloud",
        "manager",
    ];
    b.spoil(|path, node, _| value(path, node, &keys), &["postgrs", "sad", "whatever", "NONE"])
}

pub fn address(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, plan: bool| {
        let endpoint = ["controllers", "witnesses"].iter().any(|section| within(path, node, section, "at"));
        let values = path.iter().any(|key| key == "values") && node.text().is_some();
        !plan && (endpoint || values || item(path, node, "servers") || value(path, node, &["address"]))
    };
    b.spoil(meant, &["not an address", "300.1.2.3", "host:port", "1.2.3.4:99999", "::::"])
}

pub fn url(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, _| {
        let urls = path.len() > 1 && path[path.len() - 2] == "urls";
        let location = ["repositories", "sources"].iter().any(|section| within(path, node, section, "at"));
        value(path, node, &["url", "endpoint"]) || location || urls && node.text().is_some()
    };
    b.spoil(meant, &["ftp://shop.example", "https:///x", "shop.example", "s3:/bucket"])
}

pub fn beyond(b: &mut Broken<'_>) -> Option<()> {
    let bounds: [(&str, &[&str]); 9] = [
        ("ttl", &["8d", "1500ms"]),
        ("timeout", &["8d", "200h"]),
        ("takes", &["8d"]),
        ("for", &["25h"]),
        ("tries", &["0", "21"]),
        ("port", &["0", "70000"]),
        ("days", &["0", "100000"]),
        ("status", &["99", "600"]),
        ("retries", &["-1", "99999999"]),
    ];
    let (key, bad) = b.pick(&bounds)?;
    // A schedule may be given more time than a step, and a maintenance window is no wait.
    let meant = |path: &Path, node: &Tree, plan: bool| {
        value(path, node, &[key]) && (plan || !["timeout", "takes", "for"].contains(&key))
    };
    b.spoil(meant, bad)
}

pub fn path(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, _| {
        value(path, node, &["file", "script", "folder", "path", "directory"]) || item(path, node, "paths")
    };
    b.spoil(meant, &["etc/x", "./x", "~/x", "C:\\x"])
}

pub fn empty(b: &mut Broken<'_>) -> Option<()> {
    let keys = [
        "services", "checks", "members", "hosts", "paths", "writers", "needs", "servers", "steps", "to",
        "lost", "values",
    ];
    let meant = |path: &Path, node: &Tree, plan: bool| {
        let own = path.last().is_some_and(|key| keys.contains(&key.as_str()));
        own && (plan || path.len() > 2) && !matches!(node, Tree::Text(_)) && path[0] != "drill"
    };
    let (file, path) = b.any(meant)?;
    let node = b.at_mut(file, &path)?;
    *node = if matches!(node, Tree::Map(_)) { map() } else { Tree::List(Vec::new()) };
    Some(())
}

pub fn blank(b: &mut Broken<'_>) -> Option<()> {
    let keys = [
        "title",
        "unit",
        "database",
        "statement",
        "sql",
        "question",
        "text",
        "task",
        "risk",
        "name",
        "listener",
        "upstream",
    ];
    b.spoil(|path, node, _| value(path, node, &keys), &["", " ", "\u{a0}"])
}

pub fn domain(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, _| {
        within(path, node, "records", "name")
            || within(path, node, "dns", "zone")
            || path.len() > 1 && path[path.len() - 2] == "targets" && node.text().is_some()
    };
    b.spoil(meant, &["bad..example", "-x.example", "shop_example!", "a b.example", "x-.example"])
}

pub fn outside(b: &mut Broken<'_>) -> Option<()> {
    b.spoil(|path, node, _| within(path, node, "records", "name"), &["api.elsewhere.test", "myshop-0.exampl"])
}

pub fn version(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, plan: bool| {
        plan && path.len() == 4 && path[2] == "deploy" && value(path, node, &["version"])
    };
    b.spoil(meant, &["-x", "a b", "app;rm", "last good"])
}

pub fn share(b: &mut Broken<'_>) -> Option<()> {
    b.spoil(
        |path, node, _| value(path, node, &["availability", "share"]),
        &["0.999", "101%", "99,9%", "most"],
    )
}

pub fn moment(b: &mut Broken<'_>) -> Option<()> {
    let meant = |path: &Path, node: &Tree, plan: bool| {
        plan && path.first().is_some_and(|key| key == "scenario") && value(path, node, &["since"])
    };
    b.spoil(meant, &["yesterday", "2026-11-20", "2026-11-20 21:04", "2026-13-20T21:04:05Z"])
}

pub fn digest(b: &mut Broken<'_>) -> Option<()> {
    b.spoil(|path, node, _| value(path, node, &["sha256"]), &["0f1e", "sha256:0f1e2d3c", "latest"])
}
