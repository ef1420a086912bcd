//! What runs do to leases: a fence closes, a promotion entitles, an end without a promotion reopens.

use super::Leases;
use crate::app::App;
use crate::runs::RunError;
use engine::{Batch, Event, RunState};
use model::jobs::FenceOutput;
use model::{Direction, Evidence, HostName, Mode, Name, Outcome, RunId, Token, Work};
use plan::checked::Action;
use runtime::Policy;
use std::convert::Infallible;

impl Leases {
    /// An order may be sent to a host: its event is durable. Said again with each look at the run. A drill's
    /// orders go to stand-ins, which are not leased.
    pub fn ordered(&self, app: &App, token: &Token, host: &HostName, work: &Work) {
        if token.mode != Mode::Live || token.direction != Direction::Do {
            return;
        }
        let (source, changed) = match work {
            Work::Fence(fence) if self.concerns(app, &fence.source.name) => {
                (&fence.source.name, self.close(&fence.source.name, host, token.run))
            }
            Work::Promote(promote) if self.concerns(app, &promote.source.name) => {
                let source = &promote.source.name;
                (source, self.with(source, |known| known.grantor.entitle(host)))
            }
            _ => return,
        };
        if changed {
            tracing::info!(%source, %host, run = %token.run, job = work.kind(), "leases");
            self.save_beside(app, source.clone());
        }
    }

    fn concerns(&self, app: &App, source: &Name) -> bool {
        let leased = app.estate.get().is_some_and(|it| it.checked.lease(source).is_some());
        leased || self.known(source, |_| ()).is_some()
    }

    fn close(&self, source: &Name, host: &HostName, run: RunId) -> bool {
        self.with(source, |known| {
            let new = known.grantor.close(host);
            if new {
                known.closed_by.insert(host.clone(), run);
            }
            new
        })
    }

    /// Durable soon; what rests on it waits for that.
    pub(super) fn save_beside(&self, app: &App, source: Name) {
        let leases = self.clone();
        app.tasks.spawn(format!("leases of {source}"), Policy::WORKER, async move {
            if let Err(error) = leases.save(&source).await {
                tracing::error!(%source, %error, "what a run did to leases is not durable; nothing is told of it");
            }
            Ok::<_, Infallible>(())
        });
    }

    /// Events that became durable: a server that its agent saw stopped is waited for no longer, one that follows
    /// the primary again is fenced no more, and one whose fence was lifted may ask again.
    pub fn learn(&self, app: &App, batch: &Batch) {
        for entry in &batch.entries {
            let Event::Ended { token, outcome: Outcome::Succeeded { output }, .. } = &entry.recorded.event
            else {
                continue;
            };
            let place = batch.state.place(token);
            let action = place.and_then(|place| batch.state.action(place));
            let (Some(place), Some(Action::Agent { host, work })) = (place, action) else { continue };
            if token.mode != Mode::Live {
                continue;
            }
            let (source, changed) = match work {
                Work::Fence(fence) => {
                    let rule = batch.state.plan.steps.get(place.step).and_then(|step| step.evidence.as_ref());
                    let believed = rule.is_some_and(|rule| !rule.disbelieved.contains(host));
                    let said = serde_json::from_value::<FenceOutput>(output.clone());
                    let stopped = said.is_ok_and(|said| said.evidence >= Evidence::Stopped);
                    let source = &fence.source.name;
                    (
                        source,
                        believed
                            && stopped
                            && self.change(source, |known| {
                                known.grantor.gone(host);
                                true
                            }),
                    )
                }
                Work::Rejoin(work) => {
                    let freed = |known: &mut super::Source| {
                        known.closed_by.remove(host);
                        known.grantor.rejoined(host)
                    };
                    (&work.source.name, self.change(&work.source.name, freed))
                }
                Work::Unfence(work) => {
                    let freed = |known: &mut super::Source| {
                        known.closed_by.remove(host);
                        known.grantor.lifted(host)
                    };
                    (&work.source.name, self.change(&work.source.name, freed))
                }
                _ => continue,
            };
            if changed {
                self.save_beside(app, source.clone());
            }
        }
    }

    /// Changes what is known of a source that is leased, or was.
    fn change(&self, source: &Name, change: impl FnOnce(&mut super::Source) -> bool) -> bool {
        self.known(source, |_| ()).is_some() && self.with(source, change)
    }

    /// A run is over. What it fenced and did not replace is the primary as before, and may ask again; a server
    /// that its agent masked stays closed all the same, until somebody lifts that.
    pub fn run_over(&self, app: &App, state: &RunState) {
        let mut reopened = Vec::new();
        let fences = works(state).filter_map(|(host, work, _)| match work {
            Work::Fence(fence) => Some((fence.source.name.clone(), host.clone())),
            _ => None,
        });
        for (source, host) in fences {
            let promotes = |work: &Work| matches!(work, Work::Promote(one) if one.source.name == source);
            if works(state).any(|(_, work, may_have_acted)| may_have_acted && promotes(work)) {
                continue;
            }
            let ours = self.known(&source, |known| known.closed_by.get(&host) == Some(&state.run));
            if ours == Some(true) && self.with(&source, |known| known.grantor.reopen(&host)) {
                self.with(&source, |known| known.closed_by.remove(&host));
                reopened.push(source);
            }
        }
        for source in reopened {
            tracing::info!(%source, run = %state.run, "the run is over and promoted nobody: the primary may go on");
            self.save_beside(app, source);
        }
    }

    /// Runs that were over before an earlier controller could note it.
    pub async fn settle(&self, app: &App) -> Result<(), RunError> {
        for (_, run) in self.closed() {
            let state = app.runs.state(run).await?;
            if !state.is_open() {
                self.run_over(app, &state);
            }
        }
        Ok(())
    }
}

/// The work of a live run's tasks, on which host, and whether any try of it may have changed something.
fn works(state: &RunState) -> impl Iterator<Item = (&HostName, &Work, bool)> {
    let steps = state.plan.steps.iter().zip(&state.steps);
    let tasks = steps.flat_map(|(step, now)| step.tasks.iter().zip(&now.tasks));
    tasks.filter_map(|(task, now)| {
        let Action::Agent { host, work } = &task.action else { return None };
        let live = now.attempts.iter().all(|attempt| attempt.token.mode == Mode::Live);
        let acted = now.attempts.iter().any(|attempt| attempt.state.may_have_effect());
        live.then_some((host, work, acted))
    })
}
