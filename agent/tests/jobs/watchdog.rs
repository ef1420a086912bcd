//! The watchdog with a real PostgreSQL in a real control group: at the deadline all of it is gone, with no agent
//! alive, also when the watchdog itself was killed meanwhile.

use crate::support::{Cluster, PROGRAMS, Place, is_root, until};
use agent::services::alive;
use model::Name;
use model::lease::{Answer, Ask, Duty, State};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that commits without a pause, in a control group of its own.
struct Committing {
    group: PathBuf,
    server: Child,
    client: Child,
    seen: PathBuf,
}

fn hierarchy() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    line.split(' ').nth(1).map(PathBuf::from).filter(|_| is_root())
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

impl Committing {
    async fn start(place: &Place, name: &str) -> Option<Committing> {
        let Some(root) = hierarchy() else {
            eprintln!("no control groups here, or not root: nothing is tested");
            return None;
        };
        let group = root.join(format!("lifeboat-test-{name}-{}", std::process::id()));
        std::fs::create_dir(&group).unwrap();
        let cluster = Cluster::make(place, name);
        let server = Command::new(env!("CARGO_BIN_EXE_lifeboat-agent"))
            .arg("within")
            .arg(&group)
            .args(["--", "/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(format!("{PROGRAMS}/postgres"))
            .arg("-D")
            .arg(&cluster.data)
            .current_dir("/")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("a server", async || cluster.connect("postgres").await.is_ok()).await;
        let procedure = "create table numbers (n bigint);
            create procedure commit_on() language plpgsql as $$ begin
              for n in 1..100000000 loop insert into numbers values (n); commit; raise notice '%', n; end loop;
            end $$";
        cluster.run("postgres", procedure).await;
        let seen = place.path("seen");
        let client = Command::new(format!("{PROGRAMS}/psql"))
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p", &cluster.port.to_string()])
            .args(["-c", "call commit_on()", "postgres"])
            .stderr(std::fs::File::create(&seen).unwrap())
            .spawn()
            .unwrap();
        std::mem::forget(cluster);
        let committing = Committing { group, server, client, seen };
        until("commits", async || committing.seen() > 10_000).await;
        Some(committing)
    }

    /// Bytes of notices: each came after a commit.
    fn seen(&self) -> u64 {
        std::fs::metadata(&self.seen).unwrap().len()
    }

    async fn goes_on(&self) -> bool {
        // What is still in the pipe of a dead server is read in no time.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = self.seen();
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.seen() > before
    }

    fn members(&self) -> String {
        std::fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default()
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        let _ = std::fs::write(self.group.join("cgroup.kill"), "1");
        let _ = (self.client.kill(), self.client.wait(), self.server.wait());
        for _ in 0..100 {
            if std::fs::remove_dir(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A watchdog of its own folder.
struct Watchdog {
    folder: PathBuf,
    process: Child,
}

impl Watchdog {
    async fn start(folder: &Path) -> Watchdog {
        let process = Command::new(env!("CARGO_BIN_EXE_lifeboat-watchdog"))
            .arg("--folder")
            .arg(folder)
            .spawn()
            .unwrap();
        let watchdog = Watchdog { folder: folder.to_path_buf(), process };
        until("a watchdog", async || UnixStream::connect(watchdog.socket()).is_ok()).await;
        watchdog
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("watchdog.sock")
    }

    fn ask(&self, ask: &Ask) -> Answer {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        writeln!(stream, "{}", serde_json::to_string(ask).unwrap()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn state(&self) -> Option<State> {
        self.ask(&Ask::Look).duties.first().map(|(_, state)| *state)
    }

    fn duty(&self, group: &Path, after: Duration) -> Duty {
        let deadline = runtime::Clock::system().since_boot() + after;
        Duty {
            source: Name::new("db").unwrap(),
            boot: alive::boot_id(),
            deadline_us: u64::try_from(deadline.as_micros()).unwrap(),
            stop_ms: 2000,
            cgroup: group.to_path_buf(),
            permit: self.folder.join("permits/db"),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = (self.process.kill(), self.process.wait());
    }
}

#[tokio::test]
async fn a_killed_main_process_leaves_children_that_go_on_committing() {
    let place = Place::new();
    let Some(committing) = Committing::start(&place, "main").await else { return };
    kill(committing.server.id());
    assert!(committing.goes_on().await, "if it did not, killing the main process would be enough");
    assert!(!committing.members().is_empty());
}

#[tokio::test]
async fn fault_29_at_the_deadline_the_whole_server_is_gone_and_its_permit_too() {
    let place = Place::new();
    let Some(committing) = Committing::start(&place, "deadline").await else { return };
    let watchdog = Watchdog::start(&place.path("run")).await;
    let duty = watchdog.duty(&committing.group, Duration::from_millis(800));
    assert_eq!(watchdog.ask(&Ask::Arm(duty.clone())).refused, None);
    assert!(duty.permit.exists());
    // Even a server whose main process is gone already.
    kill(committing.server.id());
    assert!(committing.goes_on().await, "before the deadline");
    until("the end of the server", async || watchdog.state() == Some(State::Ended)).await;
    let late = runtime::Clock::system().since_boot() - Duration::from_micros(duty.deadline_us);
    println!("gone {late:?} after the deadline");
    assert!(late < Duration::from_secs(1), "{late:?}");
    assert_eq!(committing.members(), "");
    assert!(!committing.goes_on().await && !duty.permit.exists());
    // It may be used again.
    let again = watchdog.duty(&committing.group, Duration::from_secs(60));
    assert_eq!(watchdog.ask(&Ask::Arm(again)).refused, None);
    assert_eq!(watchdog.state(), Some(State::Armed));
}

#[tokio::test]
async fn a_watchdog_that_was_killed_goes_on_with_its_deadlines_also_those_that_passed_meanwhile() {
    let place = Place::new();
    let Some(committing) = Committing::start(&place, "killed").await else { return };
    let mut watchdog = Watchdog::start(&place.path("run")).await;
    let duty = watchdog.duty(&committing.group, Duration::from_millis(500));
    assert_eq!(watchdog.ask(&Ask::Arm(duty.clone())).refused, None);
    watchdog.process.kill().unwrap();
    watchdog.process.wait().unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(committing.goes_on().await, "nobody watches");
    let watchdog = Watchdog::start(&place.path("run")).await;
    until("the end of the server", async || watchdog.state() == Some(State::Ended)).await;
    assert!(!committing.goes_on().await && !duty.permit.exists());
}

#[tokio::test]
async fn fault_45_what_an_earlier_boot_armed_is_void_and_its_permit_goes() {
    let place = Place::new();
    let Some(root) = hierarchy() else { return };
    let group = root.join(format!("lifeboat-test-boot-{}", std::process::id()));
    let folder = place.path("run");
    let watchdog = Watchdog::start(&folder).await;
    let duty = watchdog.duty(&group, Duration::from_secs(600));
    assert_eq!(watchdog.ask(&Ask::Arm(duty.clone())).refused, None);
    drop(watchdog);
    let state = folder.join("watchdog.json");
    let earlier = std::fs::read_to_string(&state).unwrap().replace(&duty.boot, "an-earlier-boot");
    std::fs::write(&state, earlier).unwrap();
    let watchdog = Watchdog::start(&folder).await;
    assert_eq!(watchdog.state(), None);
    assert!(!duty.permit.exists());
    let old = Duty { boot: "an-earlier-boot".to_string(), ..duty };
    assert!(watchdog.ask(&Ask::Arm(old)).refused.is_some());
}

#[tokio::test]
async fn it_stays_small_and_what_it_uses_is_locked() {
    let place = Place::new();
    let Some(root) = hierarchy() else { return };
    let watchdog = Watchdog::start(&place.path("run")).await;
    let group = root.join(format!("lifeboat-test-small-{}", std::process::id()));
    for seconds in 60..160 {
        let duty = watchdog.duty(&group, Duration::from_secs(seconds));
        assert_eq!(watchdog.ask(&Ask::Arm(duty)).refused, None);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", watchdog.process.id())).unwrap();
    let kib = |key: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    println!("{} KiB, {} KiB locked", kib("VmRSS:"), kib("VmLck:"));
    assert!(kib("VmRSS:") <= 3 * 1024, "{} KiB", kib("VmRSS:"));
    assert!(kib("VmLck:") > 0 && kib("Threads:") == 1);
}

#[tokio::test]
async fn what_is_no_group_of_one_server_is_not_guarded() {
    let place = Place::new();
    let Some(root) = hierarchy() else { return };
    let watchdog = Watchdog::start(&place.path("run")).await;
    for group in [root, PathBuf::from("/tmp"), PathBuf::from("/proc/../sys")] {
        let duty = watchdog.duty(&group, Duration::from_secs(60));
        assert!(watchdog.ask(&Ask::Arm(duty)).refused.is_some(), "{}", group.display());
    }
    let nonsense = UnixStream::connect(watchdog.socket()).and_then(|mut stream| writeln!(stream, "x"));
    nonsense.unwrap();
    assert_eq!(watchdog.state(), None, "it goes on");
}
