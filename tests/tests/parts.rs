//! The parts themselves, on real servers: what later tests stand on has to be true first.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::json;
use tests::{
    app::SCHEMA,
    bind::{Bind, Host, KEY_NAME},
    client::{Client, Target, lost},
    otlp::Otlp,
    polling::until,
    ports,
    postgres::Postgres,
    process::{Process, Spec, alive, descendants},
    scratch::Scratch,
    webhook::Webhook,
};

const EAST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 20);
const WEST: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 20);
const BOUND: Duration = Duration::from_secs(30);

fn localhost(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn app(scratch: &Scratch, region: &str, at: SocketAddr, database: &Postgres) -> Process {
    let listen = at.to_string();
    let url = database.url("postgres");
    let argv = [env!("CARGO_BIN_EXE_demo-app"), "--listen", &listen, "--database", &url, "--region", region];
    Spec::new(&format!("app {region}"), scratch.log(&format!("app-{region}")), argv).start().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_loses_no_acknowledged_write_and_its_standby_takes_over() {
    let scratch = Scratch::new("pair").unwrap();
    let database_port = ports::free_on_all(&[EAST.into(), WEST.into()]).unwrap();
    let app_port = ports::free_on_all(&[EAST.into(), WEST.into()]).unwrap();
    let (mut east, west) =
        Postgres::pair(&scratch, (EAST, database_port).into(), (WEST, database_port).into()).await.unwrap();
    east.execute(SCHEMA).await.unwrap();
    assert!(!east.is_in_recovery().await.unwrap());
    assert!(west.is_in_recovery().await.unwrap());

    let mut east_app = app(&scratch, "east", (EAST, app_port).into(), &east);
    let _west_app = app(&scratch, "west", (WEST, app_port).into(), &west);
    let bind_at = localhost(ports::free(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap());
    let host = Host { name: "app".into(), address: EAST, ttl: 1 };
    let bind = Bind::primary(&scratch, "demo.test", bind_at, &[host], &[]).await.unwrap();

    let target =
        Target { server: bind_at, name: "app.demo.test".into(), port: app_port, client: "c1".into() };
    let client = Client::start(target).unwrap();
    client.wait_for_writes(10, BOUND).await.unwrap();
    health(app_port, EAST, 200, "primary").await;
    health(app_port, WEST, 503, "standby").await;

    east.kill();
    east_app.kill();
    let before = client.tally().failed;
    until("a failed write", BOUND, || async {
        let tally = client.tally();
        if tally.failed > before { Ok(()) } else { Err(format!("{tally:?}")) }
    })
    .await
    .unwrap();
    west.promote().await.unwrap();
    health(app_port, WEST, 200, "primary").await;
    update(&scratch, &bind, &format!("update delete app.demo.test A\nupdate add app.demo.test 1 A {WEST}"))
        .await;
    client.wait_for_address(WEST, BOUND).await.unwrap();
    client.wait_for_writes(10, BOUND).await.unwrap();

    let tally = client.finish().await.unwrap();
    assert!(tally.by_address[&EAST] >= 10 && tally.by_address[&WEST] >= 10, "{tally:?}");
    assert!(tally.longest_gap > Duration::from_millis(100), "{tally:?}");
    assert_eq!(lost(&tally, "c1", &west, "postgres").await.unwrap(), Vec::<i64>::new());
    // The question can be answered with "lost": a row taken away is missed.
    let gone = tally.acknowledged[3];
    west.execute(&format!("delete from writes where id = {gone}")).await.unwrap();
    assert_eq!(lost(&tally, "c1", &west, "postgres").await.unwrap(), vec![gone]);
}

async fn health(port: u16, at: Ipv4Addr, status: u16, role: &str) {
    let url = format!("http://{at}:{port}/health");
    until(&format!("{status} {role} at {at}"), BOUND, || async {
        let answer = reqwest::get(&url).await.map_err(|error| error.to_string())?;
        let seen = answer.status().as_u16();
        let body = answer.text().await.map_err(|error| error.to_string())?;
        if seen == status && body.contains(role) { Ok(()) } else { Err(format!("{seen} {body}")) }
    })
    .await
    .unwrap();
}

/// Changes the zone with BIND's own tool, so that the server is tested and not our client.
async fn update(scratch: &Scratch, bind: &Bind, lines: &str) {
    let (ip, port) = (bind.address().ip(), bind.address().port());
    let script = format!("server {ip} {port}\nzone {}\n{lines}\nsend\n", bind.zone());
    let script = scratch.write("update.txt", &script).unwrap();
    let argv = ["nsupdate", "-k", bind.key_file().to_str().unwrap(), script.to_str().unwrap()];
    Spec::new("nsupdate", scratch.log("nsupdate"), argv).run(BOUND).await.unwrap();
}

#[tokio::test]
async fn a_secondary_follows_its_primary_and_a_restart_keeps_the_change() {
    let scratch = Scratch::new("bind").unwrap();
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (one, two) = (localhost(ports::free(here).unwrap()), localhost(ports::free(here).unwrap()));
    let host = Host { name: "app".into(), address: EAST, ttl: 1 };
    let mut primary = Bind::primary(&scratch, "demo.test", one, &[host], &[two]).await.unwrap();
    let secondary = Bind::secondary(&scratch, &primary, two).await.unwrap();
    assert_eq!(secondary.addresses("app.demo.test").await.unwrap(), [EAST]);

    update(
        &scratch,
        &primary,
        &format!("update delete app.demo.test A\nupdate add app.demo.test 1 A {WEST}"),
    )
    .await;
    assert_eq!(primary.addresses("app.demo.test").await.unwrap(), [WEST]);
    until("the secondary's new answer", BOUND, || async {
        let seen = secondary.addresses("app.demo.test").await.map_err(|failure| failure.chain())?;
        if seen == [WEST] { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await
    .unwrap();

    primary.stop().await;
    assert!(primary.addresses("app.demo.test").await.is_err());
    primary.start().await.unwrap();
    assert_eq!(primary.addresses("app.demo.test").await.unwrap(), [WEST]);
    assert!(std::fs::read_to_string(primary.key_file()).unwrap().contains(KEY_NAME));
}

#[tokio::test]
async fn a_frozen_server_is_no_answer_within_the_bound() {
    let scratch = Scratch::new("frozen").unwrap();
    let at = localhost(ports::free(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap());
    let bind = Bind::primary(&scratch, "demo.test", at, &[], &[]).await.unwrap();
    bind.freeze();
    let failure = bind.addresses("ns.demo.test").await.unwrap_err();
    assert!(failure.to_string().contains("no answer within"), "{failure}");
    bind.thaw();
    assert_eq!(bind.addresses("ns.demo.test").await.unwrap(), [Ipv4Addr::LOCALHOST]);
}

#[tokio::test]
async fn a_killed_server_leaves_no_process_and_starts_again() {
    let scratch = Scratch::new("kill").unwrap();
    let at: SocketAddr = (EAST, ports::free(EAST.into()).unwrap()).into();
    let mut server = Postgres::create(&scratch, "alone", at).await.unwrap();
    server.start().await.unwrap();
    server.execute("create table t (n int); insert into t values (1)").await.unwrap();
    let family = descendants(std::process::id());
    assert!(family.len() > 3, "a postmaster and its helpers: {family:?}");

    server.kill();
    assert!(!server.running());
    assert!(!family.iter().any(|member| alive(*member)), "{family:?}");
    assert!(server.text("select 'here'").await.is_err());

    server.start().await.unwrap();
    assert_eq!(server.text("select count(*)::text from t").await.unwrap(), "1");
    server.stop().await;
    assert!(!server.running());
}

#[tokio::test]
async fn grandchildren_in_sessions_of_their_own_die_with_their_process() {
    let scratch = Scratch::new("family").unwrap();
    let argv = ["bash", "-c", "setsid sleep 600 & setsid bash -c 'sleep 600 & wait' & wait"];
    let mut process = Spec::new("family", scratch.log("family"), argv).start().unwrap();
    let family = until("four descendants", BOUND, || async {
        let family = descendants(process.id());
        if family.len() >= 3 { Ok(family) } else { Err(format!("{family:?}")) }
    })
    .await
    .unwrap();
    process.kill();
    assert!(!family.iter().any(|member| alive(*member)), "{family:?}");
}

#[tokio::test]
async fn services_that_outlive_their_agent_are_found_and_killed() {
    let scratch = Scratch::new("services").unwrap();
    let marker = format!("LIFEBOAT_SERVICE={}/services/db", scratch.path().display());
    let script = format!("{marker} setsid bash -c 'sleep 600 & wait' & wait");
    let mut agent = Spec::new("agent", scratch.log("agent"), ["bash", "-c", &script]).start().unwrap();
    let family = until("the service", BOUND, async || {
        let family = descendants(agent.id());
        if family.len() >= 2 { Ok(family) } else { Err(format!("{family:?}")) }
    })
    .await
    .unwrap();
    agent.kill_alone();
    assert!(family.iter().all(|member| alive(*member)), "{family:?}");
    drop(scratch);
    assert!(!family.iter().any(|member| alive(*member)), "{family:?}");
}

#[tokio::test]
async fn a_program_that_fails_shows_its_last_lines() {
    let scratch = Scratch::new("fails").unwrap();
    let argv = ["bash", "-c", "echo what went wrong; exit 3"];
    let failure = Spec::new("fails", scratch.log("fails"), argv).run(BOUND).await.unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("what went wrong") && text.contains("exit status: 3"), "{text}");
}

#[tokio::test]
async fn a_program_that_ignores_the_signal_is_killed_after_its_grace() {
    let scratch = Scratch::new("stubborn").unwrap();
    let argv = ["bash", "-c", "trap '' TERM; echo ready; while true; do sleep 1; done"];
    let process = Spec::new("stubborn", scratch.log("stubborn"), argv).start().unwrap();
    until("its trap", BOUND, || async {
        let log = tests::process::tail(&scratch.log("stubborn"));
        if log.contains("ready") { Ok(()) } else { Err(log) }
    })
    .await
    .unwrap();
    let id = process.id();
    process.stop(Signal::TERM, Duration::from_millis(200)).await;
    assert!(!alive(id));
}

#[tokio::test]
async fn a_wait_ends_at_its_bound_even_when_its_look_hangs() {
    let never = until("nothing", Duration::from_millis(50), std::future::pending::<Result<(), String>>);
    let failure = never.await.unwrap_err();
    assert!(failure.to_string().contains("did not happen within 50ms"), "{failure}");
}

#[tokio::test]
async fn a_webhook_keeps_what_it_is_sent_and_can_be_in_trouble() {
    let webhook = Webhook::start(localhost(0)).await.unwrap();
    webhook.refuse_next(1);
    tests::client::install_tls();
    let http = reqwest::Client::new();
    let send = || http.post(webhook.url()).header("x-kind", "told").json(&json!({ "text": "moved" })).send();
    assert_eq!(send().await.unwrap().status(), 503);
    assert_eq!(send().await.unwrap().status(), 200);
    let post = webhook.wait_for("the post", BOUND, |body| body["text"] == "moved").await.unwrap();
    assert_eq!(post.header("x-kind"), Some("told"));
    assert_eq!(webhook.posts().len(), 1);
}

#[tokio::test]
async fn spans_arrive_with_service_trace_and_attributes() {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
        common::v1::{AnyValue, KeyValue, any_value},
        resource::v1::Resource,
        trace::v1::{ResourceSpans, ScopeSpans, Span},
    };
    let pair = |key: &str, value: &str| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) }),
        ..KeyValue::default()
    };
    let otlp = Otlp::start(localhost(0)).await.unwrap();
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "promote".into(),
        attributes: vec![pair("host", "west-1")],
        ..Span::default()
    };
    let resource = Resource { attributes: vec![pair("service.name", "agent")], ..Resource::default() };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let spans =
        ResourceSpans { resource: Some(resource), scope_spans: vec![scope], ..ResourceSpans::default() };
    let mut client = TraceServiceClient::connect(otlp.endpoint()).await.unwrap();
    client.export(ExportTraceServiceRequest { resource_spans: vec![spans] }).await.unwrap();

    let spans = otlp.wait_for("one span", BOUND, |spans| !spans.is_empty()).await.unwrap();
    assert_eq!((spans[0].service.as_str(), spans[0].name.as_str()), ("agent", "promote"));
    assert_eq!(spans[0].trace, "01".repeat(16));
    assert_eq!(spans[0].attributes["host"], "west-1");
}

#[test]
fn ports_are_given_once() {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut given: Vec<u16> = (0..50).map(|_| ports::free(here).unwrap()).collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 50);
}
