//! Plans and people for the tests of the engine.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod fates;
pub mod invariants;
pub mod random;

use engine::event::{About, Event};
use engine::simulator::{Simulation, World};
use engine::{Command, RunState, decide};
use model::jobs::{Check, Command as Script, Fence, Promote, Service, ServiceAction};
use model::nouns::{
    ChannelSpec, CheckSpec, FilesSpec, Manager, Objectives, Question, ServiceSpec, SourceKind, SourceSpec,
};
use model::{
    Class, ControlAction, Digest, Evidence, HostName, Micros, Mode, Name, Problem, StepPath, Target, Token,
    UserName, Work,
};
use plan::checked::{
    Action, CheckedPlan, EvidenceRule, FORMAT, FanOut, Gate, OnFailure, Precondition, Scenario, Step, Task,
    Undo,
};
use std::time::Duration;
use uuid::Uuid;

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn path(text: &str) -> StepPath {
    StepPath::new(text).unwrap()
}

pub fn host(text: &str) -> HostName {
    HostName::new(text).unwrap()
}

pub fn user(text: &str) -> UserName {
    UserName::new(text).unwrap()
}

pub fn target(noun: &str, what: &str, on: Option<&str>) -> Target {
    Target { noun: name(noun), name: name(what), host: on.map(host) }
}

pub fn problem(text: &str) -> Problem {
    Problem::new("LB2201", text, "Look at the host.")
}

pub fn source() -> SourceSpec {
    SourceSpec {
        name: name("app-db"),
        kind: SourceKind::Files(FilesSpec {
            paths: vec!["/srv/data".into()],
            excludes: Vec::new(),
            one_file_system: false,
            keep_incomplete: false,
        }),
    }
}

pub fn service(what: &str, action: ServiceAction) -> Work {
    let manager = Manager::Systemd { unit: format!("{what}.service") };
    Work::Service(Service { service: ServiceSpec { name: name(what), manager }, action })
}

pub fn agent(noun: &str, what: &str, on: &str, work: Work) -> Task {
    Task { target: target(noun, what, Some(on)), action: Action::Agent { host: host(on), work } }
}

pub fn check_work(what: &str) -> Work {
    Work::Check(Check {
        check: CheckSpec {
            name: name(what),
            question: Question::Tcp { address: "127.0.0.1:80".to_string() },
            within: Duration::from_secs(1),
        },
        retries: 0,
        pause: Duration::from_millis(10),
    })
}

pub fn step(what: &str, after: &[&str], class: Class, tasks: Vec<Task>, undo: Undo) -> Step {
    Step {
        path: path(what),
        kind: what.to_string(),
        summary: format!("{what} something"),
        after: after.iter().map(|before| path(before)).collect(),
        class,
        gate: None,
        tasks,
        evidence: None,
        preconditions: Vec::new(),
        timeout: Duration::from_secs(30),
        tries: 1,
        retry_pause: Duration::from_millis(500),
        takes: None,
        fan_out: None,
        on_failure: OnFailure::Ask,
        undo,
        finally: false,
        skipped: None,
    }
}

pub fn plan(steps: Vec<Step>) -> CheckedPlan {
    CheckedPlan {
        format: FORMAT,
        name: name("test"),
        title: "A test".to_string(),
        mode: Mode::Live,
        scenario: Scenario::default(),
        objectives: Objectives::default(),
        inputs: std::collections::BTreeMap::new(),
        estate: Digest::of(&"estate").unwrap(),
        steps,
    }
}

pub fn check(what: &str, after: &[&str], on: &str) -> Step {
    step(what, after, Class::Read, vec![agent("check", what, on, check_work(what))], Undo::Nothing)
}

pub fn start(what: &str, after: &[&str], on: &str) -> Step {
    let tasks = vec![agent("service", what, on, service(what, ServiceAction::Start))];
    let undo = Undo::Tasks { tasks: vec![agent("service", what, on, service(what, ServiceAction::Stop))] };
    step(what, after, Class::Idempotent, tasks, undo)
}

/// Starts something on hosts `h1` to `hN`.
pub fn start_many(what: &str, hosts: usize, fan_out: FanOut) -> Step {
    let of = |action| (1..=hosts).map(move |at| (format!("h{at}"), action));
    let tasks =
        of(ServiceAction::Start).map(|(on, action)| agent("service", what, &on, service(what, action)));
    let back = of(ServiceAction::Stop).map(|(on, action)| agent("service", what, &on, service(what, action)));
    let undo = Undo::Tasks { tasks: back.collect() };
    let mut step = step(what, &[], Class::Idempotent, tasks.collect(), undo);
    step.fan_out = Some(fan_out);
    step
}

pub fn promote(after: &[&str], on: &str) -> Step {
    let work = Work::Promote(Promote::of(source()));
    let mut step =
        step("promote", after, Class::Probed, vec![agent("source", "app-db", on, work)], Undo::Impossible);
    step.preconditions = vec![Precondition::Fenced { step: path("fence"), evidence: Evidence::Unreachable }];
    step
}

pub fn fence(after: &[&str], on: &[&str], required: Evidence) -> Step {
    let work = || Work::Fence(Fence { source: source() });
    let tasks: Vec<Task> = on.iter().map(|on| agent("source", "app-db", on, work())).collect();
    let unfence = on.iter().map(|on| agent("source", "app-db", on, service("db", ServiceAction::Start)));
    let undo = Undo::Tasks { tasks: unfence.collect() };
    let mut step = step("fence", after, Class::Idempotent, tasks, undo);
    step.evidence = Some(EvidenceRule {
        required,
        silence: Duration::from_secs(3),
        risk: "Nothing but its silence says that it is dead.".to_string(),
        role: Some(name("incident-commander")),
        within: Duration::from_secs(600),
        approvals: 1,
        disbelieved: Vec::new(),
    });
    step
}

pub fn script(what: &str, after: &[&str], on: &str) -> Step {
    let work = Work::Command(Script { script: "/opt/x.sh".into(), args: Vec::new(), sha256: None });
    step(what, after, Class::Unsafe, vec![agent("host", what, on, work)], Undo::Impossible)
}

pub fn notify(what: &str, after: &[&str]) -> Step {
    let control = ControlAction::Notify {
        channel: ChannelSpec {
            name: name("ops"),
            kind: "webhook".into(),
            url: "http://x".into(),
            token: None,
        },
        state: "investigating".to_string(),
        title: "t".to_string(),
        text: "x".to_string(),
    };
    let task = Task { target: target("channel", "ops", None), action: Action::Controller { control } };
    step(what, after, Class::Idempotent, vec![task], Undo::Nothing)
}

pub fn wait(what: &str, after: &[&str], seconds: u64) -> Step {
    let action = Action::Timer { length: Duration::from_secs(seconds) };
    let task = Task { target: target("run", what, None), action };
    step(what, after, Class::Read, vec![task], Undo::Nothing)
}

pub fn gate(seconds: u64) -> Gate {
    Gate {
        role: Some(name("incident-commander")),
        within: Duration::from_secs(seconds),
        approvals: 1,
        question: "Is it really down?".to_string(),
    }
}

pub fn approve(what: &str, after: &[&str]) -> Step {
    let mut step = step(what, after, Class::Read, Vec::new(), Undo::Nothing);
    step.gate = Some(gate(600));
    step
}

/// The plan of the demo, in small: notify, fence, promote, start, verify, tell.
pub fn failover() -> CheckedPlan {
    plan(vec![
        notify("tell", &[]),
        fence(&[], &["east-1"], Evidence::Unreachable),
        promote(&["fence"], "west-1"),
        start("app", &["promote"], "west-1"),
        check("verify", &["app"], "west-1"),
        notify("told", &["verify"]),
    ])
}

/// A run that ada asked for, not advanced. Ada, bea and cleo are its commanders.
pub fn begun(plan: CheckedPlan, world: World) -> Simulation {
    let mut simulation = Simulation::new(plan, user("ada"), world).unwrap();
    simulation.roles = commanders();
    simulation
}

pub fn commanders() -> engine::Roles {
    roles(&[("incident-commander", &["ada", "bea", "cleo"], false)])
}

/// Roles: their names, people, and whether one of them may break the glass.
pub fn roles(all: &[(&str, &[&str], bool)]) -> engine::Roles {
    let role = |people: &[&str], break_glass| plan::RoleHead {
        primary: user(people[0]),
        backup: people.get(1).map(|backup| user(backup)),
        people: people.iter().map(|one| user(one)).collect(),
        break_glass,
    };
    let all = all.iter().map(|(what, people, glass)| (name(what), role(people, *glass)));
    std::sync::Arc::new(all.collect())
}

/// Who gives a command: whoever asked for the run does not approve it.
pub fn by(command: &Command) -> UserName {
    match command {
        Command::Approve { .. } => user("bea"),
        _ => user("ada"),
    }
}

pub fn simulate(plan: CheckedPlan, world: World) -> Simulation {
    let mut simulation = begun(plan, world);
    assert!(simulation.run(10_000).unwrap(), "the simulation does not come to rest");
    simulation
}

/// The approval that the run's open question needs.
pub fn yes(state: &RunState) -> Command {
    let question = question(state);
    let (approval, digest) = (question.id, question.digest.clone());
    Command::Approve { approval, digest, reason: String::new(), way: engine::Way::Plain }
}

pub fn no(state: &RunState) -> Command {
    let question = question(state);
    Command::Decline { approval: question.id, digest: question.digest.clone(), reason: "not now".to_string() }
}

pub fn question(state: &RunState) -> engine::state::Question {
    state
        .steps
        .iter()
        .flat_map(|step| step.approvals())
        .find_map(|approval| approval.asked())
        .expect("a question stands open")
        .clone()
}

pub fn is_asked(state: &RunState, about: About) -> bool {
    let open = state.steps.iter().flat_map(|step| step.approvals());
    open.into_iter().filter_map(|approval| approval.asked()).any(|question| question.about == about)
}

/// Commands, and goes on until the run rests again.
pub fn tell(simulation: &mut Simulation, command: &Command) {
    simulation.command(command, &by(command)).unwrap().unwrap();
    assert!(simulation.run(10_000).unwrap(), "the simulation does not come to rest");
}

/// The code with which a command is refused.
pub fn refused(simulation: &mut Simulation, command: &Command) -> String {
    refused_to(simulation, command, &by(command))
}

/// The same for somebody.
pub fn refused_to(simulation: &mut Simulation, command: &Command, who: &UserName) -> String {
    simulation.command(command, who).unwrap().unwrap_err().problem.code
}

pub fn retry(step: &str) -> Command {
    Command::Retry { step: path(step), reason: String::new() }
}

pub fn skip(step: &str) -> Command {
    Command::Skip { step: path(step), reason: "done by hand".to_string() }
}

pub fn answer(token: &Token, done: bool) -> Command {
    Command::Answer { token: token.clone(), done, reason: "I looked".to_string() }
}

pub fn word(simulation: &Simulation) -> &'static str {
    simulation.state.word()
}

/// The last attempt of a step's first task.
pub fn last(state: &RunState, step: &str) -> engine::attempt::Attempt {
    state.step(&path(step)).unwrap().tasks[0].current().expect("an attempt").clone()
}

pub fn last_undo(state: &RunState, step: &str) -> engine::attempt::Attempt {
    state.step(&path(step)).unwrap().undo.tasks[0].current().expect("an attempt").clone()
}

/// How often any token of a step was executed, by direction.
pub fn executed(simulation: &Simulation, step: &str, direction: model::Direction) -> u32 {
    let all = simulation.world.executions().iter();
    all.filter(|(token, _)| token.step == path(step) && token.direction == direction)
        .map(|(_, times)| times)
        .sum()
}

/// No agent executed a token twice.
pub fn assert_at_most_once(simulation: &Simulation) {
    for (token, times) in simulation.world.executions() {
        assert!(*times <= 1 || token.target.host.is_none(), "{token} was executed {times} times");
    }
}

/// The journal replays to the state that the live run has.
pub fn assert_replays(simulation: &Simulation) {
    let rows: Vec<engine::Recorded> = simulation.journal.iter().map(|entry| entry.recorded.clone()).collect();
    assert_eq!(engine::replay(&rows).unwrap(), simulation.state);
    let head = engine::chain::verify(&simulation.journal).unwrap().unwrap();
    assert_eq!(head.sequence, simulation.state.sequence);
}

pub fn ids() -> impl FnMut() -> Uuid {
    let mut counter = 0u128;
    move || {
        counter += 1;
        Uuid::from_u128(counter)
    }
}

pub fn decided(state: &RunState, now: Micros) -> engine::Decision {
    decide(state, now, &mut ids())
}

pub fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}
