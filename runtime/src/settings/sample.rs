//! The sample settings file, made from the documented keys, and the test that keeps it current.

use super::{Documented, Sources, load};
use serde_json::Value;
use std::path::Path;

/// The sample file: every key with its meaning, its variable and its default or an example, all
/// commented out, so that the file as it stands changes nothing.
pub fn sample<T: Documented>() -> String {
    let mut out = format!(
        "# {}\n#\n# Every key with its default or an example. A flag wins over the environment, the\n\
         # environment over this file. Unknown keys are refused.\n",
        T::TITLE
    );
    let mut section = Vec::new();
    for key in T::keys() {
        let mut parts: Vec<&str> = key.path.split('.').collect();
        let name = parts.pop().unwrap_or_default();
        out.push('\n');
        for (depth, part) in parts.iter().enumerate() {
            if section.get(depth).map(String::as_str) != Some(*part) {
                out.push_str(&format!("#{}{part}:\n", "  ".repeat(depth)));
                section.truncate(depth);
                section.push(part.to_string());
            }
        }
        section.truncate(parts.len());
        let indent = "  ".repeat(parts.len());
        for line in key.meaning.lines() {
            out.push_str(format!("# {}", line.trim()).trim_end());
            out.push('\n');
        }
        if let Some(env) = &key.env {
            out.push_str(&format!("# Environment: {env}\n"));
        }
        out.push_str(&format!("#{indent}{name}: {}\n", key.example));
    }
    out
}

/// The same with every key in force: an explanation has one space after its `#`, a key none or more.
fn in_force(sample: &str) -> String {
    let lines = sample.lines().filter_map(|line| line.strip_prefix('#'));
    let keys = lines.filter(|line| !line.is_empty() && (!line.starts_with(' ') || line.starts_with("  ")));
    keys.map(|line| format!("{line}\n")).collect()
}

/// For a test: the checked-in sample equals the generated one, every key of the struct is
/// documented, and every example is accepted. With `LIFEBOAT_BLESS=1` the file is written instead.
///
/// # Panics
///
/// When one of these is not so.
pub fn assert_sample_is_current<T: Documented>(path: &Path) {
    let wanted = sample::<T>();
    if std::env::var_os("LIFEBOAT_BLESS").is_some() {
        let written = std::fs::write(path, &wanted);
        assert!(written.is_ok(), "cannot write {}: {written:?}", path.display());
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is not current; write it anew with LIFEBOAT_BLESS=1. It should be:\n{wanted}",
        path.display()
    );
    assert_complete::<T>();
}

fn assert_complete<T: Documented>() {
    let keys = T::keys();
    let defaults = serde_json::to_value(T::default()).unwrap_or_default();
    let mut paths = Vec::new();
    leaves("", &defaults, &mut paths);
    for path in paths {
        let documented =
            keys.iter().any(|key| path == key.path || path.starts_with(&format!("{}.", key.path)));
        assert!(documented, "the key {path} is not documented");
    }
    for key in &keys {
        let sources =
            Sources { file: None, env: &|_| None, flags: vec![(key.path.clone(), key.example.clone())] };
        if let Err(super::SettingsError::Flaws { flaws }) = load::<T>(&sources) {
            // What is wrong only together with other keys is the business of `check`.
            let own = flaws.iter().find(|flaw| flaw.at.starts_with("flag"));
            assert!(own.is_none(), "the example of {} is refused: {own:?}", key.path);
        }
    }
    let text = in_force(&sample::<T>());
    let read = super::read_tree("sample", &text);
    assert!(read.is_ok(), "the sample with all keys in force is not YAML: {read:?}\n{text}");
}

fn leaves(prefix: &str, value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, inner) in map {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                leaves(&path, inner, out);
            }
        }
        _ if prefix.is_empty() => {}
        _ => out.push(prefix.to_string()),
    }
}
