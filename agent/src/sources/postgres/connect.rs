//! Connections to one PostgreSQL server, and how its errors are told.

use crate::sources::secret;
use model::Problem;
use model::nouns::PostgresSpec;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use std::time::Duration;

/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The database that every server has, for questions about the server itself.
const MAINTENANCE: &str = "postgres";
/// Longest name of a database that PostgreSQL keeps, in bytes.
const MAX_NAME_BYTES: usize = 63;

/// Connects to one database of the server.
pub async fn connect(spec: &PostgresSpec, database: &str) -> Result<PgConnection, Problem> {
    let options = options(spec, database)?;
    match tokio::time::timeout(CONNECT_LIMIT, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(failed(spec, &format!("connect to database {database} of"), &error)),
        Err(_) => Err(Problem::new(
            "LB2302",
            format!("the server at {}:{} gave no connection within 10s", spec.address, spec.port),
            "See whether it is alive and reachable from this host.",
        )
        .transient()),
    }
}

/// Connects for questions about the whole server. Falls back to the source's own database where nobody
/// may use `postgres`.
pub async fn connect_server(spec: &PostgresSpec) -> Result<PgConnection, Problem> {
    match connect(spec, MAINTENANCE).await {
        Err(problem) if problem.code == "LB2303" => connect(spec, &spec.database).await,
        other => other,
    }
}

fn options(spec: &PostgresSpec, database: &str) -> Result<PgConnectOptions, Problem> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(spec.port)
        .username(&spec.user)
        .database(database)
        .application_name("lifeboat")
        .disable_statement_logging();
    options = match spec.address.starts_with('/') {
        true => options.socket(&spec.address),
        false => options.host(&spec.address),
    };
    if let Some(password) = &spec.password {
        options = options.password(&secret::resolve_text(password)?);
    }
    Ok(options)
}

/// An error of the server or of the way to it. Its own message is a cause; statements and passwords are not told.
pub fn failed(spec: &PostgresSpec, what: &str, error: &sqlx::Error) -> Problem {
    let place = format!("the PostgreSQL server at {}:{}", spec.address, spec.port);
    let message = format!("cannot {what} {place}");
    let state = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().to_string();
    let (code, advice) = match state.as_str() {
        "3D000" | "55000" => ("LB2303", "See whether the database exists and allows connections."),
        "28P01" | "28000" => ("LB2304", "See the role, its password and pg_hba.conf."),
        "42501" => ("LB2305", "Grant the role what it lacks, or name another role in the estate."),
        _ => ("LB2306", "See the server's log; see that it is alive and reachable from this host."),
    };
    let problem = Problem::new(code, message, advice).caused_by(error);
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => problem.transient(),
        sqlx::Error::Database(_) if matches!(state.as_str(), "57P03" | "57P01" | "53300") => {
            problem.transient()
        }
        _ => problem,
    }
}

/// A name in double quotes, for statements that take no parameters.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes, for statements that take no parameters.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Refuses database names that client programs would read as something else, or the server would cut.
pub fn check_name(name: &str) -> Result<(), Problem> {
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.$".contains(c);
    if !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.starts_with('-') && name.chars().all(known) {
        return Ok(());
    }
    Err(Problem::new(
        "LB2307",
        format!("{name:?} is not a database name that Lifeboat works with"),
        "Use 1 to 63 letters, digits, '_', '-', '.' and '$', not beginning with '-'.",
    ))
}

/// Runs one statement that was built here, its names quoted by `quoted` and `literal`.
pub async fn execute(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    what: &str,
    statement: String,
) -> Result<(), Problem> {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut *connection)
        .await
        .map(|_| ())
        .map_err(|error| failed(spec, what, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_their_quotes() {
        assert_eq!(quoted("a\"; drop database b; --"), "\"a\"\"; drop database b; --\"");
        assert_eq!(literal("o'clock"), "'o''clock'");
        for bad in ["", "-d", "host=evil", "postgresql://x/y", "a b", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name("tutor_old_20261120").is_ok());
    }
}
