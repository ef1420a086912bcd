//! Critical paths against a simulator that runs a plan event by event.

use super::Random;
use model::nouns::Objectives;
use model::{Class, ControlAction, Digest, Evidence, Mode, Name, StepPath, Target};
use plan::checked::{Action, CheckedPlan, EvidenceRule, FORMAT, Gate, OnFailure, Scenario, Step, Task, Undo};
use plan::objectives::{History, predict};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

const GRAPHS: usize = 1_500;

fn secs(count: usize) -> Duration {
    Duration::from_secs(count as u64)
}

fn path(at: usize) -> StepPath {
    StepPath::new(format!("s{at}")).unwrap()
}

/// Any task will do: nothing is sent.
fn task() -> Task {
    let name = Name::new("x").unwrap();
    let zone = model::nouns::ZoneSpec {
        name: name.clone(),
        kind: "rfc2136".to_string(),
        zone: "x.test".to_string(),
        servers: vec![],
        key: model::SecretRef::Env("X".to_string()),
    };
    let record = model::nouns::RecordSpec {
        name: name.clone(),
        fqdn: "x.test".to_string(),
        ttl: secs(1),
        values: BTreeMap::new(),
        zone,
    };
    let target = Target { noun: Name::new("record").unwrap(), name, host: None };
    Task { target, action: Action::Controller { control: ControlAction::RestoreRecord { record } } }
}

fn step(at: usize, random: &mut Random) -> Step {
    let kind = *random.pick(&["check", "start", "cutover", "approve", "fence", "wait"]);
    let question = |random: &mut Random| secs(1 + random.below(900));
    let mut step = Step {
        path: path(at),
        kind: kind.to_string(),
        summary: String::new(),
        after: (0..at).filter(|_| random.percent(200 / (at + 1))).map(path).collect(),
        class: Class::Read,
        gate: None,
        tasks: vec![task()],
        evidence: None,
        preconditions: Vec::new(),
        timeout: secs(1 + random.below(100)),
        tries: 1 + u32::try_from(random.below(5)).unwrap(),
        retry_pause: secs(random.below(200)),
        takes: random.percent(70).then(|| secs(random.below(500))),
        fan_out: None,
        on_failure: OnFailure::Ask,
        undo: Undo::Nothing,
        finally: false,
        skipped: random.percent(10).then(|| "not now".to_string()),
    };
    match kind {
        "approve" => {
            step.tasks.clear();
            step.gate =
                Some(Gate { role: None, within: question(random), approvals: 1, question: String::new() });
        }
        "fence" => {
            step.evidence = Some(EvidenceRule {
                disbelieved: Vec::new(),
                required: *random.pick(&[Evidence::Unreachable, Evidence::Stopped]),
                silence: secs(random.below(60)),
                risk: String::new(),
                role: None,
                within: question(random),
                approvals: 1,
            });
        }
        "wait" => step.tasks[0].action = Action::Timer { length: secs(1 + random.below(300)) },
        _ => {}
    }
    step
}

fn random_plan(random: &mut Random) -> CheckedPlan {
    let size = 1 + random.below(24);
    CheckedPlan {
        format: FORMAT,
        name: Name::new("p").unwrap(),
        title: String::new(),
        mode: Mode::Live,
        scenario: Scenario {
            lost: random.percent(50).then(|| Name::new("east").unwrap()).into_iter().collect(),
            ..Scenario::default()
        },
        objectives: Objectives::default(),
        inputs: BTreeMap::new(),
        estate: Digest::of(&"estate").unwrap(),
        steps: (0..size).map(|at| step(at, random)).collect(),
    }
}

/// What one step does at worst, thing by thing: it is asked late, then every try runs out.
fn worst_of(step: &Step) -> Duration {
    let mut clock = Duration::ZERO;
    if step.skipped.is_some() {
        return clock;
    }
    if let Some(gate) = &step.gate {
        clock += gate.within;
    }
    if let Some(Task { action: Action::Timer { length }, .. }) = step.tasks.first() {
        return clock + *length;
    }
    let mut pause = step.retry_pause;
    for attempt in 1..=step.tries {
        if step.tasks.is_empty() {
            break;
        }
        clock += step.timeout;
        if attempt < step.tries {
            let longest = pause.min(secs(300));
            clock += longest + longest / 4;
            pause *= 2;
        }
    }
    if let Some(rule) = &step.evidence
        && rule.required == Evidence::Unreachable
    {
        clock += rule.within;
    }
    clock
}

/// Lets a plan happen: what is ready begins, what is over frees what waited for it. Gives the moment at
/// which the recovery is there: its last cut-over is over, or everything is.
fn happen(plan: &CheckedPlan, lengths: &[Duration]) -> Duration {
    let mut waits_for: Vec<usize> = plan.steps.iter().map(|step| step.after.len()).collect();
    let mut running: BinaryHeap<Reverse<(Duration, usize)>> = BinaryHeap::new();
    for (at, _) in waits_for.iter().enumerate().filter(|(_, waits)| **waits == 0) {
        running.push(Reverse((lengths[at], at)));
    }
    let is_cutover = |step: &Step| step.kind == "cutover" && step.skipped.is_none();
    let any_cutover = plan.steps.iter().any(is_cutover);
    let mut recovered = Duration::ZERO;
    let mut over = 0;
    while let Some(Reverse((now, at))) = running.pop() {
        over += 1;
        if !any_cutover || is_cutover(&plan.steps[at]) {
            recovered = now;
        }
        for (other, step) in plan.steps.iter().enumerate() {
            if step.after.contains(&plan.steps[at].path) {
                waits_for[other] -= 1;
                if waits_for[other] == 0 {
                    running.push(Reverse((now + lengths[other], other)));
                }
            }
        }
    }
    assert_eq!(over, plan.steps.len());
    recovered
}

#[test]
fn the_critical_path_is_what_a_run_that_happens_event_by_event_takes() {
    let mut random = Random::new(1);
    let (mut extended, mut longest) = (0, Duration::ZERO);
    for graph in 0..GRAPHS {
        let plan = random_plan(&mut random);
        let found = predict(&plan, None);
        let estimates: Vec<Duration> = found.steps.iter().map(|step| step.lengths.estimate).collect();
        let waits: Vec<Duration> = found.steps.iter().map(|step| step.lengths.waits).collect();
        let worst: Vec<Duration> = plan.steps.iter().map(worst_of).collect();
        let total = happen(&plan, &estimates);
        assert_eq!(found.estimated.length, total, "graph {graph}");
        assert_eq!(found.worst.length, happen(&plan, &worst), "graph {graph}");
        assert_eq!(found.waits.length, happen(&plan, &waits), "graph {graph}");
        for (at, step) in found.steps.iter().enumerate() {
            assert_eq!(step.lengths.worst, worst[at], "graph {graph} step {at}");
            let later = |by: Duration| {
                let mut lengths = estimates.clone();
                lengths[at] += by;
                happen(&plan, &lengths)
            };
            match step.spare {
                Some(spare) => {
                    assert_eq!(later(spare), total, "graph {graph} step {at}");
                    assert_eq!(later(spare + secs(1)), total + secs(1), "graph {graph} step {at}");
                    assert!(!step.critical || spare.is_zero(), "graph {graph} step {at}");
                }
                None => assert_eq!(later(secs(100_000)), total, "graph {graph} step {at}"),
            }
            extended += 1;
        }
        let critical = found.steps.iter().filter(|step| step.critical).map(|step| step.lengths.estimate);
        assert_eq!(critical.sum::<Duration>(), total, "graph {graph}: the path is not what makes the length");
        longest = longest.max(total);
    }
    assert!(longest > secs(1_000));
    println!("{GRAPHS} random plans, {extended} steps made longer one by one: all as simulated");
}

/// Each way in which a few steps can take one of their times, all equally likely: the true distribution.
fn all_ways(plan: &CheckedPlan, times: &[Vec<Duration>]) -> Vec<Duration> {
    let mut ways = vec![Vec::new()];
    for choices in times {
        ways = ways
            .into_iter()
            .flat_map(|way: Vec<Duration>| {
                choices.iter().map(move |time| [way.clone(), vec![*time]].concat())
            })
            .collect();
    }
    ways.iter().map(|lengths| happen(plan, lengths)).collect()
}

#[test]
fn measured_quantiles_are_those_of_every_way_in_which_it_can_happen() {
    const PLANS: usize = 150;
    let mut random = Random::new(2);
    for number in 0..PLANS {
        let mut plan = random_plan(&mut random);
        plan.steps.truncate(5);
        let mut history = History::new();
        let mut times = Vec::new();
        for step in &plan.steps {
            let past: Vec<Duration> = (0..3).map(|_| secs(1 + random.below(1_000))).collect();
            past.iter().for_each(|took| history.add(&step.path, &step.kind, *took));
            times.push(if step.skipped.is_some() { vec![Duration::ZERO] } else { past });
        }
        let all = all_ways(&plan, &times);
        let mut draw = || random.bits();
        let measured = predict(&plan, Some((&history, &mut draw))).measured.unwrap();
        let at_most =
            |length: Duration| all.iter().filter(|total| **total <= length).count() * 1_000 / all.len();
        let below =
            |length: Duration| all.iter().filter(|total| **total < length).count() * 1_000 / all.len();
        // Of 4,000 draws the rank of a quantile is off by 3 % with a chance of one in ten thousand.
        for (quantile, rank) in [(measured.p50, 500), (measured.p90, 900)] {
            assert!(
                at_most(quantile) + 30 >= rank && below(quantile) <= rank + 30,
                "plan {number}: {quantile:?}"
            );
        }
        assert_eq!(measured.steps, plan.steps.iter().filter(|step| step.skipped.is_none()).count());
    }
    println!("{PLANS} random plans: p50 and p90 as in all their ways");
}

#[test]
fn a_step_without_enough_past_is_drawn_from_its_kind_and_then_estimated() {
    let mut random = Random::new(3);
    let mut plan = random_plan(&mut random);
    plan.steps.truncate(1);
    let step = &mut plan.steps[0];
    (step.kind, step.takes, step.skipped) = ("check".to_string(), Some(secs(77)), None);
    let (own, kind) = (step.path.clone(), step.kind.clone());
    let p50 = |history: &History| {
        let mut draw = || 0;
        predict(&plan, Some((history, &mut draw))).measured.unwrap()
    };
    let mut history = History::new();
    history.add(&path(9), &kind, secs(5));
    history.add(&path(9), &kind, secs(5));
    assert_eq!((p50(&history).p50, p50(&history).steps), (secs(77), 0));
    history.add(&path(8), &kind, secs(5));
    assert_eq!((p50(&history).p50, p50(&history).steps), (secs(5), 1));
    (0..3).for_each(|_| history.add(&own, &kind, secs(9)));
    assert_eq!(p50(&history).p50, secs(9));
}
