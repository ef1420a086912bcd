//! Real PostgreSQL servers: a primary in one region and its synchronous standby in another.
//!
//! A server is prepared here and then either run here ([`Postgres::start`]) or by an agent, from
//! [`Postgres::argv`]. Settings favour a short test (small buffers, small segments, short
//! time-outs) but never durability: `fsync` and `synchronous_commit` are on, because the tests ask
//! whether an acknowledged write can be lost.
//!
//! Order of making the pair: the primary starts without synchronous standbys, the standby is
//! copied from it and streams, and only then the primary is told to wait for it. The other way
//! round the first commit would hang. The standby's own settings name no synchronous standby, so
//! once promoted it takes writes alone.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use sqlx::{
    AssertSqlSafe, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::{
    Failure,
    polling::until,
    process::{Account, Process, Spec, as_account},
    scratch::Scratch,
};

/// The user name that every statement is sent as.
pub const SUPERUSER: &str = "postgres";
/// The bound of making, copying or starting a server.
const SETUP: Duration = Duration::from_secs(60);
/// The bound of one statement, its connection included.
const STATEMENT: Duration = Duration::from_secs(10);
/// How long a server may take to stop in good order.
const GRACE: Duration = Duration::from_secs(10);

/// One server: its data folder, its address and, when it was started here, its process.
#[derive(Debug)]
pub struct Postgres {
    name: String,
    data: PathBuf,
    log: PathBuf,
    address: SocketAddr,
    account: Option<Account>,
    process: Option<Process>,
}

impl Postgres {
    /// Makes an empty cluster that will listen on `address`; it is not started. It runs as the user
    /// `postgres` when we are root, for PostgreSQL refuses to be root.
    ///
    /// # Errors
    /// [`Failure`] when PostgreSQL is not installed or `initdb` fails.
    pub async fn create(scratch: &Scratch, name: &str, address: SocketAddr) -> Result<Self, Failure> {
        let server = Self::describe(scratch, name, address)?;
        let data = server.data.display().to_string();
        server
            .tool(
                "initdb",
                &["-D", &data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync", "--wal-segsize=1"],
            )?
            .env("LC_ALL", "C.UTF-8")
            .run(SETUP)
            .await?;
        let access = "host all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n";
        server.write("pg_hba.conf", access)?;
        server.configure("")?;
        Ok(server)
    }

    /// Copies a running `primary` to a new standby that will listen on `address`; it is not started.
    /// `name` is also what it calls itself to the primary.
    ///
    /// # Errors
    /// [`Failure`] when the copy fails.
    pub async fn standby_of(
        primary: &Self,
        scratch: &Scratch,
        name: &str,
        address: SocketAddr,
    ) -> Result<Self, Failure> {
        let server = Self::describe(scratch, name, address)?;
        let data = server.data.display().to_string();
        let source = format!(
            "host={} port={} user={SUPERUSER} application_name={name} connect_timeout=2",
            primary.address.ip(),
            primary.address.port()
        );
        server
            .tool(
                "pg_basebackup",
                &["-d", &source, "-D", &data, "-R", "-X", "stream", "-c", "fast", "--no-sync"],
            )?
            .run(SETUP)
            .await?;
        server.configure("")?;
        Ok(server)
    }

    /// A running primary at `east` and its running synchronous standby at `west`.
    ///
    /// # Errors
    /// [`Failure`] when any part of it fails.
    pub async fn pair(
        scratch: &Scratch,
        east: SocketAddr,
        west: SocketAddr,
    ) -> Result<(Self, Self), Failure> {
        let mut primary = Self::create(scratch, "east", east).await?;
        primary.start().await?;
        let mut standby = Self::standby_of(&primary, scratch, "west", west).await?;
        standby.start().await?;
        primary.wait_for(&standby).await?;
        Ok((primary, standby))
    }

    fn describe(scratch: &Scratch, name: &str, address: SocketAddr) -> Result<Self, Failure> {
        let account = Account::when_root("postgres")?;
        let home = scratch.folder_of(&format!("postgres-{name}"), account.as_ref())?;
        Ok(Self {
            name: name.to_owned(),
            data: home.join("data"),
            log: scratch.log(&format!("postgres-{name}")),
            address,
            account,
            process: None,
        })
    }

    /// Makes this primary wait for `standby` before it acknowledges a commit, and waits until the
    /// standby has become synchronous. Both must run.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] when it does not.
    pub async fn wait_for(&self, standby: &Self) -> Result<(), Failure> {
        self.configure(&standby.name)?;
        self.execute("select pg_reload_conf()").await?;
        let asked =
            "select coalesce(max(sync_state), 'absent') from pg_stat_replication where state = 'streaming'";
        until("the synchronous standby", SETUP, || async {
            match self.text(asked).await {
                Ok(state) if state == "sync" => Ok(()),
                Ok(state) => Err(state),
                Err(failure) => Err(failure.chain()),
            }
        })
        .await
    }

    /// The command line that runs this server in the foreground, changing to its user where we are
    /// root: what an agent's supervised process runs.
    ///
    /// # Errors
    /// [`Failure::Missing`] when PostgreSQL is not installed.
    pub fn argv(&self) -> Result<Vec<String>, Failure> {
        Ok(as_account(self.account.as_ref(), self.plain_argv()?))
    }

    /// The command line without the change of user, for a supervisor that has its own.
    ///
    /// # Errors
    /// [`Failure::Missing`] when PostgreSQL is not installed.
    pub fn plain_argv(&self) -> Result<Vec<String>, Failure> {
        let program = binary("postgres")?.display().to_string();
        Ok(vec![program, "-D".to_owned(), self.data.display().to_string()])
    }

    /// The user that the server must run as, when not ourselves.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@{}/{database}?sslmode=disable", self.address)
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// [`Failure::Ended`] with its log when it does not come up.
    pub async fn start(&mut self) -> Result<(), Failure> {
        let spec = Spec::new(&format!("postgres {}", self.name), self.log.clone(), self.plain_argv()?);
        let mut process = spec.as_account(self.account.clone()).start()?;
        let answered = self.wait_until_it_answers().await;
        process.alive()?;
        self.process = Some(process);
        answered
    }

    /// Waits until the server answers, whoever started it.
    ///
    /// # Errors
    /// [`Failure::TimedOut`].
    pub async fn wait_until_it_answers(&self) -> Result<(), Failure> {
        let what = format!("an answer of PostgreSQL {}", self.name);
        until(&what, SETUP, || async { self.text("select 'here'").await.map_err(|failure| failure.chain()) })
            .await
            .map(drop)
    }

    /// Stops it in good order (a "fast" shutdown).
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::INT, GRACE).await;
        }
    }

    /// Kills the whole server with SIGKILL, all of its backends too: its machine is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Whether it runs here.
    pub fn running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::running)
    }

    /// Whether it follows another server.
    ///
    /// # Errors
    /// [`Failure::Sql`] when it does not answer.
    pub async fn is_in_recovery(&self) -> Result<bool, Failure> {
        Ok(self.text("select pg_is_in_recovery()::text").await? == "true")
    }

    /// Makes a standby a primary and waits until it takes writes.
    ///
    /// # Errors
    /// [`Failure`] when it refuses or takes too long.
    pub async fn promote(&self) -> Result<(), Failure> {
        self.execute("select pg_promote(wait => true, wait_seconds => 30)").await?;
        until("the end of recovery", STATEMENT, || async {
            match self.is_in_recovery().await {
                Ok(false) => Ok(()),
                Ok(true) => Err("still in recovery".to_owned()),
                Err(failure) => Err(failure.chain()),
            }
        })
        .await
    }

    /// Runs one or more statements in the database `postgres`.
    ///
    /// # Errors
    /// [`Failure::Sql`], also when it takes longer than 10 s.
    pub async fn execute(&self, statement: &str) -> Result<(), Failure> {
        self.execute_in("postgres", statement).await
    }

    /// Runs one or more statements in `database`.
    ///
    /// # Errors
    /// [`Failure::Sql`], also when it takes longer than 10 s.
    pub async fn execute_in(&self, database: &str, statement: &str) -> Result<(), Failure> {
        let work = async {
            let mut connection = self.connect(database).await?;
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
            connection.close().await
        };
        self.bounded(statement, work).await
    }

    /// The first column of the first row, as text, from the database `postgres`.
    ///
    /// # Errors
    /// [`Failure::Sql`], also when it takes longer than 10 s.
    pub async fn text(&self, query: &str) -> Result<String, Failure> {
        self.text_in("postgres", query).await
    }

    /// The first column of the first row, as text, from `database`. Cast it to text in the query.
    ///
    /// # Errors
    /// [`Failure::Sql`], also when it takes longer than 10 s.
    pub async fn text_in(&self, database: &str, query: &str) -> Result<String, Failure> {
        let work = async {
            let mut connection = self.connect(database).await?;
            let value = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(value)
        };
        self.bounded(query, work).await
    }

    async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.address.ip().to_string())
            .port(self.address.port())
            .username(SUPERUSER)
            .database(database)
            .ssl_mode(PgSslMode::Disable);
        PgConnection::connect_with(&options).await
    }

    async fn bounded<T>(
        &self,
        statement: &str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Failure> {
        let answer = tokio::time::timeout(STATEMENT, work).await;
        answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(|source| Failure::Sql {
            server: self.address.to_string(),
            statement: statement.to_owned(),
            source,
        })
    }

    /// Writes its settings; `synchronous` names the standby that each commit waits for, if any.
    fn configure(&self, synchronous: &str) -> Result<(), Failure> {
        self.write("postgresql.conf", &settings(self.address.ip(), self.address.port(), synchronous))
    }

    /// Writes one file of the data folder as the server's user.
    fn write(&self, file: &str, text: &str) -> Result<(), Failure> {
        let path = self.data.join(file);
        std::fs::write(&path, text).map_err(Failure::io(format!("write {}", path.display())))?;
        if let Some(account) = &self.account {
            std::os::unix::fs::chown(&path, Some(account.uid), Some(account.gid))
                .map_err(Failure::io(format!("give {} to {}", path.display(), account.name)))?;
        }
        Ok(())
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> Result<Spec, Failure> {
        let mut argv = vec![binary(program)?.display().to_string()];
        argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let name = format!("{program} of {}", self.name);
        Ok(Spec::new(&name, self.log.clone(), argv).as_account(self.account.clone()))
    }
}

/// The settings file of a small, fast, durable server.
fn settings(address: IpAddr, port: u16, synchronous: &str) -> String {
    format!(
        "listen_addresses = '{address}'
port = {port}
unix_socket_directories = ''
max_connections = 40
shared_buffers = 16MB
jit = off
wal_level = replica
wal_log_hints = on
wal_keep_size = 64MB
min_wal_size = 16MB
max_wal_size = 128MB
max_wal_senders = 5
hot_standby = on
hot_standby_feedback = on
wal_sender_timeout = 5s
wal_receiver_timeout = 2s
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
synchronous_commit = on
synchronous_standby_names = '{synchronous}'
log_line_prefix = '%m [%p] '
log_min_messages = warning
"
    )
}

/// The newest installed PostgreSQL's `program`.
///
/// # Errors
/// [`Failure::Missing`] when there is none.
pub fn binary(program: &str) -> Result<PathBuf, Failure> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter_map(|path| Some((version(&path)?, path.join("bin").join(program))))
        .filter(|(_, path)| path.exists())
        .max()
        .map(|(_, path)| path)
        .ok_or_else(|| Failure::Missing { program: format!("PostgreSQL's {program}") })
}
