//! Schedules fire with no controller alive, once a moment, also across a restart.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use agent::desk::{Deps, Desk};
use agent::policy::Policy;
use agent::schedules::Schedules;
use agent::spool::Spool;
use model::{Assignment, HostName, Micros};
use runtime::clock::{Clock, Ids, SetClock};
use runtime::lifecycle::Shutdown;
use runtime::tasks::Tasks;
use sha2::Digest as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(20);

/// 2026-11-20 01:59:00 UTC.
const BEFORE_TWO: Micros = Micros(1_795_139_940_000_000);

fn prepare(folder: &Path) -> (Arc<Policy>, Assignment) {
    let script = folder.join("nightly.sh");
    let text = format!("#!/bin/sh\necho fired >> {}/fired\n", folder.display());
    std::fs::write(&script, &text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let hash = hex::encode(sha2::Sha256::digest(text.as_bytes()));
    let policy = format!(
        "version: 1\njobs: [command]\nscripts:\n  - path: {}\n    sha256: {hash}\n",
        script.display()
    );
    std::fs::write(folder.join("policy.yaml"), policy).unwrap();
    let assignment = serde_json::from_value(serde_json::json!({
        "version": 1, "host": "h", "region": "r",
        "schedules": [{
            "name": "nightly", "timeout": "1m", "at": {"expression": "0 2 * * *", "zone": "UTC"},
            "work": [{"job": "command", "with": {"script": script, "args": []}}],
        }],
    }));
    (Arc::new(Policy::load(&folder.join("policy.yaml")).unwrap()), assignment.unwrap())
}

/// One life of the scheduler; ends when the token is cancelled.
fn live(folder: &Path, clock: &Clock, stop: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let (policy, assignment) = prepare(folder);
    let state = folder.join("state");
    std::fs::create_dir_all(&state).unwrap();
    let tasks = Tasks::new(Shutdown::new());
    let leases = agent::lease::Leases::default();
    let deps = Deps { state_dir: state.clone(), policy, leases, clock: clock.clone(), tasks };
    let desk = Desk::open(deps, Spool::open(&state).unwrap()).unwrap();
    let schedules = Schedules {
        desk,
        host: HostName::new("h").unwrap(),
        clock: clock.clone(),
        ids: Ids::system(),
        folder: state,
        assignment: watch::channel(Some(assignment)).1,
    };
    let stop = stop.clone();
    tokio::spawn(async move { schedules.run(stop).await.unwrap() })
}

fn fired(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("fired")).unwrap_or_default().lines().count()
}

async fn fires(folder: &Path, times: usize) {
    let wait = async {
        while fired(folder) < times {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("the schedule fires");
}

/// Long enough for the scheduler to look at the clock twice.
async fn looked() {
    tokio::time::sleep(Duration::from_millis(2200)).await;
}

fn step(clock: &SetClock, minutes: i64) {
    clock.step_to(Micros(BEFORE_TWO.0 + minutes * 60_000_000));
}

#[tokio::test]
async fn fault_28_a_schedule_fires_with_no_controller_alive_and_catches_up_once() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, set) = Clock::set(BEFORE_TWO);
    let stop = CancellationToken::new();
    let life = live(folder.path(), &clock, &stop);
    looked().await;
    assert_eq!(fired(folder.path()), 0);
    step(&set, 2);
    fires(folder.path(), 1).await;
    looked().await;
    assert_eq!(fired(folder.path()), 1);
    stop.cancel();
    life.await.unwrap();

    step(&set, 3 * 24 * 60 + 5);
    let stop = CancellationToken::new();
    let life = live(folder.path(), &clock, &stop);
    fires(folder.path(), 2).await;
    looked().await;
    assert_eq!(fired(folder.path()), 2, "three missed nights are caught up once");
    stop.cancel();
    life.await.unwrap();
}

#[tokio::test]
async fn fault_20_a_clock_that_jumps_back_fires_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, set) = Clock::set(BEFORE_TWO);
    let stop = CancellationToken::new();
    let life = live(folder.path(), &clock, &stop);
    looked().await;
    step(&set, 2);
    fires(folder.path(), 1).await;
    step(&set, -60);
    looked().await;
    step(&set, 2);
    looked().await;
    assert_eq!(fired(folder.path()), 1);
    stop.cancel();
    life.await.unwrap();
}
