//! What comes after a fence: the old primary as a standby of the new one, the way back, and a fence that is
//! lifted. Real servers and agents; independent clients write to both members all the time and keep count.

use crate::leases::{Acknowledged, client, kill, workers};
use crate::world::{Plans, SOON, World, step};
use engine::view::View;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tests::{polling::until, ports, postgres::Postgres};
use tokio::task::JoinHandle;

/// A copy of a small server takes seconds; on a busy machine more.
const LONG: Duration = Duration::from_secs(90);

const FAILOVER: &str = "  fence: { fence: { source: db, region: east } }
  promote: { after: fence, promote: { source: db, region: west } }
";
const FAILBACK: &str = "  fence: { fence: { source: db, region: west } }
  promote: { after: fence, promote: { source: db, region: east } }
  follow: { after: promote, rejoin: { source: db, on: west-1 } }
";
const CALL_OFF: &str = "  fence: { fence: { source: db, region: east } }
  never-mind: { after: fence, unfence: { source: db, region: east } }
  again: { after: never-mind, start: { services: [server], hosts: [east-1] } }
";

struct Pair {
    world: World,
    east: Postgres,
    west: Postgres,
    to_east: Acknowledged,
    to_west: Acknowledged,
    clients: Vec<JoinHandle<()>>,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.clients.iter().for_each(JoinHandle::abort);
        for host in ["east-1", "west-1"] {
            self.world.agent(host).kill_host();
        }
        for data in [self.east.data(), self.west.data()] {
            workers(data).into_iter().for_each(kill);
        }
    }
}

fn local() -> SocketAddr {
    ([127, 0, 0, 1], ports::free([127, 0, 0, 1].into()).unwrap()).into()
}

/// A primary in the east with a synchronous standby in the west, both run by their agents.
async fn pair(name: &str, more_settings: &str) -> Pair {
    let mut plans = Plans::new(name).host("west-1");
    let (mut east, mut west) = Postgres::pair(plans.scratch(), local(), local()).await.unwrap();
    east.execute("create table writes (id bigint primary key)").await.unwrap();
    east.stop().await;
    west.stop().await;
    for server in [&east, &west] {
        let file = server.data().join("postgresql.conf");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}{more_settings}\n")).unwrap();
    }
    let run = |server: &Postgres| format!("{:?}", server.plain_argv().unwrap());
    let mut estate =
        String::from("services:\n  server:\n    kind: process\n    user: postgres\n    stop-signal: INT\n");
    writeln!(estate, "    hosts: {{ east-1: {{ run: {} }}, west-1: {{ run: {} }} }}", run(&east), run(&west))
        .unwrap();
    estate.push_str("sources:\n  db:\n    kind: postgres\n    database: postgres\n    user: postgres\n    server: server\n    members:\n");
    for (host, region, server) in [("east-1", "east", &east), ("west-1", "west", &west)] {
        let (at, port) = (server.address(), server.address().port());
        writeln!(estate, "      {host}: {{ address: 127.0.0.1, port: {port}, followed-at: \"{at}\", follows-as: {region} }}").unwrap();
    }
    let program = east.plain_argv().unwrap()[0].clone();
    plans = plans
        .estate(&estate)
        .policy(&format!(
            "services:\n  - {{ name: server, process: {program}, user: postgres }}\nsources:\n  - {{ name: db, kind: postgres, databases: [postgres], data: SCRATCH/postgres-REGION/data, follows: [127.0.0.1] }}\n"
        ))
        .plan("up", "  up: { start: { services: [server], hosts: [east-1, west-1] } }\n")
        .plan("lone-west", "  up: { start: { services: [server], hosts: [west-1] } }\n")
        .plan("failover", FAILOVER)
        .plan("back", "  back: { rejoin: { source: db, on: east-1 } }\n")
        .plan("failback", FAILBACK)
        .plan("call-off", CALL_OFF)
        .plan("lift", "  lift: { unfence: { source: db, region: east } }\n");
    let world = plans.start().await;
    let up = world.run("up").await;
    world.until_success(up).await;
    east.wait_until_it_answers().await.unwrap();
    let (to_east, one) = client(east.address(), 1);
    let (to_west, two) = client(west.address(), 2);
    let pair = Pair { world, east, west, to_east, to_west, clients: vec![one, two] };
    pair.until_grows("the east", &pair.to_east).await;
    pair
}

impl Pair {
    async fn until_grows(&self, who: &str, writes: &Acknowledged) {
        until(&format!("writes in {who}"), SOON, async || match writes.grows().await {
            true => Ok(()),
            false => Err("none".to_owned()),
        })
        .await
        .unwrap();
    }

    /// Runs a plan to its good end.
    async fn done(&self, plan: &str) -> View {
        let run = self.world.run(plan).await;
        let over = |view: &View| !view.is_open() || view.steps.iter().any(|step| step.state == "failed");
        let view = self.world.until_view_within(run, &format!("the end of {plan}"), LONG, over).await;
        assert_eq!(view.status, "succeeded", "{view:#?}");
        view
    }

    /// Runs a failover that would lose something, allows exactly what is shown, and gives what that was.
    async fn lose_it_all(&self, plan: &str) -> String {
        let run = self.world.run(plan).await;
        let asked = |view: &View| view.next.iter().any(|line| line.contains(" approve ")) || !view.is_open();
        let view = self.world.until_view(run, "the question about a loss", asked).await;
        assert!(self.west.is_in_recovery().await.unwrap(), "nothing is promoted before: {view:#?}");
        let shown = self.world.say(&["approve", &run.to_string(), "promote", "--yes"]).await;
        let text = format!("{}{}", shown.stdout, shown.stderr);
        shown.expect_code(0).unwrap();
        let view = self.world.until_over(run).await;
        assert_eq!(view.status, "succeeded", "{view:#?}");
        assert!(said(&view, "promote").contains("loss allowed by"), "{view:#?}");
        text
    }

    /// Runs a plan whose step is refused, and gives what it says.
    async fn refused(&self, plan: &str, name: &str) -> String {
        let run = self.world.run(plan).await;
        let failed = |view: &View| step(view, name).state == "failed";
        let view = self.world.until_view(run, "a refusal", failed).await;
        self.world.say(&["cancel", &run.to_string()]).await;
        format!("{:#?}", step(&view, name))
    }

    /// The numbers that a member has.
    async fn numbers(server: &Postgres) -> BTreeSet<i64> {
        let text = "select coalesce(string_agg(id::text, ','), '') from writes";
        server.text(text).await.unwrap().split(',').filter_map(|id| id.parse().ok()).collect()
    }

    /// Every write that anybody acknowledged is on this member.
    async fn nothing_is_lost(&self, server: &Postgres) {
        let (east, west) = (self.to_east.all(), self.to_west.all());
        let there = Self::numbers(server).await;
        let lost: Vec<i64> =
            east.iter().chain(&west).map(|(id, _)| *id).filter(|id| !there.contains(id)).collect();
        println!("{} + {} acknowledged, {} lost", east.len(), west.len(), lost.len());
        assert!(lost.is_empty() && !there.is_empty(), "{lost:?}");
    }

    /// Makes commits of a primary wait for a standby, and waits until it is there.
    async fn waits_for(server: &Postgres, name: &str) {
        server.execute(&format!("alter system set synchronous_standby_names = '{name}'")).await.unwrap();
        server.execute("select pg_reload_conf()").await.unwrap();
        let asked =
            "select coalesce(max(sync_state), 'absent') from pg_stat_replication where state = 'streaming'";
        until("a synchronous standby", SOON, async || match server.text(asked).await {
            Ok(state) if state == "sync" => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await
        .unwrap();
    }

    fn beside(&self, server: &Postgres, word: &str) -> Vec<PathBuf> {
        let parent = server.data().parent().unwrap();
        let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().contains(word);
        std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).filter(named).collect()
    }
}

fn said(view: &View, name: &str) -> String {
    format!("{:?}", step(view, name))
}

#[tokio::test]
async fn a_region_fails_over_the_old_primary_rejoins_and_a_planned_failback_loses_nothing() {
    let pair = pair("failback", "").await;
    pair.done("failover").await;
    pair.until_grows("the west", &pair.to_west).await;
    let view = pair.done("back").await;
    println!("{}", said(&view, "back"));
    assert!(said(&view, "back").contains("wound back, follows west-1 on timeline 2"), "{view:#?}");
    assert!(said(&view, "back").contains("nothing of its own was given up"), "{view:#?}");
    assert!(pair.east.is_in_recovery().await.unwrap());
    assert!(pair.beside(&pair.east, "diverged").is_empty());
    // From here on each commit waits for the east, as it waited for the west before.
    Pair::waits_for(&pair.west, "east").await;
    pair.nothing_is_lost(&pair.west).await;
    let before = pair.to_east.all().len();
    pair.done("failback").await;
    pair.until_grows("the east again", &pair.to_east).await;
    assert!(!pair.east.is_in_recovery().await.unwrap() && pair.west.is_in_recovery().await.unwrap());
    assert_eq!(
        pair.east.text("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)").await.unwrap(),
        "00000003"
    );
    assert!(pair.to_east.all().len() > before);
    pair.nothing_is_lost(&pair.east).await;
    // No two members took writes at one time: east, then west, then east.
    let (east, west) = (pair.to_east.all(), pair.to_west.all());
    let (first, last) = (west.first().unwrap().1, west.last().unwrap().1);
    assert!(east.iter().all(|(_, at)| *at < first || *at > last), "both took writes");
}

#[tokio::test]
async fn what_a_killed_primary_had_alone_is_told_and_kept_when_it_is_wound_back() {
    let pair = pair("rejoin-diverged", "synchronous_standby_names = ''").await;
    // The standby is gone for a moment, and the primary goes on alone; then its machine dies.
    workers(pair.west.data()).into_iter().for_each(kill);
    pair.east.execute("insert into writes select generate_series(1000001, 1020000)").await.unwrap();
    workers(pair.east.data()).into_iter().for_each(kill);
    let up = pair.world.run("lone-west").await;
    pair.world.until_success(up).await;
    pair.west.wait_until_it_answers().await.unwrap();
    pair.lose_it_all("failover").await;
    let view = pair.done("back").await;
    let told = said(&view, "back");
    println!("{told}");
    assert!(told.contains("wound back") && told.contains("of its own log were given up"), "{told}");
    let kept = pair.beside(&pair.east, "diverged");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(told.contains(&kept[0].display().to_string()), "{told}");
    assert!(std::fs::read_dir(&kept[0]).unwrap().count() > 1, "the log of 20,000 rows is more than one file");
    until("the same rows on both", SOON, async || {
        let (east, west) = (Pair::numbers(&pair.east).await, Pair::numbers(&pair.west).await);
        match east.contains(&1_000_001) || west.is_empty() {
            false if west.difference(&east).count() < 20 => Ok(()),
            _ => Err(format!("{} and {}", east.len(), west.len())),
        }
    })
    .await
    .unwrap();
    // Its own settings stand, although the primary's came over them.
    let port = pair.east.text("show port").await.unwrap();
    assert_eq!(port, pair.east.address().port().to_string());
}

#[tokio::test]
async fn an_old_primary_that_cannot_be_wound_back_gets_a_copy_and_its_old_data_stays_whatever_dies_meanwhile()
{
    for crash_at in ["", "rejoin-swapping", "rejoin-placed"] {
        let mut pair = pair(&format!("rejoin-copy-{crash_at}"), "wal_log_hints = off").await;
        pair.done("failover").await;
        if !crash_at.is_empty() {
            pair.world.restart_agent("east-1", crash_at).await;
        }
        let run = pair.world.run("back").await;
        if !crash_at.is_empty() {
            pair.world.agent("east-1").wait_until_it_ends(LONG).await.unwrap();
            pair.world.restart_agent("east-1", "").await;
        }
        let view = pair.world.until_view_within(run, "the end", LONG, |view| !view.is_open()).await;
        assert_eq!(view.status, "succeeded", "{crash_at}: {view:#?}");
        let told = said(&view, "back");
        println!("{crash_at}: {told}");
        assert!(told.contains("copied anew, follows west-1"), "{told}");
        let old = pair.beside(&pair.east, "data.old-");
        assert_eq!(old.len(), 1, "{old:?}");
        assert!(told.contains(&old[0].display().to_string()) && old[0].join("PG_VERSION").exists());
        assert!(!old[0].join("standby.signal").exists() && pair.beside(&pair.east, "rejoin").is_empty());
        assert!(pair.east.is_in_recovery().await.unwrap());
        pair.nothing_is_lost(&pair.west).await;
        assert_eq!(pair.east.text("show port").await.unwrap(), pair.east.address().port().to_string());
        // Once more: it follows already, and nothing is done.
        let again = pair.done("back").await;
        assert!(said(&again, "back").contains("followed west-1 already"), "{again:#?}");
    }
}

#[tokio::test]
async fn fault_45_nothing_is_rejoined_that_may_be_the_primary_and_no_fence_is_lifted_beside_another_one() {
    let pair = pair("rejoin-refused", "").await;
    // It is the primary itself: there is nobody to follow, and nothing is touched.
    let why = pair.refused("back", "back").await;
    assert!(why.contains("LB2371"), "{why}");
    assert!(pair.to_east.grows().await);
    // A failover that was called off: the fence is lifted, and it takes writes as before.
    let view = pair.done("call-off").await;
    assert!(said(&view, "never-mind").contains("no other member was promoted: west-1 follows"), "{view:#?}");
    pair.until_grows("the east again", &pair.to_east).await;
    // After a promotion it is not lifted, and while the new primary does not answer neither.
    pair.done("failover").await;
    let why = pair.refused("lift", "lift").await;
    assert!(why.contains("LB2379") && why.contains("west-1 takes writes on timeline 2"), "{why}");
    workers(pair.west.data()).into_iter().for_each(kill);
    let why = pair.refused("lift", "lift").await;
    assert!(why.contains("LB2379") && why.contains("does not answer"), "{why}");
    assert!(workers(pair.east.data()).is_empty());
    let up = pair.world.run("lone-west").await;
    pair.world.until_success(up).await;
    pair.west.wait_until_it_answers().await.unwrap();
    // Unmasked by hand and running, it is not fenced, so its data is not touched.
    std::fs::remove_file(pair.world.agents["east-1"].state().join("services/server/masked")).unwrap();
    let why = pair.refused("back", "back").await;
    assert!(why.contains("LB2370") && why.contains("anybody may start it"), "{why}");
    let view = pair.done("failover").await;
    assert!(said(&view, "promote").contains("was primary already"), "{view:#?}");
    pair.done("back").await;
    pair.nothing_is_lost(&pair.west).await;
}

#[tokio::test]
async fn fault_44_a_standby_that_lags_is_promoted_only_after_exactly_its_loss_was_approved() {
    let pair = pair("fault-44", "synchronous_standby_names = ''").await;
    // Its way to the primary is cut: what is written from now on does not arrive, and nobody waits for it.
    pair.west.execute("alter system set primary_conninfo = 'host=127.0.0.1 port=1'").await.unwrap();
    pair.west.execute("select pg_reload_conf()").await.unwrap();
    until("a standby that is cut off", SOON, async || {
        let followers = pair.east.text("select count(*)::text from pg_stat_replication").await;
        if followers.as_deref().ok() == Some("0") { Ok(()) } else { Err(format!("{followers:?}")) }
    })
    .await
    .unwrap();
    let received = pair.west.text("select pg_last_wal_receive_lsn()::text").await.unwrap();
    pair.east.execute("insert into writes select generate_series(1000001, 1020000)").await.unwrap();
    // The controller hears of it with the next heartbeats.
    let written =
        pair.east.text("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint::text").await.unwrap();
    let written: u64 = written.parse().unwrap();
    until("the position of the primary", SOON, async || {
        let status = pair
            .world
            .say(&["status", "--output", "json"])
            .await
            .json()
            .map_err(|failure| failure.chain())?;
        let text = status.to_string();
        let heard = text.split("at 0/").skip(1).filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
            u64::from_str_radix(&digits, 16).ok()
        });
        if heard.max() >= Some(written) { Ok(()) } else { Err(text) }
    })
    .await
    .unwrap();
    workers(pair.east.data()).into_iter().for_each(kill);
    let shown = pair.lose_it_all("failover").await;
    println!("{shown}");
    assert!(
        shown.contains("would lose") && shown.contains("bytes of the log") && shown.contains(&received),
        "{shown}"
    );
    let lost: u64 = shown.split("would lose ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(lost > 1_000_000, "20,000 rows are more than a megabyte of log: {lost}");
    assert!(!pair.west.is_in_recovery().await.unwrap());
    let there = Pair::numbers(&pair.west).await;
    assert!(!there.is_empty() && !there.contains(&1_020_000));
    // Promoted, it takes writes, and the old primary comes back without what nobody else had.
    pair.until_grows("the west", &pair.to_west).await;
    let told = said(&pair.done("back").await, "back");
    assert!(told.contains("of its own log were given up"), "{told}");
}
