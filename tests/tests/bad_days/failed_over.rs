//! A controller's PostgreSQL that fails over to a server which does not have all that was acknowledged.

use crate::world::{Plans, SOON, step};
use std::net::{Ipv4Addr, SocketAddr};
use tests::{polling::until, ports, postgres::Postgres};

const TWO: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }
  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }
";

fn free() -> SocketAddr {
    let local = Ipv4Addr::LOCALHOST;
    (local, ports::free(local.into()).unwrap()).into()
}

#[tokio::test]
async fn fault_19_a_failover_that_lost_acknowledged_commits_is_found_by_the_agents_and_nothing_is_sent() {
    let plans = Plans::new("fault-19-lost").gated("one").script("two", "").plan("two", TWO);
    let mut primary = Postgres::create(plans.scratch(), "journal", free()).await.unwrap();
    primary.start().await.unwrap();
    let settings = format!(
        "database: \"postgres://postgres@{}/postgres?sslmode=disable\"\ndatabase-without-standby: true\nleadership: 2s\n",
        primary.address()
    );
    let mut world = plans.controller(&settings).start().await;
    let mut standby = Postgres::standby_of(&primary, &world.scratch, "behind", free()).await.unwrap();
    standby.start().await.unwrap();
    let followed = "select pg_last_wal_replay_lsn()::text";
    until("a standby that follows", SOON, async || {
        standby.text(followed).await.map_err(|error| error.chain())
    })
    .await
    .unwrap();
    // From here on it falls behind, and nobody waits for it.
    standby.stop().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    let accepted = |view: &engine::view::View| step(view, "one").attempts[0].state == "accepted";
    world.until_view(run, "an accepted attempt", accepted).await;
    world.controller.kill();
    primary.kill();
    standby.start().await.unwrap();
    standby.promote().await.unwrap();
    assert_eq!(standby.text("select count(*)::text from journal").await.unwrap(), "0", "the run is lost");
    // The operator points the controller at the new primary.
    let file = world.scratch.path().join("controller.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&primary.address().to_string(), &standby.address().to_string()))
        .unwrap();
    world.controller.start().await.unwrap();
    until("a controller that stops commanding", SOON, async || {
        let log = world.controller_log();
        match log.contains("LB1122") && log.contains("commands no more") && log.contains(&run.to_string()) {
            true => Ok(()),
            false => Err(log.lines().rev().take(8).collect::<Vec<_>>().join("\n")),
        }
    })
    .await
    .unwrap();
    world.open("one");
    world.until_gone("one").await;
    let refused = world.say(&["run", "two", "--detach"]).await;
    assert_ne!(refused.code, 0);
    assert!(
        refused.stderr.contains("LB1122") && refused.stderr.contains("what to do:"),
        "{}",
        refused.stderr
    );
    assert_eq!((world.count("one"), world.count("two")), (1, 0), "nothing was sent again");
}

#[tokio::test]
async fn fault_19_a_journal_that_goes_back_under_a_running_controller_stops_it_at_the_next_append() {
    let plans = Plans::new("fault-19-back").gated("one").script("two", "").plan("two", TWO);
    let mut database = Postgres::create(plans.scratch(), "journal", free()).await.unwrap();
    database.start().await.unwrap();
    let settings = format!(
        "database: \"postgres://postgres@{}/postgres?sslmode=disable\"\ndatabase-without-standby: true\n",
        database.address()
    );
    let world = plans.controller(&settings).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    let accepted = |view: &engine::view::View| step(view, "one").attempts[0].state == "accepted";
    world.until_view(run, "an accepted attempt", accepted).await;
    // What a failover to a server that was behind looks like to whoever is connected through one address.
    database
        .execute(
            "alter table journal disable trigger all; delete from journal where sequence > 1; \
             alter table journal enable trigger all; \
             update runs set sequence = 1, head = (select hash from journal where run = runs.run)",
        )
        .await
        .unwrap();
    world.open("one");
    until("a controller that stops commanding", SOON, async || {
        let log = world.controller_log();
        match log.contains("LB1231") && log.contains("commands no more") {
            true => Ok(()),
            false => Err(log.lines().rev().take(8).collect::<Vec<_>>().join("\n")),
        }
    })
    .await
    .unwrap();
    let left = database.text("select max(sequence)::text from journal").await.unwrap();
    assert_eq!((left.as_str(), world.count("two")), ("1", 0), "nothing was appended and nothing sent");
}
