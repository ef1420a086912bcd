//! Repositories as jobs use them: opened by reference, worked in a thread, watched and cancelled.
//!
//! The crate `repository` blocks, so its work runs on a blocking thread. A cancel sets the monitor's flag
//! and then waits for the thread's own end: nothing goes on behind a "cancelled".

use super::manifest::Manifest;
use super::secret;
use crate::jobs::{Context, End};
use model::nouns::{LockMode, RepositorySpec, StorageClass};
use model::{Problem, SnapshotId};
use repository::capture::METADATA_FILE;
use repository::storage::{
    self, PackClass, Retention, RetentionMode, S3Credentials, S3Options, StorageOptions,
};
use repository::{Class, Error, InitOptions, Location, Monitor, Password, Repository, SnapshotInfo};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at the monitor.
const WATCH_EVERY: Duration = Duration::from_millis(200);
/// Largest `lifeboat.json` that is read.
const MAX_MANIFEST_BYTES: usize = 64 * 1024 * 1024;

/// What to do when there is no repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Make one. Only with the guard's consent.
    Init,
    /// Say so.
    Fail,
}

/// Opens a repository with the password that its spec refers to.
pub async fn open(spec: &RepositorySpec, absent: Absent, context: &Context) -> Result<Arc<Repository>, End> {
    context.phase("open repository");
    let password = Password::new(secret::resolve(&spec.password)?.expose());
    let options = options(spec)?;
    let location = Location::parse(&spec.at).map_err(|error| told(&error))?;
    let guarded = context.clone();
    let opening = move || -> Result<Repository, End> {
        let storage = storage::open(&location, &options).map_err(|error| told(&error))?;
        match Repository::open(storage.clone(), &password) {
            Err(Error::NotARepository { .. }) if absent == Absent::Init => {
                guarded.may_act()?;
                match Repository::init(storage.clone(), &password, InitOptions::default()) {
                    // Another agent made it in this moment.
                    Err(Error::AlreadyInitialised { .. }) => {
                        Repository::open(storage, &password).map_err(|error| told(&error).into())
                    }
                    other => other.map_err(|error| told(&error).into()),
                }
            }
            other => other.map_err(|error| told(&error).into()),
        }
    };
    joined(tokio::task::spawn_blocking(opening).await)?.map(Arc::new)
}

/// Works with a repository in a thread, reporting progress, until its own end. A cancelled work ends in `Cancelled`.
pub async fn work<T: Send + 'static>(
    context: &Context,
    total_bytes: Option<u64>,
    work: impl FnOnce(&Monitor) -> Result<T, Error> + Send + 'static,
) -> Result<T, End> {
    let monitor = Arc::new(Monitor::new());
    let inside = monitor.clone();
    let thread = tokio::task::spawn_blocking(move || work(&inside));
    tokio::pin!(thread);
    let mut watch = tokio::time::interval(WATCH_EVERY);
    let mut cancelled = false;
    let ended = loop {
        tokio::select! {
            ended = &mut thread => break joined(ended)?,
            () = context.cancel.cancelled(), if !cancelled => {
                cancelled = true;
                monitor.cancel();
            }
            _ = watch.tick() => context.done_bytes(monitor.progress().bytes_done, total_bytes),
        }
    };
    match ended {
        Ok(value) => Ok(value),
        Err(Error::Cancelled) => Err(End::Cancelled),
        Err(_) if cancelled => Err(End::Cancelled),
        Err(error) => Err(End::Failed(told(&error))),
    }
}

/// The manifest of a snapshot, or what is wrong with it.
pub fn manifest(repository: &Repository, info: &SnapshotInfo, monitor: &Monitor) -> Result<Manifest, Error> {
    let mut text = Limited(Vec::new());
    repository.dump(info, METADATA_FILE, &mut text, monitor)?;
    serde_json::from_slice(&text.0).map_err(|error| Error::Damaged {
        object: format!("{METADATA_FILE} of snapshot {}", info.id.short()),
        detail: error.to_string(),
    })
}

/// A snapshot's id as the model has it.
pub fn id(id: repository::Id) -> Result<SnapshotId, Problem> {
    SnapshotId::new(id.to_string())
        .map_err(|error| Problem::new("LB2316", "a snapshot's id is no id", "Report this.").caused_by(&error))
}

/// A repository's error as a problem: its own code, causes and advice.
pub fn told(error: &Error) -> Problem {
    let mut advice = error.advice().to_string();
    if let Some(first) = advice.get(..1).map(str::to_uppercase) {
        advice.replace_range(..1, &first);
    }
    let problem = Problem::new(error.code(), error.to_string(), advice + ".");
    let problem = match std::error::Error::source(error) {
        Some(cause) => problem.caused_by(cause),
        None => problem,
    };
    if error.class() == Class::Transient { problem.transient() } else { problem }
}

fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> Result<T, End> {
    ended.map_err(|error| {
        End::Unknown(
            Problem::new(
                "LB2317",
                "the work in the repository broke off",
                "See the agent's log, and report this.",
            )
            .caused_by(&error),
        )
    })
}

struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_MANIFEST_BYTES {
            return Err(std::io::Error::other("the manifest is too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn options(spec: &RepositorySpec) -> Result<StorageOptions, Problem> {
    let credentials = match &spec.credentials {
        Some(reference) => {
            let text = secret::resolve_text(reference)?;
            Some(credentials(&text).ok_or_else(|| {
                Problem::new(
                    "LB2308",
                    format!(
                        "the S3 credentials in {reference} are not in the form of an AWS credentials file"
                    ),
                    "Write [default], aws_access_key_id = … and aws_secret_access_key = … into it.",
                )
            })?)
        }
        None => None,
    };
    let pack_class = spec.class.map(|class| match class {
        StorageClass::Standard => PackClass::Standard,
        StorageClass::StandardIa => PackClass::StandardIa,
        StorageClass::OnezoneIa => PackClass::OnezoneIa,
        StorageClass::IntelligentTiering => PackClass::IntelligentTiering,
        StorageClass::GlacierIr => PackClass::GlacierIr,
    });
    let retention = spec.object_lock.map(|lock| Retention {
        mode: match lock.mode {
            LockMode::Governance => RetentionMode::Governance,
            LockMode::Compliance => RetentionMode::Compliance,
        },
        days: lock.days,
    });
    let s3 = S3Options {
        pack_class,
        retention,
        endpoint: spec.endpoint.clone(),
        region: spec.s3_region.clone(),
        credentials,
        ..S3Options::default()
    };
    Ok(StorageOptions { s3 })
}

/// Reads the profile `default` of an AWS shared-credentials file.
fn credentials(text: &str) -> Option<S3Credentials> {
    let mut profile = "default";
    let mut found =
        S3Credentials { access_key_id: String::new(), secret_access_key: String::new(), session_token: None };
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            profile = name.trim();
        } else if let (Some((key, value)), "default") = (line.split_once('='), profile) {
            let value = value.trim().to_string();
            match key.trim() {
                "aws_access_key_id" => found.access_key_id = value,
                "aws_secret_access_key" => found.secret_access_key = value,
                "aws_session_token" => found.session_token = Some(value),
                _ => {}
            }
        }
    }
    (!found.access_key_id.is_empty() && !found.secret_access_key.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_default_profile_of_a_credentials_file_is_read() {
        let text = "# ours\n[other]\naws_access_key_id = no\n[default]\naws_access_key_id = A\naws_secret_access_key=B=\n";
        let found = credentials(text).unwrap();
        assert_eq!((found.access_key_id.as_str(), found.secret_access_key.as_str()), ("A", "B="));
        assert!(credentials("[default]\naws_access_key_id = A\n").is_none());
    }
}
