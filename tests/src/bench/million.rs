//! A controller that starts over a journal of a million records, one run of which is still open.

use super::bed::{Bed, host, no_op};
use super::{Extent, median};
use crate::Failure;
use serde_json::{Value, json};
use std::time::Instant;

/// Records, and steps of the run that they are copied from.
const RECORDS: usize = 1_000_000;
const STEPS: usize = 200;

pub(super) async fn measure(extent: Extent) -> Result<Value, Failure> {
    let name = |number: usize| format!("s{number}");
    let mut text = String::new();
    for number in 0..STEPS {
        let after: Vec<String> = number.checked_sub(1).map(name).into_iter().collect();
        text.push_str(&no_op(&name(number), &after, &host(0)));
    }
    let halt = format!(
        "  ask: {{ approve: {{ question: go on, within: 10h }} }}\n{}",
        no_op("last", &["ask".into()], &host(0))
    );
    let mut bed = Bed::set(1, &[("pattern".to_owned(), text), ("open".to_owned(), halt)]).await?;
    let pattern = bed.start(&["pattern".to_owned()]).await?;
    bed.times(&pattern).await?;
    bed.start(&["open".to_owned()]).await?;
    bed.controller.stop().await;
    let records = fill(&bed, &pattern[0].to_string(), extent.of(RECORDS)).await?;
    let mut ready = Vec::new();
    for _ in 0..extent.rounds {
        bed.controller.kill();
        let begun = Instant::now();
        bed.controller.start().await?;
        ready.push(begun.elapsed().as_secs_f64());
    }
    // Ready means that it works: another run goes through.
    bed.until_connected().await?;
    let again = bed.start(&["pattern".to_owned()]).await?;
    bed.times(&again).await?;
    let bytes = std::fs::metadata(bed.controller.data().join("lifeboat.sqlite")).map_or(0, |file| file.len());
    Ok(json!({
        "records": records,
        "database_mib": bytes as f64 / f64::from(1 << 20),
        "ready_seconds": median(ready.clone()),
        "rounds": ready,
        "controller_mib": bed.controller.id().map_or(0.0, |pid| super::bed::memory_mib(pid, "VmRSS")),
    }))
}

/// Copies a run that is over, under new ids, until there are so many records.
async fn fill(bed: &Bed, pattern: &str, wanted: usize) -> Result<i64, Failure> {
    let mut connection = bed.open(false).await?;
    let failed =
        |source| Failure::Sql { server: "the journal".into(), statement: "copy a run".into(), source };
    let count = "select count(*) from journal";
    let mut records: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.map_err(failed)?;
    sqlx::query("begin").execute(&mut connection).await.map_err(failed)?;
    while usize::try_from(records).unwrap_or(usize::MAX) < wanted {
        let id = uuid::Uuid::now_v7().to_string();
        let run = "insert into runs select $1, null, plan, title, mode, digest, requested_by, requested_at, \
                   status, detail, open, ended_at, sequence, head from runs where run = $2";
        sqlx::query(run).bind(&id).bind(pattern).execute(&mut connection).await.map_err(failed)?;
        let rows = "insert into journal select $1, sequence, at, epoch, event, hash, previous \
                    from journal where run = $2";
        let copied =
            sqlx::query(rows).bind(&id).bind(pattern).execute(&mut connection).await.map_err(failed)?;
        records += i64::try_from(copied.rows_affected()).unwrap_or_default();
    }
    sqlx::query("commit").execute(&mut connection).await.map_err(failed)?;
    Ok(records)
}
