//! Every controller is gone, and the leased primary goes on: the other member extends its lease, and is not
//! promoted as long as what it gave runs. Real servers, agents, watchdogs and control groups.

use crate::leases::{How, Leased, leased_so};
use crate::world::{SOON, step};
use std::time::{Duration, Instant};
use tests::link::State;
use tests::polling::until;

/// What a killed server may take to be gone.
const GONE: Duration = Duration::from_secs(1);
/// The longest that a client may wait for a commit while nothing but controllers is lost.
const LONGEST_GAP: Duration = Duration::from_secs(1);

async fn extended(name: &str, lease: Duration) -> Option<Leased> {
    let leased = leased_so(name, How { lease, extended: true, ..How::PLAIN }).await?;
    leased.until_known().await;
    Some(leased)
}

impl Leased {
    /// Waits until the primary has acknowledged who may follow it.
    async fn until_known(&self) {
        let note = self.world.scratch.path().join("agent-east-1/leases/db.json");
        until("a set that names the west", SOON, async || {
            let text = std::fs::read_to_string(&note).unwrap_or_default();
            if text.contains("west-1") { Ok(()) } else { Err(text) }
        })
        .await
        .unwrap();
    }

    /// Acknowledged writes in the east since then, and the longest time between two of them.
    fn writes_since(&self, then: Instant) -> (usize, Duration) {
        let moments: Vec<Instant> = self.to_east.all().into_iter().map(|(_, at)| at).collect();
        let since: Vec<Instant> = moments.into_iter().filter(|at| *at >= then).collect();
        let longest = since.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        (since.len(), longest)
    }
}

#[tokio::test]
async fn fault_18_without_controllers_the_leased_primary_goes_on_and_cut_off_from_its_set_too_it_lapses_in_time()
 {
    let lease = Duration::from_secs(4);
    let Some(mut leased) = extended("extended", lease).await else { return };
    leased.world.controller.kill();
    let killed = Instant::now();
    tokio::time::sleep(lease * 5).await;
    let (writes, longest) = leased.writes_since(killed);
    println!(
        "{writes} writes acknowledged in {:?} without a controller, longest gap {longest:?}",
        killed.elapsed()
    );
    assert!(leased.to_east.grows().await && longest < LONGEST_GAP, "{longest:?}");
    // An agent that is started anew goes on with what is on its disk.
    let agent = leased.world.agent("east-1");
    agent.kill();
    agent.start().unwrap();
    tokio::time::sleep(lease * 2).await;
    let (_, longest) = leased.writes_since(killed);
    assert!(leased.to_east.grows().await && longest < LONGEST_GAP, "{longest:?}");
    // Now nobody is reached any more.
    leased.ways["west-1"].set(State::Hold);
    let cut = Instant::now();
    leased.until_gone(lease + GONE).await;
    println!("gone {:?} after it was cut off from its set", cut.elapsed());
    assert!(!leased.to_east.grows().await && leased.to_west.all().is_empty());
    assert!(leased.west.is_in_recovery().await.unwrap(), "no role has changed");
    // The set alone is enough to go on again.
    leased.ways["west-1"].set(State::Open);
    let healed = Instant::now();
    until("writes in the east again", SOON, async || {
        leased.to_east.first_after(healed).map(drop).ok_or_else(|| "none".to_owned())
    })
    .await
    .unwrap();
    println!(
        "writes {:?} after the way to the set was open",
        leased.to_east.first_after(healed).unwrap() - healed
    );
    // With a controller it is as before.
    leased.world.controller.start().await.unwrap();
    leased.until_status("lease held").await;
    let written = leased.to_east.all();
    let text = leased.east.text("select coalesce(string_agg(id::text, ','), '') from writes").await.unwrap();
    let there: std::collections::BTreeSet<i64> = text.split(',').filter_map(|id| id.parse().ok()).collect();
    let lost = written.iter().filter(|(id, _)| !there.contains(id)).count();
    println!("{} writes acknowledged, {lost} lost", written.len());
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn fault_42_a_member_that_extended_the_lease_is_not_promoted_before_that_has_run_out() {
    let lease = Duration::from_secs(10);
    let Some(mut leased) = extended("promised", lease).await else { return };
    leased.world.controller.kill();
    // Half of the lease and a little: the set has extended it by then.
    let pledges = leased.world.scratch.path().join("agent-west-1/leases/db.pledges.json");
    until("a promise of the west", SOON, async || {
        let text = std::fs::read_to_string(&pledges).unwrap_or_default();
        if text.contains("until_us") { Ok(()) } else { Err(text) }
    })
    .await
    .unwrap();
    let promised = Instant::now();
    leased.world.controller.start().await.unwrap();
    leased.world.until_connected("west-1").await;
    leased.world.until_connected("east-1").await;
    let run = leased.world.run("stop-over").await;
    let refused = leased
        .world
        .until_view(run, "a promotion that is refused", |view| {
            step(view, "promote")
                .attempts
                .iter()
                .any(|attempt| attempt.state == "failed" || attempt.state == "refused")
        })
        .await;
    let text = format!("{:#?}", step(&refused, "promote"));
    assert!(text.contains("LB2460") && text.contains("s more"), "{text}");
    assert!(leased.west.is_in_recovery().await.unwrap() && leased.to_west.all().is_empty());
    let over = model::lease::Terms { length: lease, stop: model::lease::DEFAULT_STOP }.wait();
    tokio::time::sleep((over + Duration::from_millis(500)).saturating_sub(promised.elapsed())).await;
    let id = run.to_string();
    leased.world.say(&["retry", &id, "promote"]).await.expect_code(0).unwrap();
    leased.world.until_success(run).await;
    assert!(leased.to_west.grows().await);
    leased.nothing_is_lost_and_nothing_overlaps().await;
}

#[tokio::test]
async fn fault_29_the_end_of_an_extended_lease_is_evidence_only_by_the_word_of_who_extended_it() {
    let lease = Duration::from_secs(4);
    let Some(mut leased) = extended("word", lease).await else { return };
    leased.world.controller.kill();
    tokio::time::sleep(lease * 2).await;
    assert!(leased.to_east.grows().await);
    // The agent of the primary hangs, and the controllers come back.
    leased.world.agents["east-1"].freeze();
    let frozen = Instant::now();
    leased.world.controller.start().await.unwrap();
    leased.until_gone(lease + GONE).await;
    println!("gone {:?} after the freeze", frozen.elapsed());
    // Without a word of the west nothing is expired, however long it takes.
    leased.world.agents["west-1"].freeze();
    let run = leased.world.run("failover").await;
    tokio::time::sleep(lease * 3).await;
    let view = leased.world.try_view(run).await.unwrap();
    assert_ne!(step(&view, "fence").state, "succeeded", "{view:#?}");
    leased.world.agents["west-1"].thaw();
    let view = leased.world.until_success(run).await;
    println!("failed over {:?} after the freeze", frozen.elapsed());
    assert_eq!(step(&view, "fence").evidence, Some(model::Evidence::LeaseExpired), "{view:#?}");
    assert!(leased.to_west.grows().await);
    leased.nothing_is_lost_and_nothing_overlaps().await;
    // The old primary thaws and finds nobody who extends its lease.
    leased.world.agents["east-1"].thaw();
    leased.until_status("fenced").await;
    leased.world.controller.kill();
    tokio::time::sleep(lease * 2).await;
    assert!(crate::leases::workers(leased.east.data()).is_empty() && leased.to_west.grows().await);
}
