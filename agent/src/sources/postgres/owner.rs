//! PostgreSQL's own programs, run as the user to whom a data folder belongs: they refuse to be root, and what
//! they write must be the server's.

use crate::jobs::child::{self, Exit, Program};
use crate::jobs::{Context, End};
use model::Problem;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// As whom a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// As the agent itself.
    Ourselves,
    /// As another user, which takes root.
    User {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Owner {
    /// Whoever owns a data folder.
    pub fn of(data: &Path) -> Result<Owner, Problem> {
        let found = std::fs::metadata(data).map_err(|error| {
            Problem::new(
                "LB2373",
                format!("the data folder {} cannot be read", data.display()),
                "See `data` of the source in the agent's policy, and whether the folder is there.",
            )
            .caused_by(&error)
        })?;
        match (rustix::process::geteuid().as_raw(), found.uid()) {
            (0, 0) => Err(Problem::new(
                "LB2373",
                format!("the data folder {} belongs to root, who runs no PostgreSQL", data.display()),
                "Give it to the user that the server runs as.",
            )),
            (0, uid) => Ok(Owner::User { uid, gid: found.gid() }),
            (_, _) => Ok(Owner::Ourselves),
        }
    }

    /// Gives a file or folder that we made to the owner.
    pub fn give(&self, path: &Path) -> std::io::Result<()> {
        match self {
            Owner::Ourselves => Ok(()),
            Owner::User { uid, gid } => std::os::unix::fs::lchown(path, Some(*uid), Some(*gid)),
        }
    }
}

/// Runs a program to its end, which must be a good one. Never give it a secret as an argument.
pub async fn run(
    context: &Context,
    owner: &Owner,
    program: &Path,
    args: &[String],
    environment: Vec<(String, String)>,
) -> Result<Exit, End> {
    let name = program.file_name().map(|name| name.to_string_lossy().to_string()).unwrap_or_default();
    let exit = any_end(context, owner, program, args, environment, None).await?;
    if exit.code == Some(0) {
        return Ok(exit);
    }
    Err(End::Failed(
        Problem::new(
            "LB2375",
            format!("{name} ended with {}", exit.words()),
            "Read what it said, mend the cause, then retry: what was begun is begun anew.",
        )
        .with_log(exit.tail),
    ))
}

/// The same, whatever its end.
pub async fn any_end(
    context: &Context,
    owner: &Owner,
    program: &Path,
    args: &[String],
    environment: Vec<(String, String)>,
    stdout: Option<Stdio>,
) -> Result<Exit, End> {
    let (path, args) = match owner {
        Owner::Ourselves => (program.to_path_buf(), args.to_vec()),
        Owner::User { uid, gid } => {
            let mut all =
                vec![format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_string()];
            all.extend(["--".to_string(), program.display().to_string()]);
            all.extend(args.iter().cloned());
            (PathBuf::from("/usr/bin/setpriv"), all)
        }
    };
    let mut all = vec![
        ("LC_ALL".to_string(), "C".to_string()),
        // libpq looks for certificates in a home that the other user may not read.
        ("HOME".to_string(), "/nonexistent".to_string()),
    ];
    all.extend(environment);
    let program = Program { path, args, environment: all, stdin: Stdio::null(), stdout };
    child::start(context, program)?.wait(context).await
}
