//! Looking for a rescue when no controller has answered for a while.
//!
//! The public half of the operators' offline key is pinned when a controller first says it, together with the
//! addresses at which a rescue may be started; a later controller cannot change the key. After a silence the
//! agent looks for a call that this key signed: in a file that somebody on this host has put there, beside the
//! backups where those lie in a folder, and at those addresses. A call is believed when its signature is
//! right, its CA is the one that this host knows and its epoch is higher than any that was obeyed. Then the
//! epoch is durable first, and only then are its addresses dialled: from that moment on the old controller is
//! refused, and so is a second rescue with the same number.

use crate::assignment::Keeper;
use crate::desk::Desk;
use crate::identity::Files;
use crate::session::Dial;
use crate::spool::SpoolError;
use model::{Call, Problem, Work};
use proto::v1::{self, rescue_client::RescueClient};
use runtime::Explained as _;
use runtime::clock::Clock;
use runtime::fs::{PRIVATE, read_bounded, write_durable};
use runtime::offline::{MAX_SIGNED_BYTES, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Addresses that are kept, of a controller's settings or of a call.
const MAX_ADDRESSES: usize = 16;
/// How long one address may take to answer.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// The file with a call: in the folder that this agent shares with its host, and in folders of repositories.
pub const CALL_FILE: &str = "lifeboat-rescue-call";
/// As what a call is signed.
pub const WHAT: &str = "rescue call";

/// What is on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The pinned public half.
    #[serde(default)]
    key: Option<String>,
    /// Where a rescue may be started.
    #[serde(default)]
    at: Vec<String>,
    /// The call that was believed last, until another controller was obeyed.
    #[serde(default)]
    call: Option<Call>,
}

/// What it works with.
pub struct Deps {
    /// The agent's folder of durable state.
    pub state_dir: PathBuf,
    /// The folder that the agent shares with its host.
    pub run_dir: PathBuf,
    /// Where epochs are obeyed.
    pub desk: Desk,
    /// This host's certificates.
    pub files: Files,
    /// The assignment: where backups lie.
    pub keeper: Arc<Keeper>,
    /// The time.
    pub clock: Clock,
    /// How long no controller must have answered.
    pub after: Duration,
}

struct Inner {
    deps: Deps,
    kept: Mutex<Kept>,
    heard: Mutex<Duration>,
}

/// The look-out. Cheap to clone.
#[derive(Clone)]
pub struct Lookout(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lookout {
    /// Reads what is kept. A file that cannot be read is a problem: the key in it was pinned.
    pub fn open(deps: Deps) -> Result<Lookout, Problem> {
        let path = file(&deps.state_dir);
        let kept = match read_bounded(&path, MAX_SIGNED_BYTES) {
            Err(error) if error.is_missing() => Kept::default(),
            Err(error) => return Err(unreadable(&path).caused_by(&error)),
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| unreadable(&path).caused_by(&error))?
            }
        };
        let heard = Mutex::new(deps.clock.since_boot());
        Ok(Lookout(Arc::new(Inner { deps, kept: Mutex::new(kept), heard })))
    }

    /// A controller that is obeyed says which key the operators have, and where to look for a rescue.
    pub fn learn(&self, key: &str, at: &[String]) {
        let mut next = lock(&self.0.kept).clone();
        match (&next.key, key.parse::<PublicKey>()) {
            (_, Err(_)) if key.is_empty() => return,
            (_, Err(error)) => return tracing::warn!(%error, "the controller's offline key is none"),
            (Some(pinned), Ok(_)) if pinned != key => {
                let problem = Problem::new(
                    "LB2484",
                    "the controller has another offline key than the one that this host has pinned",
                    "If the operators made a new one: remove rescue.json from the agent's state folder and restart the agent.",
                );
                return tracing::error!(%problem, advice = problem.advice, "the offline key is not changed");
            }
            (Some(_) | None, Ok(_)) => next.key = Some(key.to_string()),
        }
        next.at = at.iter().take(MAX_ADDRESSES).cloned().collect();
        self.keep(next);
    }

    /// A controller at an address was reached and is obeyed. One that no call named ends what a call said.
    pub fn reached(&self, address: &str) {
        self.heard();
        let mut next = lock(&self.0.kept).clone();
        if next.call.as_ref().is_some_and(|call| !call.at.iter().any(|at| at == address)) {
            tracing::info!(%address, "the rescue is over for this host");
            next.call = None;
            self.keep(next);
        }
    }

    /// A controller was heard until now.
    pub fn heard(&self) {
        *lock(&self.0.heard) = self.0.deps.clock.since_boot();
    }

    /// Where to dial before the controllers of the settings.
    pub fn addresses(&self) -> Vec<String> {
        lock(&self.0.kept).call.as_ref().map(|call| call.at.clone()).unwrap_or_default()
    }

    /// Where somebody may be who renews a certificate that has run out.
    pub fn anybody(&self) -> Vec<String> {
        let kept = lock(&self.0.kept);
        kept.call.iter().flat_map(|call| &call.at).chain(&kept.at).cloned().collect()
    }

    /// Whether it is time to look for a rescue.
    pub fn is_due(&self) -> bool {
        let silent = self.0.deps.clock.since_boot().saturating_sub(*lock(&self.0.heard));
        lock(&self.0.kept).key.is_some() && silent >= self.0.deps.after
    }

    /// Looks everywhere once. Only a failed spool is an error.
    pub async fn look(&self, dial: &Dial) -> Result<(), SpoolError> {
        let Some(key) = lock(&self.0.kept).key.as_ref().and_then(|key| key.parse::<PublicKey>().ok()) else {
            return Ok(());
        };
        for path in self.places() {
            if let Ok(bytes) = read_bounded(&path, MAX_SIGNED_BYTES) {
                self.judge(&key, &path.display().to_string(), &String::from_utf8_lossy(&bytes)).await?;
            }
        }
        let at = lock(&self.0.kept).at.clone();
        for address in at {
            match tokio::time::timeout(ASK_WITHIN, self.ask(dial, &address)).await {
                Ok(Ok(text)) if !text.is_empty() => self.judge(&key, &address, &text).await?,
                Ok(Ok(_)) | Err(_) => {}
                Ok(Err(error)) => tracing::debug!(%address, %error, "no rescue there"),
            }
        }
        Ok(())
    }

    fn places(&self) -> BTreeSet<PathBuf> {
        let mut places = BTreeSet::from([self.0.deps.run_dir.join(CALL_FILE)]);
        if let Some(assignment) = self.0.deps.keeper.watch().borrow().as_ref() {
            let work = assignment.schedules.iter().flat_map(|schedule| &schedule.work);
            places.extend(work.filter_map(folder_of).map(|folder| folder.join(CALL_FILE)));
        }
        places
    }

    async fn ask(
        &self,
        dial: &Dial,
        address: &str,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let channel = dial(address.to_string()).await?;
        let seen = self.0.deps.desk.read(|spool| spool.memory().epoch.map(v1::Epoch::from));
        let request = v1::CallRequest { highest_epoch: seen };
        Ok(RescueClient::new(channel).call(request).await?.into_inner().signed)
    }

    async fn judge(&self, key: &PublicKey, from: &str, text: &str) -> Result<(), SpoolError> {
        let call = match self.read(key, text) {
            Ok(call) => call,
            Err(problem) => {
                tracing::error!(%from, %problem, advice = problem.advice, "a call of a rescue is not believed");
                return Ok(());
            }
        };
        if lock(&self.0.kept).call.as_ref() == Some(&call) {
            return Ok(());
        }
        if let Err(refused) = self.0.deps.desk.obey(call.epoch).await? {
            let problem = Problem::new(
                "LB2487",
                format!("the rescue {} is refused: {}", call.epoch.holder, refused.causes.join(": ")),
                "Another rescue or a newer controller has this host. End this one; if the other is gone for good, begin this one anew with a higher --above.",
            );
            tracing::error!(%from, %problem, advice = problem.advice, "a second rescue");
            return Ok(());
        }
        tracing::warn!(%from, epoch = call.epoch.number, rescue = %call.epoch.holder, at = ?call.at, "a rescue is obeyed from now on");
        let mut next = lock(&self.0.kept).clone();
        next.call = Some(call);
        self.keep(next);
        Ok(())
    }

    fn read(&self, key: &PublicKey, text: &str) -> Result<Call, Problem> {
        let body = key.verify(WHAT, text).map_err(|error| error.problem())?;
        let unusable = |why: String| {
            Problem::new(
                "LB2485",
                format!("the call of a rescue cannot be used: {why}"),
                "Begin the rescue with a bundle of this host's own controllers, and programs of one version.",
            )
        };
        let mut call: Call = serde_json::from_str(&body).map_err(|error| unusable(error.to_string()))?;
        let ours = self.0.deps.files.ca_hash()?;
        if call.ca_hash != ours {
            return Err(unusable(format!("its CA is {}, and this host knows {ours}", call.ca_hash)));
        }
        call.at.truncate(MAX_ADDRESSES);
        Ok(call)
    }

    fn keep(&self, next: Kept) {
        if *lock(&self.0.kept) == next {
            return;
        }
        let path = file(&self.0.deps.state_dir);
        let json = serde_json::to_vec(&next).unwrap_or_default();
        if let Err(error) = write_durable(&path, &json, PRIVATE) {
            // It is said again in the next session, or found again by the next look.
            return tracing::error!(problem = %error.problem(), "what concerns rescues is not kept");
        }
        *lock(&self.0.kept) = next;
    }
}

/// Forgets the pinned key: whoever enrols a host anew says whom it believes.
pub fn forget(state_dir: &Path) -> Result<(), Problem> {
    runtime::fs::remove_durable(&file(state_dir)).map_err(|error| error.problem())
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("rescue.json")
}

fn unreadable(path: &Path) -> Problem {
    Problem::new(
        "LB2486",
        format!("{} cannot be read", path.display()),
        "Remove it and restart the agent: the next controller says the operators' key again.",
    )
}

/// Where the repository of a backup is, when it is a folder.
fn folder_of(work: &Work) -> Option<PathBuf> {
    let Work::Backup(backup) = work else { return None };
    let at = Path::new(&backup.repository.at);
    at.is_absolute().then(|| at.to_path_buf())
}

#[cfg(test)]
mod tests;
