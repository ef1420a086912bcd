//! A real PostgreSQL for the store's tests, durable as one of a controller must be, run by the user
//! `postgres` when we are root. It ends with its test.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::database::{Database, Server};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long it may take to answer.
const SETUP: Duration = Duration::from_secs(60);

pub struct PostgresServer {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
}

/// The folder of the newest installed programs.
fn programs() -> PathBuf {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
    installed.filter(|path| version(path).is_some()).max_by_key(version).unwrap().join("bin")
}

fn command(program: &str) -> Command {
    let mut command = Command::new(programs().join(program));
    command.current_dir("/").stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    if rustix::process::geteuid().is_root() {
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
        let ids: Vec<u32> = line.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
        command.uid(ids[0]).gid(ids[1]);
    }
    command
}

impl PostgresServer {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.path().join("data");
        let made = command("initdb")
            .arg("-D")
            .arg(&data)
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = run(&data, port, folder.path());
        let server = Self { folder, process, port };
        server.until_it_answers().await;
        server
    }

    async fn until_it_answers(&self) {
        let answering = async {
            while self.database().connect().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(SETUP, answering).await.is_err() {
            panic!("{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
        }
    }

    /// Kills all of it, as a machine that loses its power, and starts it again.
    pub async fn crash(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        self.process = run(&self.folder.path().join("data"), self.port, self.folder.path());
        self.until_it_answers().await;
    }

    fn kill(&mut self) {
        let group = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        self.process.wait().unwrap();
    }

    pub fn database(&self) -> Database {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port);
        Database::Postgres(Server::new(&url, None, true, Duration::from_secs(5)).unwrap())
    }
}

fn run(data: &Path, port: u16, folder: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut server = command("postgres");
    server.arg("-D").arg(data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    server.args(["-c", "unix_socket_directories=", "-c", "max_connections=40"]);
    server.process_group(0).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
    }
}
