//! `lifeboat-controller --config FILE`: settings, telemetry, start, say where, wait, drain, exit code.

use clap::{Parser, Subcommand};
use controller::rescue::begin::{self, Wanted};
use controller::rescue::import;
use controller::settings::Settings;
use model::Problem;
use runtime::settings::{Sources, environment, load};
use runtime::{Clock, Exit, Explained, Ids, Policy, Shutdown, Tasks, telemetry};
use std::convert::Infallible;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// The Lifeboat controller.
#[derive(Debug, Parser)]
#[command(name = "lifeboat-controller", version)]
struct Args {
    /// Settings file.
    #[arg(long, env = "LIFEBOAT_CONFIG_FILE")]
    config: Option<PathBuf>,
    /// Folder of store, CA and keys.
    #[arg(long)]
    data: Option<String>,
    /// Address and port for gRPC.
    #[arg(long)]
    listen: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Begin again from a rescue bundle, on any machine: all controllers and their database are gone.
    Rescue(Rescue),
    /// Take over the store of a rescue that is over, so that this controller may command again.
    Import(Import),
}

#[derive(Debug, clap::Args)]
struct Rescue {
    /// The bundle, or a folder with bundles: then the newest.
    #[arg(long)]
    bundle: PathBuf,
    /// The file with the operators' offline key.
    #[arg(long)]
    key: PathBuf,
    /// Where agents reach this machine, `host:port`; may be given several times.
    #[arg(long, required = true)]
    at: Vec<String>,
    /// A host or a region that is gone, and not waited for; may be given several times.
    #[arg(long)]
    lost: Vec<String>,
    /// Begin above this epoch: agents have obeyed another rescue, which is gone for good.
    #[arg(long)]
    above: Option<u64>,
    /// Oldest bundle that is taken.
    #[arg(long, default_value = "48h")]
    max_age: String,
}

#[derive(Debug, clap::Args)]
struct Import {
    /// The data folder of the rescue, stopped.
    #[arg(long)]
    from: PathBuf,
}

/// How long telemetry may take to send what it has.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Exit {
    let args = Args::parse();
    let flags = [("data", args.data), ("listen", args.listen)];
    let flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect();
    let mut settings: Settings = match load(&Sources { file: args.config, env: &environment, flags }) {
        Ok(settings) => settings,
        Err(error) => return fail(&error.explain(), Exit::Usage),
    };
    match &args.verb {
        None => {}
        Some(Verb::Rescue(rescue)) => match rescue_from(&mut settings, rescue).await {
            Ok(text) => say(&text),
            Err(problem) => return fail(&explained(&problem), Exit::Refused),
        },
        Some(Verb::Import(wanted)) => {
            return match import::import(&settings, &wanted.from, Clock::system().now()).await {
                Ok(text) => {
                    say(&text);
                    Exit::Done
                }
                Err(problem) => fail(&explained(&problem), Exit::Refused),
            };
        }
    }
    let telemetry = match telemetry::start("lifeboat-controller", &settings.telemetry) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(&error.explain(), Exit::Usage),
    };
    let tasks = Tasks::new(Shutdown::new());
    let signals = match tasks.shutdown().listen() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("LB1137: signals cannot be heard: {error}"), Exit::No),
    };
    tasks.spawn("signals", Policy::BACKGROUND, async move {
        signals.await;
        Ok::<_, Infallible>(())
    });
    let exit = match controller::app::start(&settings, &tasks).await {
        Ok(started) => {
            // None: it was stopped before it led. Whatever still holds the app may not keep the store open.
            if let Some(started) = started {
                announce(&started);
            }
            tasks.run(settings.drain).await
        }
        Err(error) => {
            tasks.stop(settings.drain).await;
            fail(&error.explain(), Exit::No)
        }
    };
    telemetry.stop(FLUSH_WITHIN).await;
    exit
}

/// Makes everything ready for the controller that starts then. Gives what is said of it.
async fn rescue_from(settings: &mut Settings, args: &Rescue) -> Result<String, Problem> {
    let max_age = model::duration::parse(&args.max_age)
        .map_err(|error| Problem::new("LB1247", error.to_string(), "Write --max-age 48h."))?;
    let wanted = Wanted {
        bundle: args.bundle.clone(),
        key: args.key.clone(),
        at: args.at.clone(),
        lost: args.lost.clone(),
        above: args.above,
        max_age,
    };
    let begun = begin::prepare(settings, &wanted, &Clock::system(), &Ids::system()).await?;
    let hosts: Vec<&str> = begun.waits_for.iter().map(model::HostName::as_str).collect();
    let again = if begun.again { " again" } else { "" };
    Ok(format!(
        "rescue {} begins{again} under epoch {}; its bundle is {} minutes old\nwaits for: {}\n\
         who is gone for good: stop this and say --lost HOST or --lost REGION\n\
         agents that do not ask {} by themselves: put {} on their hosts, in the folder `run` of their settings (/run/lifeboat)\n",
        begun.epoch.holder,
        begun.epoch.number,
        begun.bundle_age.as_secs() / 60,
        if hosts.is_empty() { "nobody".to_string() } else { hosts.join(", ") },
        args.at.join(", "),
        settings.data.join(controller::rescue::CALL_FILE).display(),
    ))
}

fn explained(problem: &Problem) -> String {
    format!("{problem}\n  advice: {}", problem.advice)
}

/// On standard output. A closed one is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Where it listens, and the admin token at the first start: on standard output, once.
fn announce(started: &controller::app::Started) {
    let mut lines = format!("listening on {}\n", started.address);
    if let Some(address) = started.metrics {
        lines.push_str(&format!("metrics on http://{address}/metrics\n"));
    }
    if let Some(token) = &started.admin_token {
        lines.push_str(&format!("admin token: {token}\n"));
    }
    if let Some(rescue) = &started.app.rescue {
        lines.push_str(&format!("rescue: {}\n", rescue.words()));
    }
    say(&lines);
}

fn fail(text: &str, exit: Exit) -> Exit {
    eprintln!("lifeboat-controller: {text}");
    exit
}
