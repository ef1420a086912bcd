//! The name server is away, has another key, or somebody else changed the record; and the controller dies
//! around the change.

use crate::world::{Plans, SOON, World, step};
use std::net::{Ipv4Addr, SocketAddr};
use tests::{
    bind::{Bind, Host},
    polling::until,
    ports,
};

const EAST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const WEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 12);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 13);

/// A world whose plan `move` points app.demo.test from east to west, and its name server.
async fn world(name: &str) -> (World, Bind) {
    let plans = Plans::new(name).host("west-1").script("fine", "");
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free(Ipv4Addr::LOCALHOST.into()).unwrap()).into();
    let host = Host { name: "app".into(), address: EAST, ttl: 1 };
    let bind = Bind::primary(plans.scratch(), "demo.test", address, &[host], &[]).await.unwrap();
    let key = bind.key_file().display().to_string();
    let estate = format!(
        "services:
  idle: {{ kind: process, hosts: {{ east-1: {{ run: [/bin/sleep, infinity] }}, west-1: {{ run: [/bin/sleep, infinity] }} }} }}
checks:
  fine: {{ of: idle, monitor: false, command: {{ script: SCRIPT(fine) }} }}
dns:
  demo: {{ kind: rfc2136, zone: demo.test, servers: [\"{address}\"], key: {{ file: {key} }} }}
records:
  app: {{ name: app.demo.test, in: demo, ttl: 1s, values: {{ east: [{EAST}], west: [{WEST}] }} }}
"
    );
    let steps = "  verify: { check: { checks: [fine], region: west } }
  cut-over: { after: verify, cutover: { record: app, to: west } }
";
    (plans.estate(&estate).plan("move", steps).start().await, bind)
}

async fn points_to(bind: &Bind, address: Ipv4Addr) {
    assert_eq!(bind.addresses("app.demo.test").await.unwrap(), [address]);
}

#[tokio::test]
async fn fault_46_a_name_server_that_is_down_is_told_and_the_change_is_made_when_it_is_back() {
    let (world, mut bind) = world("fault-46").await;
    bind.stop().await;
    let run = world.run("move").await;
    let told = |view: &engine::view::View| {
        step(view, "cut-over").attempts.iter().any(|attempt| {
            attempt.problem.as_ref().is_some_and(|problem| format!("{problem:?}").contains("LB1401"))
        })
    };
    let view = world.until_view(run, "words about the server", told).await;
    assert!(view.is_open(), "{view:#?}");
    bind.start().await.unwrap();
    until("the change", SOON * 2, async || {
        let view = world.try_view(run).await?;
        if step(&view, "cut-over").state == "failed" {
            let _ = world.say(&["retry", &run.to_string(), "cut-over"]).await;
        }
        if view.is_open() { Err(format!("{view:#?}")) } else { Ok(()) }
    })
    .await
    .unwrap();
    world.until_success(run).await;
    points_to(&bind, WEST).await;
}

#[tokio::test]
async fn a_wrong_key_is_told_and_changes_nothing_and_the_right_one_goes_on() {
    let (world, bind) = world("wrong-key").await;
    let right = std::fs::read_to_string(bind.key_file()).unwrap();
    let secret = right.split('"').nth(3).unwrap();
    // Another secret of the same length, and still base64: its last digit may not be just any.
    let first = if secret.starts_with('A') { "B" } else { "A" };
    let other = format!("{first}{}", &secret[1..]);
    std::fs::write(bind.key_file(), right.replace(secret, &other)).unwrap();
    let run = world.run("move").await;
    let view = world.until_view(run, "a run that waits for a person", |view| view.status == "waiting").await;
    let problem = step(&view, "cut-over").problem.clone().expect("a problem");
    assert_eq!(problem.code, "LB1403", "{problem:?}");
    assert!(!problem.advice.is_empty());
    points_to(&bind, EAST).await;
    std::fs::write(bind.key_file(), right).unwrap();
    world.say(&["retry", &run.to_string(), "cut-over"]).await.expect_code(0).unwrap();
    world.until_success(run).await;
    points_to(&bind, WEST).await;
}

/// Changes the record as somebody does who knows nothing of Lifeboat.
async fn somebody_changes(bind: &Bind, world: &World) {
    let address = bind.address();
    let text = format!(
        "server {} {}\nupdate delete app.demo.test A\nupdate add app.demo.test 1 A {OTHER}\nsend\n",
        address.ip(),
        address.port()
    );
    let file = world.scratch.write("nsupdate", &text).unwrap();
    let mut command = tokio::process::Command::new("nsupdate");
    let output = command.arg("-k").arg(bind.key_file()).arg(file).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    points_to(bind, OTHER).await;
}

#[tokio::test]
async fn fault_47_a_record_that_somebody_else_changed_meanwhile_is_left_as_it_is_and_a_person_is_asked() {
    let (mut world, bind) = world("fault-47").await;
    world.restart_controller("cutover-saved").await;
    for host in ["east-1", "west-1"] {
        world.until_connected(host).await;
    }
    let run = world.run_and_lose_the_controller("move").await;
    somebody_changes(&bind, &world).await;
    world.restart_controller("").await;
    let view = world.until_view(run, "a run that waits for a person", |view| view.status == "waiting").await;
    let problem = format!("{:?}", step(&view, "cut-over").problem);
    assert!(problem.contains("LB1407") && problem.contains("127.0.0.13"), "{view:#?}");
    points_to(&bind, OTHER).await;
    // The person looks, and wants it: a retry plans afresh from what is there now.
    world.say(&["retry", &run.to_string(), "cut-over"]).await.expect_code(0).unwrap();
    world.until_success(run).await;
    points_to(&bind, WEST).await;
}

#[tokio::test]
async fn a_controller_that_dies_around_the_change_of_a_record_makes_it_once_and_verifies_it() {
    let (mut world, bind) = world("around").await;
    for (point, target) in [("cutover-planned", WEST), ("cutover-saved", EAST), ("cutover-done", WEST)] {
        let to = if target == WEST { "west" } else { "east" };
        let steps = format!(
            "  verify: {{ check: {{ checks: [fine], region: {to} }} }}
  cut-over: {{ after: verify, cutover: {{ record: app, to: {to} }} }}
"
        );
        world.rewrite("move", &steps);
        world.apply().await.expect_code(0).unwrap();
        world.restart_controller(point).await;
        for host in ["east-1", "west-1"] {
            world.until_connected(host).await;
        }
        let run = world.run_and_lose_the_controller("move").await;
        world.restart_controller("").await;
        let view = world.until_success(run).await;
        assert_eq!(step(&view, "cut-over").attempts.len(), 1, "{point}: {view:#?}");
        points_to(&bind, target).await;
    }
}
