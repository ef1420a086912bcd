//! Asks every host each night whether it would do its part of each plan, so that what would be refused is
//! known before the night in which it matters.
//!
//! One plan after another, never beside a live run: where one is open nothing is asked, and one that begins
//! calls the preview off. What was asked is a run like any other, in the mode that does nothing.

use crate::app::App;
use crate::store::previews::{PreviewRow, Refusal};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{Micros, Mode, Name, Problem, RunId, UserName};
use std::collections::BTreeMap;
use std::time::Duration;

/// Plans that are asked in one night.
const MAX_PLANS: usize = 500;
/// Open runs that are looked at for a live one.
const MAX_RUNS: u32 = 4096;
/// How long one preview may take before what is still open counts as refused.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked at.
const STEP: Duration = Duration::from_millis(200);
/// A controller that has just begun has no agents yet: a night that it missed is made up for later.
const SETTLE: Duration = Duration::from_secs(600);
/// The hour that means never.
pub const NEVER: u8 = 24;
/// Whose runs they are.
pub const BY: &str = "nightly-preview";

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

pub(super) fn once(app: &App) -> BoxFuture<'_, ()> {
    async move {
        let now = app.clock.now();
        let Some(due) = newest_night(now, app.preview_hour, app.name.as_str()) else { return };
        if now > app.started_at.after(SETTLE) {
            night(app, due).await;
        }
    }
    .boxed()
}

/// When the newest night began, at or before now: the hour in UTC, and some minutes more that differ from night
/// to night and from controller to controller.
fn newest_night(now: Micros, hour: u8, name: &str) -> Option<Micros> {
    if hour >= NEVER {
        return None;
    }
    let begins = |day: i64| {
        let seed =
            name.bytes().fold(day as u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let jitter = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as i64 % (50 * 60) * 1_000_000;
        Micros(day * DAY + i64::from(hour) * HOUR + jitter)
    };
    let today = now.0.div_euclid(DAY);
    Some(
        [begins(today), begins(today - 1)]
            .into_iter()
            .find(|begin| *begin <= now)
            .unwrap_or(begins(today - 2)),
    )
}

/// Asks about every plan that was not asked about since `due`.
pub async fn night(app: &App, due: Micros) {
    let Some(in_force) = app.estate.get() else { return };
    let kept = match app.store.previews().await {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(%error, "previews were not read; the next round tries again");
            return;
        }
    };
    let plans: Vec<Name> = in_force.checked.plans().take(MAX_PLANS).cloned().collect();
    for plan in plans {
        let last = kept.iter().find(|row| row.plan == plan.as_str()).map(|row| row.at);
        let alone = in_force.checked.plan(&plan).is_some_and(|head| head.alone);
        // A plan that is new waits for the next night: whoever applies an estate is not surprised by runs.
        if !alone || last.unwrap_or(app.started_at) >= due {
            continue;
        }
        if app.standing.lost().is_some() || live_run(app).await {
            return;
        }
        let Some(row) = ask(app, &plan, in_force.version).await else { return };
        let (plan, outcome) = (row.plan.clone(), row.outcome.clone());
        match app.store.keep_preview(row).await {
            Ok(()) => tracing::info!(plan, outcome, "preview of a plan"),
            Err(error) => tracing::warn!(%error, plan, "a preview was not kept; the next round asks again"),
        }
    }
}

/// A run in mode live is open, or nobody can tell.
async fn live_run(app: &App) -> bool {
    match app.store.runs(true, MAX_RUNS).await {
        Ok(rows) => rows.iter().any(|row| row.mode == Mode::Live.as_str()),
        Err(_) => true,
    }
}

/// Runs the preview of a plan. None when it had to make way.
async fn ask(app: &App, plan: &Name, estate: u64) -> Option<PreviewRow> {
    let in_force = app.estate.get()?;
    let at = app.clock.now();
    let row = |run: String, refusals: Vec<Refusal>| {
        let outcome = if refusals.is_empty() { "ready" } else { "refused" };
        PreviewRow { plan: plan.to_string(), at, run, estate, outcome: outcome.to_string(), refusals }
    };
    let whole = |problem| vec![Refusal { step: String::new(), problem }];
    let compiled = match in_force.checked.compile(plan, Mode::Preview, &BTreeMap::new()) {
        Ok(compiled) => compiled,
        Err(found) => {
            let first = found.first()?;
            let (code, message) = (first.code.as_str(), first.message.as_str());
            let advice =
                "Give its inputs defaults, or ask by hand: `lifeboat run PLAN --mode preview --input …`.";
            return Some(row(String::new(), whole(Problem::new(code, message, advice))));
        }
    };
    let by = UserName::new(BY).ok()?;
    let run = match app.runs.start(compiled, by.clone(), None).await {
        Ok(run) => run,
        Err(error) => return Some(row(String::new(), whole(error.problem()))),
    };
    let finished = finish(app, run).await;
    let refusals = match app.runs.state(run).await {
        Ok(state) => refusals(&engine::view_with(&state, app.clock.now(), &app.fleet.silent())),
        Err(error) => whole(error.problem()),
    };
    if finished != Finish::Over {
        let reason = "a live run has begun, or a host does not answer".to_string();
        crate::runs::call_off(&app.runs, run, &by, reason).await;
    }
    (finished != Finish::MakesWay).then(|| row(run.to_string(), refusals))
}

#[derive(PartialEq, Eq)]
enum Finish {
    Over,
    TooSlow,
    MakesWay,
}

async fn finish(app: &App, run: RunId) -> Finish {
    let began = std::time::Instant::now();
    loop {
        match app.runs.state(run).await {
            Ok(state) if !state.is_open() => return Finish::Over,
            Ok(_) | Err(crate::runs::RunError::NotDriven { .. }) => {}
            Err(_) => return Finish::Over,
        }
        if live_run(app).await {
            return Finish::MakesWay;
        }
        if began.elapsed() > PATIENCE {
            return Finish::TooSlow;
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Every step that would not be done: what failed, and what nobody answered.
fn refusals(view: &engine::View) -> Vec<Refusal> {
    let of = |step: &engine::view::StepView| {
        let open = !matches!(step.state.as_str(), "succeeded" | "skipped" | "pending");
        let problem = step.problem.clone().or_else(|| {
            open.then(|| {
                Problem::new(
                    "LB1391",
                    format!("no answer: {}", step.outcome),
                    "Is its host up, and does its agent run? `lifeboat status` says so.",
                )
            })
        })?;
        Some(Refusal { step: step.path.to_string(), problem })
    };
    view.steps.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Micros = Micros(20_000 * DAY + 12 * HOUR);

    #[test]
    fn a_night_begins_within_its_hour_and_never_in_the_future() {
        for days in 0..400 {
            let now = Micros(NOON.0 + days * DAY + days * 60_000_000);
            let Some(night) = newest_night(now, 3, "main") else { panic!("there is a night") };
            assert!(night <= now && now.0 - night.0 < DAY + HOUR, "{night} {now}");
            assert_eq!(night.0.rem_euclid(DAY) / HOUR, 3, "{night}");
        }
        assert_eq!(newest_night(NOON, NEVER, "main"), None);
        let others: std::collections::BTreeSet<_> =
            ["a", "b", "c", "d"].iter().map(|name| newest_night(NOON, 3, name)).collect();
        assert!(others.len() > 1, "controllers do not all begin at once");
    }
}
