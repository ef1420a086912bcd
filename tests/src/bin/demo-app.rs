//! The demo's app as a program: `demo-app --listen ADDR --database URL --region NAME`.

use std::{net::SocketAddr, process::ExitCode};

use clap::Parser;
use tests::app::{Settings, serve};

/// An HTTP app that writes to the PostgreSQL of its region.
#[derive(Parser)]
struct Arguments {
    /// Where to serve HTTP, as address:port.
    #[arg(long)]
    listen: SocketAddr,
    /// The database of this region, as postgres://user@host:port/name.
    #[arg(long)]
    database: String,
    /// The name of this region.
    #[arg(long)]
    region: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { listen, database, region } = Arguments::parse();
    match serve(Settings { listen, database, region }).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("demo-app: {}", failure.chain());
            ExitCode::FAILURE
        }
    }
}
