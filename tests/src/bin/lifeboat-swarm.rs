//! Plays many agents for the measures of `cargo xtask bench control`, and writes what they did to a file again and
//! again.

use clap::Parser;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};
use tests::{
    Failure,
    swarm::{Member, Swarm},
};

/// How often the file is written.
const EVERY: Duration = Duration::from_millis(100);

/// Plays many agents until it is killed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the controller listens.
    #[arg(long)]
    controller: SocketAddr,
    /// The CA's certificate.
    #[arg(long)]
    ca: PathBuf,
    /// The agents: hosts, certificates and keys as JSON.
    #[arg(long)]
    members: PathBuf,
    /// Where the counts go.
    #[arg(long)]
    counts: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match play(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lifeboat-swarm: {}", failure.chain());
            ExitCode::FAILURE
        }
    }
}

async fn play(arguments: &Arguments) -> Result<(), Failure> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(Failure::io(format!("read {}", path.display())))
    };
    let members: Vec<Member> = serde_json::from_str(&read(&arguments.members)?)
        .map_err(|error| Failure::Unexpected(error.to_string()))?;
    let swarm = Swarm::start(arguments.controller, &read(&arguments.ca)?, members)?;
    let next = arguments.counts.with_extension("next");
    let mut told = String::new();
    loop {
        let text = serde_json::to_string(&swarm.counts()).unwrap_or_default();
        let written = std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, &arguments.counts));
        written.map_err(Failure::io(format!("write {}", arguments.counts.display())))?;
        let trouble = swarm.trouble();
        if trouble != told {
            eprintln!("{trouble}");
            told = trouble;
        }
        tokio::time::sleep(EVERY).await;
    }
}
