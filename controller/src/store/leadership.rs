//! Who leads, and until when: one row, whose epoch only grows.
//!
//! Why a controller that no longer leads appends nothing. Each append reads this row in its own
//! transaction, shared: nobody may change it until that transaction has ended. A takeover changes it. So
//! the two cannot overlap. Either the append has committed before the takeover does, and whoever takes
//! over reads the journals after that; or it reads the row after the takeover, finds another epoch, and
//! is refused. There is no third order, whatever was frozen or delayed in between, and no clock has a
//! part in it. Appends share the row and never wait for each other. A controller that is frozen or cut
//! off in the middle of a transaction would hold a takeover up: its server ends such a transaction
//! within half of the leadership's length, so that nothing of it stands and the row is free. In SQLite
//! one process writes (the folder's lock), and its transactions exclude each other.
//!
//! Time only decides when somebody else may try. The leader renews the row each fifth of its length, and
//! counts its own leadership on its clock since boot from when it *sent* the renewal ([`crate::leading`]).
//! The row's end is by the database's clock. A standby takes over when the row has run out by that clock
//! *and* did not change for a whole length by the standby's own clock ([`crate::leading::Watched`]): so
//! a database's clock that is set makes a takeover neither early nor late by more than one length.

use super::database::{Connection, now, share};
use super::{Store, StoreError};
use futures::FutureExt;
use model::{Epoch, Micros};
use sqlx::{AssertSqlSafe, Row};
use std::time::Duration;
use uuid::Uuid;

/// Who wants to lead.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Its name, for people.
    pub name: String,
    /// This process: made anew at each start.
    pub holder: Uuid,
    /// Where it runs: [`Store::place`].
    pub place: String,
    /// For how long, until it is renewed.
    pub length: Duration,
}

/// What the row says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The newest epoch.
    pub epoch: u64,
    /// Who took it.
    pub name: String,
    /// Where that one runs.
    pub place: String,
    /// Until when, in microseconds of the database's clock; 0 when it was given up.
    pub until: i64,
    /// For how long each renewal is.
    pub length: Duration,
    /// The database's clock.
    pub now: i64,
}

impl Seen {
    /// Nobody has led yet, or whoever led gave it up.
    pub fn is_given_up(&self) -> bool {
        self.until == 0
    }

    /// Its time is over by the database's clock, or that clock was set back.
    pub fn has_run_out(&self) -> bool {
        let left = self.until.saturating_sub(self.now);
        left <= 0 || left > micros(self.length)
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

impl Store {
    /// What the row says now.
    pub async fn leadership(&self) -> Result<Seen, StoreError> {
        let mut connection = self.readers().acquire().await.map_err(StoreError::query("read who leads"))?;
        let text = format!(
            "select epoch, name, place, ends_at, length_us, {} from leadership where one = 1",
            now(&connection)
        );
        let row = sqlx::query(AssertSqlSafe(text))
            .fetch_one(&mut *connection)
            .await
            .map_err(StoreError::query("read who leads"))?;
        Ok(Seen {
            epoch: row.get::<i64, _>(0) as u64,
            name: row.get(1),
            place: row.get(2),
            until: row.get(3),
            length: Duration::from_micros(row.get::<i64, _>(4) as u64),
            now: row.get(5),
        })
    }

    /// Takes the leadership: the epoch after the one that was seen, unless the row has changed since.
    /// Whoever calls has made sure that nobody leads.
    pub async fn lead(&self, claim: Claim, seen: &Seen, at: Micros) -> Result<Epoch, StoreError> {
        let (seen, until) = (seen.epoch, seen.until);
        let next = Epoch { number: seen + 1, holder: claim.holder };
        let led = self.led.clone();
        self.writer()
            .write("take the leadership", move |connection| {
                async move {
                    let text = format!(
                        "update leadership set epoch = $1, holder = $2, name = $3, since = $4, place = $5, \
                         length_us = $6, ends_at = {} + $6 where one = 1 and epoch = $7 and ends_at = $8",
                        now(connection)
                    );
                    let changed = sqlx::query(AssertSqlSafe(text))
                        .bind(next.number as i64)
                        .bind(next.holder.to_string())
                        .bind(claim.name)
                        .bind(at.0)
                        .bind(claim.place)
                        .bind(micros(claim.length))
                        .bind(seen as i64)
                        .bind(until)
                        .execute(&mut *connection)
                        .await
                        .map_err(StoreError::query("write the leadership"))?;
                    match changed.rows_affected() {
                        1 => Ok(()),
                        _ => Err(StoreError::EpochOver {
                            ours: next.number,
                            current: newest(connection).await?.0,
                        }),
                    }
                }
                .boxed()
            })
            .await?;
        // A writer that stops just now does not see it; then it runs out by itself.
        *led.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(next);
        Ok(next)
    }

    /// Keeps the leadership for a whole length from now, by the database's clock. Its end may have
    /// passed meanwhile, as long as nobody took it.
    pub async fn renew(&self, epoch: Epoch, length: Duration) -> Result<(), StoreError> {
        self.writer()
            .write("renew the leadership", move |connection| {
                async move {
                    let text = format!(
                        "update leadership set ends_at = {} + $1, length_us = $1 \
                         where one = 1 and epoch = $2 and holder = $3",
                        now(connection)
                    );
                    let changed = sqlx::query(AssertSqlSafe(text))
                        .bind(micros(length))
                        .bind(epoch.number as i64)
                        .bind(epoch.holder.to_string())
                        .execute(&mut *connection)
                        .await
                        .map_err(StoreError::query("renew the leadership"))?;
                    match changed.rows_affected() {
                        1 => Ok(()),
                        _ => Err(StoreError::EpochOver {
                            ours: epoch.number,
                            current: newest(connection).await?.0,
                        }),
                    }
                }
                .boxed()
            })
            .await
    }
}

/// The last that a writer writes: whoever waits may take over at once. Somebody else's is left alone.
pub(super) async fn give_up(connection: &mut Connection, epoch: Epoch) -> Result<(), StoreError> {
    sqlx::query("update leadership set ends_at = 0 where one = 1 and epoch = $1 and holder = $2")
        .bind(epoch.number as i64)
        .bind(epoch.holder.to_string())
        .execute(connection)
        .await
        .map(drop)
        .map_err(StoreError::query("give the leadership up"))
}

/// The newest epoch and its holder; nobody changes them until this transaction has ended.
async fn newest(connection: &mut Connection) -> Result<(u64, String), StoreError> {
    let text =
        format!("select epoch, holder from leadership where one = 1{}", share(connection, "leadership"));
    let row = sqlx::query(AssertSqlSafe(text))
        .fetch_one(connection)
        .await
        .map_err(StoreError::query("read the leadership"))?;
    Ok((row.get::<i64, _>(0) as u64, row.get(1)))
}

/// Inside a transaction: refuses whoever no longer leads.
pub(crate) async fn require(connection: &mut Connection, epoch: Epoch) -> Result<(), StoreError> {
    let (number, holder) = newest(connection).await?;
    compare(epoch, number, &holder)
}

/// Refuses an epoch that is not the one of the row.
pub(super) fn compare(epoch: Epoch, number: u64, holder: &str) -> Result<(), StoreError> {
    match number == epoch.number && holder == epoch.holder.to_string() {
        true => Ok(()),
        false => Err(StoreError::EpochOver { ours: epoch.number, current: number }),
    }
}
