#![allow(clippy::unwrap_used)]
use super::*;
use model::Micros;
use model::lease::{Request, Terms};
use runtime::clock::SetClock;
use std::collections::BTreeSet;
use uuid::Uuid;

const LENGTH: Duration = Duration::from_secs(10);

struct Bed {
    _folder: tempfile::TempDir,
    store: Store,
    epoch: Epoch,
    clock: Clock,
    hand: SetClock,
}

async fn bed() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let (store, task) = Store::open(folder.path(), "main").await.unwrap();
    tokio::spawn(task.run());
    let epoch = store.lead_at_once("main", 1).await;
    let (clock, hand) = Clock::set(Micros(1_800_000_000_000_000));
    Bed { _folder: folder, store, epoch, clock, hand }
}

impl Bed {
    async fn leases(&self) -> Leases {
        Leases::load(&self.store, self.epoch, &self.clock, self.clock.since_boot()).await.unwrap()
    }
}

fn db() -> Name {
    Name::new("db").unwrap()
}

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn request(sent: u64, armed: bool) -> Request {
    let terms = Terms { length: LENGTH, stop: model::lease::DEFAULT_STOP };
    Request { boot: "one".to_string(), sent: Duration::from_secs(sent), terms, armed, held: None }
}

async fn close(leases: &Leases, run: u128) {
    leases.with(&db(), |known| {
        known.grantor.close(&host("a"));
        known.closed_by.insert(host("a"), RunId(Uuid::from_u128(run)));
    });
}

#[tokio::test]
async fn fault_22_a_step_of_the_wall_clock_neither_ends_a_lease_nor_makes_it_longer() {
    let bed = bed().await;
    let leases = bed.leases().await;
    leases.grant(&db(), &host("a"), &request(5, true), None, &BTreeSet::new()).await.unwrap();
    bed.hand.step_to(Micros(0));
    close(&leases, 7).await;
    assert_eq!(leases.left(&db(), &host("a")), None, "nothing is told before it is durable");
    leases.save(&db()).await.unwrap();
    bed.hand.advance(Duration::from_secs(3));
    bed.hand.step_to(Micros(i64::MAX));
    let left = leases.left(&db(), &host("a")).unwrap();
    assert_eq!(left, Duration::from_millis(10_200), "13.2 s from the answer, whatever the wall clock says");
    bed.hand.advance(left);
    assert_eq!(leases.left(&db(), &host("a")), Some(Duration::ZERO));
    let (problem, fenced) =
        leases.grant(&db(), &host("a"), &request(6, true), None, &BTreeSet::new()).await.unwrap_err();
    assert_eq!((problem.code.as_str(), fenced), ("LB1431", true));
}

#[tokio::test]
async fn a_controller_that_starts_knows_who_holds_what_and_counts_from_its_own_beginning() {
    let bed = bed().await;
    bed.leases().await.grant(&db(), &host("a"), &request(5, true), None, &BTreeSet::new()).await.unwrap();
    bed.hand.advance(Duration::from_secs(12));
    let next = bed.leases().await;
    let (problem, _) =
        next.grant(&db(), &host("b"), &request(5, true), None, &BTreeSet::new()).await.unwrap_err();
    assert_eq!(problem.code, "LB1432");
    close(&next, 7).await;
    next.save(&db()).await.unwrap();
    assert_eq!(next.left(&db(), &host("a")), Some(Duration::from_millis(13_200)));
    let third = bed.leases().await;
    assert_eq!(third.closed(), [(db(), RunId(Uuid::from_u128(7)))]);
    let (problem, _) =
        third.grant(&db(), &host("a"), &request(6, true), None, &BTreeSet::new()).await.unwrap_err();
    assert_eq!(problem.code, "LB1431");
    third.with(&db(), |known| known.grantor.reopen(&host("a")));
    third.grant(&db(), &host("a"), &request(7, true), None, &BTreeSet::new()).await.unwrap();
}

#[tokio::test]
async fn without_a_watchdog_its_end_is_never_told_also_not_by_the_next_controller() {
    let bed = bed().await;
    let leases = bed.leases().await;
    leases.grant(&db(), &host("a"), &request(5, true), None, &BTreeSet::new()).await.unwrap();
    leases.grant(&db(), &host("a"), &request(6, false), None, &BTreeSet::new()).await.unwrap();
    assert!(leases.words(&db(), &host("a")).contains("its end is no evidence"));
    let next = bed.leases().await;
    close(&next, 7).await;
    next.save(&db()).await.unwrap();
    bed.hand.advance(Duration::from_secs(1000));
    assert_eq!(next.left(&db(), &host("a")), None);
}

#[tokio::test]
async fn what_is_not_durable_is_not_granted() {
    let bed = bed().await;
    let leases = bed.leases().await;
    // Another controller leads now.
    bed.store.lead_at_once("other", 2).await;
    let (problem, _) =
        leases.grant(&db(), &host("a"), &request(5, true), None, &BTreeSet::new()).await.unwrap_err();
    assert_eq!(problem.code, "LB1436");
    assert!(bed.store.leases().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_sets_of_a_primary_are_known_to_the_next_controller_and_nothing_is_expired_before_a_member_said_so()
 {
    let bed = bed().await;
    let set = BTreeSet::from([host("b")]);
    let leases = bed.leases().await;
    let grant = leases.grant(&db(), &host("a"), &request(5, true), None, &set).await.unwrap();
    assert_eq!(grant.set.map(|set| set.members), Some(set.clone()));
    let next = bed.leases().await;
    close(&next, 7).await;
    next.save(&db()).await.unwrap();
    bed.hand.advance(Duration::from_secs(1000));
    assert_eq!(next.left(&db(), &host("a")), None, "b may have extended it all the time");
    let floor = next.with(&db(), |known| known.grantor.withhold(&host("a"))).unwrap();
    next.word(&db(), &host("b"), floor, Duration::from_secs(10));
    assert_eq!(next.left(&db(), &host("a")), Some(Duration::from_secs(11)));
    // It was not in the set, and the set is cut off only then.
    next.with(&db(), |known| known.grantor.entitle(&host("c")));
    let early = next.grant(&db(), &host("c"), &request(6, true), None, &set).await.unwrap_err();
    assert_eq!(early.0.code, "LB1433");
    bed.hand.advance(Duration::from_secs(11));
    next.grant(&db(), &host("c"), &request(7, true), None, &set).await.unwrap();
}

#[tokio::test]
async fn who_was_not_in_the_set_is_granted_nothing_and_is_told_why() {
    let bed = bed().await;
    let leases = bed.leases().await;
    leases.grant(&db(), &host("a"), &request(5, true), None, &BTreeSet::from([host("b")])).await.unwrap();
    bed.hand.advance(Duration::from_secs(1000));
    leases.with(&db(), |known| known.grantor.entitle(&host("c")));
    let refused =
        leases.grant(&db(), &host("c"), &request(6, true), None, &BTreeSet::new()).await.unwrap_err();
    assert_eq!((refused.0.code.as_str(), refused.1), ("LB1450", false));
    leases.with(&db(), |known| known.grantor.entitle(&host("b")));
    leases.grant(&db(), &host("b"), &request(6, true), None, &BTreeSet::new()).await.unwrap();
}
