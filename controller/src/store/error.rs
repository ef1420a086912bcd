//! What can go wrong in the store.

use model::{Problem, RunId};
use std::path::PathBuf;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened.
    #[error("LB1201: the database {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: sqlx::Error,
    },
    /// Its tables cannot be brought up to date.
    #[error("LB1202: the tables of {} cannot be brought up to date", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: Box<sqlx::migrate::MigrateError>,
    },
    /// Another controller holds the data folder.
    #[error("LB1203: the data folder {} is held by {holder}", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// Who holds it, as it wrote itself down.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error("LB1204: the lock file {} cannot be {operation}", path.display())]
    LockFile {
        /// The file.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// A statement failed.
    #[error("LB1205: the store could not {operation}")]
    Query {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        error: sqlx::Error,
    },
    /// There is no space.
    #[error("LB1206: the disk is full: the store could not {operation}")]
    Full {
        /// What was tried.
        operation: &'static str,
    },
    /// The run has moved on since it was read.
    #[error("LB1207: run {run} stands at event {found}, not {expected}")]
    Moved {
        /// The run.
        run: RunId,
        /// What the writer had seen.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// Somebody else leads now.
    #[error("LB1208: this controller's epoch {ours} is over: epoch {current} leads")]
    EpochOver {
        /// Ours.
        ours: u64,
        /// Theirs.
        current: u64,
    },
    /// A row that cannot be what we wrote.
    #[error("LB1209: {what} is damaged: {why}")]
    Damaged {
        /// What: `event 7 of run …`.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// No such run.
    #[error("LB1210: there is no run {run}")]
    NoRun {
        /// Its id.
        run: RunId,
    },
    /// A value that cannot be written.
    #[error("LB1211: {what} cannot be written as JSON")]
    Unwritable {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        error: serde_json::Error,
    },
    /// The writer is gone: the process is stopping.
    #[error("LB1212: the store is closed")]
    Closed,
    /// Somebody else holds what a new run needs.
    #[error("LB1350: {resource} is held by run {run}, started by {by} at {since}")]
    Held {
        /// The resource.
        resource: String,
        /// Who holds it.
        run: RunId,
        /// Who started that.
        by: String,
        /// Since when.
        since: model::Micros,
    },
}

/// SQLite's result codes that mean what they say here. The low byte is the primary code.
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let sqlx::Error::Database(error) = error else { return None };
    error.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

impl StoreError {
    /// Wraps a failed statement.
    pub(crate) fn query(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
        move |error| match primary_code(&error) {
            Some(SQLITE_FULL) => StoreError::Full { operation },
            _ => StoreError::Query { operation, error },
        }
    }

    /// The disk failed under us: what was acknowledged may be gone, and trying again would only hide it.
    pub fn is_fatal(&self) -> bool {
        match self {
            StoreError::Query { error, .. } => is_device_error(error),
            _ => false,
        }
    }

    /// The same with code, causes and advice, for people.
    pub fn problem(&self) -> Problem {
        let text = self.to_string();
        let (code, message) = text.split_once(": ").unwrap_or(("LB1205", &text));
        let problem = Problem::new(code, message, self.advice());
        let problem = match std::error::Error::source(self) {
            Some(source) => problem.caused_by(source),
            None => problem,
        };
        match self {
            StoreError::Full { .. } | StoreError::Moved { .. } | StoreError::Held { .. } => {
                problem.transient()
            }
            _ => problem,
        }
    }

    fn advice(&self) -> String {
        match self {
            StoreError::Open { .. } | StoreError::LockFile { .. } => {
                "Does the data folder exist, and may this user write there?".to_string()
            }
            StoreError::Migrate { .. } => {
                "The folder was written by another version. Start that version, or restore the folder.".to_string()
            }
            StoreError::Locked { .. } => {
                "Stop that controller first, or give this one a data folder of its own.".to_string()
            }
            StoreError::Query { .. } => "Look at the controller's log and its disk.".to_string(),
            StoreError::Full { .. } => {
                "Make space on the controller's disk. Open runs go on by themselves then.".to_string()
            }
            StoreError::Moved { .. } => "Look at the run again, then repeat the command if it still fits.".to_string(),
            StoreError::EpochOver { .. } => {
                "Another controller has taken over. Talk to that one; this one must be stopped.".to_string()
            }
            StoreError::Damaged { .. } => {
                "Stop the controller and keep a copy of its data folder. Restore the folder from a backup; agents tell when it is too old.".to_string()
            }
            StoreError::NoRun { .. } => "`lifeboat status` lists the runs.".to_string(),
            StoreError::Unwritable { .. } => "This is a defect: report it with the controller's log.".to_string(),
            StoreError::Closed => "The controller is stopping. Try again when it is up.".to_string(),
            StoreError::Held { run, .. } => {
                format!(
                    "Wait for it (`lifeboat watch {run}`), or call it off (`lifeboat cancel {run}`); when its host does not answer, then `lifeboat end {run} --reason …`."
                )
            }
        }
    }
}

/// Whether the error says that the device failed, or that the file is not what it was.
fn is_device_error(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        other => matches!(primary_code(other), Some(SQLITE_IOERR | SQLITE_CORRUPT)),
    }
}
