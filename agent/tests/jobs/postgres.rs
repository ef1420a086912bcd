//! Backup, restore, proof and swap of a real PostgreSQL database.

use crate::support::{Cluster, Place, alive, all_jobs, is_root, output, until, work};
use agent::jobs::{self, Context, Probe};
use model::jobs::{BackupOutput, CheckOutput, ProveOutput, RestoreOutput, SwapOutput};
use model::{Outcome, Problem};
use serde_json::{Value, json};

const TABLES: &str = "
    create schema shop;
    create table users (id serial primary key, name text not null);
    create table shop.\"Orders; --\" (id int, user_id int references users);
    create table parts (at date, n int) partition by range (at);
    create table parts_1 partition of parts for values from ('2026-01-01') to ('2027-01-01');
    create extension pgcrypto;
    insert into users (name) select 'user ' || n from generate_series(1, 1000) n;
    insert into shop.\"Orders; --\" select n, n from generate_series(1, 500) n;
    insert into parts select '2026-06-01', n from generate_series(1, 70) n;";

struct Bench {
    place: Place,
    cluster: Cluster,
}

impl Bench {
    async fn new() -> Bench {
        let place = Place::new();
        let cluster = Cluster::start(&place, "p");
        cluster.run("postgres", "create database tutor").await;
        cluster.run("tutor", TABLES).await;
        Bench { place, cluster }
    }

    fn policy(&self) -> Value {
        json!({
            "jobs": all_jobs(),
            "sources": [{ "name": "db", "kind": "postgres", "databases": ["tutor"] }],
            "repositories": [self.place.text("repository"), self.place.text("small")],
            "secrets": [self.place.text("")],
            "services": [self.cluster.service_rule("server")],
        })
    }

    fn context(&self, marker: &str) -> Context {
        self.place.context(marker, self.policy()).0
    }

    fn source(&self) -> Value {
        self.cluster.source("tutor")
    }

    async fn backup(&self, context: &Context) -> Outcome {
        let order =
            json!({ "source": self.source(), "repository": self.place.repository(), "tags": ["nightly"] });
        jobs::perform(&work("backup", order), context).await
    }

    fn restore_order(&self, into: &str) -> model::Work {
        let order = json!({ "source": self.source(), "repository": self.place.repository(), "point": "latest", "into": into });
        work("restore", order)
    }

    /// Is a dump at work?
    async fn copying(&self) -> bool {
        let copies =
            "select count(*) from pg_stat_activity where query like 'COPY%' and pid <> pg_backend_pid()";
        self.cluster.ask("postgres", copies).await != "0"
    }

    async fn fill(&self) {
        let many =
            "insert into users (name) select repeat(md5(n::text), 40) from generate_series(1, 60000) n";
        self.cluster.run("tutor", many).await;
    }

    /// Ids of the snapshots in the repository.
    fn snapshots(&self) -> Vec<String> {
        let folder = self.place.path("repository/snapshots");
        let entries = std::fs::read_dir(folder).map(|entries| entries.count()).unwrap_or(0);
        (0..entries).map(|n| n.to_string()).collect()
    }
}

fn problem(outcome: Outcome) -> Problem {
    match outcome {
        Outcome::Failed { problem } | Outcome::Refused { problem } => problem,
        other => panic!("not failed: {other:?}"),
    }
}

#[tokio::test]
async fn a_backup_is_proven_restored_beside_and_swapped_in_with_the_old_kept() {
    let bench = Bench::new().await;
    let cluster = &bench.cluster;
    let backup: BackupOutput = output(bench.backup(&bench.context("b")).await);
    assert_eq!(backup.rows["public.users"], 1000);
    assert_eq!(backup.rows["shop.Orders; --"], 500);
    assert_eq!(backup.rows["public.parts_1"], 70);
    assert_eq!(backup.rows.len(), 3);
    assert!(backup.server_version.unwrap().starts_with("15."));
    assert!(backup.read_bytes > 10_000 && backup.stored_bytes < backup.read_bytes);

    // A proof asks the copy, not the live database, and leaves nothing behind.
    cluster.run("tutor", "delete from shop.\"Orders; --\"; delete from users where id > 10").await;
    let check = |least: i64| json!({ "name": "users-present", "ask": "sql", "source": bench.source(), "statement": "select count(*) from users -- all", "expect": { "at-least": least } });
    let prove = |least: i64| {
        let order = json!({ "source": bench.source(), "repository": bench.place.repository(), "point": "latest", "checks": [check(least)] });
        work("prove", order)
    };
    let proof: ProveOutput = output(jobs::perform(&prove(1000), &bench.context("pr")).await);
    assert_eq!(proof.snapshot, backup.snapshot);
    assert_eq!(proof.checks, ["users-present"]);
    assert!(proof.tables.iter().all(|table| table.expected == table.found));
    assert_eq!(proof.tables.len(), 3);
    let no = problem(jobs::perform(&prove(1001), &bench.context("pr2")).await);
    assert!(no.message.contains("expected at least 1001, found 1000"), "{no:?}");
    assert_eq!(cluster.databases().await, ["postgres", "tutor"]);

    // A restore makes a copy beside; the live database is as it was.
    let restore: RestoreOutput =
        output(jobs::perform(&bench.restore_order("tutor_copy"), &bench.context("r")).await);
    assert!(restore.matches && restore.bytes > 10_000 && restore.into == "tutor_copy");
    assert_eq!(cluster.databases().await, ["postgres", "tutor", "tutor_copy"]);
    assert_eq!(cluster.ask("tutor", "select count(*) from users").await, "10");
    assert_eq!(cluster.ask("tutor_copy", "select count(*) from users").await, "1000");

    // A probe after a lost result knows its own copy; another order does not take it for its own.
    let known = jobs::probe(&bench.restore_order("tutor_copy"), &bench.context("r")).await;
    assert!(matches!(known, Probe::Done(Outcome::Succeeded { .. })), "{known:?}");
    let again: RestoreOutput =
        output(jobs::perform(&bench.restore_order("tutor_copy"), &bench.context("r")).await);
    assert_eq!(again, restore);
    let other = problem(jobs::perform(&bench.restore_order("tutor_copy"), &bench.context("r9")).await);
    assert_eq!(other.code, "LB2352");

    // A swap ends the writers, puts the copy in place and keeps the old.
    let mut writer = cluster.connect("tutor").await.unwrap();
    let swap = work("swap", json!({ "source": bench.source(), "copy": "tutor_copy" }));
    let context = bench.context("s");
    assert_eq!(jobs::probe(&swap, &context).await, Probe::NotDone);
    let swapped: SwapOutput = output(jobs::perform(&swap, &context).await);
    assert!(swapped.old.starts_with("tutor_old_"), "{swapped:?}");
    assert!(sqlx::query("insert into users (name) values ('late')").execute(&mut writer).await.is_err());
    assert_eq!(cluster.ask("tutor", "select count(*) from users").await, "1000");
    assert_eq!(cluster.databases().await, ["postgres", "tutor", swapped.old.as_str()]);
    assert!(cluster.connect(&swapped.old).await.is_err(), "the old one must be closed to writers");
    cluster.run("postgres", &format!("alter database {} with allow_connections true", swapped.old)).await;
    assert_eq!(cluster.ask(&swapped.old, "select count(*) from users").await, "10");
    match jobs::probe(&swap, &context).await {
        Probe::Done(Outcome::Succeeded { output }) => assert_eq!(output["old"], json!(swapped.old)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_restore_never_touches_the_live_database_nor_anyone_elses() {
    let bench = Bench::new().await;
    output::<BackupOutput>(bench.backup(&bench.context("b")).await);
    bench.cluster.run("postgres", "create database tutor_theirs").await;
    bench.cluster.run("tutor_theirs", "create table precious (n int); insert into precious values (1)").await;
    bench.cluster.run("postgres", "create database tutor_x_unfinished; ").await;
    bench.cluster.run("tutor_x_unfinished", "create table precious (n int)").await;
    // The policy refuses the live name; without the policy the job would refuse it as well.
    let live = jobs::perform(&bench.restore_order("tutor"), &bench.context("r")).await;
    assert!(matches!(&live, Outcome::Refused { .. }), "{live:?}");
    let mut open = bench.policy();
    open["sources"][0]["into"] = json!([""]);
    let live = jobs::perform(&bench.restore_order("tutor"), &bench.place.context("r", open).0).await;
    assert_eq!(problem(live).code, "LB2355");
    for into in ["tutor_theirs", "tutor_x"] {
        let no = problem(jobs::perform(&bench.restore_order(into), &bench.context("r")).await);
        assert_eq!(no.code, "LB2352", "{into}");
    }
    assert_eq!(bench.cluster.ask("tutor_theirs", "select n from precious").await, "1");
    assert_eq!(bench.cluster.ask("tutor", "select count(*) from users").await, "1000");
}

#[tokio::test]
async fn what_a_crash_left_of_a_restore_is_replaced() {
    let bench = Bench::new().await;
    output::<BackupOutput>(bench.backup(&bench.context("b")).await);
    // Killed between the creation and the mark: an empty database under the unfinished name.
    bench.cluster.run("postgres", "create database tutor_a_unfinished").await;
    let context = bench.context("r");
    assert_eq!(jobs::probe(&bench.restore_order("tutor_a"), &context).await, Probe::NotDone);
    output::<RestoreOutput>(jobs::perform(&bench.restore_order("tutor_a"), &context).await);
    // Killed later: marked as unfinished, half loaded.
    bench.cluster.run("postgres", "create database tutor_b_unfinished").await;
    bench.cluster.run("tutor_b_unfinished", "create table half (n int)").await;
    let mark = r#"lifeboat: {"role":"unfinished","source":"db","snapshot":"x","at":0,"work":"w"}"#;
    bench.cluster.run("postgres", &format!("comment on database tutor_b_unfinished is '{mark}'")).await;
    output::<RestoreOutput>(jobs::perform(&bench.restore_order("tutor_b"), &context).await);
    assert_eq!(bench.cluster.databases().await, ["postgres", "tutor", "tutor_a", "tutor_b"]);
}

#[tokio::test]
async fn a_dump_that_dies_half_way_leaves_no_snapshot() {
    let bench = Bench::new().await;
    bench.fill().await;
    // Its session on the server is ended, or the program itself is killed.
    for kill_program in [false, true] {
        let context = bench.context("b");
        let (outcome, ()) = tokio::join!(bench.backup(&context), async {
            until("pg_dump copies", async || bench.copying().await).await;
            if kill_program {
                for one in alive(&context) {
                    agent::services::alive::signal(one, rustix::process::Signal::KILL);
                }
            } else {
                let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like 'COPY%' and pid <> pg_backend_pid()";
                bench.cluster.ask("postgres", end).await;
            }
        });
        let died = problem(outcome);
        assert_eq!(died.code, "LB2350", "{died:?}");
        assert!(bench.snapshots().is_empty());
        assert_eq!(
            jobs::probe(
                &work("backup", json!({ "source": bench.source(), "repository": bench.place.repository() })),
                &context
            )
            .await,
            Probe::NotDone
        );
    }
    let backup: BackupOutput = output(bench.backup(&bench.context("b2")).await);
    assert_eq!(backup.rows["public.users"], 61_000);
    assert_eq!(bench.snapshots().len(), 1);
}

#[tokio::test]
async fn a_cancelled_backup_ends_pg_dump_and_leaves_no_snapshot() {
    let bench = Bench::new().await;
    // The dump waits for a lock that nobody gives.
    let mut holder = bench.cluster.connect("tutor").await.unwrap();
    sqlx::raw_sql("begin; create table later (n int); lock table users in access exclusive mode")
        .execute(&mut holder)
        .await
        .unwrap();
    bench.cluster.run("postgres", "select 1").await;
    let context = bench.context("b");
    // Counting waits for the same lock, so the job is cancelled there.
    let (outcome, ()) = tokio::join!(bench.backup(&context), async {
        until("somebody waits", async || {
            bench
                .cluster
                .ask("postgres", "select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
                .await
                != "0"
        })
        .await;
        context.cancel.cancel();
    });
    assert_eq!(outcome, Outcome::Cancelled);
    assert!(alive(&context).is_empty());
    assert!(bench.snapshots().is_empty());
}

#[tokio::test]
async fn a_probe_finds_the_snapshot_of_its_own_order() {
    let bench = Bench::new().await;
    let context = bench.context("b");
    let backup: BackupOutput = output(bench.backup(&context).await);
    let order = work("backup", json!({ "source": bench.source(), "repository": bench.place.repository() }));
    match jobs::probe(&order, &context).await {
        Probe::Done(done) => {
            let found: BackupOutput = output(done);
            assert_eq!((found.snapshot, found.rows), (backup.snapshot, backup.rows));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(jobs::probe(&order, &bench.context("other")).await, Probe::NotDone);
}

#[tokio::test]
async fn fault_61_a_full_repository_disk_is_told_and_earlier_snapshots_live() {
    if !is_root() {
        return;
    }
    let bench = Bench::new().await;
    let small = bench.place.path("repository");
    std::fs::create_dir(&small).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1500k", "tmpfs"])
        .arg(&small)
        .status()
        .unwrap();
    assert!(mounted.success());
    output::<BackupOutput>(bench.backup(&bench.context("b")).await);
    bench.cluster.run("tutor", "insert into users (name) select string_agg(md5(random()::text), '') from generate_series(1, 4000) a, generate_series(1, 40) b group by a").await;
    let context = bench.context("full");
    let full = problem(bench.backup(&context).await);
    assert!(full.code.starts_with("LB30"), "{full:?}");
    assert!(full.message.contains("bytes free"), "{full:?}");
    assert!(alive(&context).is_empty(), "pg_dump goes on");
    let restored = jobs::perform(&bench.restore_order("tutor_copy"), &bench.context("r")).await;
    let unmounted = std::process::Command::new("umount").arg(&small).status().unwrap();
    assert!(unmounted.success());
    assert!(output::<RestoreOutput>(restored).matches);
}

#[tokio::test]
async fn a_role_that_is_missing_is_named_and_the_half_copy_goes_away() {
    let bench = Bench::new().await;
    bench.cluster.run("postgres", "create role gone; grant gone to postgres").await;
    bench.cluster.run("tutor", "alter table users owner to gone").await;
    output::<BackupOutput>(bench.backup(&bench.context("b")).await);
    bench.cluster.run("tutor", "alter table users owner to postgres").await;
    bench.cluster.run("postgres", "drop role gone").await;
    let no = problem(jobs::perform(&bench.restore_order("tutor_copy"), &bench.context("r")).await);
    assert_eq!(no.code, "LB2354");
    assert!(no.log.join("\n").contains("\"gone\""), "{no:?}");
    assert_eq!(bench.cluster.databases().await, ["postgres", "tutor"]);
}

#[tokio::test]
async fn a_backup_cancelled_in_mid_dump_ends_pg_dump() {
    let bench = Bench::new().await;
    bench.fill().await;
    let context = bench.context("b");
    let (outcome, ()) = tokio::join!(bench.backup(&context), async {
        until("pg_dump copies", async || bench.copying().await).await;
        context.cancel.cancel();
    });
    assert_eq!(outcome, Outcome::Cancelled);
    assert!(alive(&context).is_empty());
    assert!(bench.snapshots().is_empty());
}

#[tokio::test]
async fn a_swap_whose_second_rename_fails_undoes_itself_and_lets_the_writers_in() {
    let bench = Bench::new().await;
    output::<BackupOutput>(bench.backup(&bench.context("b")).await);
    output::<RestoreOutput>(jobs::perform(&bench.restore_order("tutor_copy"), &bench.context("r")).await);
    let names = bench.cluster.databases().await;
    let context = bench.context("s");
    let swap = work("swap", json!({ "source": bench.source(), "copy": "tutor_copy" }));
    // A prepared transaction has no session that could be ended, and keeps its database from being renamed.
    bench.cluster.run("tutor_copy", "begin; create table held (n int); prepare transaction 'held'").await;
    let failed = problem(jobs::perform(&swap, &context).await);
    assert!(failed.causes.join(" ").contains("being accessed"), "{failed:?}");
    assert_eq!(bench.cluster.databases().await, names);
    bench.cluster.run("tutor", "insert into users (name) values ('again')").await;
    assert_eq!(jobs::probe(&swap, &context).await, Probe::NotDone);
    // With the obstacle gone the same copy goes in.
    bench.cluster.run("tutor_copy", "rollback prepared 'held'").await;
    output::<SwapOutput>(jobs::perform(&swap, &bench.context("s2")).await);
    assert_eq!(bench.cluster.ask("tutor", "select count(*) from users").await, "1000");
}

#[tokio::test]
async fn a_swapped_in_copy_has_the_owner_rights_and_settings_of_what_was_live() {
    let bench = Bench::new().await;
    output::<BackupOutput>(bench.backup(&bench.context("b")).await);
    let live = "
        create role shopkeeper; create role reader login; create role \"Odd One\";
        alter database tutor owner to shopkeeper;
        revoke all on database tutor from public;
        grant connect on database tutor to reader;
        grant create on database tutor to \"Odd One\" with grant option;
        alter database tutor set search_path to \"$user\", shop, public;
        alter database tutor set work_mem to '9MB';
        alter database tutor set my.word to 'it''s, this';
        alter role reader in database tutor set statement_timeout to '7s';
        alter database tutor connection limit 30";
    for statement in live.split(';') {
        bench.cluster.run("postgres", statement).await;
    }
    output::<RestoreOutput>(jobs::perform(&bench.restore_order("tutor_copy"), &bench.context("r")).await);
    // Settings of the copy alone do not stay.
    bench.cluster.run("postgres", "alter database tutor_copy set work_mem to '1MB'").await;
    bench.cluster.run("postgres", "alter database tutor_copy set enable_seqscan to off").await;
    bench.cluster.run("postgres", "grant temporary on database tutor_copy to reader").await;
    let all = async |name: &str| {
        let rights = format!(
            "select datdba::regrole::text || ' ' || datconnlimit || ' ' || (select string_agg(a::text, ' ' order by a::text) from unnest(datacl) a)
             || ' ' || (select string_agg(setrole::text || setting, ' ' order by setrole::text || setting) from pg_db_role_setting s, unnest(s.setconfig) setting where s.setdatabase = d.oid)
             from pg_database d where datname = '{name}'"
        );
        bench.cluster.ask("postgres", &rights).await
    };
    let before = all("tutor").await;
    let swap = work("swap", json!({ "source": bench.source(), "copy": "tutor_copy" }));
    output::<SwapOutput>(jobs::perform(&swap, &bench.context("s")).await);
    assert_eq!(all("tutor").await, before);
    assert!(before.contains("shopkeeper 30") && before.contains("work_mem=9MB"), "{before}");
    let ask =
        async |setting: &str| bench.cluster.ask("tutor", &format!("current_setting('{setting}')")).await;
    assert_eq!(ask("search_path").await, "\"$user\", shop, public");
    assert_eq!(ask("my.word").await, "it's, this");
}

#[tokio::test]
async fn what_a_crash_left_of_a_proof_is_dropped_by_the_next_one_and_by_a_probe() {
    let bench = Bench::new().await;
    output::<BackupOutput>(bench.backup(&bench.context("b")).await);
    let leave = async |name: &str, role: &str, source: &str| {
        let mark = json!({ "role": role, "source": source, "snapshot": "x", "at": 0, "work": "w" });
        bench.cluster.run("postgres", &format!("create database {name}")).await;
        bench.cluster.run("postgres", &format!("comment on database {name} is 'lifeboat: {mark}'")).await;
    };
    leave("tutor_prove_00000000", "unfinished", "db").await;
    // None of these is left by a proof of this source: one is at work, one is a restore's, one another's, one whole.
    leave("tutor_prove_11111111", "unfinished", "db").await;
    leave("tutor_prove_unfinished", "unfinished", "db").await;
    leave("tutor_prove_22222222", "unfinished", "other").await;
    leave("tutor_prove_33333333", "copy", "db").await;
    let mut at_work = bench.cluster.connect("postgres").await.unwrap();
    sqlx::query("select pg_advisory_lock(hashtext('lifeboat copy tutor_prove_11111111')::bigint)")
        .execute(&mut at_work)
        .await
        .unwrap();
    let order =
        json!({ "source": bench.source(), "repository": bench.place.repository(), "point": "latest" });
    let prove = work("prove", order);
    output::<ProveOutput>(jobs::perform(&prove, &bench.context("p")).await);
    let mut left = vec![
        "postgres",
        "tutor",
        "tutor_prove_11111111",
        "tutor_prove_22222222",
        "tutor_prove_33333333",
        "tutor_prove_unfinished",
    ];
    assert_eq!(bench.cluster.databases().await, left);
    drop(at_work);
    until("its session has ended", async || {
        bench.cluster.ask("postgres", "select count(*) from pg_locks where locktype = 'advisory'").await
            == "0"
    })
    .await;
    assert_eq!(jobs::probe(&prove, &bench.context("p2")).await, Probe::NotDone);
    left.remove(2);
    assert_eq!(bench.cluster.databases().await, left);
}

#[tokio::test]
async fn a_swap_takes_nothing_but_a_whole_copy_and_a_probe_takes_back_a_hold() {
    let bench = Bench::new().await;
    let context = bench.context("s");
    let swap = |copy: &str| work("swap", json!({ "source": bench.source(), "copy": copy }));
    assert_eq!(problem(jobs::perform(&swap("tutor_nothing"), &context).await).code, "LB2342");
    bench.cluster.run("postgres", "create database tutor_dummy").await;
    assert_eq!(problem(jobs::perform(&swap("tutor_dummy"), &context).await).code, "LB2340");
    // What a crash between the hold and the renames leaves.
    bench.cluster.run("postgres", "alter database tutor with allow_connections false").await;
    assert_eq!(jobs::probe(&swap("tutor_dummy"), &context).await, Probe::NotDone);
    assert_eq!(bench.cluster.ask("tutor", "select count(*) from users").await, "1000");
    context.cancel.cancel();
    assert_eq!(jobs::perform(&swap("tutor_dummy"), &context).await, Outcome::Cancelled);
}

#[tokio::test]
async fn sql_checks_can_only_ask() {
    let bench = Bench::new().await;
    let context = bench.context("c");
    let ask = async |statement: &str, expect: Value| {
        let check = json!({ "name": "c", "ask": "sql", "source": bench.source(), "statement": statement, "expect": expect });
        jobs::perform(&work("check", json!({ "check": check })), &context).await
    };
    let answer: CheckOutput = output(ask("select count(*) from users", json!({ "at-least": 1000 })).await);
    assert_eq!(answer.answer, "1000");
    output::<CheckOutput>(ask("select name from users where id = 1", json!({ "equals": "user 1" })).await);
    let found = problem(ask("select count(*) from users", json!({ "at-least": 1001 })).await);
    assert_eq!(found.message, "expected at least 1001, found 1000");
    for statement in [
        "delete from users returning id",
        "select 1; delete from users",
        "with gone as (delete from users returning id) select count(*) from gone",
        "select 1) as x(y); delete from users; select (1",
        "select setval('users_id_seq', 5)",
        "copy (select 1) to program 'touch /tmp/x'",
        "select 1 union select 2",
        "select id from users where false",
    ] {
        problem(ask(statement, json!({ "at-least": 0 })).await);
    }
    assert_eq!(bench.cluster.ask("tutor", "select count(*) from users").await, "1000");
    // However long an answer is, little of it travels.
    let long = problem(ask("select repeat('x', 100000000)", json!({ "equals": "y" })).await);
    assert!(long.message.len() < 1000 && long.message.contains("found xxx"), "{}", long.message.len());
    let slow = json!({ "name": "c", "ask": "sql", "source": bench.source(), "statement": "select pg_sleep(60)", "expect": { "equals": "" }, "within": "200ms" });
    problem(jobs::perform(&work("check", json!({ "check": slow })), &context).await);
}

#[tokio::test]
async fn a_preview_says_what_is_there_and_does_nothing() {
    let bench = Bench::new().await;
    let mut context = bench.context("b");
    context.mode = model::Mode::Preview;
    let backup = work("backup", json!({ "source": bench.source(), "repository": bench.place.repository() }));
    let preview: jobs::Preview = output(jobs::perform(&backup, &context).await);
    assert!(preview.would.iter().any(|line| line.contains("PostgreSQL 15.")), "{preview:?}");
    assert!(!bench.place.path("repository").exists());
    let missing = jobs::perform(&bench.restore_order("tutor_copy"), &context).await;
    assert_eq!(problem(missing).code, "LB3011");
    output::<BackupOutput>(bench.backup(&bench.context("b")).await);
    output::<jobs::Preview>(jobs::perform(&bench.restore_order("tutor_copy"), &context).await);
    assert_eq!(bench.cluster.databases().await, ["postgres", "tutor"]);
}
