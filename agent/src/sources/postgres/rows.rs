//! Rows of every user table: counted in the transaction of the dump, and again in a copy.

use super::connect::{failed, quoted};
use model::Problem;
use model::jobs::RowComparison;
use model::nouns::PostgresSpec;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use std::collections::BTreeMap;

/// Most tables that are counted.
const MAX_TABLES: usize = 100_000;

/// Counts every table whose rows a dump holds: ordinary tables and partitions, none of the system's, none
/// of an extension's. Keys are `schema.table`.
pub async fn count(
    connection: &mut PgConnection,
    spec: &PostgresSpec,
) -> Result<BTreeMap<String, u64>, Problem> {
    let error = |error: sqlx::Error| failed(spec, "count the rows in", &error);
    let tables = sqlx::query(
        "select n.nspname::text as schema, c.relname::text as name
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'r' and c.relpersistence <> 't'
           and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
           and not exists (select from pg_depend d
                           where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
         order by 1, 2",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(error)?;
    if tables.len() > MAX_TABLES {
        return Err(Problem::new(
            "LB2314",
            format!("{} has {} tables, more than {MAX_TABLES}", spec.database, tables.len()),
            "Split the database, or ask for a higher limit.",
        ));
    }
    let mut rows = BTreeMap::new();
    for table in tables {
        let schema: String = table.try_get("schema").map_err(error)?;
        let name: String = table.try_get("name").map_err(error)?;
        let statement = format!("select count(*) from only {}.{}", quoted(&schema), quoted(&name));
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(statement))
            .persistent(false)
            .fetch_one(&mut *connection)
            .await
            .map_err(error)?;
        rows.insert(format!("{schema}.{name}"), u64::try_from(count).unwrap_or(0));
    }
    Ok(rows)
}

/// Every table of either side. A table that is missing on one side counts as zero rows there.
pub fn compare(expected: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> Vec<RowComparison> {
    let mut tables: Vec<&String> = expected.keys().chain(found.keys()).collect();
    tables.sort();
    tables.dedup();
    tables
        .into_iter()
        .map(|table| RowComparison {
            table: table.clone(),
            expected: expected.get(table).copied().unwrap_or(0),
            found: found.get(table).copied().unwrap_or(0),
        })
        .collect()
}

/// Is everything that was recorded there, and nothing else?
pub fn same(expected: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> bool {
    expected == found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_table_is_no_match_even_when_it_was_empty() {
        let map =
            |list: &[(&str, u64)]| list.iter().map(|(k, v)| (k.to_string(), *v)).collect::<BTreeMap<_, _>>();
        let expected = map(&[("public.a", 3), ("public.b", 0)]);
        let found = map(&[("public.a", 2)]);
        let tables = compare(&expected, &found);
        assert_eq!(tables.len(), 2);
        assert_eq!((tables[0].expected, tables[0].found), (3, 2));
        assert!(!same(&expected, &map(&[("public.a", 3)])));
        assert!(same(&expected, &expected.clone()));
    }
}
