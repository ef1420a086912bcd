//! Promote and fence real PostgreSQL servers.

use crate::support::{Cluster, Place, all_jobs, is_root, output, until, work};
use agent::jobs::{self, Context, Probe};
use agent::sources;
use model::jobs::{FenceOutput, PromoteOutput, ServiceOutput};
use model::nouns::SourceSpec;
use model::{Evidence, HostName, Outcome};
use serde_json::{Value, json};

fn policy(servers: &[&Cluster]) -> Value {
    let rules: Vec<Value> = servers.iter().map(|one| one.service_rule("server")).collect();
    json!({
        "jobs": all_jobs(),
        "sources": [{ "name": "db", "kind": "postgres", "databases": ["tutor"] }],
        "services": rules,
    })
}

fn source(cluster: &Cluster, service: bool) -> Value {
    let mut source = cluster.source("tutor");
    if service {
        source["server"] = cluster.service("server");
    }
    source
}

async fn facts(source: &Value) -> model::nouns::MemberFacts {
    let spec: SourceSpec = serde_json::from_value(source.clone()).unwrap();
    sources::facts(&spec, &HostName::new("h").unwrap()).await
}

#[tokio::test]
async fn a_standby_is_promoted_once_and_takes_writes() {
    let place = Place::new();
    let primary = Cluster::start(&place, "p");
    primary.run("postgres", "create database tutor").await;
    let standby = primary.standby(&place, "s");
    primary.run("tutor", "create table t (n int); insert into t values (1)").await;
    until("it is replayed", async || {
        standby.connect("tutor").await.is_ok()
            && standby.ask("tutor", "select count(*) from pg_class where relname = 't'").await == "1"
    })
    .await;
    let before = facts(&source(&standby, false)).await;
    assert_eq!(before.role, "standby");
    assert!(before.lsn > 0 && before.trouble.is_none(), "{before:?}");

    let order = work("promote", json!({ "source": source(&standby, false) }));
    let (context, _) = place.context("p", policy(&[]));
    assert_eq!(jobs::probe(&order, &context).await, Probe::NotDone);
    let promoted: PromoteOutput = output(jobs::perform(&order, &context).await);
    assert_eq!((promoted.timeline, promoted.already_primary), (2, false));
    assert!(promoted.received_lsn >= before.lsn && promoted.replayed_lsn > 0, "{promoted:?}");
    assert!(promoted.last_commit_at.is_some());
    standby.run("tutor", "insert into t values (2)").await;
    assert_eq!(facts(&source(&standby, false)).await.role, "primary");

    // A lost result: the probe still knows what was received before.
    match jobs::probe(&order, &context).await {
        Probe::Done(done) => {
            let known: PromoteOutput = output(done);
            assert_eq!((known.received_lsn, known.already_primary), (promoted.received_lsn, false));
        }
        other => panic!("{other:?}"),
    }
    let (other, _) = place.context("p2", policy(&[]));
    let again: PromoteOutput = output(jobs::perform(&order, &other).await);
    assert_eq!((again.timeline, again.already_primary), (2, true));
}

#[tokio::test]
async fn a_promoted_primary_whose_own_standby_is_missing_still_answers() {
    let place = Place::new();
    let primary = Cluster::start(&place, "p");
    primary.run("postgres", "create database tutor").await;
    let standby = primary.standby(&place, "s");
    standby.run("postgres", "alter system set synchronous_standby_names = 'nobody'").await;
    standby.run("postgres", "select pg_reload_conf()").await;
    let (context, mut said) = place.context("p", policy(&[]));
    let order = work("promote", json!({ "source": source(&standby, false) }));
    let promoted: PromoteOutput = output(jobs::perform(&order, &context).await);
    assert_eq!(promoted.timeline, 2);
    assert!(said.recv().await.unwrap().contains("nobody"));
    assert_eq!(facts(&source(&standby, false)).await.sync_standbys, ["nobody"]);
}

async fn fence(place: &Place, marker: &str, cluster: &Cluster) -> (Outcome, Context) {
    let (context, _) = place.context(marker, policy(&[cluster]));
    let order = work("fence", json!({ "source": source(cluster, true) }));
    (jobs::perform(&order, &context).await, context)
}

async fn start(cluster: &Cluster, context: &Context) -> Outcome {
    let order = work("service", json!({ "service": cluster.service("server"), "action": "start" }));
    jobs::perform(&order, context).await
}

#[tokio::test]
async fn a_fenced_server_is_stopped_and_not_started_again() {
    let place = Place::new();
    let cluster = Cluster::make(&place, "p");
    let (context, _) = place.context("start", policy(&[&cluster]));
    output::<ServiceOutput>(start(&cluster, &context).await);
    until("it answers", async || cluster.connect("postgres").await.is_ok()).await;
    cluster.run("postgres", "create database tutor").await;
    let written: u64 = cluster
        .ask("postgres", "select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")
        .await
        .parse()
        .unwrap();
    let mut session = cluster.connect("tutor").await.unwrap();

    let (outcome, fenced) = fence(&place, "f", &cluster).await;
    let first: FenceOutput = output(outcome);
    assert_eq!(first.evidence, Evidence::Stopped);
    assert!(first.final_lsn.unwrap() >= written, "{first:?}");
    assert!(first.detail.contains("refuses connections"), "{first:?}");
    assert!(sqlx::query("create table late (n int)").execute(&mut session).await.is_err());
    assert!(cluster.connect("postgres").await.is_err());
    let refused = start(&cluster, &context).await;
    assert_eq!(refused.problem().unwrap().code, "LB2402");
    assert!(cluster.connect("postgres").await.is_err());

    // Twice is once, and a probe sees it.
    let again: FenceOutput = output(fence(&place, "f2", &cluster).await.0);
    assert_eq!(again.evidence, Evidence::Stopped);
    let order = work("fence", json!({ "source": source(&cluster, true) }));
    assert!(matches!(jobs::probe(&order, &fenced).await, Probe::Done(Outcome::Succeeded { .. })));
}

#[tokio::test]
async fn a_fence_ends_the_orphans_of_a_killed_server() {
    let place = Place::new();
    let cluster = Cluster::make(&place, "p");
    let (context, _) = place.context("start", policy(&[&cluster]));
    let started: ServiceOutput = output(start(&cluster, &context).await);
    until("it answers", async || cluster.connect("postgres").await.is_ok()).await;
    // A session that computes does not look whether its main process is alive, and could still commit.
    let mut session = cluster.connect("postgres").await.unwrap();
    let busy = tokio::spawn(async move {
        let loops = "do $$ begin for i in 1..2000000000 loop end loop; end $$";
        let _ = sqlx::raw_sql(loops).execute(&mut session).await;
    });
    until("it computes", async || {
        cluster
            .ask(
                "postgres",
                "select count(*) from pg_stat_activity where query like 'do %' and state = 'active'",
            )
            .await
            == "1"
    })
    .await;
    crate::services::kill(started.pid.unwrap());
    let (outcome, _) = fence(&place, "f", &cluster).await;
    assert_eq!(output::<FenceOutput>(outcome).evidence, Evidence::Stopped);
    let folder = agent::services::alive::Folder::at(&cluster.data).unwrap();
    assert!(agent::services::alive::working_in(folder, "postgres").is_empty());
    busy.abort();
}

#[tokio::test]
async fn a_fence_leaves_a_server_alone_that_has_the_same_path_in_another_mount_namespace() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let (ours, theirs) = (Cluster::make(&place, "p"), Cluster::make(&place, "q"));
    let (context, _) = place.context("start", policy(&[&ours]));
    output::<ServiceOutput>(start(&ours, &context).await);
    until("ours answers", async || ours.connect("postgres").await.is_ok()).await;
    // As in a container: the path of our folder means another one there.
    let script = "mount --bind \"$1\" \"$2\" && exec setpriv --reuid=postgres --regid=postgres --clear-groups \"$3\" -D \"$2\"";
    let mut stranger = std::process::Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .args([&theirs.data, &ours.data])
        .arg(format!("{}/postgres", crate::support::PROGRAMS))
        .current_dir("/")
        .stdin(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("theirs answers", async || theirs.connect("postgres").await.is_ok()).await;
    let cwd = std::fs::read_link(format!("/proc/{}/cwd", stranger.id())).unwrap();
    assert_eq!(cwd, ours.data.canonicalize().unwrap());
    let mut session = theirs.connect("postgres").await.unwrap();

    let (outcome, fenced) = fence(&place, "f", &ours).await;
    let done: FenceOutput = output(outcome);
    assert!(done.detail.contains("no PostgreSQL process works in its data folder"), "{done:?}");
    assert!(ours.connect("postgres").await.is_err());
    sqlx::raw_sql("create table alive (n int)").execute(&mut session).await.unwrap();
    let order = work("fence", json!({ "source": source(&ours, true) }));
    assert!(matches!(jobs::probe(&order, &fenced).await, Probe::Done(_)));
    drop(session);
    // It is our own child, so it is ended and waited for here.
    let pid = rustix::process::Pid::from_child(&stranger);
    rustix::process::kill_process(pid, rustix::process::Signal::QUIT).unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_fence_keeps_the_position_that_a_role_without_rights_could_still_ask() {
    let place = Place::new();
    let cluster = Cluster::make(&place, "p");
    let (context, _) = place.context("start", policy(&[&cluster]));
    output::<ServiceOutput>(start(&cluster, &context).await);
    until("it answers", async || cluster.connect("postgres").await.is_ok()).await;
    cluster.run("postgres", "create role small login").await;
    let mut order = source(&cluster, true);
    order["user"] = json!("small");
    // Killed hard, the control file holds no clean position: only what was asked before is left.
    order["server"]["manager"]["stop_signal"] = json!("QUIT");
    let (context, _) = place.context("f", policy(&[&cluster]));
    let order = work("fence", json!({ "source": order }));
    // A service that runs and may run was surely not fenced.
    assert_eq!(jobs::probe(&order, &context).await, Probe::NotDone);
    let done: FenceOutput = output(jobs::perform(&order, &context).await);
    assert!(done.final_lsn.is_some(), "{done:?}");
}

#[tokio::test]
async fn fault_42_a_fence_whose_address_still_answers_is_no_fence() {
    let place = Place::new();
    let cluster = Cluster::make(&place, "p");
    // Another server, that nobody told us of, answers at the source's address.
    let stranger = std::net::TcpListener::bind(("127.0.0.1", cluster.port)).unwrap();
    let (outcome, context) = fence(&place, "f", &cluster).await;
    let problem = outcome.problem().expect("no evidence may come of this");
    assert!(matches!(&outcome, Outcome::Failed { .. }));
    assert_eq!(problem.code, "LB2333");
    assert!(problem.message.contains("still takes connections"), "{problem:?}");
    let order = work("fence", json!({ "source": source(&cluster, true) }));
    // It was masked and stopped, and is not proven: nobody may take that for "not done".
    let probe = jobs::probe(&order, &context).await;
    assert!(matches!(&probe, Probe::CannotTell(problem) if problem.code == "LB2333"), "{probe:?}");
    drop(stranger);
}

#[tokio::test]
async fn a_fence_without_a_known_service_says_what_is_missing() {
    let place = Place::new();
    let cluster = Cluster::make(&place, "p");
    let (context, _) = place.context("f", policy(&[&cluster]));
    let order = work("fence", json!({ "source": source(&cluster, false) }));
    let outcome = jobs::perform(&order, &context).await;
    assert!(matches!(&outcome, Outcome::Failed { problem } if problem.code == "LB2331"), "{outcome:?}");
}

#[tokio::test]
async fn facts_of_a_dead_member_say_down_and_why() {
    let place = Place::new();
    let cluster = Cluster::make(&place, "p");
    let dead = facts(&source(&cluster, true)).await;
    assert_eq!((dead.role.as_str(), dead.lsn), ("down", 0));
    assert!(dead.trouble.unwrap().contains("LB2306"));
}
