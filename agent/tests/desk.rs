//! The desk with a real spool, a real policy and real scripts: one token happens at most once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use agent::desk::{Deps, Desk, News, Reply, Revoked};
use agent::policy::Policy;
use agent::spool::{Spool, State};
use model::jobs::{Check, Command};
use model::nouns::{CheckSpec, Question};
use model::{
    Ack, Digest, Direction, Epoch, Head, HostName, Mode, Name, Order, Outcome, RunId, StepPath, Target,
    Token, Work,
};
use runtime::clock::Clock;
use runtime::lifecycle::Shutdown;
use runtime::tasks::Tasks;
use sha2::Digest as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(20);

/// A host with one listed script, which writes a line to `done` and then sleeps as long as told.
struct Host {
    folder: tempfile::TempDir,
    script: PathBuf,
}

impl Host {
    fn new() -> Host {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("work.sh");
        let text = format!("#!/bin/sh\necho once >> {}/done\nsleep \"$1\"\n", folder.path().display());
        std::fs::write(&script, &text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let hash = hex::encode(sha2::Sha256::digest(text.as_bytes()));
        let policy = format!(
            "version: 1\njobs: [command, check]\nscripts:\n  - path: {}\n    sha256: {hash}\n",
            script.display()
        );
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        Host { folder, script }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A new life of the agent.
    fn desk(&self) -> Desk {
        let deps = Deps {
            state_dir: self.state(),
            policy: Arc::new(Policy::load(&self.folder.path().join("policy.yaml")).unwrap()),
            leases: agent::lease::Leases::default(),
            clock: Clock::system(),
            tasks: Tasks::new(Shutdown::new()),
        };
        Desk::open(deps, Spool::open(&self.state()).unwrap()).unwrap()
    }

    fn times_done(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("done")).unwrap_or_default().lines().count()
    }

    fn order(&self, attempt: u32, seconds: &str) -> Order {
        self.order_of(&self.script, attempt, seconds)
    }

    fn order_of(&self, script: &Path, attempt: u32, seconds: &str) -> Order {
        let run = RunId(Uuid::from_u128(1));
        Order {
            token: Token {
                run,
                step: StepPath::new("work").unwrap(),
                target: Target {
                    noun: Name::new("host").unwrap(),
                    name: Name::new("h").unwrap(),
                    host: HostName::new("h").ok(),
                },
                direction: Direction::Do,
                attempt,
                mode: Mode::Live,
            },
            epoch: Epoch { number: 1, holder: Uuid::from_u128(1) },
            head: Head { run, sequence: 1, hash: Digest::new("aa").unwrap() },
            work: Work::Command(Command {
                script: script.to_path_buf(),
                args: vec![seconds.to_string()],
                sha256: None,
            }),
            timeout: LIMIT,
        }
    }
}

async fn ended(desk: &Desk, token: &Token) -> Outcome {
    let mut news = desk.news();
    let wait = async {
        loop {
            let found = desk.read(|spool| match spool.entry(token).map(|entry| entry.state.clone()) {
                Some(State::Ended(end)) => Some(end.outcome),
                Some(State::Spooled | State::Running { .. } | State::Revoked) | None => None,
            });
            match found {
                Some(outcome) => return outcome,
                None => {
                    let _ = tokio::time::timeout(Duration::from_millis(100), news.recv()).await;
                }
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("the job ends")
}

async fn begun(host: &Host) {
    let wait = async {
        while host.times_done() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("the job begins");
}

fn code(outcome: &Outcome) -> String {
    outcome.problem().map(|problem| problem.code.clone()).unwrap_or_default()
}

#[tokio::test]
async fn fault_03_a_repeat_is_answered_from_the_spool_also_under_a_new_epoch_and_after_a_restart() {
    let host = Host::new();
    let desk = host.desk();
    assert!(matches!(desk.order(host.order(1, "0")).await.unwrap(), Reply::Ack(Ack::Accepted)));
    let first = ended(&desk, &host.order(1, "0").token).await;
    assert!(matches!(first, Outcome::Succeeded { .. }), "{first:?}");
    assert!(matches!(desk.order(host.order(1, "0")).await.unwrap(), Reply::Ack(Ack::Ended)));
    drop(desk);

    let desk = host.desk();
    let mut again = host.order(1, "0");
    again.epoch = Epoch { number: 2, holder: Uuid::from_u128(2) };
    again.head.sequence = 9;
    assert!(matches!(desk.order(again.clone()).await.unwrap(), Reply::Ack(Ack::Ended)));
    assert_eq!(ended(&desk, &again.token).await, first);
    assert_eq!(host.times_done(), 1);
}

#[tokio::test]
async fn fault_33_a_duplicate_of_running_work_attaches_and_does_nothing_twice() {
    let host = Host::new();
    let desk = host.desk();
    desk.order(host.order(1, "1")).await.unwrap();
    begun(&host).await;
    for _ in 0..5 {
        assert!(matches!(desk.order(host.order(1, "1")).await.unwrap(), Reply::Ack(Ack::Running)));
    }
    ended(&desk, &host.order(1, "1").token).await;
    assert_eq!(host.times_done(), 1);
}

#[tokio::test]
async fn an_order_that_the_policy_forbids_is_refused_and_nothing_is_executed() {
    let host = Host::new();
    let desk = host.desk();
    let order = host.order_of(Path::new("/bin/sh"), 1, "0");
    assert!(matches!(desk.order(order.clone()).await.unwrap(), Reply::Ack(Ack::Ended)));
    let outcome = ended(&desk, &order.token).await;
    assert!(
        matches!(&outcome, Outcome::Refused { problem } if problem.message.contains("/bin/sh")),
        "{outcome:?}"
    );
    assert_eq!(host.times_done(), 0);
}

#[tokio::test]
async fn fault_24_what_an_earlier_life_began_is_unknown_and_never_begins_again() {
    let host = Host::new();
    let order = host.order(1, "0");
    let mut spool = Spool::open(&host.state()).unwrap();
    spool.take(order.clone(), None, model::Micros(1), "boot").unwrap();
    spool.begin(&order.token, model::Micros(2)).unwrap();
    drop(spool);
    let desk = host.desk();
    let outcome = ended(&desk, &order.token).await;
    assert_eq!((outcome.as_str(), code(&outcome).as_str()), ("unknown", "LB2203"));
    assert!(matches!(desk.order(order).await.unwrap(), Reply::Ack(Ack::Ended)));
    assert_eq!(host.times_done(), 0);
}

#[tokio::test]
async fn fault_23_an_order_spooled_and_not_begun_begins_when_it_is_sent_again() {
    let host = Host::new();
    let order = host.order(1, "0");
    let mut spool = Spool::open(&host.state()).unwrap();
    spool.take(order.clone(), None, model::Micros(1), "boot").unwrap();
    drop(spool);
    let desk = host.desk();
    assert!(matches!(desk.order(order.clone()).await.unwrap(), Reply::Ack(Ack::Accepted)));
    assert!(matches!(ended(&desk, &order.token).await, Outcome::Succeeded { .. }));
    assert_eq!(host.times_done(), 1);
}

#[tokio::test]
async fn a_revoked_job_is_stopped_and_its_processes_are_gone() {
    let host = Host::new();
    let desk = host.desk();
    desk.order(host.order(1, "600")).await.unwrap();
    begun(&host).await;
    let answer = tokio::time::timeout(LIMIT, desk.revoke(host.order(1, "600").token)).await.unwrap().unwrap();
    assert_eq!(answer, Revoked::Stopped);
    let left = std::process::Command::new("pgrep").arg("-f").arg(host.script.as_os_str()).output().unwrap();
    assert!(left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
}

#[tokio::test]
async fn an_order_that_arrives_after_its_revocation_is_turned_away() {
    let host = Host::new();
    let desk = host.desk();
    assert_eq!(desk.revoke(host.order(1, "0").token).await.unwrap(), Revoked::NeverBegun);
    let Reply::TurnedAway(outcome) = desk.order(host.order(1, "0")).await.unwrap() else { panic!("taken") };
    assert_eq!(code(&outcome), "LB2112");
    assert_eq!(host.times_done(), 0);
}

#[tokio::test]
async fn the_end_of_the_time_is_unknown_and_not_failed() {
    let host = Host::new();
    let desk = host.desk();
    let mut order = host.order(1, "600");
    order.timeout = Duration::from_millis(300);
    desk.order(order.clone()).await.unwrap();
    let outcome = ended(&desk, &order.token).await;
    assert_eq!(outcome.as_str(), "unknown", "{outcome:?}");
}

#[tokio::test]
async fn an_epoch_that_came_meanwhile_keeps_an_older_order_from_beginning() {
    let host = Host::new();
    let order = host.order(1, "0");
    let mut spool = Spool::open(&host.state()).unwrap();
    spool.take(order.clone(), None, model::Micros(1), "boot").unwrap();
    drop(spool);
    let desk = host.desk();
    desk.obey(Epoch { number: 2, holder: Uuid::from_u128(2) }).await.unwrap().unwrap();
    let Reply::TurnedAway(outcome) = desk.order(order.clone()).await.unwrap() else { panic!("taken") };
    assert_eq!(code(&outcome), "LB2110");
    let state = desk.read(|spool| spool.entry(&order.token).unwrap().state.clone());
    assert_eq!((state, host.times_done()), (State::Spooled, 0));
}

#[tokio::test]
async fn fault_14_work_that_a_takeover_stopped_is_unknown_and_no_refusal_of_whoever_took_over() {
    let host = Host::new();
    let desk = host.desk();
    let mut order = host.order(1, "0");
    // `sleep x` fails, so it is asked again and again, and each time the epoch is compared first.
    let question =
        Question::Command { script: host.script.clone(), args: vec!["x".to_string()], sha256: None };
    let check = CheckSpec { name: Name::new("never").unwrap(), question, within: LIMIT };
    order.work = Work::Check(Check { check, retries: 1000, pause: Duration::from_millis(20) });
    desk.order(order.clone()).await.unwrap();
    begun(&host).await;
    desk.obey(Epoch { number: 2, holder: Uuid::from_u128(2) }).await.unwrap().unwrap();
    let outcome = ended(&desk, &order.token).await;
    assert_eq!((outcome.as_str(), code(&outcome).as_str()), ("unknown", "LB2209"), "{outcome:?}");
}

#[tokio::test]
async fn output_of_a_job_is_heard_and_its_end_is_news() {
    let host = Host::new();
    let desk = host.desk();
    let mut news = desk.news();
    desk.order(host.order(1, "0")).await.unwrap();
    let heard = tokio::time::timeout(LIMIT, async {
        loop {
            if let Ok(News::Ended(token)) = news.recv().await {
                return token;
            }
        }
    });
    assert_eq!(heard.await.unwrap(), host.order(1, "0").token);
}
