//! Run a script that the policy lists by path and SHA-256.
//!
//! The digest is taken from the file just before it is run. Root owns it and nobody else may write it
//! (checked on the opened file), so it cannot change between the look and the run.

use super::child::{self, Exit, Program};
use super::{Context, End, Job, Preview, Probe};
use model::Problem;
use model::jobs::{Command, CommandOutput};
use sha2::Digest as _;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
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
    verify(context, script).map_err(End::Refused)?;
    context.phase("run");
    context.may_act()?;
    let program = Program {
        path: script.to_path_buf(),
        args: args.to_vec(),
        environment: Vec::new(),
        stdin: Stdio::null(),
        stdout: None,
    };
    child::start(context, program)?.wait(context).await
}

/// Is the file on disk the one that the policy lists?
pub fn verify(context: &Context, script: &Path) -> Result<(), Problem> {
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
    let file = std::fs::File::open(script).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let own = rustix::process::geteuid().as_raw();
    if metadata.mode() & 0o022 != 0 || (metadata.uid() != 0 && metadata.uid() != own) {
        return Err(refused(
            format!("user {} or others may write it (mode {:04o})", metadata.uid(), metadata.mode() & 0o7777),
            "Let root own it and chmod go-w.",
        ));
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
    Ok(())
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
