//! Winning the leadership: at once when nobody has it, else as a standby that waits.

use super::standby::{Standby, Told};
use super::{Leading, Verdict, Watched};
use crate::app::StartError;
use crate::auth::Authority;
use crate::estate::Estate;
use crate::settings::Settings;
use crate::store::leadership::{Claim, Seen};
use crate::store::{Store, StoreError};
use model::{Epoch, Name};
use runtime::{Clock, Ids, Tasks};
use std::net::TcpListener;
use std::time::Duration;

/// How often a standby looks, in parts of a length.
const LOOKS: u32 = 20;

/// A controller that would lead.
pub struct Candidate<'a> {
    /// Its settings.
    pub settings: &'a Settings,
    /// Its name.
    pub name: &'a Name,
    /// The store that is led.
    pub store: &'a Store,
    /// Signs the standby's certificate.
    pub authority: &'a Authority,
    /// Where it listens.
    pub listener: &'a TcpListener,
    /// The time.
    pub clock: &'a Clock,
    /// Fresh ids.
    pub ids: &'a Ids,
    /// Whoever runs named tasks.
    pub tasks: &'a Tasks,
}

/// Waits until this controller leads. None when the process stops first.
pub async fn win(candidate: &Candidate<'_>) -> Result<Option<(Epoch, Leading)>, StartError> {
    let stopping = candidate.tasks.token();
    let place = candidate.store.place(&candidate.clock.boot_id());
    let (mut watched, mut standby) = (Watched::default(), None::<Standby>);
    let length = candidate.settings.leadership;
    let mut leader = Leader::default();
    loop {
        let mut told = Told::default();
        match candidate.look(&mut watched, place.as_deref()).await {
            Ok((Verdict::Free, seen)) => match candidate.take(&seen, place.as_deref()).await {
                Ok(won) => {
                    if let Some(standby) = standby {
                        standby.end(candidate.tasks).await;
                    }
                    return Ok(Some(won));
                }
                // Another was faster.
                Err(StoreError::EpochOver { .. }) => continue,
                Err(error) => tell(candidate, error)?,
            },
            Ok((verdict, seen)) => {
                leader.look_up(candidate.store, &seen).await;
                let silent = verdict == Verdict::Silent;
                told = Told { leader: seen.name, at: leader.at.clone(), silent };
            }
            Err(error) => tell(candidate, error)?,
        }
        match &standby {
            Some(standby) => standby.tell(told),
            None => standby = Some(Standby::start(candidate, told)?),
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(None),
            () = tokio::time::sleep(length / LOOKS) => {}
        }
    }
}

/// A shared database may come back; a file does not.
fn tell(candidate: &Candidate<'_>, error: StoreError) -> Result<(), StartError> {
    if !candidate.store.is_shared() {
        return Err(error.into());
    }
    tracing::warn!(%error, "the leadership cannot be looked at or taken now");
    Ok(())
}

/// Where the estate says that the leader is.
#[derive(Default)]
struct Leader {
    epoch: u64,
    at: Option<String>,
}

impl Leader {
    /// Looked up once for each epoch: checking a large estate takes its time.
    async fn look_up(&mut self, store: &Store, seen: &Seen) {
        if self.epoch == seen.epoch {
            return;
        }
        self.epoch = seen.epoch;
        self.at = match Estate::load(store).await {
            Ok(estate) => estate.get().and_then(|in_force| {
                let mut all = in_force.checked.controllers();
                all.find(|(name, _, _)| name.as_str() == seen.name).map(|(_, _, at)| at.to_string())
            }),
            Err(_) => None,
        };
    }
}

impl Candidate<'_> {
    async fn look(&self, watched: &mut Watched, place: Option<&str>) -> Result<(Verdict, Seen), StoreError> {
        let seen = self.store.leadership().await?;
        let verdict = match self.store.is_shared() {
            true => watched.look(&seen, place, self.clock.since_boot()),
            // The folder's lock is ours.
            false => Verdict::Free,
        };
        Ok((verdict, seen))
    }

    async fn take(&self, seen: &Seen, place: Option<&str>) -> Result<(Epoch, Leading), StoreError> {
        let length = self.settings.leadership;
        // The epoch that a call names has the rescue's own id as its holder.
        let rescue = self.store.rescue().await?.filter(|rescue| rescue.epoch == seen.epoch + 1);
        let claim = Claim {
            name: self.name.to_string(),
            holder: rescue.map_or_else(|| self.ids.fresh(), |rescue| rescue.id),
            place: place.unwrap_or_default().to_string(),
            length,
        };
        let sent = self.clock.since_boot();
        let epoch = self.store.lead(claim, seen, self.clock.now()).await?;
        let leading = match self.store.is_shared() {
            true => Leading::bounded(self.clock.clone(), sent, length),
            false => Leading::for_ever(self.clock.clone()),
        };
        let waited: Duration = self.clock.since_boot().saturating_sub(sent);
        tracing::info!(epoch = epoch.number, before = %seen.name, ?waited, "this controller leads");
        Ok((epoch, leading))
    }
}
