//! Marks: what a database that we made says about itself, as its comment.
//!
//! A copy is made under the name `INTO_unfinished` and renamed to `INTO` when everything in it was
//! compared, so a database called `INTO` is always whole. The mark of a copy names its snapshot and the
//! order that made it: so a probe knows its own work again, and nothing that is not ours is ever dropped.

use super::connect::{execute, failed, literal, quoted};
use model::nouns::PostgresSpec;
use model::{Micros, Problem};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

/// What our comments begin with.
const PREFIX: &str = "lifeboat: ";
/// What the name of a copy ends with until it is whole.
const UNFINISHED: &str = "_unfinished";
/// Longest name of a copy, so that the unfinished one has room for its ending.
pub const MAX_COPY_NAME_BYTES: usize = 63 - UNFINISHED.len();

/// What a database is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A copy that is being made.
    Unfinished,
    /// A whole copy.
    Copy,
    /// A copy that was put in place.
    Live,
    /// What was live before.
    Old,
}

/// The mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What it is.
    pub role: Role,
    /// The source that it belongs to.
    pub source: String,
    /// The snapshot that it shows; empty for what was live.
    pub snapshot: String,
    /// The moment that it shows, or when it was set aside.
    pub at: Micros,
    /// The order that made or moved it.
    pub work: String,
    /// What the comment was before us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What the restore gave, for whoever asks again after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<serde_json::Value>,
}

/// A database as the server lists it.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its comment, when it is none of ours.
    pub comment: Option<String>,
    /// Its mark, when it is one of ours.
    pub mark: Option<Mark>,
}

/// The name of a copy until it is whole.
pub fn unfinished(into: &str) -> String {
    format!("{into}{UNFINISHED}")
}

/// Looks at one database; `None` when there is none of that name.
pub async fn look(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    name: &str,
) -> Result<Option<Database>, Problem> {
    let error = |error: sqlx::Error| failed(spec, &format!("look at database {name} of"), &error);
    let row = sqlx::query(
        "select shobj_description(oid, 'pg_database') as comment
         from pg_database where datname = $1",
    )
    .bind(name)
    .fetch_optional(connection)
    .await
    .map_err(error)?;
    let Some(row) = row else { return Ok(None) };
    let comment: Option<String> = row.try_get("comment").map_err(error)?;
    let mark = comment.as_deref().and_then(|text| serde_json::from_str(text.strip_prefix(PREFIX)?).ok());
    Ok(Some(Database { comment: comment.filter(|_| mark.is_none()), mark }))
}

/// Writes a mark.
pub async fn set(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    name: &str,
    mark: &Mark,
) -> Result<(), Problem> {
    let text = serde_json::to_string(mark).map_err(|error| {
        Problem::new("LB2313", format!("cannot write the mark of database {name}"), "Report this.")
            .caused_by(&error)
    })?;
    let statement =
        format!("comment on database {} is {}", quoted(name), literal(&format!("{PREFIX}{text}")));
    execute(connection, spec, &format!("mark database {name} of"), statement).await
}

/// Drops a database of ours, its connections included.
pub async fn drop_database(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    name: &str,
) -> Result<(), Problem> {
    let statement = format!("drop database if exists {} with (force)", quoted(name));
    execute(connection, spec, &format!("drop the copy {name} from"), statement).await
}
