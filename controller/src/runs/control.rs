//! The controller's own actions of one run: begun once, stopped when their token is revoked.

use super::driver::Input;
use crate::actions::Actions;
use crate::app::App;
use engine::{Actor, Report, Revocation};
use model::{ControlAction, Outcome, Problem, Token};
use runtime::{Policy, crash};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Actions that are under way in this process.
#[derive(Default)]
pub(super) struct Controls(BTreeMap<Token, CancellationToken>);

impl Controls {
    /// Begins an action. Its end comes back as a report.
    pub(super) fn begin(
        &mut self,
        app: &App,
        inbox: &mpsc::Sender<Input>,
        token: &Token,
        action: ControlAction,
        timeout: Duration,
    ) {
        let stop = CancellationToken::new();
        self.0.insert(token.clone(), stop.clone());
        let (inbox, token) = (inbox.clone(), token.clone());
        let actions = Actions::new(app.store.clone(), app.clock.clone());
        let leading = app.leading.clone();
        app.tasks.spawn(format!("action {token}"), Policy::BACKGROUND, async move {
            crash::point_of("action-begins", &token.step);
            let began = Instant::now();
            let performing = tokio::time::timeout(timeout, actions.perform(&token, &action));
            let outcome = tokio::select! {
                // A revoked action makes no step more: a probe may be looking already.
                biased;
                // Whoever revoked it reports what became of it.
                () = stop.cancelled() => return Ok(()),
                // Whoever leads next performs it again, and finds what was done.
                () = leading.lapsed() => return Ok(()),
                outcome = performing => outcome.unwrap_or_else(|_| timed_out(timeout)),
            };
            crash::point_of("action-ended", &token.step);
            let took_us = u64::try_from(began.elapsed().as_micros()).ok();
            let report = Report::Ended { token, outcome, by: Actor::Controller, took_us };
            // Without a driver nobody waits for it; the next one performs it again.
            let _ = inbox.send(Input::Report { from: None, report, done: None }).await;
            Ok::<_, Infallible>(())
        });
    }

    /// Looks whether an action had its effect. The answer comes back as a report.
    pub(super) fn probe(app: &App, inbox: &mpsc::Sender<Input>, token: &Token, action: ControlAction) {
        let (inbox, token) = (inbox.clone(), token.clone());
        let actions = Actions::new(app.store.clone(), app.clock.clone());
        app.tasks.spawn(format!("probe {token}"), Policy::BACKGROUND, async move {
            let answer = actions.probe(&token, &action).await;
            let report = Report::Probed { token, answer };
            // As above.
            let _ = inbox.send(Input::Report { from: None, report, done: None }).await;
            Ok::<_, Infallible>(())
        });
    }

    /// Stops an action. Cut off at an await it may have had its effect, so it counts as stopped; what
    /// this process never began may have begun in an earlier one.
    pub(super) fn revoke(&mut self, token: &Token) -> Report {
        if let Some(stop) = self.0.remove(token) {
            stop.cancel();
        }
        Report::Revoked { token: token.clone(), answer: Revocation::Stopped }
    }

    /// An action has ended.
    pub(super) fn ended(&mut self, token: &Token) {
        self.0.remove(token);
    }
}

fn timed_out(timeout: Duration) -> Outcome {
    let text = model::duration::format(timeout);
    Outcome::Unknown {
        problem: Problem::new(
            "LB1364",
            format!("the action did not end within {text}"),
            "Look at what it acts on, then settle the step with `lifeboat answer`.",
        ),
    }
}
