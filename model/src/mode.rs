//! Small words that classify a run and a step.

use serde::{Deserialize, Serialize};
use std::fmt;

/// In which mode a run executes its plan. It is part of every token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The real thing.
    #[default]
    Live,
    /// The same code against the stand-ins of the estate.
    Drill,
    /// Every agent answers what it would do, and does nothing.
    Preview,
}

/// Whether an effect does a step or undoes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Forward.
    #[default]
    Do,
    /// Backward.
    Undo,
}

/// What a step kind is. Automatic retry follows this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Changes nothing: may be repeated at will.
    Read,
    /// Doing it twice is doing it once: may be repeated.
    Idempotent,
    /// Its job can tell whether it was done: repeated only after a probe said "not done".
    Probed,
    /// Never repeated without a person.
    Unsafe,
}

macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The word used in plans, journal and CLI.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl std::str::FromStr for $type {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text { $($word => Ok($type::$variant),)+ _ => Err(UnknownWord(text.to_string())) }
            }
        }
    };
}

/// A word that is none of those expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of the known words")]
pub struct UnknownWord(pub String);

words!(Mode: Live = "live", Drill = "drill", Preview = "preview");
words!(Direction: Do = "do", Undo = "undo");
words!(Class: Read = "read", Idempotent = "idempotent", Probed = "probed", Unsafe = "unsafe");
