//! The suite that every shape of step passes: done, failed, unwound, undone twice, hanging, and a crash
//! after every event.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::simulator::{Crash, Fate, Simulation, World};
use engine::{Event, Recorded, RunStatus, decide, replay};
use model::{Class, Evidence};
use plan::checked::{CheckedPlan, OnFailure, Step, Undo};
use plans::fates::{Behave, MS, bring_to_an_end, unwind, world};
use plans::invariants::assert_invariants;
use plans::*;

fn two_hosts() -> CheckedPlan {
    let mut app = start("app", &[], "a");
    app.tasks.push(agent("service", "app", "b", service("app", model::jobs::ServiceAction::Start)));
    plan(vec![app, check("verify", &["app"], "a")])
}

fn with_finally() -> CheckedPlan {
    let mut steps = vec![start("before", &[], "a"), check("x", &["before"], "a")];
    steps.extend(
        [start("tidy", &[], "b"), notify("told", &["tidy"])].map(|step| Step { finally: true, ..step }),
    );
    plan(steps)
}

/// One first, then two at once; one may fail.
fn many() -> CheckedPlan {
    let fan_out = plan::checked::FanOut { at_once: 2, canary: 1, failures: 1 };
    plan(vec![start_many("fleet", 4, fan_out), check("verify", &["fleet"], "h1")])
}

fn diamond() -> CheckedPlan {
    let mut probed = start("right", &["top"], "b");
    probed.class = Class::Probed;
    plan(vec![
        start("top", &[], "a"),
        start("left", &["top"], "a"),
        probed,
        check("bottom", &["left", "right"], "b"),
    ])
}

fn gated() -> CheckedPlan {
    let mut go = start("go", &["sure"], "a");
    go.gate = Some(gate(600));
    plan(vec![approve("sure", &[]), go])
}

fn patient() -> CheckedPlan {
    let mut steps = diamond().steps;
    for step in &mut steps {
        step.tries = 3;
    }
    plan(steps)
}

fn with(undo: fn() -> Undo, class: Class) -> CheckedPlan {
    let mut x = start("x", &["before"], "a");
    (x.class, x.undo) = (class, undo());
    plan(vec![start("before", &[], "a"), x, check("later", &["x"], "a")])
}

fn stop() -> Undo {
    Undo::Tasks { tasks: vec![agent("service", "x", "a", service("x", model::jobs::ServiceAction::Stop))] }
}

fn skipped() -> CheckedPlan {
    let mut no = start("no", &[], "a");
    no.skipped = Some("only in a drill".to_string());
    plan(vec![no, notify("tell", &["no"]), wait("hold", &["tell"], 3)])
}

fn dead_east() -> CheckedPlan {
    plan(failover().steps)
}

fn shapes() -> Vec<(&'static str, CheckedPlan)> {
    let nothing = || Undo::Nothing;
    let impossible = || Undo::Impossible;
    vec![
        ("read", plan(vec![check("x", &[], "a")])),
        ("idempotent with undo", with(stop, Class::Idempotent)),
        ("idempotent without effect to undo", with(nothing, Class::Idempotent)),
        ("probed with undo", with(stop, Class::Probed)),
        ("probed without undo", with(impossible, Class::Probed)),
        ("unsafe without undo", with(impossible, Class::Unsafe)),
        ("unsafe with undo", with(stop, Class::Unsafe)),
        ("two hosts", two_hosts()),
        ("diamond", diamond()),
        ("diamond with tries", patient()),
        ("gates", gated()),
        ("skipped, controller, timer", skipped()),
        ("many hosts", many()),
        ("finally", with_finally()),
        ("failover", failover()),
        ("fence of two", {
            let mut steps = failover().steps;
            steps[1] = fence(&[], &["east-1", "east-2"], Evidence::Stopped);
            plan(steps)
        }),
        ("failover with a dead east", dead_east()),
    ]
}

#[test]
fn every_shape_ends_well_or_honestly_whatever_happens_to_each_of_its_steps() {
    for (what, plan, shape, at, behave, decide) in plans::fates::scenarios(shapes()) {
        let mut run = begun(plan, world(shape, at, behave));
        bring_to_an_end(&mut run, &decide);
        assert_invariants(&run);
        if what.ends_with("all well") || what.ends_with("fails, retried") {
            assert_eq!(word(&run), "succeeded", "{what}");
        }
    }
}

/// What must not depend on ids and jitter.
fn essence(event: &Event) -> String {
    match event {
        Event::ApprovalAsked { step, about, digest, .. } => format!("asked {step} {about:?} {digest}"),
        Event::AttemptScheduled { token, .. } => format!("scheduled {token}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_journal_cut_at_any_row_decides_what_the_live_run_decided() {
    for (what, plan, shape, at, behave, decide_failure) in plans::fates::scenarios(shapes()) {
        let mut run = begun(plan, world(shape, at, behave));
        bring_to_an_end(&mut run, &decide_failure);
        let rows: Vec<Recorded> = run.journal.iter().map(|entry| entry.recorded.clone()).collect();
        for cut in 1..=rows.len() {
            let state = replay(&rows[..cut]).unwrap();
            let decision = decide(&state, rows[cut - 1].at, &mut ids());
            let live: Vec<String> =
                rows[cut..].iter().take(decision.record.len()).map(|row| essence(&row.event)).collect();
            let replayed: Vec<String> = decision.record.iter().map(essence).collect();
            assert_eq!(replayed, live, "{what}, cut after row {cut}");
            assert_eq!(decision, decide(&state, rows[cut - 1].at, &mut ids()), "asked twice");
        }
    }
}

#[test]
fn faults_01_to_05_a_crash_after_every_event_changes_nothing_but_the_epoch() {
    crash_everywhere(0);
}

/// The other half, so that two cores share the work.
#[test]
fn faults_01_to_05_a_crash_after_every_event_changes_nothing_but_the_epoch_either() {
    crash_everywhere(1);
}

fn crash_everywhere(half: usize) {
    for (what, plan, shape, at, behave, decide) in
        plans::fates::scenarios(shapes()).into_iter().skip(half).step_by(2)
    {
        let mut smooth = begun(plan.clone(), world(shape, at, behave));
        bring_to_an_end(&mut smooth, &decide);
        let rows = smooth.journal.len();
        let after_sending = smooth.commits.iter().map(|rows| Crash::AfterSending(*rows));
        {
            for crash in (2..=rows).map(Crash::AfterRow).chain(after_sending) {
                let world = world(shape, at, behave);
                let mut run =
                    Simulation::with_crashes(plan.clone(), user("ada"), world, vec![crash]).unwrap();
                run.roles = commanders();
                bring_to_an_end(&mut run, &decide);
                let context = format!("{what}, {crash:?} of {rows}");
                assert_invariants(&run);
                assert_eq!(word(&run), word(&smooth), "{context}");
                let tokens = |run: &Simulation| run.world.executions().keys().cloned().collect::<Vec<_>>();
                assert_eq!(tokens(&run), tokens(&smooth), "{context}");
            }
        }
    }
}

#[test]
fn undoing_twice_is_undoing_once() {
    for (what, plan) in shapes() {
        let mut plan = plan;
        for step in &mut plan.steps {
            step.on_failure = OnFailure::Ask;
        }
        plan.steps.push({
            let after: Vec<&str> =
                plan.steps.iter().filter(|step| !step.finally).map(|step| step.path.as_str()).collect();
            check("never", &after, "a")
        });
        let fails: Behave = |_| {
            World::new().behaving(|token, _| {
                ((token.step.as_str() == "never").then(|| Fate::Fail(problem("no"))), MS)
            })
        };
        let mut run = begun(plan, world(what, "never", fails));
        let mut crashed = false;
        while run.state.is_open() && !crashed {
            assert!(run.run(20_000).unwrap());
            match run.state.status() {
                RunStatus::Waiting { needs } => match &needs[0] {
                    engine::Need::Approval { .. } => {
                        let command = yes(&run.state);
                        run.command(&command, &by(&command)).unwrap().unwrap();
                    }
                    _ => {
                        run.command(&unwind("never"), &user("ada")).unwrap().unwrap();
                        for _ in 0..3 {
                            run.crash().unwrap();
                        }
                        crashed = true;
                    }
                },
                other => panic!("{what}: {other:?}"),
            }
        }
        bring_to_an_end(&mut run, &unwind);
        assert_invariants(&run);
    }
}
