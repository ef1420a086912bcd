//! A real PostgreSQL 15 server of one test, on a free port, run by the user `postgres` when we are root.

use super::{PATIENCE, Place, is_root};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

pub struct Cluster {
    pub data: PathBuf,
    pub port: u16,
    log: PathBuf,
}

/// A command as the user that may run PostgreSQL.
pub fn as_postgres(program: &str) -> Command {
    let mut command = Command::new(Path::new(PROGRAMS).join(program));
    command.current_dir("/").stdin(Stdio::null());
    if is_root() {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let line = passwd.lines().find(|line| line.starts_with("postgres:")).unwrap();
        let ids: Vec<u32> = line.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
        command.uid(ids[0]).gid(ids[1]);
    }
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Cluster {
    /// Makes a server's data, not yet running.
    pub fn make(place: &Place, name: &str) -> Cluster {
        let home = place.path(name);
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).unwrap();
        let cluster = Cluster { data: home.join("data"), port: free_port(), log: home.join("log") };
        run(as_postgres("initdb").arg("-D").arg(&cluster.data).args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "--no-sync",
        ]));
        cluster.configure(&home);
        cluster
    }

    fn configure(&self, home: &Path) {
        let settings = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = off\nwal_level = replica\nmax_connections = 40\nmax_prepared_transactions = 4\n",
            self.port,
            home.display()
        );
        let path = self.data.join("postgresql.conf");
        let old = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, old + &settings).unwrap();
    }

    pub fn start(place: &Place, name: &str) -> Cluster {
        let cluster = Cluster::make(place, name);
        cluster.up();
        cluster
    }

    /// A streaming standby of this server.
    pub fn standby(&self, place: &Place, name: &str) -> Cluster {
        let home = place.path(name);
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).unwrap();
        let standby = Cluster { data: home.join("data"), port: free_port(), log: home.join("log") };
        let port = self.port.to_string();
        run(as_postgres("pg_basebackup")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-R"])
            .args(["-X", "stream", "-c", "fast", "--no-sync", "-D"])
            .arg(&standby.data));
        standby.configure(&home);
        standby.up();
        standby
    }

    pub fn up(&self) {
        let patience = PATIENCE.as_secs().to_string();
        run(as_postgres("pg_ctl")
            .args(["-w", "-t", &patience, "start", "-D"])
            .arg(&self.data)
            .arg("-l")
            .arg(&self.log));
    }

    /// The service that runs this server as a supervised process.
    pub fn service(&self, name: &str) -> Value {
        let user = if is_root() { json!("postgres") } else { Value::Null };
        json!({ "name": name, "manager": { "kind": "process", "argv": [format!("{PROGRAMS}/postgres"), "-D", self.data], "user": user, "stop_signal": "INT" } })
    }

    /// The rule of that service in a policy.
    pub fn service_rule(&self, name: &str) -> Value {
        let user = if is_root() { json!("postgres") } else { Value::Null };
        json!({ "name": name, "process": format!("{PROGRAMS}/postgres"), "user": user })
    }

    /// A source over this server.
    pub fn source(&self, database: &str) -> Value {
        json!({ "name": "db", "kind": "postgres", "port": self.port, "database": database, "programs": PROGRAMS })
    }

    pub async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("postgres")
            .database(database)
            .connect()
            .await
    }

    pub async fn run(&self, database: &str, statements: &str) {
        let mut connection = self.connect(database).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_string())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub async fn ask(&self, database: &str, statement: &str) -> String {
        let mut connection = self.connect(database).await.unwrap();
        let statement = format!("select ({statement})::text");
        let answer: Option<String> =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        answer.unwrap_or_else(|| "null".to_string())
    }

    /// Names of the databases, template ones left out.
    pub async fn databases(&self) -> Vec<String> {
        let names = self
            .ask(
                "postgres",
                "select string_agg(datname, ' ' order by datname) from pg_database where not datistemplate",
            )
            .await;
        names.split(' ').map(str::to_string).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = as_postgres("pg_ctl").args(["-m", "immediate", "stop", "-D"]).arg(&self.data).output();
    }
}
