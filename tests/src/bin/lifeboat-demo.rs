//! The demo: plays the story live in the terminal. Ctrl-C stops it and leaves nothing behind.

use std::process::ExitCode;

use tests::{
    Failure,
    client::install_tls,
    story::{
        play::play,
        voice::{Audience, Voice},
        world::World,
    },
};

#[tokio::main]
async fn main() -> ExitCode {
    install_tls();
    let played = tokio::select! {
        played = demo() => played,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\nstopped");
            return ExitCode::FAILURE;
        }
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nthe demo failed: {}", failure.chain());
            eprintln!("set LIFEBOAT_KEEP=1 to keep its folder with all logs");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<(), Failure> {
    println!("Lifeboat: a region fails over for real.\nPreparing two databases and a name server …");
    let voice = Voice::new(Audience::People);
    let mut world = World::build().await?;
    play(&mut world, &voice).await.map(drop)
}
