//! Writing bundles: when something was applied or approved, when a host enrolled, at the start, and each night.

use super::bundle::{self, Body, KeptEstate};
use super::seal;
use crate::app::App;
use crate::settings::Settings;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{Head, Micros, Problem, SecretRef};
use runtime::Explained as _;
use runtime::fs::{PRIVATE, remove_durable, write_durable};
use runtime::offline::PublicKey;
use runtime::secret;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// A bundle that is older is made anew.
const NIGHTLY: Duration = Duration::from_secs(24 * 3600);
/// After a bundle that could not be made.
const AGAIN: Duration = Duration::from_secs(30);
/// Secrets that a bundle holds.
const MAX_SECRETS: usize = 1000;
/// Open runs whose heads a bundle names.
const MAX_RUNS: u32 = 4096;

/// Where bundles go, and how the last one went. Cheap to clone.
#[derive(Clone)]
pub struct Bundles(Arc<Inner>);

struct Inner {
    key: Option<PublicKey>,
    to: PathBuf,
    keep: usize,
    wanted: AtomicBool,
    last: Mutex<Last>,
}

#[derive(Debug, Clone, Default)]
struct Last {
    made_at: Micros,
    tried_at: Micros,
    problem: String,
}

/// How bundles stand, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// When the newest was made; 0 for never.
    pub made_at: Micros,
    /// Where they are.
    pub to: String,
    /// Why the last one was not made; empty when it was.
    pub problem: String,
}

impl Bundles {
    /// As the settings say. One is wanted at once.
    pub fn new(settings: &Settings) -> Self {
        let key = settings.offline_key();
        let (to, keep) = (settings.bundle_to.clone(), settings.bundle_keep);
        Self(Arc::new(Inner { key, to, keep, wanted: AtomicBool::new(true), last: Mutex::default() }))
    }

    /// The operators' key, if the settings name one.
    pub fn key(&self) -> Option<&PublicKey> {
        self.0.key.as_ref()
    }

    /// Something is new that a rescue would need.
    pub fn wanted(&self) {
        self.0.wanted.store(true, Ordering::Release);
    }

    /// How they stand; none where no key is set.
    pub fn state(&self) -> Option<State> {
        self.key()?;
        let Last { made_at, problem, .. } = self.last();
        let problem = match self.0.to.as_os_str().is_empty() {
            true => "no place is set for bundles: `bundle-to` in the controller's settings".to_string(),
            false => problem,
        };
        Some(State { made_at, to: self.0.to.display().to_string(), problem })
    }

    fn last(&self) -> Last {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_due(&self, now: Micros) -> bool {
        if self.0.key.is_none() || self.0.to.as_os_str().is_empty() {
            return false;
        }
        let last = self.last();
        match last.problem.is_empty() {
            true => self.0.wanted.load(Ordering::Acquire) || now.since(last.made_at) >= NIGHTLY,
            false => now.since(last.tried_at) >= AGAIN,
        }
    }
}

pub(crate) fn once(app: &App) -> BoxFuture<'_, ()> {
    async move {
        let now = app.clock.now();
        if let Some(state) = app.bundles.state() {
            metrics::gauge!("lifeboat_bundle_age_seconds").set(now.since(state.made_at).as_secs_f64());
        }
        if !app.bundles.is_due(now) || app.standing.lost().is_some() {
            return;
        }
        // What comes after this is for the next one.
        app.bundles.0.wanted.store(false, Ordering::Release);
        let made = make(app, now).await;
        let mut last = app.bundles.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.tried_at = now;
        match made {
            Ok(path) => {
                tracing::info!(path = %path.display(), "rescue bundle made");
                (last.made_at, last.problem) = (now, String::new());
            }
            Err(problem) => {
                tracing::error!(%problem, advice = problem.advice, "no rescue bundle");
                last.problem = problem.to_string();
            }
        }
    }
    .boxed()
}

/// Makes one bundle and lets the oldest go.
async fn make(app: &App, now: Micros) -> Result<PathBuf, Problem> {
    let Some(key) = app.bundles.key().cloned() else {
        return Err(Problem::new("LB1240", "no offline key is set", "Set `offline-key`."));
    };
    let body = body(app, &key, now).await?;
    let text = bundle::write(&body, |what, text| app.authority.sign_text(what, text))?;
    let (to, keep) = (app.bundles.0.to.clone(), app.bundles.0.keep);
    let path = to.join(bundle::name(now, app.epoch.number));
    let written = {
        let path = path.clone();
        move || write(&to, &path, text.as_bytes(), keep)
    };
    match tokio::task::spawn_blocking(written).await {
        Ok(written) => written.map(|()| path),
        Err(error) => {
            Err(Problem::new("LB1245", "the writing of a bundle was cut off", "Try again.").caused_by(&error))
        }
    }
}

async fn body(app: &App, key: &PublicKey, now: Micros) -> Result<Body, Problem> {
    let failed = |error: crate::store::StoreError| error.problem();
    let estate = app.store.estate().await.map_err(failed)?.map(KeptEstate::of);
    let runs = app.store.runs(true, MAX_RUNS).await.map_err(failed)?;
    let head = |row: crate::store::runs::RunRow| {
        Some(Head { run: row.run, sequence: row.sequence, hash: model::Digest::new(row.head).ok()? })
    };
    let nouns = app.estate.get().map(|in_force| in_force.checked.nouns()).unwrap_or_default();
    let plan = |(noun, digest): (&String, &model::Digest)| {
        Some((noun.strip_prefix("plan/")?.to_string(), digest.to_string()))
    };
    Ok(Body {
        made_at: now,
        controller: app.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        epoch: app.epoch.number,
        offline_key: key.to_string(),
        ca_pem: app.authority.ca_pem().to_string(),
        ca_hash: app.authority.ca_hash().to_string(),
        sealed_ca_key: seal::seal(key, &app.authority.key_pem())?,
        sealed_secrets: secrets(app, key).await?,
        estate,
        plans: nouns.iter().filter_map(plan).collect(),
        agents: bundle::agents(&app.store.agents().await.map_err(failed)?),
        leases: bundle::leases(app.store.leases().await.map_err(failed)?),
        heads: runs.into_iter().filter_map(head).collect(),
    })
}

/// What the controller's own steps need, sealed. One that cannot be read is left out, and told.
async fn secrets(app: &App, key: &PublicKey) -> Result<String, Problem> {
    let Some(in_force) = app.estate.get() else { return Ok(String::new()) };
    let zones = in_force.checked.records().map(|record| record.zone.key);
    let tokens = in_force.checked.channels().filter_map(|channel| channel.token.clone());
    let wanted: HashSet<SecretRef> = zones.chain(tokens).take(MAX_SECRETS).collect();
    let read = move || {
        let resolved = |reference: SecretRef| match (&reference, secret::resolve(&reference)) {
            (SecretRef::File(path), Ok(bytes)) => Some((path.clone(), hex::encode(bytes.expose()))),
            (SecretRef::Env(_), Ok(_)) => None,
            (_, Err(error)) => {
                tracing::warn!(problem = %error.problem(), "a secret is not in the rescue bundle");
                None
            }
        };
        wanted.into_iter().filter_map(resolved).collect::<BTreeMap<_, _>>()
    };
    let found = tokio::task::spawn_blocking(read).await.unwrap_or_default();
    if found.is_empty() {
        return Ok(String::new());
    }
    seal::seal(key, &Zeroizing::new(serde_json::to_string(&found).unwrap_or_default()))
}

fn write(to: &Path, path: &Path, text: &[u8], keep: usize) -> Result<(), Problem> {
    let not_kept = |why: &dyn std::fmt::Display| {
        Problem::new(
            "LB1245",
            format!("the rescue bundle cannot be kept in {}: {why}", to.display()),
            "Is that place there, and has it space? `bundle-to` in the controller's settings names it.",
        )
    };
    std::fs::create_dir_all(to).map_err(|error| not_kept(&error))?;
    write_durable(path, text, PRIVATE).map_err(|error| not_kept(&error.problem()))?;
    let all = bundle::list(to);
    for old in all.iter().take(all.len().saturating_sub(keep)) {
        remove_durable(old).map_err(|error| not_kept(&error.problem()))?;
    }
    Ok(())
}
