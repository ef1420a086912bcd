//! Run a script that the policy lists by path and SHA-256.
//!
//! The digest is taken from the file just before it is run. Root or the agent's own user owns it, and every
//! folder on its way with links resolved, and nobody else may write them; so neither it nor what its path
//! means can change between the look and the run. What runs is that resolved path.

use super::child::{self, Exit, Program};
use super::{Context, End, Job, Preview, Probe};
use model::Problem;
use model::jobs::{Command, CommandOutput};
use runtime::crash;
use sha2::Digest as _;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Largest script that is read.
const MAX_SCRIPT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of output that are reported.
const MAX_PRINTED_BYTES: usize = 4096;

impl Job for Command {
    type Output = CommandOutput;

    async fn perform(&self, context: &Context) -> Result<CommandOutput, End> {
        let exit = run(context, &self.script, &self.args).await?;
        match exit.code {
            Some(0) => Ok(CommandOutput { exit_code: 0, printed: printed(&exit.tail) }),
            _ => Err(End::Failed(
                Problem::new(
                    "LB2217",
                    format!("the script {} ended with {}", self.script.display(), exit.words()),
                    "Read its last lines, mend the cause, then retry or skip the step.",
                )
                .with_log(exit.tail),
            )),
        }
    }

    async fn probe(&self, _: &Context) -> Probe {
        Probe::CannotTell(Problem::new(
            "LB2218",
            format!("nobody but its author knows whether {} did its work", self.script.display()),
            "It no longer runs. Look at what it should have done, then settle it with `lifeboat answer`.",
        ))
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        verify(context, &self.script).map_err(End::Refused)?;
        Ok(Preview { would: vec![format!("run {}, whose digest is the listed one", self.script.display())] })
    }
}

/// Runs a listed script to its end.
pub async fn run(context: &Context, script: &Path, args: &[String]) -> Result<Exit, End> {
    let resolved = verify(context, script).map_err(End::Refused)?;
    context.phase("run");
    context.may_act()?;
    let program = Program {
        path: resolved,
        args: args.to_vec(),
        environment: Vec::new(),
        stdin: Stdio::null(),
        stdout: None,
    };
    let running = child::start(context, program)?;
    crash::point("script-started");
    let exit = running.wait(context).await;
    crash::point("script-ended");
    exit
}

/// Is the file on disk the one that the policy lists? Gives its path with links resolved: the one to run.
pub fn verify(context: &Context, script: &Path) -> Result<PathBuf, Problem> {
    let refused = |why: String, advice: &str| {
        Problem::new("LB2188", format!("the script {} is not run: {why}", script.display()), advice)
    };
    let Some(listed) = context.policy.script(script) else {
        return Err(refused(
            "the policy does not list it".into(),
            "Let root add it to the policy's `scripts`.",
        ));
    };
    let unreadable = |error: std::io::Error| {
        refused("it cannot be read".into(), "Install it, or mend its permissions.").caused_by(&error)
    };
    let resolved = script.canonicalize().map_err(unreadable)?;
    let file = std::fs::File::open(&resolved).map_err(unreadable)?;
    for place in resolved.ancestors() {
        let metadata = match place == resolved {
            true => file.metadata(),
            false => std::fs::symlink_metadata(place),
        };
        let metadata = metadata.map_err(unreadable)?;
        if others_may_change(&metadata) {
            let (user, mode) = (metadata.uid(), metadata.mode() & 0o7777);
            return Err(refused(
                format!("user {user} or others may change {} (mode {mode:04o})", place.display()),
                "Let root own the script and every folder above it, and chmod go-w them.",
            ));
        }
    }
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0u8; 64 * 1024];
    let mut file = file.take(MAX_SCRIPT_BYTES);
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    let found = hex::encode(hash.finalize());
    if found != listed.sha256 {
        return Err(refused(
            format!("its SHA-256 is {found}, the policy lists {}", listed.sha256),
            "Look at what changed it. If the change is wanted, let root list the new digest.",
        ));
    }
    Ok(resolved)
}

/// May anybody but root and ourselves write this, or replace what stands in it? In a sticky folder like /tmp
/// others may add names; those that root or we own they can neither rename nor remove.
fn others_may_change(metadata: &std::fs::Metadata) -> bool {
    let owner = metadata.uid();
    let trusted = owner == 0 || owner == rustix::process::geteuid().as_raw();
    let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    !trusted || (metadata.mode() & 0o022 != 0 && !sticky)
}

/// The end of the output, cut at a character.
fn printed(tail: &[String]) -> String {
    let text = tail.join("\n");
    let mut from = text.len().saturating_sub(MAX_PRINTED_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_string()
}
