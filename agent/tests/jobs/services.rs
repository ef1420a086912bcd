//! The suite of service managers, over the supervised process; what is special about processes.

use crate::support::{Place, is_root, until};
use agent::services::{self, ServiceManager, alive};
use model::jobs::ServiceState;
use model::nouns::ServiceSpec;
use serde_json::{Value, json};

pub fn spec(manager: Value) -> ServiceSpec {
    serde_json::from_value(json!({ "name": "svc", "manager": manager })).unwrap()
}

async fn state(manager: &dyn ServiceManager) -> ServiceState {
    manager.status().await.unwrap().state
}

/// What every manager keeps. `lose` kills the service's main process behind the manager's back.
pub async fn conforms(manager: &dyn ServiceManager, lose: impl Fn(u32)) {
    // Start and stop, twice each, change nothing the second time.
    assert_eq!(state(manager).await, ServiceState::Stopped);
    manager.start().await.unwrap();
    let first = manager.status().await.unwrap();
    assert_eq!(first.state, ServiceState::Running);
    manager.start().await.unwrap();
    assert_eq!(manager.status().await.unwrap().pid, first.pid, "a second start made a new process");
    manager.stop().await.unwrap();
    assert_eq!(state(manager).await, ServiceState::Stopped);
    manager.stop().await.unwrap();
    assert_eq!(state(manager).await, ServiceState::Stopped);
    // A restart gives a new process, also when none ran.
    manager.restart().await.unwrap();
    let second = manager.status().await.unwrap();
    assert_eq!(second.state, ServiceState::Running);
    manager.restart().await.unwrap();
    let third = manager.status().await.unwrap();
    assert_ne!(second.pid, third.pid);
    // A lost process is noticed, and can be started again.
    lose(third.pid.unwrap());
    until("the loss is noticed", async || state(manager).await == ServiceState::Failed).await;
    manager.start().await.unwrap();
    assert_eq!(state(manager).await, ServiceState::Running);
    // A mask stops nothing, and after a stop nobody starts it.
    manager.mask().await.unwrap();
    manager.mask().await.unwrap();
    assert_eq!(state(manager).await, ServiceState::Running);
    assert!(manager.status().await.unwrap().masked);
    manager.stop().await.unwrap();
    assert_eq!(state(manager).await, ServiceState::Masked);
    for refused in [manager.start().await, manager.restart().await] {
        assert_eq!(refused.unwrap_err().code, "LB2402");
    }
    assert_eq!(state(manager).await, ServiceState::Masked);
    manager.unmask().await.unwrap();
    assert_eq!(state(manager).await, ServiceState::Stopped);
    manager.start().await.unwrap();
    assert_eq!(state(manager).await, ServiceState::Running);
    manager.stop().await.unwrap();
}

pub fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_process_keeps_what_every_manager_keeps() {
    let place = Place::new();
    let spec = spec(json!({ "kind": "process", "argv": ["/bin/sleep", "1000"] }));
    let manager = services::open(&spec, &place.state()).unwrap();
    conforms(manager.as_ref(), kill).await;
}

#[tokio::test]
async fn an_agent_that_starts_again_finds_its_processes() {
    let place = Place::new();
    let spec = spec(json!({ "kind": "process", "argv": ["/bin/sleep", "1000"] }));
    services::open(&spec, &place.state()).unwrap().start().await.unwrap();
    let again = services::open(&spec, &place.state()).unwrap();
    let found = again.status().await.unwrap();
    assert_eq!(found.state, ServiceState::Running);
    // A crash between the start and its record: found by its mark in the environment.
    std::fs::remove_file(place.state().join("services/svc/record.json")).unwrap();
    assert_eq!(again.status().await.unwrap().pid, found.pid);
    again.stop().await.unwrap();
    assert_eq!(again.status().await.unwrap().state, ServiceState::Stopped);
    assert!(alive::stat(found.pid.unwrap()).is_none_or(|stat| stat.state == 'Z'));
}

#[tokio::test]
async fn a_reused_pid_is_never_mistaken_for_the_service() {
    let place = Place::new();
    let spec = spec(json!({ "kind": "process", "argv": ["/bin/sleep", "1000"] }));
    let manager = services::open(&spec, &place.state()).unwrap();
    let mut stranger = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
    let record = json!({ "pid": stranger.id(), "started_ticks": 1, "boot": alive::boot_id(), "argv": ["/bin/sleep", "1000"] });
    std::fs::create_dir_all(place.state().join("services/svc")).unwrap();
    std::fs::write(place.state().join("services/svc/record.json"), record.to_string()).unwrap();
    assert_eq!(manager.status().await.unwrap().state, ServiceState::Failed);
    manager.stop().await.unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "a stranger was killed");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_stop_leaves_nobody_of_the_group_even_when_they_ignore_it() {
    let place = Place::new();
    let script = "trap '' TERM; sleep 1000 & (setsid sleep 1001 &) ; while :; do sleep 1; done";
    let spec = spec(json!({ "kind": "process", "argv": ["/bin/sh", "-c", script], "stop_grace": "300ms" }));
    let manager = services::open(&spec, &place.state()).unwrap();
    manager.start().await.unwrap();
    let mark = format!("LIFEBOAT_SERVICE={}", place.state().join("services/svc").display());
    until("children run", async || alive::marked(&mark).len() >= 3).await;
    manager.stop().await.unwrap();
    assert_eq!(manager.status().await.unwrap().state, ServiceState::Stopped);
    let group: Vec<_> = alive::marked(&mark);
    assert!(group.is_empty(), "{group:?} are left");
}

#[tokio::test]
async fn a_process_that_ends_at_once_is_told_with_its_last_lines() {
    let place = Place::new();
    let spec =
        spec(json!({ "kind": "process", "argv": ["/bin/sh", "-c", "echo no such option >&2; exit 3"] }));
    let problem = services::open(&spec, &place.state()).unwrap().start().await.unwrap_err();
    assert_eq!(problem.code, "LB2408");
    assert_eq!(problem.log, ["no such option"]);
}

#[tokio::test]
async fn a_process_runs_as_its_user_with_all_its_groups() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let spec = spec(json!({ "kind": "process", "argv": ["/usr/bin/id"], "user": "postgres" }));
    let problem = services::open(&spec, &place.state()).unwrap().start().await.unwrap_err();
    let expected = std::process::Command::new("/usr/bin/id").arg("postgres").output().unwrap();
    assert_eq!(problem.log.join("\n"), String::from_utf8(expected.stdout).unwrap().trim());
}

#[tokio::test]
async fn a_start_and_a_fence_at_once_never_leave_it_running() {
    for _ in 0..10 {
        let place = Place::new();
        let spec = spec(json!({ "kind": "process", "argv": ["/bin/sleep", "1000"] }));
        let (starter, fencer) =
            (services::open(&spec, &place.state()).unwrap(), services::open(&spec, &place.state()).unwrap());
        let (_, fenced) = tokio::join!(starter.start(), async {
            fencer.mask().await?;
            fencer.stop().await
        });
        fenced.unwrap();
        assert_eq!(fencer.status().await.unwrap().state, ServiceState::Masked);
    }
}
