//! Controllers, agents, a network between them and people, in one thread and by one seed.
//!
//! The engine is the real one; around it stands what the programs around it do, in small: a store whose
//! appends are conditional on the run's row and on the epoch, drivers that commit before they act, agents
//! that know each token and compare the epoch on receipt and before the effect. What happens to them is
//! random: messages are dropped, delayed, doubled and overtake each other; agents die, hosts lose their
//! power or their network; a controller dies or stands still, another takes over, and the first wakes up;
//! clocks are set; disks are full. After two minutes all of it heals, and what must hold is looked at.
//!
//! The same seed gives the same story, and its trace the same hash.

mod agent;
mod controller;
mod faults;
mod judge;
mod life;
mod message;
mod person;
mod sessions;
mod store;
mod world;

use std::time::Duration;

/// How long things go wrong in each simulation.
pub const TROUBLE: Duration = Duration::from_secs(120);

/// What one seed came to.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// SHA-256 of everything that happened, in its order.
    pub hash: String,
    /// Things that happened.
    pub events: u64,
    /// Rows of all journals.
    pub rows: u64,
    /// How long it was, by the simulated clock.
    pub simulated: Duration,
    /// A standby became the primary.
    pub promoted: bool,
    /// Another controller took over.
    pub took_over: bool,
    /// A process stood still and woke up.
    pub froze: bool,
    /// What must not be; empty when all is well.
    pub wrong: Vec<String>,
}

/// Plays one seed.
pub fn simulate(seed: u64) -> Outcome {
    play(seed, false)
}

/// The same; told, each happening and each event is printed.
pub fn play(seed: u64, told: bool) -> Outcome {
    let mut world = world::World::new(seed, told);
    world.play();
    judge::judge(&mut world);
    world.outcome(seed)
}
