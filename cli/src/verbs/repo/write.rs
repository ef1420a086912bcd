//! Making repositories and copies.

use std::path::PathBuf;

use clap::Args;
use report::units;
use repository::storage::PackClass;
use repository::{Archive, InitOptions, Quarter, Repository};
use runtime::lifecycle::Exit;

use super::look::find;
use super::open::Job;
use super::progress::during;
use crate::failure::Failure;
use crate::screen;

/// `repo init`
#[derive(Debug, Args)]
pub struct Init {
    /// Make an archive: it takes the snapshots of this quarter, its data goes into GLACIER or DEEP_ARCHIVE,
    /// and nothing is ever taken out.
    #[arg(long, value_name = "CLASS", num_args = 0..=1, default_missing_value = "DEEP_ARCHIVE")]
    archive: Option<PackClass>,
}

/// `repo copy`
#[derive(Debug, Args)]
pub struct Copy {
    /// The other repository.
    #[arg(long, value_name = "REPO")]
    to: String,
    /// File with its password; without it, the same password is used.
    #[arg(long, value_name = "FILE")]
    to_password_file: Option<PathBuf>,
    /// Which snapshots: ids, or `latest`; without any, all.
    snapshots: Vec<String>,
}

pub fn init(job: &Job<'_>, args: &Init) -> Result<Exit, Failure> {
    let (storage, password, options) = (job.storage()?, job.password()?, InitOptions::default());
    let repo = match args.archive {
        Some(class) => {
            let generation = Quarter::of(jiff::Timestamp::now());
            Repository::init_archive(storage, &password, options, Archive { class, generation })?
        }
        None => Repository::init(storage, &password, options)?,
    };
    warn_of_rules(&repo);
    let made = serde_json::json!({
        "id": repo.id().to_string(), "location": repo.location(),
        "archive": repo.archive().map(|archive| archive.generation.to_string()),
    });
    screen::show(job.cli.output, &made, || {
        screen::wrapped(&format!(
            "made repository {} at {}\nWithout its password nothing can be read: keep it in a second place.",
            repo.id().short(),
            repo.location()
        ))
    });
    Ok(Exit::Done)
}

/// Once in a run, since a rule that destroys old packs is made by somebody else and later. Who may not look
/// at rules is told by the check.
pub fn warn_of_rules(repo: &Repository) {
    for finding in repo.dangerous_rules().unwrap_or_default() {
        screen::say(format!("{} {}: it {}", finding.code, finding.detail, finding.reason));
    }
}

pub fn copy(job: &Job<'_>, args: &Copy) -> Result<Exit, Failure> {
    let from = job.open()?;
    let to = job.open_other(&args.to, args.to_password_file.as_deref())?;
    let snapshots = match args.snapshots.as_slice() {
        [] => from.snapshots()?,
        some => some.iter().map(|id| find(&from, id)).collect::<Result<_, _>>()?,
    };
    let done = during("copying", job.monitor, || from.copy(&to, &snapshots, job.monitor))?;
    let copied = serde_json::json!({
        "copied": done.copied.iter().map(|(from, to)| [from.to_string(), to.to_string()]).collect::<Vec<_>>(),
        "present": done.present.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "blobs": done.blobs,
        "bytes_stored": done.stored_bytes,
    });
    screen::show(job.cli.output, &copied, || {
        screen::wrapped(&format!(
            "{} snapshots copied to {}, {} were there; {} stored",
            done.copied.len(),
            to.location(),
            done.present.len(),
            units::bytes(done.stored_bytes)
        ))
    });
    Ok(Exit::Done)
}
