//! `lifeboat rescue`

use crate::args::{Begin, Cli, Rescue, RescueVerb};
use crate::failure::Failure;
use crate::screen;
use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use runtime::Explained as _;
use runtime::lifecycle::Exit;
use runtime::offline::{OfflineError, SecretKey};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

/// The program that a rescue is.
const CONTROLLER: &str = "lifeboat-controller";

/// Makes the offline key, or becomes the rescue.
pub fn rescue(cli: &Cli, args: &Rescue) -> Result<Exit, Failure> {
    match (&args.what, &args.begin) {
        (Some(RescueVerb::Key { to }), _) => key(cli, to),
        (None, Some(begin)) => Err(start(begin)),
        (None, None) => Err(Failure::usage(
            "LB4070",
            "nothing is said of what to begin with",
            "`lifeboat rescue --bundle FOLDER --key FILE --at HOST:PORT` begins a rescue, `lifeboat rescue key --to FILE` makes the offline key.",
        )),
    }
}

/// The secret half goes to a file, the public half to stdout.
fn key(cli: &Cli, to: &Path) -> Result<Exit, Failure> {
    let failed = |error: OfflineError| {
        let problem = error.problem();
        Failure { problem, exit: Exit::Usage }
    };
    let identity = Identity::generate();
    let recipient = identity.to_public().to_string();
    let key = SecretKey::make(identity.to_string().expose_secret(), &recipient).map_err(failed)?;
    key.store(to).map_err(failed)?;
    let public = key.public().to_string();
    screen::show(cli.output, &serde_json::json!({"public": public, "secret": to}), || public.clone());
    screen::say(format!("the offline key is {}: put it on two media, and off this machine", to.display()));
    screen::say(format!("in the settings of each controller, then restart it:\n  offline-key: {public}"));
    Ok(Exit::Done)
}

/// Returns only when it fails.
fn start(begin: &Begin) -> Failure {
    let program = program();
    let mut command = std::process::Command::new(&program);
    let text = |path: &Path| path.as_os_str().to_owned();
    if let Some(settings) = &begin.settings {
        command.arg("--config").arg(text(settings));
    }
    command.arg("--data").arg(text(&begin.data)).arg("--listen").arg(&begin.listen).arg("rescue");
    command.arg("--bundle").arg(text(&begin.bundle)).arg("--key").arg(text(&begin.key));
    for at in &begin.at {
        command.arg("--at").arg(at);
    }
    for lost in &begin.lost {
        command.arg("--lost").arg(lost);
    }
    if let Some(above) = begin.above {
        command.arg("--above").arg(above.to_string());
    }
    command.arg("--max-age").arg(&begin.max_age);
    let error = command.exec();
    let mut failure = Failure::no(
        "LB4071",
        format!("{} cannot be started", program.display()),
        "Install lifeboat-controller on this machine, beside this program.",
    );
    failure.problem = failure.problem.caused_by(&error);
    failure
}

/// Beside this program, or wherever the shell would find it.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|here| Some(here.parent()?.join(CONTROLLER)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(CONTROLLER))
}
