//! Why a command of ours did not do its job.

use std::process::ExitCode;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A program could not be started or a file could not be read.
    #[error("cannot {what}: {source}")]
    Io {
        /// The operation and its object.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program that we ran failed; its own output says why.
    #[error("{program} ended with {status}")]
    Program {
        /// The command line.
        program: String,
        /// Its status.
        status: String,
    },
    /// A program's output is not what we can read.
    #[error("cannot read the output of {program}: {why}")]
    Output {
        /// The command line.
        program: String,
        /// What is wrong with it.
        why: String,
    },
    /// Packages are missing and we may not install them.
    #[error("these Debian packages are missing: {}\n\nInstall them as root, then run this again:\n\n  {command}\n", packages.join(", "))]
    Packages {
        /// The packages.
        packages: Vec<String>,
        /// What to type.
        command: String,
    },
    /// The checks found something; it is printed above.
    #[error("{0} finding(s)")]
    Findings(usize),
    /// Tests failed; they are named above.
    #[error("tests failed")]
    Tests,
}

impl Failure {
    /// A closure for `map_err` that says what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// 1: the answer is no; 2: the command could not be carried out.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Findings(_) | Self::Tests | Self::Program { .. } => ExitCode::from(1),
            Self::Io { .. } | Self::Output { .. } | Self::Packages { .. } => ExitCode::from(2),
        }
    }
}
