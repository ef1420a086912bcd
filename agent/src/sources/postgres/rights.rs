//! What belongs to a database itself and stands in no dump of its inside: owner, rights, settings, limits.
//!
//! A copy is made by whoever restores it. Put in the live database's place it must belong to the same
//! owner, let the same roles in and give them the same settings. All of it is taken over in the swap's
//! transaction, and compared at the end: where a role may not take over something, nothing is swapped.

use super::connect::{execute, failed, literal, quoted};
use model::Problem;
use model::nouns::PostgresSpec;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

/// Settings whose stored value is a list of quoted names. Such a list is set name by name.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Statements that give the database $2 the rights of the database $1; none when both have the default ones.
const GRANTS: &str = "
    with rights as (
        select datname, datacl, grantee, privilege_type, is_grantable,
               case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as who
        from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
        where datname in ($1, $2)),
    needed as (select 1 from rights where datacl is not null limit 1)
    select statement from (
        select 1 as turn, format('revoke all on database %I from %s cascade', datname, who) as statement
        from rights where datname = $2 group by datname, who
        union all
        select 2, format('grant %s on database %I to %s%s', privilege_type, $2::text, who,
                         case when bool_or(is_grantable) then ' with grant option' else '' end)
        from rights where datname = $1 group by privilege_type, who) as asked
    where exists (select from needed)
    order by turn, statement";

/// How many rights one of both databases has and the other lacks.
const DIFFERENT: &str = "
    with rights as (
        select datname, grantee, privilege_type, bool_or(is_grantable) as grantable
        from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
        where datname in ($1, $2) group by 1, 2, 3)
    select count(*) from (
        select grantee, privilege_type, grantable from rights
        group by 1, 2, 3 having count(*) <> 2) as different";

/// Gives the database `to` the owner, rights, settings and connection limit of the database `from`.
/// Call it in a transaction: when it fails some of it is done.
pub async fn take_over(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    from: &str,
    to: &str,
) -> Result<(), Problem> {
    let error = |error: sqlx::Error| failed(spec, "read the rights of databases of", &error);
    let row = sqlx::query(
        "select pg_get_userbyid(datdba)::text as owner, datconnlimit as sessions
         from pg_database where datname = $1",
    )
    .bind(from)
    .fetch_one(&mut *connection)
    .await
    .map_err(error)?;
    let owner: String = row.try_get("owner").map_err(error)?;
    let sessions: i32 = row.try_get("sessions").map_err(error)?;
    let mut statements = vec![
        format!("alter database {} owner to {}", quoted(to), quoted(&owner)),
        format!("alter database {} connection limit {sessions}", quoted(to)),
    ];
    run(connection, spec, to, &mut statements).await?;
    // Asked after the owner is set: whoever owns it has rights of its own.
    statements =
        sqlx::query_scalar(GRANTS).bind(from).bind(to).fetch_all(&mut *connection).await.map_err(error)?;
    statements.extend(settings(connection, spec, from, to).await?);
    run(connection, spec, to, &mut statements).await?;
    // A grant that somebody may not give is only a warning of the server.
    let different: i64 =
        sqlx::query_scalar(DIFFERENT).bind(from).bind(to).fetch_one(&mut *connection).await.map_err(error)?;
    if different == 0 {
        return Ok(());
    }
    Err(Problem::new(
        "LB2345",
        format!(
            "the copy {to} cannot be given the rights that roles have in {from}, so it is not swapped in"
        ),
        format!("Let the role {} own both databases or be a superuser, then retry.", spec.user),
    ))
}

async fn run(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    to: &str,
    statements: &mut Vec<String>,
) -> Result<(), Problem> {
    for statement in statements.drain(..) {
        execute(connection, spec, &format!("take over owner, rights and settings for {to} on"), statement)
            .await?;
    }
    Ok(())
}

/// Statements that leave the database `to` with exactly the settings of `from`, for all roles and for single ones.
async fn settings(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
    from: &str,
    to: &str,
) -> Result<Vec<String>, Problem> {
    let error = |error: sqlx::Error| failed(spec, "read the settings of databases of", &error);
    let mut statements = Vec::new();
    for (name, what) in [(to, "distinct null::text"), (from, "unnest(s.setconfig)")] {
        let asked = format!(
            "select {what} as setting, case setrole when 0 then null else pg_get_userbyid(setrole)::text end as role
             from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where d.datname = $1"
        );
        let rows = sqlx::query(AssertSqlSafe(asked)).bind(name).fetch_all(&mut *connection).await;
        for row in rows.map_err(error)? {
            let role: Option<String> = row.try_get("role").map_err(error)?;
            let setting: Option<String> = row.try_get("setting").map_err(error)?;
            let whose = match role {
                Some(role) => format!("alter role {} in database {}", quoted(&role), quoted(to)),
                None => format!("alter database {}", quoted(to)),
            };
            statements.push(match setting.as_deref().and_then(|setting| setting.split_once('=')) {
                Some((name, value)) => format!("{whose} set {} to {}", quoted(name), written(name, value)),
                None => format!("{whose} reset all"),
            });
        }
    }
    Ok(statements)
}

/// The value as SET reads it: one text, or for a list each of its names as a text.
fn written(name: &str, value: &str) -> String {
    if !LISTS.contains(&name) {
        return literal(value);
    }
    let mut names = vec![String::new()];
    let mut inside = false;
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = names.len() - 1;
        match letter {
            '"' if inside && letters.peek() == Some(&'"') => {
                letters.next();
                names[last].push('"');
            }
            '"' => inside = !inside,
            ',' if !inside => names.push(String::new()),
            ' ' if !inside => {}
            other => names[last].push(other),
        }
    }
    let written: Vec<String> = names.iter().map(|name| literal(name)).collect();
    written.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_set_name_by_name_and_a_text_as_one() {
        assert_eq!(written("search_path", r#""$user", shop, "a, ""b""""#), r#"'$user', 'shop', 'a, "b"'"#);
        assert_eq!(written("search_path", r#""""#), "''");
        assert_eq!(written("application_name", "it's a, b"), "'it''s a, b'");
    }
}
