//! A process that the agent supervises, by hand.

use super::Hand;
use crate::runbook::page::Line;
use crate::runbook::shell::Command;
use model::HostName;
use model::jobs::ServiceAction;
use model::nouns::ProcessSpec;

/// Start, stop, restart or look.
pub fn by_hand(host: &HostName, spec: &ProcessSpec, action: ServiceAction) -> Hand {
    let found = "Its process is listed, and no other of the same command.";
    match action {
        ServiceAction::Start => Hand::on(host, vec![started(spec), listed(spec)]).then(found),
        ServiceAction::Status => Hand::on(host, vec![listed(spec)]).then(found),
        ServiceAction::Stop => {
            let agent =
                Line::from("Where the agent is alive, stop it first: ").code("systemctl stop lifeboat-agent");
            Hand::on(host, stopped(spec)).first(agent.plain(".")).then("Nothing is listed.")
        }
        ServiceAction::Restart => {
            Hand::on(host, stopped(spec).into_iter().chain([started(spec), listed(spec)]).collect())
                .then(found)
        }
    }
}

/// Asks it to stop, gives it its time, and kills what is left.
pub fn stopped(spec: &ProcessSpec) -> Vec<Option<String>> {
    let kill = |signal: &str| {
        let kill = Command::new("pkill").option("--signal", signal);
        whose(kill, spec).args(["--full", "--exact"]).option("--", pattern(&spec.argv)).line()
    };
    let grace = spec.stop_grace.as_secs().max(1).to_string();
    vec![kill(&spec.stop_signal), Command::new("sleep").arg(grace).line(), kill("KILL"), listed(spec)]
}

fn listed(spec: &ProcessSpec) -> Option<String> {
    whose(Command::new("pgrep"), spec)
        .args(["--list-full", "--full", "--exact"])
        .option("--", pattern(&spec.argv))
        .line()
}

fn whose(command: Command, spec: &ProcessSpec) -> Command {
    match &spec.user {
        Some(user) => command.option("--euid", user),
        None => command,
    }
}

/// A process that outlives the shell in which it was begun.
fn started(spec: &ProcessSpec) -> Option<String> {
    let folder = spec.directory.as_ref().map(|folder| Command::new("cd").path(folder).raw("&&"));
    let mut command = folder.unwrap_or_else(Command::empty).args(["setsid", "--fork"]);
    if let Some(user) = &spec.user {
        command = command.args(["runuser", "-u", user, "--"]);
    }
    if !spec.environment.is_empty() {
        command =
            command.arg("env").args(spec.environment.iter().map(|(name, value)| format!("{name}={value}")));
    }
    command.args(&spec.argv).raw("</dev/null >/dev/null 2>&1").line()
}

/// The command line as pkill compares it: words with blanks between them, nothing of it a pattern.
fn pattern(argv: &[String]) -> String {
    let mut out = String::new();
    for c in argv.join(" ").chars() {
        if "\\^$.|?*+()[]{}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
