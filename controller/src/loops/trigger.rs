//! Begins the plans that begin by themselves. When that is, the engine decides ([`engine::trigger`]); here the
//! answers of the vantage points are brought to it, and the run is started like one that a person starts.

use crate::app::App;
use engine::trigger::{Answer, Look, Watch};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{HostName, Micros, Mode, Name, Outcome, UserName};
use plan::TriggerHead;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Whose runs they are.
pub const BY: &str = "trigger";
/// A start that was refused is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// What is remembered of each plan that begins by itself.
#[derive(Default)]
pub struct Triggers(Mutex<BTreeMap<Name, Plan>>);

#[derive(Default)]
struct Plan {
    watch: Watch,
    /// When it began by itself in an earlier life, as far as the journal was asked.
    last: Option<Option<Micros>>,
    /// What the last look gave, as it was told.
    told: Option<std::mem::Discriminant<Look>>,
    /// The start that is being tried: the same request until it is answered, so that it begins one run.
    request: Option<Uuid>,
    /// Before then it is not tried again.
    not_before: Duration,
}

pub(super) fn once(app: &App) -> BoxFuture<'_, ()> {
    async move {
        let Some(in_force) = app.estate.get() else { return };
        if !app.leading.holds() || app.standing.lost().is_some() {
            return;
        }
        let triggers: Vec<(Name, TriggerHead)> =
            in_force.checked.triggers().map(|(name, trigger)| (name.clone(), trigger)).collect();
        app.triggers.keep(&triggers);
        for (name, trigger) in triggers {
            look(app, &name, &trigger).await;
        }
    }
    .boxed()
}

async fn look(app: &App, name: &Name, trigger: &TriggerHead) {
    let answers = answers(app, trigger);
    let (now, wall) = (app.clock.since_boot(), app.clock.now());
    let (mut seen, known) = app.triggers.with(name, |plan| plan.look(name, trigger, &answers, now, wall));
    if seen == Look::Fires && !known {
        // The journal is asked once, when it matters: whether the plan began by itself in an earlier life.
        match app.store.last_of(name.as_str(), BY).await {
            Ok(last) => app.triggers.with(name, |plan| plan.last = Some(last)),
            Err(error) => {
                tracing::warn!(%error, plan = %name, "whether this plan began by itself before is not known; it waits");
                return;
            }
        }
        seen = app.triggers.with(name, |plan| plan.look(name, trigger, &answers, now, wall)).0;
    }
    if seen != Look::Fires {
        return;
    }
    let wanted = app.triggers.with(name, |plan| {
        let request = *plan.request.get_or_insert_with(|| app.ids.fresh());
        (plan.not_before <= now).then_some(request)
    });
    let Some(request) = wanted else { return };
    let began = begin(app, name, trigger, request).await;
    app.triggers.with(name, |plan| match began {
        true => {
            plan.watch.fired(now);
            plan.request = None;
        }
        false => plan.not_before = now + AGAIN,
    });
}

/// Starts the plan; false when it has to be tried again.
async fn begin(app: &App, name: &Name, trigger: &TriggerHead, request: Uuid) -> bool {
    let Some(in_force) = app.estate.get() else { return false };
    let compiled = match in_force.checked.compile(name, Mode::Live, &BTreeMap::new()) {
        Ok(compiled) => compiled,
        Err(found) => {
            let why = found.first().map(ToString::to_string).unwrap_or_default();
            tracing::error!(plan = %name, why, "a plan that should begin by itself does not compile");
            return false;
        }
    };
    let Ok(by) = UserName::new(BY) else { return false };
    match app.runs.start(compiled, by, Some(request)).await {
        Ok(run) => {
            metrics::counter!("lifeboat_triggers_fired_total", "plan" => name.to_string()).increment(1);
            tracing::warn!(plan = %name, %run, check = %trigger.check, "the plan begins by itself: its check has failed long enough");
            true
        }
        Err(error) => {
            tracing::error!(plan = %name, error = %error.problem(), "a plan that should begin by itself was refused; it is tried again");
            false
        }
    }
}

/// What the vantage points said last, of those that are heard.
fn answers(app: &App, trigger: &TriggerHead) -> BTreeMap<HostName, Answer> {
    let connected = trigger.vantages.iter().filter(|host| app.fleet.is_connected(host));
    connected
        .filter_map(|host| {
            let monitor = app.fleet.monitor(host, &trigger.check)?;
            let well = match monitor.outcome {
                Outcome::Succeeded { .. } => true,
                Outcome::Failed { .. } => false,
                // It was not asked, or nobody knows what it said.
                Outcome::Refused { .. } | Outcome::Cancelled | Outcome::Unknown { .. } => return None,
            };
            Some((host.clone(), Answer { at: monitor.at, well }))
        })
        .collect()
}

impl Triggers {
    /// Forgets plans that are gone.
    fn keep(&self, triggers: &[(Name, TriggerHead)]) {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|name, _| triggers.iter().any(|(known, _)| known == name));
    }

    fn with<T>(&self, name: &Name, change: impl FnOnce(&mut Plan) -> T) -> T {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(plans.entry(name.clone()).or_default())
    }
}

impl Plan {
    /// Looks, and tells when it is another look than the last one; and whether the journal was asked.
    fn look(
        &mut self,
        name: &Name,
        trigger: &TriggerHead,
        answers: &BTreeMap<HostName, Answer>,
        now: Duration,
        wall: Micros,
    ) -> (Look, bool) {
        let look = self.watch.look(trigger, answers, now, self.last.flatten(), wall);
        let kind = std::mem::discriminant(&look);
        if self.told.replace(kind) != Some(kind) {
            tracing::info!(plan = %name, check = %trigger.check, ?look, "a plan that begins by itself");
        }
        (look, self.last.is_some())
    }
}
