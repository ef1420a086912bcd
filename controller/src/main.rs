//! `lifeboat-controller --config FILE`: settings, telemetry, start, say where, wait, drain, exit code.

use clap::Parser;
use controller::settings::Settings;
use runtime::settings::{Sources, environment, load};
use runtime::{Exit, Explained, Policy, Shutdown, Tasks, telemetry};
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
}

/// How long telemetry may take to send what it has.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Exit {
    let args = Args::parse();
    let flags = [("data", args.data), ("listen", args.listen)];
    let flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect();
    let settings: Settings = match load(&Sources { file: args.config, env: &environment, flags }) {
        Ok(settings) => settings,
        Err(error) => return fail(&error.explain(), Exit::Usage),
    };
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

/// Where it listens, and the admin token at the first start: on standard output, once.
fn announce(started: &controller::app::Started) {
    let mut out = std::io::stdout().lock();
    let mut lines = format!("listening on {}\n", started.address);
    if let Some(address) = started.metrics {
        lines.push_str(&format!("metrics on http://{address}/metrics\n"));
    }
    if let Some(token) = &started.admin_token {
        lines.push_str(&format!("admin token: {token}\n"));
    }
    // A closed standard output is no reason to stop.
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
}

fn fail(text: &str, exit: Exit) -> Exit {
    eprintln!("lifeboat-controller: {text}");
    exit
}
