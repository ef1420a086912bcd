//! What can go wrong with a part: each message names the operation, the object, and what to look at.

use std::{path::PathBuf, time::Duration};

/// A part could not do what a test or the demo asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The operating system refused: what was being done, and its answer.
    #[error("cannot {what}")]
    Io {
        /// The operation and its object, as in "create /tmp/x".
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program is not installed.
    #[error(
        "{program} is not installed; run `cargo xtask packages`, which lists or installs what is missing"
    )]
    Missing {
        /// The program looked for.
        program: String,
    },
    /// A program ended, or ended badly.
    #[error("{program} ended with {status}; its last lines ({log}):\n{tail}", log = log.display())]
    Ended {
        /// The program's name.
        program: String,
        /// Its exit status in words.
        status: String,
        /// Where all of its output is.
        log: PathBuf,
        /// The last lines of that output.
        tail: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {within:?}; seen last: {last}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// The bound.
        within: Duration,
        /// The last thing that was seen instead.
        last: String,
    },
    /// A statement failed.
    #[error("SQL failed on {server}: {statement}")]
    Sql {
        /// The server, as address and port.
        server: String,
        /// The statement or the operation.
        statement: String,
        /// The driver's answer.
        source: sqlx::Error,
    },
    /// A name could not be resolved.
    #[error("{server} gave no address for {name}: {why}")]
    Resolve {
        /// The server asked.
        server: String,
        /// The name asked for.
        name: String,
        /// What came instead.
        why: String,
    },
    /// What was found is not what was promised.
    #[error("{0}")]
    Unexpected(String),
}

impl Failure {
    /// A closure for `map_err` that says what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The message and all of its causes, on one line each.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str("\n  because: ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}
