//! What can go wrong in the store.

use model::{Problem, RunId};
use std::path::PathBuf;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened.
    #[error("LB1201: the database {database} cannot be opened")]
    Open {
        /// Its file, or where its server is.
        database: String,
        /// Why.
        #[source]
        error: sqlx::Error,
    },
    /// Its tables cannot be brought up to date.
    #[error("LB1202: the tables of {database} cannot be brought up to date")]
    Migrate {
        /// Its file, or where its server is.
        database: String,
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
    /// The device failed under a change.
    #[error("LB1220: the device failed while the store would {operation}")]
    Device {
        /// What was tried.
        operation: &'static str,
    },
    /// The database does not answer. Whether a commit that was under way stands is not known.
    #[error("LB1221: the database does not answer: the store could not {operation}")]
    Unreachable {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        error: sqlx::Error,
    },
    /// The server is a standby.
    #[error("LB1222: the database {database} follows another server and takes no writes")]
    Follower {
        /// Where it is.
        database: String,
    },
    /// A crash of the server may undo what it acknowledged.
    #[error("LB1223: the database {database} may lose commits that it acknowledged: {setting} is {value}")]
    LosesCommits {
        /// Where it is.
        database: String,
        /// The setting that is wrong.
        setting: String,
        /// What it is set to.
        value: String,
    },
    /// A lost disk of the server takes the journal with it.
    #[error("LB1224: the database {database} has no synchronous standby")]
    NoStandby {
        /// Where it is.
        database: String,
    },
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

/// PostgreSQL's code for a disk without space.
const DISK_FULL: &str = "53100";
/// Beginnings of PostgreSQL's codes for a server that cannot serve this connection (any more): connections
/// that failed, a session that was ended, a server that stops or starts, too many sessions, and one that
/// has become a standby.
const GONE: [&str; 5] = ["08", "25P03", "57P", "53300", "25006"];
/// How long PostgreSQL's codes are. SQLite's are numbers of at most four digits.
const SQLSTATE_LENGTH: usize = 5;

/// What a failed statement says of the database.
enum Says {
    /// Its disk is full.
    Full,
    /// It does not answer, or not us.
    Gone,
    /// Its device failed.
    Device,
    /// Something else.
    Other,
}

fn says(error: &sqlx::Error) -> Says {
    let code = match error {
        // SQLite is called, not connected to: these come from a server alone.
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => {
            return Says::Gone;
        }
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        _ => return Says::Other,
    };
    if code.len() == SQLSTATE_LENGTH {
        return match code.as_str() {
            DISK_FULL => Says::Full,
            code if GONE.iter().any(|gone| code.starts_with(gone)) => Says::Gone,
            _ => Says::Other,
        };
    }
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(SQLITE_FULL) => Says::Full,
        Ok(SQLITE_IOERR | SQLITE_CORRUPT) => Says::Device,
        Ok(_) | Err(_) => Says::Other,
    }
}

impl StoreError {
    /// Wraps a failed statement.
    pub(crate) fn query(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
        move |error| match says(&error) {
            Says::Full => StoreError::Full { operation },
            Says::Gone => StoreError::Unreachable { operation, error },
            Says::Device | Says::Other => StoreError::Query { operation, error },
        }
    }

    /// The disk failed under us: what was acknowledged may be gone, and trying again would only hide it.
    pub fn is_fatal(&self) -> bool {
        match self {
            StoreError::Device { .. } => true,
            StoreError::Query { error, .. } => matches!(says(error), Says::Device),
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
            StoreError::Full { .. }
            | StoreError::Moved { .. }
            | StoreError::Held { .. }
            | StoreError::Unreachable { .. } => problem.transient(),
            _ => problem,
        }
    }

    fn advice(&self) -> String {
        match self {
            StoreError::Open { .. } | StoreError::LockFile { .. } => {
                "Does the data folder exist, and may this user write there? Of a server: is its address right, does it run, and does it let this user in?".to_string()
            }
            StoreError::Migrate { .. } => {
                "It was written by another version. Start that version, or restore the database.".to_string()
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
            StoreError::Device { .. } => "Look at the controller's log and its disk.".to_string(),
            StoreError::Unreachable { .. } => {
                "Nothing goes on until it answers; then everything goes on by itself. Look at the server and at the way to it.".to_string()
            }
            StoreError::Follower { .. } => {
                "Give the address of the primary, or one that follows it, as `database` in the settings.".to_string()
            }
            StoreError::LosesCommits { .. } => {
                "Set fsync and full_page_writes to on, and synchronous_commit to on or remote_apply, for this server and for the user of this controller.".to_string()
            }
            StoreError::NoStandby { .. } => {
                "Give the server a synchronous standby (synchronous_standby_names). To run without one, set `database-without-standby: true`: when its disk is lost, the journal is.".to_string()
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
