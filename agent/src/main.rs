//! `lifeboat-agent`: logs, settings, build, run, drain, exit code.

use agent::settings::Settings;
use agent::{app, identity, spool};
use clap::{Parser, Subcommand};
use model::{HostName, Problem};
use runtime::Explained as _;
use runtime::clock::Clock;
use runtime::lifecycle::{Exit, Shutdown};
use runtime::settings::{Sources, environment, load, sample};
use runtime::tasks::{Policy, Tasks};
use runtime::telemetry;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A backup's small pieces come from a dozen threads; glibc keeps them in as many arenas.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long jobs may take to stop when the agent stops.
const DRAIN: Duration = Duration::from_secs(30);

#[derive(Parser)]
#[command(
    name = "lifeboat-agent",
    version,
    about = "Lifeboat's agent: does on this host what a controller orders and its policy allows"
)]
struct Args {
    /// The settings file.
    #[arg(long, global = true, default_value = "/etc/lifeboat/agent.yaml", env = "LIFEBOAT_AGENT_CONFIG")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run until SIGTERM.
    Run,
    /// Get this host's certificate for a one-time token.
    Enrol {
        /// The controller, host:port; the first of the settings when absent.
        #[arg(long)]
        controller: Option<String>,
        /// A file with the token; `-` reads it from stdin.
        #[arg(long)]
        token_file: PathBuf,
    },
    /// Move a spool that cannot be used aside. What it knew is lost: open attempts of this host become unknown.
    ResetSpool {
        /// Yes, lose what it knew.
        #[arg(long, required = true)]
        accept_loss: bool,
    },
    /// Print a settings file with every key explained.
    SampleSettings,
    /// Become a program inside a control group: how a supervised server of a leased source begins.
    #[command(hide = true)]
    Within {
        /// The folder of the group.
        group: PathBuf,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        argv: Vec<std::ffi::OsString>,
    },
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Exit {
    let args = Args::parse();
    runtime::tls::use_ring();
    if matches!(args.verb, Verb::SampleSettings) {
        print!("{}", sample::<Settings>());
        return Exit::Done;
    }
    if let Verb::Within { group, argv } = &args.verb {
        return within(group, argv);
    }
    let sources = Sources { file: Some(args.config), env: &environment, flags: Vec::new() };
    let settings: Settings = match load(&sources) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{}", error.explain());
            return Exit::Usage;
        }
    };
    let done = match args.verb {
        Verb::Run => run(&settings).await,
        Verb::Enrol { controller, token_file } => enrol(&settings, controller, &token_file).await,
        Verb::ResetSpool { .. } => reset_spool(&settings),
        Verb::SampleSettings | Verb::Within { .. } => Ok(Exit::Done),
    };
    done.unwrap_or_else(|problem| {
        eprintln!("{problem}\n  what to do: {}", problem.advice);
        Exit::No
    })
}

async fn run(settings: &Settings) -> Result<Exit, Problem> {
    let telemetry =
        telemetry::start("lifeboat-agent", &settings.telemetry).map_err(|error| error.problem())?;
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    let signals = shutdown.listen().map_err(|error| {
        Problem::new("LB2162", "signals cannot be heard", "Report this.").caused_by(&error)
    })?;
    tasks.spawn("signals", Policy::BACKGROUND, async move {
        signals.await;
        Ok::<_, std::convert::Infallible>(())
    });
    if let Some(address) = settings.telemetry.metrics {
        let served = telemetry::endpoint::serve(&tasks, address, Arc::new(|| Ok(()))).await;
        served.map_err(|error| error.problem())?;
    }
    let desk = app::start(settings, &tasks).await?;
    tracing::info!(host = %settings.host, "agent runs");
    shutdown.requested().await;
    desk.shut().await;
    let exit = tasks.run(DRAIN).await;
    telemetry.stop(Duration::from_secs(5)).await;
    Ok(exit)
}

/// Returns only when it fails.
fn within(group: &std::path::Path, argv: &[std::ffi::OsString]) -> Exit {
    use std::os::unix::process::CommandExt as _;
    let error = match (agent::services::group::enter(group), argv.split_first()) {
        (Err(error), _) => error,
        (Ok(()), Some((program, args))) => std::process::Command::new(program).args(args).exec(),
        (Ok(()), None) => std::io::Error::other("no program"),
    };
    let problem = Problem::new(
        "LB2442",
        format!("a server cannot begin in the control group {}", group.display()),
        "Does the agent run as root, and is the program there?",
    );
    eprintln!("{}", problem.caused_by(&error));
    Exit::No
}

async fn enrol(
    settings: &Settings,
    controller: Option<String>,
    token_file: &std::path::Path,
) -> Result<Exit, Problem> {
    let host = HostName::new(settings.host.clone())
        .map_err(|error| Problem::new("LB2161", error.to_string(), "Set `host` in the agent's settings."))?;
    let address = controller.or_else(|| settings.controllers.first().cloned()).unwrap_or_default();
    let token = read_token(token_file)?;
    let files = identity::Files::new(&settings.state);
    identity::enrol(&files, &host, &address, &token, Clock::system().now()).await?;
    // Whoever enrols it says whom it believes: the next controller's key is pinned anew.
    agent::rescue::forget(&settings.state)?;
    println!("{host} is enrolled with {address}");
    Ok(Exit::Done)
}

fn read_token(path: &std::path::Path) -> Result<String, Problem> {
    let read = match path.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin().lock()),
        false => std::fs::read_to_string(path),
    };
    read.map_err(|error| {
        Problem::new("LB2163", format!("cannot read the token from {}", path.display()), "Check the path.")
            .caused_by(&error)
    })
}

fn reset_spool(settings: &Settings) -> Result<Exit, Problem> {
    let aside = spool::Spool::reset(&settings.state, Clock::system().now()).map_err(|error| {
        Problem::new("LB2164", "the spool cannot be moved aside", "Is the agent stopped, and are you root?")
            .caused_by(&error)
    })?;
    println!("the old spool is kept as {}", aside.display());
    Ok(Exit::Done)
}
