//! Disks that are full and dumps that die.

use crate::world::{Plans, SOON, World, step};
use tests::{
    link::{Link, State},
    polling::until,
    ports,
    postgres::Postgres,
    scratch::Scratch,
    small_disk::SmallDisk,
};

fn may_mount() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not root: nothing can be mounted here");
    }
    root
}

fn snapshots(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder.join("snapshots")).map_or(0, Iterator::count)
}

const BACKUP: &str = "  save: { backup: { source: documents, to: local, on: east-1 } }\n";

/// A world with a `files` source of one big file and a repository in the scratch folder.
async fn with_documents(name: &str) -> World {
    let plans = Plans::new(name).secret("password", "a secret\n");
    let folder = plans.folder();
    std::fs::create_dir_all(format!("{folder}/documents")).unwrap();
    plans
        .estate("sources:\n  documents: { kind: files, paths: [SCRATCH/documents], members: [east-1] }\nrepositories:\n  local: { at: SCRATCH/repository, region: west, password: { file: SCRATCH/password } }\n")
        .policy("sources:\n  - { name: documents, kind: files, paths: [SCRATCH/documents] }\nrepositories: [SCRATCH/repository]\nsecrets: [SCRATCH/password]\n")
        .plan("save", BACKUP)
        .start()
        .await
}

fn noise(bytes: usize) -> Vec<u8> {
    // Nothing that can be compressed or found twice.
    (0..bytes / 8).flat_map(|_| rand::random::<u64>().to_le_bytes()).collect()
}

#[tokio::test]
async fn fault_61_a_full_repository_is_told_and_harms_no_earlier_snapshot_and_room_lets_it_go_on() {
    if !may_mount() {
        return;
    }
    let world = with_documents("fault-61").await;
    let documents = world.scratch.path().join("documents");
    let disk = SmallDisk::mount(&world.scratch, "repository", 2_048).await.unwrap();
    std::fs::write(documents.join("small"), noise(100_000)).unwrap();
    let first = world.run("save").await;
    world.until_success(first).await;
    assert_eq!(snapshots(disk.path()), 1);
    std::fs::write(documents.join("big"), noise(6_000_000)).unwrap();
    let run = world.run("save").await;
    let view = world.until_view(run, "a run that waits for a person", |view| view.status == "waiting").await;
    let problem = step(&view, "save").problem.clone().expect("a problem");
    let told = format!("{problem:?}").to_lowercase();
    assert!(
        problem.code.starts_with("LB") && (told.contains("space") || told.contains("full")),
        "{problem:?}"
    );
    assert!(!problem.advice.is_empty());
    assert_eq!(snapshots(disk.path()), 1, "the earlier snapshot is there, and no half one");
    let points = world.say(&["points", "documents", "--output", "json"]).await.json().unwrap();
    assert_eq!(points.as_array().unwrap().len(), 1, "{points}");
    disk.resize(&world.scratch, 20_480).await.unwrap();
    world.say(&["retry", &run.to_string(), "save"]).await.expect_code(0).unwrap();
    world.until_success(run).await;
    assert_eq!(snapshots(disk.path()), 2);
}

#[tokio::test]
async fn fault_11_a_controller_whose_disk_is_full_begins_nothing_and_goes_on_when_there_is_room() {
    if !may_mount() {
        return;
    }
    let mut world = Plans::new("fault-11")
        .gated("one")
        .script("two", "")
        .plan("two", "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }\n  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }\n")
        .small_disk(16_384)
        .start()
        .await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    world
        .until_view(run, "an accepted attempt", |view| step(view, "one").attempts[0].state == "accepted")
        .await;
    let filler = world.disk.as_ref().unwrap().path().join("filler");
    let full = std::fs::write(&filler, noise(20_000_000)).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    world.open("one");
    world.until_gone("one").await;
    until("words about the full disk", SOON, async || {
        let log = world.controller_log();
        if log.contains("LB1206") { Ok(()) } else { Err(tests::process::tail(world.controller.log())) }
    })
    .await
    .unwrap();
    assert_eq!(world.count("two"), 0, "no new step begins");
    // Reading goes on, so people see what is wrong.
    world.say(&["status"]).await;
    let refused = world.say(&["run", "two", "--detach"]).await;
    assert_ne!(refused.code, 0);
    std::fs::remove_file(&filler).unwrap();
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
    world.controller.stop().await;
}

/// Processes of a program that have a variable in their environment.
fn running(program: &str, variable: &str) -> Vec<u32> {
    let read = |pid: &u32, file: &str| {
        String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default())
            .into_owned()
    };
    let holds = |pid: &u32| {
        read(pid, "comm").trim() == program && read(pid, "environ").split('\0').any(|one| one == variable)
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds).collect()
}

#[tokio::test]
async fn a_dump_that_dies_half_way_leaves_no_snapshot_and_is_told_and_the_next_one_is_whole() {
    let beside = Scratch::new("dump-server").unwrap();
    let address = ([127, 0, 0, 1], ports::free([127, 0, 0, 1].into()).unwrap()).into();
    let mut server = Postgres::create(&beside, "east", address).await.unwrap();
    server.start().await.unwrap();
    server.execute("create database app").await.unwrap();
    server
        .execute_in("app", "create table writes as select n as id, repeat(md5(n::text), 20) as text from generate_series(1, 20000) n")
        .await
        .unwrap();
    let slow = Link::to(address).await.unwrap();
    slow.set(State::Slow(200_000));
    let port = slow.address().port();
    let world = Plans::new("dump")
        .secret("password", "a secret\n")
        .estate(&format!("sources:\n  app-db: {{ kind: postgres, database: app, user: postgres, members: {{ east-1: {{ address: 127.0.0.1, port: {port} }} }} }}\nrepositories:\n  local: {{ at: SCRATCH/repository, region: west, password: {{ file: SCRATCH/password }} }}\n"))
        .policy("sources:\n  - { name: app-db, kind: postgres, databases: [app] }\nrepositories: [SCRATCH/repository]\nsecrets: [SCRATCH/password]\n")
        .plan("save", "  save: { retry: { tries: 1 }, backup: { source: app-db, to: local, on: east-1 } }\n")
        .start()
        .await;
    let run = world.run("save").await;
    let dump = until("a pg_dump", SOON, async || {
        running("pg_dump", &format!("PGPORT={port}")).first().copied().ok_or_else(|| "none".to_owned())
    });
    let dump = dump.await.unwrap();
    // It has been sending for a while.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    let pid = rustix::process::Pid::from_raw(i32::try_from(dump).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let view = world.until_view(run, "a run that waits for a person", |view| view.status == "waiting").await;
    let problem = step(&view, "save").problem.clone().expect("a problem");
    assert!(problem.message.contains("pg_dump") && problem.code.starts_with("LB2"), "{problem:?}");
    assert!(!problem.advice.is_empty());
    let repository = world.scratch.path().join("repository");
    assert_eq!(snapshots(&repository), 0, "a failed dump leaves no snapshot");
    slow.set(State::Open);
    world.say(&["retry", &run.to_string(), "save"]).await.expect_code(0).unwrap();
    let view = world.until_success(run).await;
    assert_eq!(snapshots(&repository), 1);
    let output = step(&view, "save").attempts.last().unwrap().output.clone().unwrap();
    assert!(output.to_string().contains("20000"), "every row is counted: {output}");
}
