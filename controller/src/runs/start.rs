//! Starting a run.
//!
//! One transaction holds the row, the first event with the checked plan itself, and every resource that
//! the run holds. So of two starts on one target exactly one is durable, and the other is told who has
//! it and since when. A request that was answered and lost on the way is answered again by its id.

use super::registry::MAX_OPEN;
use super::{RunError, Runs, preempt};
use crate::app::App;
use crate::store::StoreError;
use crate::store::runs::{NewRun, Started};
use engine::{Batch, Event};
use model::nouns::MemberFacts;
use model::{Mode, Name, RunId, UserName};
use plan::CheckedPlan;
use runtime::crash;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Runs that one start sets aside at most.
const MAX_SET_ASIDE: usize = 16;

/// What a run of a plan holds. A preview does nothing and holds nothing; a drill holds the stand-ins,
/// which no live run touches.
pub(crate) fn resources(plan: &CheckedPlan) -> Vec<String> {
    match plan.mode {
        Mode::Live => plan.resources(),
        Mode::Drill => plan.resources().into_iter().map(|name| format!("drill/{name}")).collect(),
        Mode::Preview => Vec::new(),
    }
}

/// What is known now: what will have been lost is measured against it.
fn observed(app: &App) -> Event {
    let mut members = Vec::new();
    let mut heard = BTreeMap::new();
    let all = app.fleet.all();
    let says_so = |facts: &&MemberFacts| facts.role == "primary";
    let led: BTreeSet<Name> = all
        .values()
        .flat_map(|known| known.facts.iter().filter(says_so))
        .map(|facts| facts.source.clone())
        .collect();
    for (host, known) in all {
        let down = |facts: &MemberFacts| facts.role == "down" && !led.contains(&facts.source);
        members.extend(known.facts.into_iter().map(|facts| match known.as_primary.get(&facts.source) {
            // How far it had come is what a loss is measured against.
            Some(last) if down(&facts) => last.clone(),
            Some(_) | None => facts,
        }));
        heard.insert(host, known.heard_at);
    }
    Event::Observed { members, heard }
}

impl Runs {
    /// Starts a run of a plan, or gives the one that the same request started before. A live recovery
    /// sets aside backups and checks that hold what it needs.
    pub async fn start(
        &self,
        plan: CheckedPlan,
        by: UserName,
        request: Option<Uuid>,
    ) -> Result<RunId, RunError> {
        for _ in 0..MAX_SET_ASIDE {
            let holder = match self.try_start(plan.clone(), by.clone(), request).await {
                Err(RunError::Store(StoreError::Held { run, .. })) if preempt::is_recovery(&plan) => run,
                decided => return decided,
            };
            if !preempt::set_aside(self, holder, &by, &plan).await {
                break;
            }
        }
        self.try_start(plan, by, request).await
    }

    async fn try_start(
        &self,
        plan: CheckedPlan,
        by: UserName,
        request: Option<Uuid>,
    ) -> Result<RunId, RunError> {
        let app = self.app()?;
        if let Some(problem) = app.standing.lost() {
            return Err(RunError::Halted(problem));
        }
        if let Some(problem) = app.rescue.as_ref().and_then(|rescue| rescue.not_yet()) {
            return Err(RunError::Halted(problem));
        }
        let open = self.open_count();
        if open >= MAX_OPEN {
            return Err(RunError::TooMany { open });
        }
        let (resources, run) = (resources(&plan), app.ids.run());
        let events = vec![engine::start(plan, by, request)?, observed(&app)];
        let first = Batch::prepare(None, None, run, events, app.clock.now(), app.epoch.number)
            .map_err(|error| RunError::Illegal { run, error })?;
        crash::point("before-start");
        match app.store.start(app.epoch, NewRun { resources, first }).await {
            Ok(Started::New) => {
                crash::point("after-start");
                metrics::counter!("lifeboat_runs_started_total").increment(1);
                self.open(run);
                Ok(run)
            }
            Ok(Started::Already(run)) => {
                // Its answer was lost on the way from the database: it has no driver yet.
                self.open(run);
                Ok(run)
            }
            Err(error) => {
                app.judge(&error);
                Err(error.into())
            }
        }
    }
}
