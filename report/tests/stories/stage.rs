//! Where the stories are played: the example's estate, the engine's simulator, and the recorded texts.

use engine::Command;
use engine::simulator::{Fate, Job, Simulation, World};
use engine::state::Observed;
use jiff::tz::TimeZone;
use model::control::CutoverOutput;
use model::jobs::PromoteOutput;
use model::nouns::MemberFacts;
use model::{HostName, Micros, Mode, Token, UserName};
use plan::{CheckedEstate, SourceFile};
use report::{Report, View};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub use engine::simulator::BEGINNING;

/// Turns until a story must have come to rest.
const TURNS: usize = 10_000;

/// What a story says about one execution; `None`: what is usual.
pub type Said = Option<(Fate, Duration)>;

pub struct Stage {
    simulation: Simulation,
    progress: BTreeMap<String, String>,
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn east_1() -> HostName {
    HostName::new("east-1").unwrap()
}

pub fn west_1() -> HostName {
    HostName::new("west-1").unwrap()
}

/// A zone with an offset that does not depend on the machine.
pub fn berlin() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(1))
}

pub fn gives<T: serde::Serialize>(output: &T, took_ms: u64) -> Said {
    Some((Fate::Succeed(serde_json::to_value(output).unwrap()), ms(took_ms)))
}

pub fn promoted(received_lsn: u64) -> PromoteOutput {
    PromoteOutput {
        timeline: 2,
        received_lsn,
        replayed_lsn: received_lsn,
        last_commit_at: Some(Micros(BEGINNING.0 - 900_000)),
        took_ms: 640,
        already_primary: false,
    }
}

pub fn cut_over() -> CutoverOutput {
    CutoverOutput {
        before: vec!["192.0.2.20".to_string()],
        after: vec!["198.51.100.20".to_string()],
        generation: 8,
        verified_after_ms: 35,
        servers: vec!["198.51.100.53:53".to_string()],
        ttl_seconds: 60,
    }
}

fn estate() -> CheckedEstate {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/region-failover");
    let file = |name: &str| SourceFile {
        path: name.to_string(),
        text: std::fs::read_to_string(folder.join(name)).unwrap(),
    };
    plan::check(&[file("estate.yaml"), file("region-failover.yaml")]).estate.unwrap()
}

fn length(job: &Job) -> Duration {
    match job {
        Job::Work(work) => match work.kind() {
            "promote" => ms(700),
            "service" => ms(400),
            "check" => ms(550),
            _ => ms(120),
        },
        Job::Control(_) => ms(80),
    }
}

fn world(said: impl Fn(&Token, &Job) -> Said + 'static) -> World {
    World::new().behaving(move |token, job| match said(token, job) {
        Some((fate, length)) => (Some(fate), length),
        None => {
            let output = match job {
                Job::Work(work) => super::usual(work),
                Job::Control(action) => super::usual_control(action),
            };
            (output.map(Fate::Succeed), length(job))
        }
    })
}

impl Stage {
    /// The example's failover, live.
    pub fn failover(said: impl Fn(&Token, &Job) -> Said + 'static) -> Stage {
        Self::failover_in(Mode::Live, said)
    }

    pub fn failover_in(mode: Mode, said: impl Fn(&Token, &Job) -> Said + 'static) -> Stage {
        let plan = estate().compile(&"region-failover".parse().unwrap(), mode, &BTreeMap::new()).unwrap();
        let mut simulation = Simulation::new(plan, admin(), world(said)).unwrap();
        simulation.roles = std::sync::Arc::new(estate().roles());
        Stage { simulation, progress: BTreeMap::new() }
    }

    /// A plain verb.
    pub fn single(kind: &str, parameters: &str, said: impl Fn(&Token, &Job) -> Said + 'static) -> Stage {
        let plan = estate().single(kind, parameters, Mode::Live).unwrap();
        let mut simulation = Simulation::new(plan, admin(), world(said)).unwrap();
        simulation.roles = std::sync::Arc::new(estate().roles());
        Stage { simulation, progress: BTreeMap::new() }
    }

    /// The controller had last heard this of the database.
    pub fn observe(&mut self, lsn: u64, synchronous: &[&str]) {
        let member = |host: HostName, role: &str, names: &[&str]| MemberFacts {
            source: "app-db".parse().unwrap(),
            host,
            role: role.to_string(),
            lsn,
            sync_standbys: names.iter().map(ToString::to_string).collect(),
            trouble: None,
            at: None,
        };
        let heard = BTreeMap::from([(east_1(), Micros(BEGINNING.0 - 2_400_000)), (west_1(), BEGINNING)]);
        self.simulation.state.observed = Some(Observed {
            at: BEGINNING,
            members: vec![member(east_1(), "primary", synchronous), member(west_1(), "standby", &[])],
            heard,
        });
    }

    pub fn lose(&mut self, host: &HostName) {
        let now = self.simulation.now;
        self.simulation.world.take_offline(host, now);
    }

    /// Lets so many milliseconds pass.
    pub fn play(&mut self, for_ms: u64) {
        let until = self.simulation.now.after(ms(for_ms));
        self.simulation.run_until(until).unwrap();
    }

    pub fn finish(&mut self) {
        assert!(self.simulation.run(TURNS).unwrap(), "the story does not come to rest");
        self.progress.clear();
    }

    pub fn progress(&mut self, step: &str, text: &str) {
        self.progress.insert(step.to_string(), text.to_string());
    }

    pub fn approve(&mut self, step: &str) {
        let view = self.view();
        let asked =
            view.approvals.iter().find(|asked| asked.step.as_str() == step).expect("nothing is asked");
        let command = Command::Approve {
            approval: asked.approval,
            digest: asked.digest.clone(),
            reason: String::new(),
            way: engine::Way::Plain,
        };
        self.simulation.command(&command, &UserName::new("second").unwrap()).unwrap().unwrap();
    }

    pub fn now(&self) -> Micros {
        self.simulation.now
    }

    /// The view, its questions without what the engine appends of its own observations: those words are
    /// the business of the engine's tests, and of no recorded text here.
    pub fn view(&self) -> View {
        let mut view = engine::view(&self.simulation.state, self.simulation.now);
        let shown = view.approvals.iter_mut().map(|asked| &mut asked.question);
        let decided = view.steps.iter_mut().flat_map(|step| &mut step.decisions).map(|past| &mut past.text);
        for text in shown.chain(decided) {
            text.truncate(text.find("Seen: ").unwrap_or(text.len()));
        }
        view
    }

    pub fn tree(&self) -> String {
        let lines = report::tree(&self.view(), self.simulation.now, 80, &self.progress);
        lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    pub fn report(&self) -> Report {
        report::run_report(&self.view(), self.simulation.now)
    }

    /// Compares with the recorded text. Plain texts fit 80 columns.
    pub fn check(&self, name: &str, text: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
        let wanted = format!("{}\n", text.trim_end());
        if std::env::var_os("LIFEBOAT_BLESS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == wanted,
            "{name} is not as recorded (LIFEBOAT_BLESS=1 records it anew). It is now:\n{wanted}"
        );
        if name.ends_with(".txt") {
            let wide = wanted.lines().find(|line| report::layout::width(line) > 80);
            assert!(wide.is_none(), "wider than 80 columns: {wide:?}");
        }
        assert!(!wanted.contains('\u{1b}'), "an escape sequence came through");
    }
}

fn admin() -> UserName {
    UserName::new("admin").unwrap()
}
