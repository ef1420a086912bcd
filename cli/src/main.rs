//! `lifeboat`: parse, do, show what went wrong, exit code.

mod args;
mod atomic;
mod failure;
mod folder;
mod live;
mod login;
mod screen;
mod session;
mod verbs;
mod yaml;

use clap::Parser as _;
use runtime::lifecycle::Exit;
use runtime::telemetry;
use std::time::Duration;
use tracing::Instrument as _;

/// A backup's small pieces come from a dozen threads; glibc keeps them in as many arenas.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long the last spans may take to leave.
const FLUSH: Duration = Duration::from_secs(2);

#[tokio::main(worker_threads = 2)]
async fn main() -> Exit {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit;
        }
    };
    runtime::tls::use_ring();
    let settings =
        telemetry::Settings { log: "warn".to_string(), otlp: cli.otlp.clone(), ..Default::default() };
    let telemetry = match telemetry::start("lifeboat", &settings) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            screen::problem(&runtime::Explained::problem(&error));
            return Exit::Usage;
        }
    };
    // The verb alone: its arguments may name what a trace should not.
    let verb = format!("{:?}", cli.verb).split(['(', ' ']).next().unwrap_or_default().to_lowercase();
    let span = tracing::info_span!("lifeboat", verb);
    let done = verbs::perform(&cli).instrument(span).await;
    telemetry.stop(FLUSH).await;
    done.unwrap_or_else(|failure| {
        screen::problem(&failure.problem);
        failure.exit
    })
}
