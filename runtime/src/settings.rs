//! Settings: flag over environment over file over default, every problem told at once.
//!
//! A settings struct is plain serde with `#[serde(default, deny_unknown_fields, rename_all =
//! "kebab-case")]` on it and on its sections, and lists its keys with [`Documented`]. File, variables
//! and flags are merged into one tree, then each top-level key is read by itself, so that one wrong
//! value does not hide the next.

mod merge;
mod sample;

use crate::Explained;
use crate::fs::{FileError, read_bounded};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use sample::{assert_sample_is_current, sample};

/// Largest settings file, in bytes.
pub const MAX_SETTINGS_BYTES: usize = 1024 * 1024;

/// One key of a settings struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it stands: `listen`, or `telemetry.log` inside a section.
    pub path: String,
    /// The environment variable that overrides it, when there is one.
    pub env: Option<String>,
    /// A value as it is written in YAML: the default, or an example where there is no default.
    pub example: String,
    /// What it means, its unit and its default. One or more lines.
    pub meaning: String,
}

impl Key {
    /// A key that a variable overrides (`LIFEBOAT_LISTEN`; empty for none).
    pub fn new(path: &str, env: &str, example: &str, meaning: &str) -> Self {
        Self {
            path: path.to_string(),
            env: (!env.is_empty()).then(|| env.to_string()),
            example: example.to_string(),
            meaning: meaning.to_string(),
        }
    }

    /// The same key inside a section.
    pub fn within(mut self, section: &str) -> Self {
        self.path = format!("{section}.{}", self.path);
        self
    }
}

/// A settings struct that explains every key. `Default` gives what holds without any setting.
pub trait Documented: Serialize + DeserializeOwned + Default {
    /// What these settings are of: the first line of the sample.
    const TITLE: &'static str;

    /// Every key, in the order of the sample. Keys of one section stand together.
    fn keys() -> Vec<Key>;

    /// What is wrong with these values together, each in one sentence. Nothing by default.
    fn check(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One thing that is wrong in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where: `file:line:column`, `LIFEBOAT_LISTEN`, or `flag listen`.
    pub at: String,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("LB5001: cannot read the settings")]
    Read(#[source] FileError),
    /// The file is not YAML.
    #[error("LB5002: {at} is not YAML: {what}")]
    Yaml {
        /// `file:line:column`.
        at: String,
        /// What the parser says.
        what: String,
    },
    /// One or more values are wrong, or keys unknown.
    #[error("LB5003: {} in the settings:\n  {}", count(flaws.len()), list(flaws))]
    Flaws {
        /// All of them.
        flaws: Vec<Flaw>,
    },
}

fn count(number: usize) -> String {
    if number == 1 { "one problem".to_string() } else { format!("{number} problems") }
}

fn list(flaws: &[Flaw]) -> String {
    flaws.iter().map(Flaw::to_string).collect::<Vec<_>>().join("\n  ")
}

impl Explained for SettingsError {
    fn advice(&self) -> &'static str {
        match self {
            SettingsError::Read(_) => "check the path and who may read it",
            SettingsError::Yaml { .. } => "correct the file at that place",
            SettingsError::Flaws { .. } => "correct what is listed; the sample file explains every key",
        }
    }
}

/// Where settings come from.
pub struct Sources<'a> {
    /// The file; without one, defaults hold. A named file must exist.
    pub file: Option<PathBuf>,
    /// The environment, usually [`environment`].
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// What was given on the command line: (path of the key, value as written in YAML).
    pub flags: Vec<(String, String)>,
}

/// The variables of this process.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads settings: flag over environment over file over default.
pub fn load<T: Documented>(sources: &Sources<'_>) -> Result<T, SettingsError> {
    let text = match &sources.file {
        Some(path) => read_text(path)?,
        None => String::new(),
    };
    let shown = sources.file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    parse(&shown, &text, sources)
}

fn read_text(path: &Path) -> Result<String, SettingsError> {
    let bytes = read_bounded(path, MAX_SETTINGS_BYTES).map_err(SettingsError::Read)?;
    String::from_utf8(bytes).map_err(|error| SettingsError::Yaml {
        at: path.display().to_string(),
        what: error.utf8_error().to_string(),
    })
}

fn parse<T: Documented>(shown: &str, text: &str, sources: &Sources<'_>) -> Result<T, SettingsError> {
    let keys = T::keys();
    let mut tree = Map::new();
    let mut places = BTreeMap::new();
    for (key, value) in read_tree(shown, text)? {
        let at = format!("{shown}:{}:{}", value.referenced.line(), value.referenced.column());
        places.insert(key.clone(), at);
        tree.insert(key, value.value);
    }
    let mut flaws = merge::unknown_keys(&tree, &keys, &places);
    merge::drop_unknown(&mut tree, &keys);
    for (path, value, at) in overrides(&keys, sources) {
        if let Err(what) = merge::set::<T>(&mut tree, &keys, &path, &value) {
            flaws.push(Flaw { at, what });
        } else if let Some(top) = path.split('.').next() {
            places.insert(top.to_string(), at);
        }
    }
    flaws.extend(merge::each_key::<T>(&tree, &places));
    if flaws.is_empty() {
        match T::deserialize(Value::Object(tree)) {
            Ok(settings) => {
                let at = if shown.is_empty() { "settings" } else { shown };
                let wrong = settings.check().into_iter().map(|what| Flaw { at: at.to_string(), what });
                flaws.extend(wrong);
                if flaws.is_empty() {
                    return Ok(settings);
                }
            }
            Err(error) => flaws.push(Flaw { at: shown.to_string(), what: error.to_string() }),
        }
    }
    Err(SettingsError::Flaws { flaws })
}

fn read_tree(shown: &str, text: &str) -> Result<BTreeMap<String, Spanned<Value>>, SettingsError> {
    // A file of comments alone is an empty document, which is null in YAML.
    let tree = serde_saphyr::from_str::<Option<BTreeMap<String, Spanned<Value>>>>(text);
    Ok(tree
        .map_err(|error| {
            let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column()));
            let what = error.without_snippet().to_string();
            SettingsError::Yaml { at: format!("{shown}{}", place.unwrap_or_default()), what }
        })?
        .unwrap_or_default())
}

/// Variables first, then flags, so that the later one wins.
fn overrides(keys: &[Key], sources: &Sources<'_>) -> Vec<(String, String, String)> {
    let from_env = keys.iter().filter_map(|key| {
        let name = key.env.as_ref()?;
        (sources.env)(name).map(|value| (key.path.clone(), value, name.clone()))
    });
    let flags = sources.flags.iter();
    let from_flags = flags.map(|(path, value)| (path.clone(), value.clone(), format!("flag {path}")));
    from_env.chain(from_flags).collect()
}

#[cfg(test)]
mod tests;
