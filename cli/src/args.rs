//! The command line: nouns with verbs for things that are many, plain verbs for what people do under
//! stress.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Disaster recovery that runs.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, about, max_term_width = 80)]
pub struct Cli {
    /// How results are written on stdout.
    #[arg(long, global = true, value_enum, default_value = "table", env = "LIFEBOAT_OUTPUT")]
    pub output: Format,
    /// Folder with the login made by `lifeboat login` (default: ~/.config/lifeboat).
    #[arg(long, global = true, env = "LIFEBOAT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Answer yes wherever it would ask. What was asked is still shown.
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// OTLP endpoint to which traces are sent, like http://127.0.0.1:4317.
    #[arg(long, global = true, env = "LIFEBOAT_OTLP")]
    pub otlp: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Result format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, at most 80 columns.
    Table,
    /// For programs.
    Json,
}

/// Verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Get a certificate of 12 hours from a controller, with a token made for you or its admin token.
    Login(Login),
    /// Check an estate's folder, show what would change, and send it.
    Apply(Apply),
    /// How hosts, sources, checks and open runs are.
    Status,
    /// Run a plan and watch it. Ctrl-C detaches, the run goes on.
    Run(Run),
    /// Watch a run; without a name, the newest open one.
    Watch(OneRun),
    /// Answer the question that a run waits with: yes.
    Approve(Approve),
    /// Settle an attempt whose outcome nobody can tell.
    Answer(Answer),
    /// Try a failed step again.
    Retry(OneStep),
    /// Count a failed step as done and go on.
    Skip(OneStep),
    /// Ask two people whether the run may go on with less evidence than its fence demands.
    Waive(OneStep),
    /// Undo what the run has done, newest first.
    Unwind(Command),
    /// End a run that waits or is stuck.
    End(Command),
    /// Stop what runs and end the run.
    Cancel(Command),
    /// Start nothing new.
    Pause(Command),
    /// Go on after a pause.
    Resume(Command),
    /// Back a source up now.
    Backup(Backup),
    /// Restore points of a source.
    Points(Points),
    /// Restore a point beside the live data, and check the copy.
    Restore(Restore),
    /// Restore a point into a scratch copy, compare, drop it.
    Prove(Point),
    /// Ask checks now.
    Check(Check),
    /// Start services.
    Start(Services),
    /// Stop services.
    Stop(Services),
    /// Restart services.
    Restart(Services),
    /// Runs of the past and the open ones.
    #[command(subcommand)]
    Runs(Runs),
    /// Plans.
    #[command(subcommand)]
    Plan(Plan),
    /// Repositories by hand: back up, restore, check, prune. No controller is needed.
    Repo(Box<crate::verbs::repo::Repo>),
    /// Who did what, and whether the record of it is whole.
    #[command(subcommand)]
    Audit(Audit),
    /// One-time tokens with which hosts enrol and people log in.
    #[command(subcommand)]
    Token(Token),
    /// Begin again on this machine, from a rescue bundle: all controllers and their database are gone.
    Rescue(Rescue),
}

/// `login`
#[derive(Debug, Args)]
pub struct Login {
    /// The controller, `host:port`; of several, each, with commas between them: whichever leads is asked.
    pub address: String,
    /// File with the token; `-` reads it from stdin. Asked for on the terminal when absent.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// Who you are: the name for which the token was made.
    #[arg(long, default_value = "admin")]
    pub user: String,
}

/// `apply`
#[derive(Debug, Args)]
pub struct Apply {
    /// The estate's folder.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Only show what would change.
    #[arg(long)]
    pub dry_run: bool,
}

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// The plan's name.
    pub plan: String,
    /// live, drill, or preview ("would you?": nothing is done).
    #[arg(long, default_value = "live")]
    pub mode: String,
    /// Inputs, `name=value`.
    #[arg(long = "input", short)]
    pub inputs: Vec<String>,
    /// Start it and return.
    #[arg(long)]
    pub detach: bool,
}

/// Names a run.
#[derive(Debug, Args)]
pub struct OneRun {
    /// The run's id, or the last digits of it.
    pub run: Option<String>,
}

/// `approve`
#[derive(Debug, Args)]
pub struct Approve {
    /// The run; without a name, the newest open one.
    pub run: Option<String>,
    /// The step whose question it is, when several wait.
    pub step: Option<String>,
    /// Say no.
    #[arg(long)]
    pub decline: bool,
    /// Decide alone, because nobody else is there. Everybody is told, and the report opens with it.
    #[arg(long, conflicts_with = "decline", requires = "reason")]
    pub break_glass: bool,
    /// Why.
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// `answer`
#[derive(Debug, Args)]
pub struct Answer {
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// Only the attempt on this target, like source/tutor-db@db-2; all of the step when absent.
    #[arg(long)]
    pub target: Option<String>,
    /// The effect happened.
    #[arg(long, conflicts_with = "not_done", required_unless_present = "not_done")]
    pub done: bool,
    /// The effect did not happen.
    #[arg(long)]
    pub not_done: bool,
    /// How you know.
    #[arg(long)]
    pub reason: String,
}

/// Names a step of a run.
#[derive(Debug, Args)]
pub struct OneStep {
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// Why.
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// Commands a whole run.
#[derive(Debug, Args)]
pub struct Command {
    /// The run.
    pub run: String,
    /// Why.
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// `backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// The source.
    pub source: String,
    /// The repository.
    #[arg(long)]
    pub to: String,
    /// The member host whose agent does it.
    #[arg(long)]
    pub on: Option<String>,
}

/// `points`
#[derive(Debug, Args)]
pub struct Points {
    /// The source.
    pub source: String,
    /// How many.
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
}

/// Names a restore point and who restores it.
#[derive(Debug, Args)]
pub struct Point {
    /// The source.
    pub source: String,
    /// The repository.
    #[arg(long)]
    pub from: String,
    /// `latest`, a snapshot's id, or a time like 2026-11-20T21:04:05Z.
    #[arg(long, default_value = "latest")]
    pub point: String,
    /// The member host whose agent does it.
    #[arg(long)]
    pub on: Option<String>,
}

/// `restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// What is restored, and where.
    #[command(flatten)]
    pub point: Point,
    /// Name of the copy: a database, or an absolute folder. Made from the source's name when absent.
    #[arg(long)]
    pub into: Option<String>,
}

/// Where something is done.
#[derive(Debug, Args)]
pub struct Place {
    /// In which region.
    #[arg(long, conflicts_with = "on")]
    pub region: Option<String>,
    /// On which hosts.
    #[arg(long)]
    pub on: Vec<String>,
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// Names of checks.
    #[arg(required = true)]
    pub checks: Vec<String>,
    /// Where they are asked.
    #[command(flatten)]
    pub place: Place,
}

/// `start`, `stop`, `restart`
#[derive(Debug, Args)]
pub struct Services {
    /// Names of services.
    #[arg(required = true)]
    pub services: Vec<String>,
    /// Where they run.
    #[command(flatten)]
    pub place: Place,
}

/// `runs`
#[derive(Debug, Subcommand)]
pub enum Runs {
    /// Newest first.
    List {
        /// Only those that have not ended.
        #[arg(long)]
        open: bool,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One run with its steps and report.
    Show(OneRun),
}

/// `plan`
#[derive(Debug, Subcommand)]
pub enum Plan {
    /// Check an estate's folder offline: every problem at once, with its place.
    Check(crate::verbs::plan::check::Args),
    /// What a plan would do, to which host, in what order and how long: offline, nothing is sent.
    Explain(crate::verbs::plan::explain::Args),
    /// Lay files out in the one canonical way; comments stay.
    Fmt(crate::verbs::plan::fmt::Args),
    /// Plans as runbooks for people: to print, and to follow by hand when Lifeboat itself is gone.
    Render(crate::verbs::plan::render::Args),
    /// What differs between two estates, by meaning: order and layout do not count.
    Diff(crate::verbs::plan::diff::Args),
    /// Draft an estate from a compose file, units of systemd or manifests of Kubernetes.
    Init(crate::verbs::plan::init::Args),
}

/// `audit`
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Find any change, removal or reordering in the journals of all runs.
    Verify {
        /// A checkpoint that you wrote down before, NUMBER:HASH; it must still be there.
        #[arg(long)]
        known: Option<String>,
    },
    /// What people did, newest first.
    List {
        /// Only of this run.
        run: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

/// `token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token with which one host enrols, or one person logs in. It is shown once.
    Create {
        /// The host.
        #[arg(long, required_unless_present = "user", conflicts_with = "user")]
        host: Option<String>,
        /// The person, by the name that the estate has for them.
        #[arg(long)]
        user: Option<String>,
        /// How long it may be used, at most 24h.
        #[arg(long, default_value = "15m")]
        lives: String,
    },
}

/// `rescue`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Rescue {
    /// What else.
    #[command(subcommand)]
    pub what: Option<RescueVerb>,
    /// What to begin with.
    #[command(flatten)]
    pub begin: Option<Begin>,
}

/// `rescue key`
#[derive(Debug, Subcommand)]
pub enum RescueVerb {
    /// Make the operators' offline key: the secret half in a file, the public half on stdout.
    Key {
        /// The file, on a medium that you will put into a drawer.
        #[arg(long)]
        to: PathBuf,
    },
}

/// How a rescue begins. The same command again goes on with it.
#[derive(Debug, Args)]
pub struct Begin {
    /// A rescue bundle, or the folder with them: then the newest.
    #[arg(long)]
    pub bundle: PathBuf,
    /// The file with the offline key.
    #[arg(long)]
    pub key: PathBuf,
    /// Where agents reach this machine, host:port. No DNS is needed. May be given several times.
    #[arg(long, required = true)]
    pub at: Vec<String>,
    /// A host or region that is gone, and not waited for. May be given several times.
    #[arg(long)]
    pub lost: Vec<String>,
    /// Folder of the rescue's store, CA and key.
    #[arg(long, default_value = "lifeboat-rescue")]
    pub data: PathBuf,
    /// Address and port that it listens at.
    #[arg(long, default_value = "0.0.0.0:7443")]
    pub listen: String,
    /// More settings, as a controller's settings file has them.
    #[arg(long)]
    pub settings: Option<PathBuf>,
    /// Begin above this epoch: agents have obeyed another rescue, which is gone for good.
    #[arg(long)]
    pub above: Option<u64>,
    /// Oldest bundle that is taken.
    #[arg(long, default_value = "48h")]
    pub max_age: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_answer_says_done_or_not_done_and_why() {
        let parse = |more: &[&str]| {
            Cli::try_parse_from(["lifeboat", "answer", "1234", "promote"].iter().chain(more).copied())
        };
        assert!(parse(&["--done", "--reason", "seen"]).is_ok());
        assert!(parse(&["--not-done", "--reason", "seen"]).is_ok());
        assert!(parse(&["--reason", "seen"]).is_err());
        assert!(parse(&["--done", "--not-done", "--reason", "seen"]).is_err());
        assert!(parse(&["--done"]).is_err());
    }

    #[test]
    fn a_rescue_begins_with_a_bundle_a_key_and_an_address_or_makes_a_key() {
        let parse = |more: &[&str]| Cli::try_parse_from(["lifeboat", "rescue"].iter().chain(more).copied());
        assert!(parse(&["key", "--to", "/mnt/stick/key"]).is_ok());
        assert!(parse(&["--bundle", "b", "--key", "k", "--at", "a:1", "--lost", "east"]).is_ok());
        assert!(parse(&["--bundle", "b", "--key", "k"]).is_err());
    }

    #[test]
    fn a_place_is_a_region_or_hosts_but_not_both() {
        assert!(Cli::try_parse_from(["lifeboat", "stop", "web", "--region", "east"]).is_ok());
        assert!(Cli::try_parse_from(["lifeboat", "stop", "web", "--on", "a", "--on", "b"]).is_ok());
        assert!(Cli::try_parse_from(["lifeboat", "stop", "web", "--region", "east", "--on", "a"]).is_err());
    }
}
