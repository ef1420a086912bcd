//! What may become of the steps of a plan, and a person who brings its run to an end.
#![allow(clippy::unwrap_used)]

use super::*;
use engine::RunStatus;
use engine::simulator::{BEGINNING, Fate};
use model::Direction;

/// How long all takes here.
pub const MS: Duration = Duration::from_millis(10);

fn truth(run: &Simulation, token: &Token) -> bool {
    run.world.effects().any(|there| there == token)
}

/// A person who knows the truth, approves what is asked, and when a step fails does `on_failure`.
pub fn bring_to_an_end(run: &mut Simulation, on_failure: &dyn Fn(&str) -> Command) {
    for _ in 0..200 {
        assert!(run.run(20_000).unwrap(), "the simulation does not come to rest");
        let needs = match run.state.status() {
            RunStatus::Waiting { needs } => needs,
            RunStatus::Stuck { .. } => {
                tell(run, &Command::End { reason: "it stays as it is".to_string() });
                continue;
            }
            _ => break,
        };
        use engine::Need;
        let command = match &needs[0] {
            Need::Approval { .. } => yes(&run.state),
            Need::Asking { step, .. } => retry(step.as_str()),
            Need::Decision { step, .. } => on_failure(step.as_str()),
            Need::Answer { token, .. } | Need::Host { token, .. } => answer(token, truth(run, token)),
        };
        run.command(&command, &by(&command)).unwrap().unwrap();
    }
    assert!(!run.state.is_open(), "the run did not end: {:?}", run.state.status());
}

pub type Behave = fn(&'static str) -> World;

pub fn world(shape: &str, at: &'static str, behave: Behave) -> World {
    let mut world = behave(at);
    if shape == "failover with a dead east" {
        world.take_offline(&host("east-1"), BEGINNING);
    }
    world
}

fn all_well(_: &'static str) -> World {
    World::new()
}

/// The first attempt of the step fails.
fn fails_once(at: &'static str) -> World {
    World::new().behaving(move |token, _| {
        let hit = token.step.as_str() == at && token.direction == Direction::Do && token.attempt == 1;
        (hit.then(|| Fate::Fail(problem("no"))), MS)
    })
}

fn hangs_undone(at: &'static str) -> World {
    World::new().behaving(move |token, _| {
        let hit = token.step.as_str() == at && token.direction == Direction::Do && token.attempt == 1;
        (hit.then_some(Fate::Hang { effect: false }), MS)
    })
}

fn dies_done(at: &'static str) -> World {
    World::new().behaving(move |token, _| {
        let hit = token.step.as_str() == at && token.direction == Direction::Do && token.attempt == 1;
        (hit.then_some(Fate::Die { effect: true }), MS)
    })
}

fn undo_fails(at: &'static str) -> World {
    World::new().behaving(move |token, _| {
        let first = token.attempt == 1;
        let fails = token.step.as_str() == at && (first || token.direction == Direction::Undo);
        (fails.then(|| Fate::Fail(problem("no"))), MS)
    })
}

fn try_again(step: &str) -> Command {
    retry(step)
}

pub fn unwind(_: &str) -> Command {
    Command::Unwind { reason: "it failed".to_string() }
}

pub type Decide = fn(&str) -> Command;

/// A plan with a fate of one of its steps, and what a person then does: a name, the plan, its shape, the step,
/// what becomes of it, what is done about it.
pub type Scenario = (String, CheckedPlan, &'static str, &'static str, Behave, Decide);

/// Every shape with every fate of every step.
pub fn scenarios(shapes: Vec<(&'static str, CheckedPlan)>) -> Vec<Scenario> {
    let mut all = Vec::new();
    for (shape, plan) in shapes {
        let steps: Vec<&'static str> = plan
            .steps
            .iter()
            .map(|step| &*Box::leak(step.path.as_str().to_string().into_boxed_str()))
            .collect();
        all.push((
            format!("{shape}: all well"),
            plan.clone(),
            shape,
            "",
            all_well as Behave,
            try_again as Decide,
        ));
        for at in steps {
            let fates: [(&str, Behave, Decide); 5] = [
                ("fails, retried", fails_once, try_again),
                ("fails, unwound", fails_once, unwind),
                ("hangs", hangs_undone, try_again),
                ("dies after its effect", dies_done, unwind),
                ("its undo fails", undo_fails, unwind),
            ];
            for (fate, behave, decide) in fates {
                all.push((format!("{shape}: {at} {fate}"), plan.clone(), shape, at, behave, decide));
            }
        }
    }
    all
}
