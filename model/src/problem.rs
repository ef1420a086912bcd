//! What went wrong, told so that a person knows what to do next.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Longest log tail that a problem carries, in lines.
pub const MAX_LOG_LINES: usize = 20;

/// Whether trying again can help. Decided where the error happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAdvice {
    /// The same attempt may work later.
    Transient,
    /// It will fail again until somebody changes something.
    #[default]
    Permanent,
}

/// An error with its code, cause and advice. It crosses the wire and stands in the journal, so it
/// never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// Stable code, `LB2301`.
    pub code: String,
    /// What failed: the operation and the object.
    pub message: String,
    /// The chain of causes, outermost first, none repeating another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
    /// Whether trying again can help.
    #[serde(default)]
    pub retry: RetryAdvice,
    /// The last lines that the failed thing logged, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Its numbers by name, for what must be told and approved exactly; most problems have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Problem {
    /// A permanent problem without causes.
    pub fn new(code: &str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            code: code.to_string(),
            message: message.into(),
            causes: Vec::new(),
            advice: advice.into(),
            retry: RetryAdvice::Permanent,
            log: Vec::new(),
            details: BTreeMap::new(),
        }
    }

    /// The same problem with one of its numbers.
    pub fn with_detail(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.details.insert(name.to_string(), value.to_string());
        self
    }

    /// The same problem with the cause chain of an error.
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            let text = cause.to_string();
            if !self.causes.contains(&text) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// The same problem, marked as one that may pass.
    pub fn transient(mut self) -> Self {
        self.retry = RetryAdvice::Transient;
        self
    }

    /// The same problem with the last lines of a log.
    pub fn with_log(mut self, lines: Vec<String>) -> Self {
        let skip = lines.len().saturating_sub(MAX_LOG_LINES);
        self.log = lines.into_iter().skip(skip).collect();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
