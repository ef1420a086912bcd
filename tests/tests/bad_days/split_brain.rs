//! Split brain, with real servers: kills, freezes, reboots and partitions by chance, of agents, watchdogs, hosts and
//! controllers, and failovers in between. Independent clients count on both members: writes that were acknowledged
//! with synchronous replication, of which none may be lost; and writes that a server accepts by itself, which
//! must never be accepted by both.
//!
//! `LIFEBOAT_SEED=7` repeats a run's faults; the seed of each run is printed. The whole suite does
//! [`FAULTS`]`.1` of them, the quick one a slice.

use crate::leases::{Acknowledged, How, Leased, kill, leased_so, local_client, workers};
use crate::world::SOON;
use model::RunId;
use std::time::{Duration, Instant};
use tests::link::State;
use tests::polling::until;
use tokio::task::JoinHandle;

/// Faults of the quick suite and of the whole one.
const FAULTS: (usize, usize) = (5, 120);
/// Faults on one pair of servers; then a fresh pair begins.
const EACH: usize = 12;
/// The lease here.
const LEASE: Duration = Duration::from_secs(4);
/// Within that time the primary takes writes again once everything is healed: a start after a kill, and a
/// failover that waits for a lease.
const HEALED: Duration = Duration::from_secs(60);
/// Within that time a failover succeeds, or is given up.
const FAILOVER: Duration = Duration::from_secs(40);

/// Small, and good enough to choose faults.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    KillAgent,
    FreezeAgent,
    KillWatchdog,
    /// Agent, watchdog and servers are gone, and /run with them.
    Reboot,
    /// The host reaches no controller.
    CutFromController,
    /// The host's agent is not reached by the other member.
    CutFromMember,
    /// Both.
    CutOff,
    KillController,
    FreezeController,
}

const ALL: [Fault; 9] = [
    Fault::KillAgent,
    Fault::FreezeAgent,
    Fault::KillWatchdog,
    Fault::Reboot,
    Fault::CutFromController,
    Fault::CutFromMember,
    Fault::CutOff,
    Fault::KillController,
    Fault::FreezeController,
];

/// One pair of servers, and what happens to it.
struct Bed {
    leased: Leased,
    /// What each server accepts by itself.
    alone: [Acknowledged; 2],
    writers: Vec<JoinHandle<()>>,
    primary: &'static str,
    failovers: usize,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.writers.iter().for_each(JoinHandle::abort);
    }
}

fn other(host: &str) -> &'static str {
    if host == "east-1" { "west-1" } else { "east-1" }
}

impl Bed {
    async fn make(name: &str) -> Option<Bed> {
        let how = How { lease: LEASE, extended: true, apart: true, ..How::PLAIN };
        let leased = leased_so(name, how).await?;
        leased.east.execute("create table alone (id bigint primary key)").await.unwrap();
        let (east, one) = local_client(leased.east.address(), 1);
        let (west, two) = local_client(leased.west.address(), 2);
        let writers = vec![one, two];
        Some(Bed { leased, alone: [east, west], writers, primary: "east-1", failovers: 0 })
    }

    fn data(&self, host: &str) -> &std::path::Path {
        if host == "east-1" { self.leased.east.data() } else { self.leased.west.data() }
    }

    async fn strike(&mut self, fault: Fault, host: &'static str) {
        let run = crate::leases::run_folder(self.leased.world.scratch.path(), host);
        match fault {
            Fault::KillAgent => self.leased.world.agent(host).kill(),
            Fault::FreezeAgent => self.leased.world.agents[host].freeze(),
            Fault::KillWatchdog => {
                // Its service manager brings it back within the stop time.
                let watchdog = self.leased.watchdogs.get_mut(host).unwrap();
                watchdog.kill();
                tokio::time::sleep(Duration::from_millis(300)).await;
                watchdog.start().await.unwrap();
            }
            Fault::Reboot => {
                self.leased.world.agent(host).kill_host();
                self.leased.watchdogs.get_mut(host).unwrap().kill();
                workers(self.data(host)).into_iter().for_each(kill);
                for file in ["watchdog.json", "permits/db"] {
                    let _ = std::fs::remove_file(run.join(file));
                }
            }
            Fault::CutFromController => self.leased.world.links[host].set(State::Hold),
            Fault::CutFromMember => self.leased.ways[host].set(State::Hold),
            Fault::CutOff => {
                self.leased.world.links[host].set(State::Hold);
                self.leased.ways.values().for_each(|way| way.set(State::Hold));
            }
            Fault::KillController => self.leased.world.controller.kill(),
            Fault::FreezeController => self.leased.world.controller.freeze(),
        }
    }

    async fn heal(&mut self, fault: Fault, host: &'static str) {
        match fault {
            Fault::KillAgent => self.leased.world.agent(host).start().unwrap(),
            Fault::FreezeAgent => self.leased.world.agents[host].thaw(),
            Fault::KillWatchdog => {}
            Fault::Reboot => {
                self.leased.watchdogs.get_mut(host).unwrap().start().await.unwrap();
                self.leased.world.agent(host).start().unwrap();
            }
            Fault::CutFromController => self.leased.world.links[host].set(State::Open),
            Fault::CutFromMember => self.leased.ways[host].set(State::Open),
            Fault::CutOff => {
                self.leased.world.links[host].set(State::Open);
                self.leased.ways.values().for_each(|way| way.set(State::Open));
            }
            Fault::KillController => self.leased.world.controller.start().await.unwrap(),
            Fault::FreezeController => self.leased.world.controller.thaw(),
        }
    }

    /// A failover while something is wrong with the primary. It may not come through; then nothing was promoted.
    async fn fail_over(&mut self) -> bool {
        let begun =
            self.leased.world.cli.run(&["run", "failover", "--detach", "--output", "json"], SOON).await;
        let begun = begun.and_then(|answer| answer.expect_code(0)).and_then(|answer| answer.json());
        let Ok(begun) = begun else { return false };
        let run: RunId = begun["run"].as_str().unwrap().parse().unwrap();
        let over = self.leased.world.until_ended(run, FAILOVER).await;
        if over.as_ref().is_some_and(|view| view.status == "succeeded") {
            self.primary = "west-1";
            self.failovers += 1;
            return true;
        }
        let id = run.to_string();
        for verb in ["cancel", "end"] {
            let _ = self.leased.world.cli.run(&[verb, &id, "--reason", "given up", "--yes"], SOON).await;
        }
        false
    }

    /// The primary takes writes again, and its standby follows where there is one.
    async fn until_well(&self) -> Result<Duration, String> {
        let began = Instant::now();
        let acknowledged = if self.primary == "east-1" { &self.leased.to_east } else { &self.leased.to_west };
        let standby = (self.primary == "east-1").then_some("west-1");
        let mut tried = None;
        until("writes at the primary", HEALED, async || {
            if let Some(standby) = standby
                && workers(self.data(standby)).is_empty()
                && tried.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(3))
            {
                // Whoever boots the host would start its standby, which needs no permit.
                let _ = self.leased.world.cli.run(&["run", "up-west", "--detach"], SOON).await;
                tried = Some(Instant::now());
            }
            let since = Instant::now();
            tokio::time::sleep(Duration::from_millis(400)).await;
            acknowledged.first_after(since).map(drop).ok_or_else(|| "none".to_owned())
        })
        .await
        .map_err(|failure| failure.chain())?;
        Ok(began.elapsed())
    }

    /// What must always be true.
    async fn judge(&self) -> Result<(), String> {
        let [east, west] = &self.alone;
        let first = west.all().first().map(|(_, at)| *at);
        if let Some(first) = first
            && let Some((id, at)) = east.all().into_iter().find(|(_, at)| *at >= first)
        {
            return Err(format!(
                "two writable primaries: the east took {id} {:?} after the west",
                at - first
            ));
        }
        let server = if self.primary == "east-1" { &self.leased.east } else { &self.leased.west };
        // Before the look: what is acknowledged later need not be seen.
        let acknowledged: Vec<i64> =
            self.leased.to_east.all().iter().chain(&self.leased.to_west.all()).map(|(id, _)| *id).collect();
        // It may have lapsed just now, and be starting again.
        let text = until("the writes that are there", HEALED, async || {
            let text = server.text("select coalesce(string_agg(id::text, ','), '') from writes").await;
            text.map_err(|failure| failure.chain())
        })
        .await
        .map_err(|failure| failure.chain())?;
        let there: std::collections::BTreeSet<i64> =
            text.split(',').filter_map(|id| id.parse().ok()).collect();
        let lost: Vec<&i64> = acknowledged.iter().filter(|id| !there.contains(id)).collect();
        if lost.is_empty() {
            Ok(())
        } else {
            Err(format!("{} acknowledged writes lost: {lost:?}", lost.len()))
        }
    }
}

#[tokio::test]
async fn never_two_writable_primaries_and_no_acknowledged_write_lost_whatever_happens_to_hosts_and_controllers()
 {
    let seed = std::env::var("LIFEBOAT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let faults = if std::env::var_os("LIFEBOAT_FULL").is_some() { FAULTS.1 } else { FAULTS.0 };
    println!("seed {seed}, {faults} faults: LIFEBOAT_SEED={seed} repeats them");
    let mut dice = Dice(seed);
    let (mut done, mut failovers, mut writes, mut slowest) = (0, 0, 0, Duration::ZERO);
    while done < faults {
        let Some(mut bed) = Bed::make(&format!("split-{done}")).await else { return };
        for _ in 0..EACH.min(faults - done) {
            let fault = ALL[dice.roll(ALL.len())];
            let host = if dice.roll(3) == 0 { other(bed.primary) } else { bed.primary };
            let lasts = Duration::from_millis(500 + dice.roll(9000) as u64);
            let wanted = dice.roll(2) == 0;
            println!("fault {done}: {fault:?} of {host} for {lasts:?}, the primary is {}", bed.primary);
            bed.strike(fault, host).await;
            let led = !matches!(fault, Fault::KillController | Fault::FreezeController);
            tokio::time::sleep(lasts).await;
            if wanted && led && host == bed.primary && bed.primary == "east-1" && fault != Fault::KillWatchdog
            {
                println!("  failover: {}", bed.fail_over().await);
            }
            bed.heal(fault, host).await;
            let well = bed.until_well().await;
            let judged = bed.judge().await;
            let well = well.unwrap_or_else(|wrong| panic!("seed {seed}, fault {done}: {wrong}"));
            judged.unwrap_or_else(|wrong| panic!("seed {seed}, fault {done}: {wrong}"));
            slowest = slowest.max(well);
            done += 1;
        }
        failovers += bed.failovers;
        writes += bed.leased.to_east.all().len() + bed.leased.to_west.all().len();
    }
    println!(
        "seed {seed}: {done} faults, {failovers} failovers, {writes} writes acknowledged, 0 lost, 0 moments with two writable primaries, well again after {slowest:?} at most"
    );
}
