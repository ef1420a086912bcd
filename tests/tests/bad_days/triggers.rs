//! Plans that begin by themselves: real agents ask a real server from three places.

use crate::world::{Plans, SOON, World};
use axum::http::{HeaderName, StatusCode};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tests::polling::until;
use tokio::task::JoinHandle;

/// The damping time of the plan below.
const DAMPING: Duration = Duration::from_secs(2);
/// Long enough for a plan to begin that should not.
const LONG: Duration = Duration::from_secs(6);

/// A server that always answers 200, as itself or as another one.
struct Server {
    address: SocketAddr,
    itself: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let itself = Arc::new(AtomicBool::new(true));
        let asked = itself.clone();
        let answer = move || {
            let name = if asked.load(Ordering::SeqCst) { "db-1" } else { "default-site" };
            async move { (StatusCode::OK, [(HeaderName::from_static("x-served-by"), name)], "fine") }
        };
        let routes = axum::Router::new().route("/health", axum::routing::get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, itself, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Three hosts ask; each the server that stands here for it.
async fn asked_from_three(name: &str, servers: [&Server; 3]) -> World {
    let url = |server: &Server| format!("\"http://{}/health\"", server.address);
    let [one, two, three] = servers.map(url);
    let check = format!(
        "services:\n  idle: {{ kind: process, hosts: {{ east-1: {{ run: [/bin/sleep, infinity] }} }} }}\n\
         checks:\n  alive:\n    of: idle\n    every: 200ms\n    within: 1s\n    from: [west-1, west-2, west-3]\n    \
         http: {{ headers: {{ x-served-by: db-1 }}, urls: {{ west-1: {one}, west-2: {two}, west-3: {three} }} }}\n"
    );
    let steps = "  take-over: { undo: none, command: { script: SCRIPT(take-over), hosts: [west-1] } }\n\
                 trigger: { check: alive, for: 2s, cool-down: 60s }\n";
    let plans = Plans::new(name).host("west-1").host("west-2").host("west-3").script("take-over", "true");
    let policy = "check-hosts: [\"127.0.0.1\"]\n";
    plans.policy(policy).estate(&check).plan("take-over", steps).start().await
}

async fn until_it_began(world: &World) {
    until("the run that began by itself", SOON, async || match world.count("take-over") {
        1 => Ok(()),
        count => Err(format!("{count}")),
    })
    .await
    .unwrap();
}

async fn began(world: &World) -> Vec<(String, String)> {
    use sqlx::Row as _;
    let rows = world.rows("select plan, requested_by from runs where mode = 'live' order by run").await;
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn fault_49_a_check_that_lies_from_one_place_begins_nothing_and_a_200_of_another_server_does() {
    let (right, wrong) = (Server::start().await, Server::start().await);
    wrong.itself.store(false, Ordering::SeqCst);
    let world = asked_from_three("trigger", [&wrong, &right, &right]).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(began(&world).await, [], "one of three says that it fails");
    // A blink, shorter than the damping time.
    right.itself.store(false, Ordering::SeqCst);
    tokio::time::sleep(DAMPING / 2).await;
    right.itself.store(true, Ordering::SeqCst);
    tokio::time::sleep(LONG).await;
    assert_eq!(began(&world).await, [], "it was over before the damping time");
    // Something else answers 200 in its place.
    right.itself.store(false, Ordering::SeqCst);
    until_it_began(&world).await;
    tokio::time::sleep(LONG).await;
    let expected = [("take-over".to_string(), "trigger".to_string())];
    assert_eq!(began(&world).await, expected, "never twice within the cool-down");
    assert_eq!(world.count("take-over"), 1);
}

#[tokio::test]
async fn a_restarted_controller_remembers_the_cool_down_and_hosts_that_are_gone_say_nothing() {
    let server = Server::start().await;
    let mut world = asked_from_three("trigger-again", [&server, &server, &server]).await;
    server.itself.store(false, Ordering::SeqCst);
    until_it_began(&world).await;
    world.restart_controller("").await;
    for host in ["west-1", "west-2", "west-3"] {
        world.until_connected(host).await;
    }
    tokio::time::sleep(LONG).await;
    assert_eq!(world.count("take-over"), 1, "the journal remembers the cool-down");
}
