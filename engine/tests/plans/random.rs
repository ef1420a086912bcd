//! Random plans, and the dice that they are made with.

use super::*;

/// Small, and good enough to shuffle a test.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize].clone()
    }
}

/// Hosts of random plans.
pub const HOSTS: [&str; 3] = ["a", "b", "c"];

fn random_step(dice: &mut Dice, what: &str, after: &[&str]) -> Step {
    let on = dice.pick(&HOSTS);
    let mut step = match dice.roll(8) {
        0 | 1 => check(what, after, on),
        2 | 3 => start(what, after, on),
        4 => script(what, after, on),
        5 => notify(what, after),
        6 => wait(what, after, 2),
        _ => approve(what, after),
    };
    if step.kind == what && !step.tasks.is_empty() && step.undo != Undo::Nothing {
        step.class = dice.pick(&[Class::Idempotent, Class::Probed, Class::Unsafe]);
        if dice.one_in(3) {
            let other = HOSTS.iter().find(|other| **other != on).unwrap();
            step.tasks.push(agent("service", what, other, service(what, model::jobs::ServiceAction::Start)));
        }
        if dice.one_in(5) {
            step.undo = Undo::Impossible;
        }
    }
    if dice.one_in(6) {
        step.gate = Some(gate(20));
    }
    if dice.one_in(10) {
        step.skipped = Some("not now".to_string());
    }
    step
}

pub fn random_plan(dice: &mut Dice) -> CheckedPlan {
    let mut steps: Vec<Step> = Vec::new();
    let count = 1 + dice.roll(6);
    for number in 0..count {
        let names: Vec<String> = steps.iter().map(|step| step.path.to_string()).collect();
        let after: Vec<&str> = names.iter().filter(|_| dice.one_in(2)).map(String::as_str).collect();
        let what = format!("s{number}");
        steps.push(random_step(dice, &what, &after));
        if number == 1 && dice.one_in(2) {
            let required = dice.pick(&[Evidence::Unreachable, Evidence::Stopped]);
            let hosts = if dice.one_in(2) { &HOSTS[..1] } else { &HOSTS[..2] };
            steps.push(fence(&after, hosts, required));
            steps.push(promote(&["fence"], "c"));
        }
    }
    for step in &mut steps {
        step.tries = 1 + dice.roll(3) as u32;
        step.timeout = Duration::from_secs(5 + dice.roll(20));
        step.on_failure = dice.pick(&[
            OnFailure::Ask,
            OnFailure::Ask,
            OnFailure::Stop,
            OnFailure::Continue,
            OnFailure::Unwind,
        ]);
    }
    if dice.one_in(3) {
        let last = random_step(dice, "last", &[]);
        let after = if dice.one_in(2) { vec!["last"] } else { Vec::new() };
        let very_last = random_step(dice, "very-last", &after);
        steps.extend([last, very_last].map(|step| Step { finally: true, ..step }));
    }
    let mut plan = plan(steps);
    if dice.one_in(15) {
        plan.mode = Mode::Preview;
    }
    plan
}
