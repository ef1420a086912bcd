//! A leased PostgreSQL: its agent is frozen, cut off, or comes back from another boot. Real servers, agents,
//! watchdogs and control groups; independent clients write to both members all the time and keep count.

use crate::two_controllers;
use crate::world::{Plans, SOON, World, step};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection as _, PgConnection};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::{
    link::{Link, State},
    polling::until,
    ports,
    postgres::Postgres,
    programs::{Controller, Watchdog},
};
use tokio::task::JoinHandle;

/// The lease of these tests, and the stop time that every lease has.
const LEASE: Duration = Duration::from_secs(4);
/// The leadership where two controllers share a database.
const LEADERSHIP: &str = "2s";
/// What a killed server may take to be gone.
const GONE: Duration = Duration::from_secs(1);

/// Acknowledged writes of one member, and when.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged(Arc<Mutex<Vec<(i64, Instant)>>>);

impl Acknowledged {
    pub fn all(&self) -> Vec<(i64, Instant)> {
        self.0.lock().unwrap().clone()
    }

    pub fn first_after(&self, then: Instant) -> Option<Instant> {
        self.all().iter().map(|(_, at)| *at).find(|at| *at > then)
    }

    pub async fn grows(&self) -> bool {
        let before = self.all().len();
        tokio::time::sleep(Duration::from_millis(700)).await;
        self.all().len() > before
    }
}

/// Writes to one member, whatever becomes of it: each number once, `first`, `first + 2` and so on.
pub fn client(address: SocketAddr, first: i64) -> (Acknowledged, JoinHandle<()>) {
    writing(address, first, "insert into writes (id) values ($1)", "on")
}

/// The same into a table of its own, and waits for no standby: it shows whether that server takes writes.
pub fn local_client(address: SocketAddr, first: i64) -> (Acknowledged, JoinHandle<()>) {
    writing(address, first, "insert into alone (id) values ($1)", "local")
}

fn writing(
    address: SocketAddr,
    first: i64,
    insert: &'static str,
    synchronous: &'static str,
) -> (Acknowledged, JoinHandle<()>) {
    let acknowledged = Acknowledged::default();
    let seen = acknowledged.clone();
    let task = tokio::spawn(async move {
        let mut next = first;
        loop {
            // Whatever ends it, it begins again.
            let _ = write_on(address, insert, synchronous, &mut next, &seen).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    (acknowledged, task)
}

async fn write_on(
    address: SocketAddr,
    insert: &'static str,
    synchronous: &str,
    next: &mut i64,
    seen: &Acknowledged,
) -> Result<(), sqlx::Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&address.ip().to_string())
        .port(address.port())
        .username("postgres")
        .database("postgres")
        .options([("synchronous_commit", synchronous)])
        .ssl_mode(PgSslMode::Disable);
    let late = |_| sqlx::Error::PoolTimedOut;
    let limit = Duration::from_millis(1500);
    let mut connection =
        tokio::time::timeout(limit, PgConnection::connect_with(&options)).await.map_err(late)??;
    loop {
        let id = *next;
        *next += 2;
        let inserting = sqlx::query(insert).bind(id).execute(&mut connection);
        tokio::time::timeout(limit, inserting).await.map_err(late)??;
        seen.0.lock().unwrap().push((id, Instant::now()));
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

pub struct Leased {
    pub world: World,
    pub east: Postgres,
    pub west: Postgres,
    pub watchdogs: BTreeMap<String, Watchdog>,
    pub to_east: Acknowledged,
    pub to_west: Acknowledged,
    /// What each agent dials to ask the other one for more time.
    pub ways: BTreeMap<String, Link>,
    /// The controller that waits, their database, and the way to it.
    pub second: Option<(Controller, Postgres, Link)>,
    clients: Vec<JoinHandle<()>>,
}

/// How the servers are leased.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Agents dial the controller through a link.
    pub through_a_link: bool,
    /// The lease.
    pub lease: Duration,
    /// Members may extend each other's lease.
    pub extended: bool,
    /// Each agent dials the controller through a link of its own.
    pub apart: bool,
    /// A second controller waits, on the same database.
    pub shared: bool,
}

impl How {
    pub const PLAIN: How =
        How { through_a_link: false, lease: LEASE, extended: false, apart: false, shared: false };
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.clients.iter().for_each(JoinHandle::abort);
        for host in ["east-1", "west-1"] {
            self.world.agent(host).kill_host();
        }
        for data in [self.east.data(), self.west.data()] {
            workers(data).into_iter().for_each(kill);
        }
        remove_groups(self.world.scratch.path());
    }
}

pub fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// Processes that work in a server's data folder.
pub fn workers(data: &Path) -> Vec<u32> {
    let works = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data);
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(works)
        .filter(|pid| tests::process::alive(*pid))
        .collect()
}

fn remove_groups(scratch: &Path) {
    for state in ["agent-east-1", "agent-west-1"] {
        let note = scratch.join(state).join("services/server/leased.json");
        let Ok(text) = std::fs::read_to_string(note) else { continue };
        let note: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(group) = note["group"].as_str() {
            for _ in 0..50 {
                match std::fs::remove_dir(group) {
                    Ok(()) => break,
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        }
    }
}

fn has_groups() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let fits = rustix::process::geteuid().is_root() && mounts.contains(" cgroup2 ");
    if !fits {
        eprintln!("no control groups here, or not root: nothing is tested");
    }
    fits
}

pub fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// A primary in the east with a synchronous standby in the west, both started by their agents.
pub async fn leased(name: &str, through_a_link: bool) -> Option<Leased> {
    leased_so(name, How { through_a_link, ..How::PLAIN }).await
}

/// The same, leased in another way.
pub async fn leased_so(name: &str, how: How) -> Option<Leased> {
    if !has_groups() {
        return None;
    }
    let mut plans = Plans::new(name).host("west-1");
    let free = || ports::free([127, 0, 0, 1].into()).unwrap();
    let (mut east, mut west) = Postgres::pair(plans.scratch(), local(free()), local(free())).await.unwrap();
    east.execute("create table writes (id bigint primary key)").await.unwrap();
    east.stop().await;
    west.stop().await;
    let run = |server: &Postgres| format!("{:?}", server.plain_argv().unwrap());
    let mut estate =
        String::from("services:\n  server:\n    kind: process\n    user: postgres\n    stop-signal: INT\n");
    writeln!(estate, "    hosts: {{ east-1: {{ run: {} }}, west-1: {{ run: {} }} }}", run(&east), run(&west))
        .unwrap();
    writeln!(estate, "sources:\n  db:\n    kind: postgres\n    database: postgres\n    user: postgres\n    server: server\n    lease: {}s", how.lease.as_secs()).unwrap();
    writeln!(
        estate,
        "    members: {{ east-1: {{ address: 127.0.0.1, port: {} }}, west-1: {{ address: 127.0.0.1, port: {} }} }}",
        east.address().port(),
        west.address().port()
    )
    .unwrap();
    let mut ways = BTreeMap::new();
    for host in ["east-1", "west-1"].iter().filter(|_| how.extended) {
        let listen = local(free());
        let way = Link::to(listen).await.unwrap();
        plans = plans.listens(host, listen, way.address());
        ways.insert((*host).to_owned(), way);
    }
    let extends = if how.extended { "extends: [db]\n" } else { "" };
    let program = east.plain_argv().unwrap()[0].clone();
    plans = plans
        .estate(&estate)
        .policy(&format!("services:\n  - {{ name: server, process: {program}, user: postgres }}\nsources:\n  - {{ name: db, kind: postgres, databases: [postgres] }}\n{extends}"))
        .plan("up", "  up: { start: { services: [server], hosts: [east-1, west-1] } }\n")
        .plan("failover", "  fence: { fence: { source: db, region: east, evidence: lease-expired } }\n  promote: { after: fence, promote: { source: db, region: west } }\n")
        .plan("up-east", "  up: { start: { services: [server], hosts: [east-1] } }\n")
        .plan("up-west", "  up: { start: { services: [server], hosts: [west-1] } }\n")
        .plan("stop-over", "  fence: { fence: { source: db, region: east, evidence: stopped } }\n  promote: { after: fence, promote: { source: db, region: west } }\n");
    if how.through_a_link {
        plans = plans.through_a_link();
    }
    if how.apart {
        plans = plans.apart();
    }
    let mut watchdogs = BTreeMap::new();
    for host in ["east-1", "west-1"] {
        let folder = run_folder(plans.scratch().path(), host);
        let mut watchdog = Watchdog::prepare(plans.scratch(), host, &folder);
        watchdog.start().await.unwrap();
        watchdogs.insert(host.to_owned(), watchdog);
    }
    let database = match how.shared {
        true => Some(two_controllers::database(&plans).await),
        false => None,
    };
    if let Some((_, way)) = &database {
        plans = plans.controller(&two_controllers::settings(way.address(), LEADERSHIP));
    }
    let mut world = plans.start().await;
    let mut second = None;
    if let Some((database, way)) = database {
        let hosts = ["east-1", "west-1"];
        let waits = two_controllers::add_second(&mut world, database.address(), LEADERSHIP, &hosts).await;
        second = Some((waits, database, way));
    }
    let up = world.run("up").await;
    world.until_success(up).await;
    east.wait_until_it_answers().await.unwrap();
    let (to_east, one) = client(east.address(), 1);
    let (to_west, two) = client(west.address(), 2);
    let clients = vec![one, two];
    let leased = Leased { world, east, west, watchdogs, to_east, to_west, ways, second, clients };
    until("writes in the east", SOON, async || match leased.to_east.grows().await {
        true => Ok(()),
        false => Err("none".to_owned()),
    })
    .await
    .unwrap();
    leased.until_status("lease held").await;
    Some(leased)
}

pub fn run_folder(scratch: &Path, host: &str) -> PathBuf {
    scratch.join(format!("run-{host}"))
}

impl Leased {
    pub async fn until_status(&self, words: &str) {
        until(&format!("{words:?} in the status"), SOON, async || {
            let status = self.world.say(&["status"]).await;
            if status.stdout.contains(words) { Ok(()) } else { Err(status.stdout) }
        })
        .await
        .unwrap();
    }

    pub async fn until_gone(&self, within: Duration) {
        until("the end of the server in the east", within, async || match workers(self.east.data()) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        })
        .await
        .unwrap();
    }

    /// Every write that anybody acknowledged is in the west, and no two members took writes at one time.
    pub async fn nothing_is_lost_and_nothing_overlaps(&self) {
        let text =
            self.west.text("select coalesce(string_agg(id::text, ','), '') from writes").await.unwrap();
        let there: std::collections::BTreeSet<i64> =
            text.split(',').filter_map(|id| id.parse().ok()).collect();
        let (east, west) = (self.to_east.all(), self.to_west.all());
        let lost: Vec<i64> =
            east.iter().chain(&west).map(|(id, _)| *id).filter(|id| !there.contains(id)).collect();
        println!("{} + {} acknowledged, {} lost", east.len(), west.len(), lost.len());
        assert!(lost.is_empty(), "{lost:?}");
        let first = west.first().map(|(_, at)| *at).expect("writes in the west");
        assert!(east.iter().all(|(_, at)| *at < first), "both took writes");
    }
}

#[tokio::test]
async fn fault_29_the_server_of_a_frozen_agent_stops_at_its_deadline_and_nothing_is_lost() {
    let Some(mut leased) = leased("fault-29-lease", false).await else { return };
    leased.world.agents["east-1"].freeze();
    let frozen = Instant::now();
    let run = leased.world.run("failover").await;
    leased.until_gone(LEASE + GONE).await;
    println!("gone {:?} after the freeze", frozen.elapsed());
    assert!(!leased.to_east.grows().await);
    let view = leased.world.until_success(run).await;
    println!("failed over {:?} after the freeze", frozen.elapsed());
    assert_eq!(step(&view, "fence").evidence, Some(model::Evidence::LeaseExpired), "{view:#?}");
    assert!(leased.to_west.grows().await, "the west takes writes");
    leased.nothing_is_lost_and_nothing_overlaps().await;
    // It thaws, and stays closed.
    leased.world.agents["east-1"].thaw();
    leased.until_status("fenced").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(workers(leased.east.data()).is_empty() && leased.to_west.grows().await);
    // The new primary lives by its own lease, also when its agent is killed and started again.
    leased.world.restart_agent("west-1", "").await;
    tokio::time::sleep(LEASE + GONE).await;
    assert!(leased.to_west.grows().await);
    leased.nothing_is_lost_and_nothing_overlaps().await;
}

#[tokio::test]
async fn fault_36_a_partition_changes_no_role_and_the_lapsed_primary_resumes_within_two_seconds_of_healing() {
    let Some(leased) = leased("fault-36", true).await else { return };
    let link = leased.world.link.as_ref().unwrap();
    link.set(State::Hold);
    let cut = Instant::now();
    leased.until_gone(LEASE + GONE).await;
    println!("gone {:?} after the cut", cut.elapsed());
    // Longer than three leases; nothing was promoted, nobody was asked.
    tokio::time::sleep((LEASE * 3).saturating_sub(cut.elapsed())).await;
    assert!(leased.west.is_in_recovery().await.unwrap());
    link.set(State::Open);
    let healed = Instant::now();
    until("the server in the east again", SOON, async || match workers(leased.east.data()).len() {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    })
    .await
    .unwrap();
    let back = healed.elapsed();
    assert!(back <= Duration::from_secs(2), "{back:?}");
    // PostgreSQL recovers from having been killed, and a commit waits for its synchronous standby: both take
    // what they take on this disk.
    until("writes in the east again", SOON, async || {
        leased.to_east.first_after(healed).map(drop).ok_or_else(|| "none".to_owned())
    })
    .await
    .unwrap();
    let gap = leased.to_east.first_after(healed).unwrap() - healed;
    println!("the server is back {back:?} after healing, and acknowledges writes after {gap:?}");
    assert!(leased.west.is_in_recovery().await.unwrap(), "no role has changed");
    assert!(leased.to_west.all().is_empty());
    let text = leased.east.text("select count(*)::text from writes").await.unwrap();
    assert!(text.parse::<usize>().unwrap() >= leased.to_east.all().len(), "0 writes diverged or were lost");
}

#[tokio::test]
async fn fault_45_an_old_primary_that_comes_back_from_another_boot_stays_closed_whatever_its_permit_says() {
    let Some(mut leased) = leased("fault-45", false).await else { return };
    // The machine loses its power: agent, watchdog and server are gone at once, and nothing was written.
    leased.world.agent("east-1").kill_host();
    leased.watchdogs.get_mut("east-1").unwrap().kill();
    workers(leased.east.data()).into_iter().for_each(kill);
    leased.until_gone(GONE).await;
    let run = leased.world.run("failover").await;
    let view = leased.world.until_success(run).await;
    assert_eq!(step(&view, "fence").evidence, Some(model::Evidence::LeaseExpired));
    // A permit that survived, of another boot and valid for ever.
    let folder = run_folder(leased.world.scratch.path(), "east-1");
    let permit = folder.join("permits/db");
    let earlier = r#"{"source":"db","boot":"an-earlier-boot","until_us":18446744073709551615}"#;
    std::fs::write(&permit, earlier).unwrap();
    std::fs::remove_file(folder.join("watchdog.json")).unwrap();
    leased.watchdogs.get_mut("east-1").unwrap().start().await.unwrap();
    leased.world.agent("east-1").start().unwrap();
    leased.world.until_connected("east-1").await;
    for _ in 0..40 {
        assert!(workers(leased.east.data()).is_empty(), "it was opened");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    leased.until_status("fenced").await;
    leased.nothing_is_lost_and_nothing_overlaps().await;
}

#[tokio::test]
async fn fault_16_a_controller_that_restarts_waits_a_whole_lease_before_it_calls_one_expired() {
    let Some(mut leased) = leased("fault-16-lease", false).await else { return };
    leased.world.agents["east-1"].freeze();
    leased.world.controller.kill();
    let killed = Instant::now();
    leased.until_gone(LEASE + GONE).await;
    let started = Instant::now();
    leased.world.controller.start().await.unwrap();
    leased.world.until_connected("west-1").await;
    let run = leased.world.run("failover").await;
    leased.world.until_success(run).await;
    // It cannot know when the last lease was given: it counts from its own beginning, with drift and stop time.
    let waited = started.elapsed();
    println!("evidence {waited:?} after the start, {:?} after the kill", killed.elapsed());
    assert!(waited > (LEASE + model::lease::DEFAULT_STOP).mul_f64(1.1), "{waited:?}");
    assert!(leased.to_west.grows().await);
    leased.nothing_is_lost_and_nothing_overlaps().await;
    leased.world.agents["east-1"].thaw();
}

#[tokio::test]
async fn fault_29_a_lease_that_no_watchdog_guarded_is_no_evidence_and_nothing_is_promoted() {
    let Some(mut leased) = leased("fault-29-alone", false).await else { return };
    leased.watchdogs.get_mut("east-1").unwrap().kill();
    leased.until_status("its end is no evidence").await;
    assert!(leased.to_east.grows().await, "the agent alone keeps it");
    leased.world.agents["east-1"].freeze();
    let run = leased.world.run("failover").await;
    tokio::time::sleep(LEASE * 3).await;
    // Nobody ended it, so nothing may be claimed: this is what the watchdog is for.
    assert!(leased.to_east.grows().await);
    let view = leased.world.try_view(run).await.unwrap();
    assert_ne!(step(&view, "fence").state, "succeeded", "{view:#?}");
    assert!(leased.to_west.all().is_empty());
    // The agent thaws, sees that its time is over, and does what the order says.
    leased.world.agents["east-1"].thaw();
    leased.until_gone(SOON).await;
    let view = leased.world.until_success(run).await;
    assert_eq!(step(&view, "fence").evidence, Some(model::Evidence::Stopped), "{view:#?}");
    assert!(leased.to_west.grows().await);
    leased.nothing_is_lost_and_nothing_overlaps().await;
}

#[tokio::test]
async fn a_watchdog_that_is_killed_and_comes_back_costs_the_primary_nothing() {
    let Some(mut leased) = leased("watchdog-back", false).await else { return };
    for _ in 0..3 {
        let watchdog = leased.watchdogs.get_mut("east-1").unwrap();
        watchdog.kill();
        watchdog.start().await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    tokio::time::sleep(LEASE).await;
    leased.until_status("lease held").await;
    let all = leased.to_east.all();
    let gaps = all.windows(2).map(|pair| pair[1].1 - pair[0].1);
    let longest = gaps.max().unwrap_or_default();
    println!("longest gap {longest:?}");
    assert!(leased.to_east.grows().await && longest < Duration::from_secs(1), "{longest:?}");
}

#[tokio::test]
async fn fault_17_a_new_leader_counts_a_whole_lease_of_its_own_before_it_promotes() {
    let how = How { shared: true, ..How::PLAIN };
    let Some(mut leased) = leased_so("fault-17-lease", how).await else { return };
    // The primary's agent is frozen, and while its lease runs out the leader is killed.
    leased.world.agents["east-1"].freeze();
    let run = leased.world.run("failover").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    leased.world.controller.kill();
    let killed = Instant::now();
    let (second, ..) = leased.second.as_mut().unwrap();
    std::mem::swap(&mut leased.world.controller, second);
    leased.until_gone(LEASE + GONE).await;
    let view = leased.world.until_success(run).await;
    println!("failed over {:?} after the leader was killed", killed.elapsed());
    assert_eq!(step(&view, "fence").evidence, Some(model::Evidence::LeaseExpired), "{view:#?}");
    // It does not know when the first one granted last: perhaps just before it died, and no grant is longer than
    // the leadership that gave it. That, the stop time and the drift it waits for.
    let length = model::duration::parse(LEADERSHIP).unwrap();
    let terms = model::lease::Terms { length, stop: model::lease::DEFAULT_STOP };
    let first = leased.to_west.first_after(killed).expect("writes in the west");
    assert!(first - killed >= terms.wait(), "{:?} is before {:?}", first - killed, terms.wait());
    assert!(leased.to_west.grows().await, "the west takes writes");
    leased.nothing_is_lost_and_nothing_overlaps().await;
}
