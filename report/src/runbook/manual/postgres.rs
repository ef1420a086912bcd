//! A PostgreSQL server by hand. No password stands in a command: it is read where it lies.

use super::orders::variable;
use super::{Hand, chain, remark};
use crate::runbook::page::Line;
use crate::runbook::shell::{Command, quoted};
use model::nouns::PostgresSpec;
use model::{HostName, SecretRef};

/// A program of the server's own version, with its password where it needs one.
pub fn program(spec: &PostgresSpec, name: &str) -> Command {
    let path = spec.programs.as_ref().map(|folder| folder.join(name).display().to_string());
    let program = path.unwrap_or_else(|| name.to_string());
    let command = match &spec.password {
        None => Command::empty(),
        Some(SecretRef::File(path)) => {
            let path = quoted(&path.display().to_string()).unwrap_or_default();
            Command::empty().raw(format!("PGPASSWORD=\"$(cat {path})\""))
        }
        Some(SecretRef::Env(name)) => Command::empty().raw(format!("PGPASSWORD={}", variable(name))),
    };
    let command = command.arg(program).option("-h", &spec.address);
    command.option("-p", spec.port.to_string()).option("-U", &spec.user)
}

/// psql on one database: plain values, and no settings of whoever types.
pub fn psql(spec: &PostgresSpec, database: &str) -> Command {
    program(spec, "psql").option("-d", database).arg("-XqAt").option("-v", "ON_ERROR_STOP=1")
}

/// Where the server answers, for people.
pub fn address(spec: &PostgresSpec) -> String {
    match spec.address.as_str() {
        folder if folder.starts_with('/') => format!("{folder}/.s.PGSQL.{}", spec.port),
        address if address.contains(':') => format!("[{address}]:{}", spec.port),
        address => format!("{address}:{}", spec.port),
    }
}

/// Standby to primary.
pub fn promoted(host: &HostName, spec: &PostgresSpec) -> Hand {
    let ask = |statement: &str| psql(spec, "postgres").option("-c", statement).line();
    let run = vec![
        remark("what it has received and replayed: write it down, it tells what was lost"),
        ask("select pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp()"),
        ask("select pg_promote()"),
        psql(spec, "postgres")
            .option("-c", "select pg_is_in_recovery()")
            .option("-c", "show transaction_read_only")
            .line(),
        remark("standbys that each commit waits for; when they are gone, writes hang"),
        ask("show synchronous_standby_names"),
    ];
    let then = Line::from("pg_promote says ").code("t").plain("; the two lines after it are ").code("f").plain(" and ").code("off").plain(
        ". Where writes hang afterwards because a standby is gone, clear synchronous_standby_names and reload.",
    );
    let first = Line::default()
        .strong("Never before the fence is done.")
        .plain(" Two servers that take writes at once cannot be put together again.");
    Hand::on(host, run).first(first).then(then)
}

/// A copy in the live database's place.
pub fn swapped(host: &HostName, spec: &PostgresSpec, copy: &str) -> Hand {
    let (live, new) = (name(&spec.database), name(copy));
    let old = name(&format!("{}_old", spec.database.chars().take(59).collect::<String>()));
    let ask = |statement: &str| psql(spec, "postgres").option("-c", statement).line();
    let both = format!("{}, {}", literal(&spec.database), literal(copy));
    let gone = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname in ({both}) and pid <> pg_backend_pid()"
    );
    let swap = format!("alter database {live} rename to {old}; alter database {new} rename to {live}");
    let run = chain(vec![
        ask(&format!("alter database {live} with allow_connections false")),
        ask(&gone),
        ask(&swap),
        ask(&format!("alter database {live} with allow_connections true")),
    ]);
    let then = Line::from("The database ")
        .code(&spec.database)
        .plain(" holds the restored data; the old one is kept, closed. Owner, rights and settings of the database ")
        .plain("itself do not come along by hand: compare them with ")
        .code("psql -l")
        .plain(". When the renames failed, let people in again with the last of the commands.");
    Hand::on(host, vec![run]).first("Its writers must stand still.").then(then)
}

/// A name in a statement.
pub fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text in a statement.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
