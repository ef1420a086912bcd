//! SQL checks: one row, one column, asked read-only.

use super::connect::{connect, failed};
use model::Problem;
use model::nouns::{Expected, PostgresSpec, SourceKind, SourceSpec};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use std::time::Duration;

/// Characters of an answer that are fetched and reported. Nothing longer equals what a check expects.
const MAX_ANSWER_CHARACTERS: usize = 4096;
/// Characters of either side that a message shows.
const MAX_SHOWN_CHARACTERS: usize = 256;

/// Asks a source's database.
pub async fn ask(
    source: &SourceSpec,
    statement: &str,
    expect: &Expected,
    within: Duration,
) -> Result<String, Problem> {
    let SourceKind::Postgres(spec) = &source.kind else {
        return Err(Problem::new(
            "LB2310",
            format!("an sql check cannot ask {}, which is a source of {}", source.name, source.kind.as_str()),
            "Ask a source of kind postgres.",
        ));
    };
    ask_database(spec, &spec.database, statement, expect, within).await
}

/// Asks one database of a server: the live one, or a copy.
///
/// The statement stands in a subquery of a read-only transaction, sent as a single prepared statement: it
/// can be nothing but one query, and the server refuses it every change of tables, sequences and
/// definitions. What functions do beside that is not prevented: a role with the rights for it can read and
/// write the server's files, end sessions, or reach other servers. So give the source's user no such rights.
/// The time and the length of an answer are limited.
pub async fn ask_database(
    spec: &PostgresSpec,
    database: &str,
    statement: &str,
    expect: &Expected,
    within: Duration,
) -> Result<String, Problem> {
    let mut connection = connect(spec, database).await?;
    let answer = query(&mut connection, spec, statement, within).await?;
    // A connection that is cut here has given its answer already.
    let _ = connection.close().await;
    judge(answer, expect)
}

async fn query(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    statement: &str,
    within: Duration,
) -> Result<Option<String>, Problem> {
    let error = |error: sqlx::Error| failed(spec, "ask", &error);
    let mut transaction =
        connection.begin_with("begin isolation level read committed read only").await.map_err(error)?;
    sqlx::raw_sql(AssertSqlSafe(format!("set local statement_timeout = {}", within.as_millis().max(1))))
        .execute(&mut *transaction)
        .await
        .map_err(error)?;
    let rows: Vec<Option<String>> = sqlx::query_scalar(AssertSqlSafe(wrapped(statement)))
        .persistent(false)
        .fetch_all(&mut *transaction)
        .await
        .map_err(error)?;
    transaction.rollback().await.map_err(error)?;
    match rows.as_slice() {
        [one] => Ok(one.clone()),
        other => Err(Problem::new(
            "LB2311",
            format!("the check's statement gave {} rows", if other.is_empty() { "no" } else { "several" }),
            "Write a statement that gives one row with one column.",
        )),
    }
}

fn wrapped(statement: &str) -> String {
    let statement = statement.trim().trim_end_matches(';');
    // The line break ends a comment at the statement's end. One more character tells a cut answer from a whole one.
    let most = MAX_ANSWER_CHARACTERS + 1;
    format!("select left(answer::text, {most}) from (\n{statement}\n) as asked(answer) limit 2")
}

fn judge(answer: Option<String>, expect: &Expected) -> Result<String, Problem> {
    let found = answer.unwrap_or_else(|| "null".to_string());
    let (fits, expected) = match expect {
        Expected::AtLeast(least) => {
            let number = found.parse::<i64>().ok().or_else(|| found.split('.').next()?.parse().ok());
            (number.is_some_and(|number| number >= *least), format!("at least {least}"))
        }
        Expected::Equals(text) => (found == *text, format!("{text:?}")),
    };
    if fits {
        return Ok(cut(&found, MAX_ANSWER_CHARACTERS));
    }
    let (expected, found) = (cut(&expected, MAX_SHOWN_CHARACTERS), cut(&found, MAX_SHOWN_CHARACTERS));
    Err(Problem::new(
        "LB2312",
        format!("expected {expected}, found {found}"),
        "The data is not as the check wants it. Look at it before you go on.",
    ))
}

/// The first characters of a text; what was cut off is told by an ellipsis.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_is_judged_with_both_sides_named() {
        assert_eq!(judge(Some("12".into()), &Expected::AtLeast(12)).unwrap(), "12");
        assert_eq!(judge(Some("12.5".into()), &Expected::AtLeast(12)).unwrap(), "12.5");
        let problem = judge(Some("11".into()), &Expected::AtLeast(12)).unwrap_err();
        assert_eq!(problem.message, "expected at least 12, found 11");
        assert!(judge(None, &Expected::AtLeast(0)).is_err());
        let long = "é".repeat(MAX_ANSWER_CHARACTERS + 1);
        let problem =
            judge(Some(long.clone()), &Expected::Equals("é".repeat(MAX_ANSWER_CHARACTERS))).unwrap_err();
        assert!(problem.message.chars().count() < 600 && problem.message.ends_with("é…"), "{problem:?}");
        assert!(judge(Some("a".into()), &Expected::Equals("b".into())).is_err());
    }
}
