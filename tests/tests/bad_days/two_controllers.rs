//! Two controllers that share a PostgreSQL: one leads, the other waits. The leader is killed, frozen, cut
//! off from its database, restarted and stopped; the database crashes, or loses what it acknowledged.

use crate::world::{Plans, SOON, World, step};
use model::RunId;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tests::{
    link::{Link, State},
    polling::until,
    ports,
    postgres::Postgres,
    programs::{Controller, program},
};

const TWO: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }
  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }
";

/// How soon another controller must have taken over and gone on.
const TAKEOVER: Duration = Duration::from_secs(8);
/// How soon a controller that was started again must have gone on.
const RESTART: Duration = Duration::from_secs(2);

/// Two controllers, their database, and the first one's way to it.
struct Pair {
    world: World,
    second: Controller,
    way: Link,
    database: Postgres,
}

/// A port that nobody has.
pub fn free() -> SocketAddr {
    let local = Ipv4Addr::LOCALHOST;
    (local, ports::free(local.into()).unwrap()).into()
}

/// Settings of a controller with a shared database.
pub fn settings(database: SocketAddr, length: &str) -> String {
    format!(
        "database: \"postgres://postgres@{database}/postgres?sslmode=disable\"\ndatabase-without-standby: true\nleadership: {length}\n"
    )
}

/// A database that runs, and a way to it that can be cut.
pub async fn database(plans: &Plans) -> (Postgres, Link) {
    let mut database = Postgres::create(plans.scratch(), "journal", free()).await.unwrap();
    database.start().await.unwrap();
    let way = Link::to(database.address()).await.unwrap();
    (database, way)
}

/// The pair, the first one leading, with a plan of two steps whose first waits at its gate.
async fn pair(name: &str, length: &str) -> Pair {
    let plans = Plans::new(name).gated("one").script("two", "").plan("two", TWO);
    let (database, way) = database(&plans).await;
    let mut world = plans.controller(&settings(way.address(), length)).start().await;
    let second = add_second(&mut world, database.address(), length, &["east-1"]).await;
    Pair { world, second, way, database }
}

/// A second controller on the same database, which waits; these hosts and the command line know both.
pub async fn add_second(world: &mut World, database: SocketAddr, length: &str, hosts: &[&str]) -> Controller {
    let at = free();
    let settings = settings(database, length);
    let mut second = Controller::named(&world.scratch, "second", "second", at, &settings).unwrap();
    bring_ca(&world.controller, &second);
    second.start().await.unwrap();
    know_both(world, at, hosts).await;
    second
}

/// The second controller signs with the first one's CA.
fn bring_ca(from: &Controller, to: &Controller) {
    std::fs::create_dir_all(to.data()).unwrap();
    for file in ["ca.pem", "ca.key"] {
        std::fs::copy(from.data().join(file), to.data().join(file)).unwrap();
    }
}

/// The agents and the command line know both controllers, in this order.
async fn know_both(world: &mut World, second: SocketAddr, hosts: &[&str]) {
    let first = world.controller.address();
    let both = format!("[\"{first}\", \"{second}\"]");
    for host in hosts {
        let file = world.scratch.path().join(format!("agent-{host}.yaml"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(&format!("[\"{first}\"]"), &both)).unwrap();
        world.restart_agent(host, "").await;
    }
    let token = world.scratch.path().join("admin-token").display().to_string();
    let both = format!("{first},{second}");
    world.say(&["login", &both, "--token-file", &token]).await.expect_code(0).unwrap();
}

impl Pair {
    /// A run whose first step is under way and known to be.
    async fn under_way(&self) -> RunId {
        let run = self.world.run("two").await;
        self.world.until_begun("one").await;
        let accepted = |view: &engine::view::View| step(view, "one").attempts[0].state == "accepted";
        self.world.until_view(run, "an accepted attempt", accepted).await;
        run
    }

    /// Waits until the second step has begun; gives how long after `since`.
    async fn until_two(&self, since: Instant) -> Duration {
        self.world.until_begun("two").await;
        since.elapsed()
    }

    /// From now on the second controller is the one that is asked.
    fn ask_the_second(&mut self) {
        std::mem::swap(&mut self.world.controller, &mut self.second);
    }

    /// Asserts that a run ended well, each step done once, under two epochs.
    async fn ended_once(&self, run: RunId) {
        let view = self.world.until_success(run).await;
        assert_eq!(step(&view, "one").attempts.len(), 1, "{view:#?}");
        assert_eq!((self.world.count("one"), self.world.count("two")), (1, 1), "nothing was done twice");
        let epochs = "select count(distinct epoch)::text from journal";
        assert_eq!(self.database.text(epochs).await.unwrap(), "2");
    }

    async fn until_log(&self, controller: &Controller, what: &str, words: &[&str]) {
        until(what, SOON, async || {
            let log = std::fs::read_to_string(controller.log()).unwrap_or_default();
            match words.iter().all(|word| log.contains(word)) {
                true => Ok(()),
                false => Err(log.lines().rev().take(12).collect::<Vec<_>>().join("\n")),
            }
        })
        .await
        .unwrap();
    }
}

fn say(what: &str, took: Duration) {
    eprintln!("{what}: {:.2} s", took.as_secs_f64());
}

#[tokio::test]
async fn fault_17_a_killed_leaders_run_goes_on_at_its_step_under_the_standby() {
    let mut pair = pair("fault-17", "5s").await;
    let run = pair.under_way().await;
    // Somebody watches, and need do nothing.
    let watching = pair.world.cli.command(&["watch", &run.to_string()]).unwrap().output();
    let watching = tokio::spawn(watching);
    tokio::time::sleep(Duration::from_secs(1)).await;
    pair.world.controller.kill();
    let since = Instant::now();
    pair.world.open("one");
    let took = pair.until_two(since).await;
    say("killed leader: next step under the standby after", took);
    assert!(took <= TAKEOVER, "{took:?}");
    // Whoever asks is served by the one that leads now, with the login that names both.
    let status = pair.world.say(&["runs", "list"]).await.expect_code(0).unwrap();
    assert!(status.stdout.contains("two"), "{}", status.stdout);
    pair.ask_the_second();
    pair.ended_once(run).await;
    let watched = tokio::time::timeout(SOON, watching).await.unwrap().unwrap().unwrap();
    assert!(watched.status.success(), "{watched:?}");
    // The one that died comes back, and waits.
    pair.second.start().await.unwrap();
    pair.until_log(&pair.second, "a controller that waits", &["another controller leads"]).await;
    let at = pair.second.address().to_string();
    let token = pair.world.scratch.path().join("admin-token").display().to_string();
    let refused = pair.world.say(&["login", &at, "--token-file", &token]).await;
    assert_ne!(refused.code, 0);
    assert!(
        refused.stderr.contains("LB1225") && refused.stderr.contains("second leads"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn a_leader_that_is_stopped_hands_over_at_once() {
    let mut pair = pair("handover", "5s").await;
    let run = pair.under_way().await;
    pair.world.controller.stop().await;
    let since = Instant::now();
    pair.world.open("one");
    let took = pair.until_two(since).await;
    say("stopped leader: next step under the standby after", took);
    assert!(took < Duration::from_secs(3), "{took:?}: no lease has to run out");
    pair.ask_the_second();
    pair.ended_once(run).await;
}

#[tokio::test]
async fn a_leader_that_is_killed_and_started_again_leads_on_at_once() {
    let mut pair = pair("again", "5s").await;
    let run = pair.under_way().await;
    pair.world.controller.kill();
    let since = Instant::now();
    pair.world.open("one");
    pair.world.controller.start().await.unwrap();
    let took = pair.until_two(since).await;
    say("leader killed and started: next step after", took);
    assert!(took <= RESTART, "{took:?}");
    pair.ended_once(run).await;
}

#[tokio::test]
async fn fault_14_a_frozen_leader_that_wakes_appends_nothing_and_steps_down() {
    let mut pair = pair("frozen", "2s").await;
    let run = pair.under_way().await;
    pair.world.controller.freeze();
    let since = Instant::now();
    pair.world.open("one");
    say("frozen leader: next step under the standby after", pair.until_two(since).await);
    let journal = "select coalesce(max(epoch), 0)::text || ' ' || count(*)::text from journal";
    pair.ask_the_second();
    pair.ended_once(run).await;
    let before = pair.database.text(journal).await.unwrap();
    pair.second.thaw();
    pair.second.wait_until_it_ends(SOON).await.unwrap();
    pair.until_log(&pair.second, "its reason", &["commands no more", "LB1208"]).await;
    assert_eq!(pair.database.text(journal).await.unwrap(), before, "nothing was appended");
    assert_eq!((pair.world.count("one"), pair.world.count("two")), (1, 1));
    // Its supervisor starts it again: it waits, and the next run is the other's.
    pair.second.start().await.unwrap();
    pair.until_log(&pair.second, "a controller that waits", &["another controller leads"]).await;
    let again = pair.world.run("two").await;
    pair.world.until_success(again).await;
}

#[tokio::test]
async fn fault_15_a_leader_cut_off_from_its_database_stops_before_another_leads() {
    let mut pair = pair("fault-15", "2s").await;
    let run = pair.under_way().await;
    pair.way.set(State::Hold);
    let since = Instant::now();
    // It stops by itself, although its agent is connected and well.
    pair.until_log(&pair.world.controller, "a leader that stops", &["no order is sent"]).await;
    let stopped = since.elapsed();
    pair.until_log(&pair.second, "another that leads", &["this controller leads"]).await;
    assert!(stopped < since.elapsed(), "the old one had stopped before");
    pair.world.open("one");
    say("leader cut off from its database: next step under the standby after", pair.until_two(since).await);
    pair.ask_the_second();
    pair.ended_once(run).await;
    // Healed, it finds that it was passed over.
    pair.way.set(State::Open);
    pair.second.wait_until_it_ends(SOON).await.unwrap();
    pair.until_log(&pair.second, "its reason", &["LB1208"]).await;
}

#[tokio::test]
async fn a_database_that_crashes_in_mid_run_holds_the_run_up_and_loses_nothing() {
    let plans = Plans::new("crashing").gated("one").script("two", "").plan("two", TWO);
    let (mut database, way) = database(&plans).await;
    let world = plans.controller(&settings(way.address(), "2s")).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    database.kill();
    world.open("one");
    world.until_gone("one").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.count("two"), 0, "nothing goes on that cannot be recorded");
    let _ = std::fs::remove_file(database.data().join("postmaster.pid"));
    database.start().await.unwrap();
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
    let epochs = database.text("select count(distinct epoch)::text from journal").await.unwrap();
    assert_eq!(epochs, "1", "nobody else could lead meanwhile");
}

/// What a controller says that does not start.
async fn refusal(plans: &Plans, name: &str, settings: &str) -> String {
    let file = plans.scratch().path().join(format!("{name}.yaml"));
    drop(Controller::named(plans.scratch(), name, name, free(), settings).unwrap());
    let mut command = tokio::process::Command::new(program("lifeboat-controller").unwrap());
    command.arg("--config").arg(file).kill_on_drop(true);
    let output = tokio::time::timeout(SOON, command.output()).await.expect("it starts").unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn fault_19_a_database_that_may_lose_acknowledged_commits_is_refused() {
    let plans = Plans::new("fault-19");
    let (mut database, _way) = database(&plans).await;
    let told = settings(database.address(), "2s");
    let untold = told.replace("database-without-standby: true\n", "");
    let log = refusal(&plans, "untold", &untold).await;
    assert!(log.contains("LB1224") && log.contains("database-without-standby"), "{log}");
    for (setting, value) in [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")] {
        database.execute(&format!("alter system set {setting} = {value}")).await.unwrap();
        database.stop().await;
        database.start().await.unwrap();
        let log = refusal(&plans, setting, &told).await;
        let named = format!("{setting} is {value}");
        assert!(log.contains("LB1223") && log.contains(&named), "{log}");
        database.execute(&format!("alter system reset {setting}")).await.unwrap();
    }
    database.stop().await;
    database.start().await.unwrap();
    let mut good = Controller::named(plans.scratch(), "good", "good", free(), &told).unwrap();
    good.start().await.unwrap();
}

#[tokio::test]
async fn a_second_controller_without_the_ca_of_the_first_is_told_what_to_copy() {
    let plans = Plans::new("two-cas");
    let (database, _way) = database(&plans).await;
    let settings = settings(database.address(), "2s");
    let mut first = Controller::named(plans.scratch(), "first", "first", free(), &settings).unwrap();
    first.start().await.unwrap();
    first.admin_token().await.unwrap();
    let log = refusal(&plans, "bare", &settings).await;
    assert!(log.contains("LB1228") && log.contains("Copy ca.pem and ca.key"), "{log}");
    // One with a CA of its own: it was a controller by itself before.
    let mut alone = Controller::named(plans.scratch(), "alone", "alone", free(), "").unwrap();
    alone.start().await.unwrap();
    alone.stop().await;
    let log = refusal(&plans, "alone", &settings).await;
    assert!(log.contains("LB1229"), "{log}");
}

/// A certificate for 127.0.0.1 that is its own authority, and its key, in the server's folder.
fn certificate(database: &Postgres) -> std::path::PathBuf {
    let data = database.data();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", "/CN=journal", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "server.key", "-out", "server.crt"])
        .current_dir(data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    if let Some(account) = database.account() {
        for file in ["server.key", "server.crt"] {
            std::os::unix::fs::chown(data.join(file), Some(account.uid), Some(account.gid)).unwrap();
        }
    }
    data.join("server.crt")
}

#[tokio::test]
async fn a_database_is_reached_over_tls_with_a_password_that_no_log_shows() {
    let plans = Plans::new("tls").script("one", "").script("two", "").plan("two", TWO);
    let mut database = Postgres::create(plans.scratch(), "journal", free()).await.unwrap();
    let authority = certificate(&database);
    let add = |file: &str, text: &str| {
        let path = database.data().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{before}")).unwrap();
    };
    add("postgresql.conf", "ssl = on\n");
    add("pg_hba.conf", "hostssl all lifeboat all scram-sha-256\nhostnossl all lifeboat all reject\n");
    database.start().await.unwrap();
    database.execute("create role lifeboat login password 'hunter2-of-the-journal'").await.unwrap();
    database.execute("create database lifeboat owner lifeboat").await.unwrap();
    let root = authority.display();
    let settings = |mode: &str, file: &str| {
        format!(
            "database: \"postgres://lifeboat@{}/lifeboat?sslmode={mode}\"\ndatabase-password: {{ file: {file} }}\ndatabase-without-standby: true\n",
            database.address()
        )
    };
    let folder = plans.folder();
    let plans = plans
        .secret("password", "hunter2-of-the-journal\n")
        .secret("other-password", "hunter3-of-the-journal\n");
    let right = format!("{folder}/password");
    let refused = refusal(&plans, "plain", &settings("disable", &right)).await;
    assert!(refused.contains("LB1201"), "{refused}");
    // A server that nobody vouches for.
    let refused = refusal(&plans, "unknown", &settings("verify-full", &right)).await;
    assert!(refused.contains("LB1201"), "{refused}");
    let trusted = format!("verify-full&sslrootcert={root}");
    let refused = refusal(&plans, "wrong", &settings(&trusted, &format!("{folder}/other-password"))).await;
    assert!(refused.contains("LB1201") && !refused.contains("hunter3"), "{refused}");
    let world = plans.controller(&settings(&trusted, &right)).start().await;
    let run = world.run("two").await;
    world.until_success(run).await;
    let encrypted = "select bool_and(ssl)::text from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'lifeboat'";
    assert_eq!(database.text(encrypted).await.unwrap(), "true");
    assert!(!world.controller_log().contains("hunter2"), "the log shows the password");
}
