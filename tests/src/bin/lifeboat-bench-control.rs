//! Takes the measures of `cargo xtask bench control` with the programs beside it, and prints them as JSON.

use clap::Parser;
use std::process::ExitCode;
use tests::bench::{Extent, MEASURES};

/// Measures the control plane.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often what is cheap is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A tenth of the work.
    #[arg(long)]
    small: bool,
    /// Only these measures.
    #[arg(long, value_delimiter = ',')]
    measures: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let extent = Extent { rounds: arguments.rounds.max(1), small: arguments.small };
    let mut figures = serde_json::Map::new();
    for (name, measure) in MEASURES {
        if !arguments.measures.is_empty() && !arguments.measures.iter().any(|wanted| wanted == name) {
            continue;
        }
        eprintln!("measuring: {name}");
        match measure(extent).await {
            Ok(figure) => drop(figures.insert((*name).to_owned(), figure)),
            Err(failure) => {
                eprintln!("{name}: {}", failure.chain());
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{:#}", serde_json::Value::Object(figures));
    ExitCode::SUCCESS
}
