//! The nightly preview, in a controller inside this process.

use controller::app::{self, App};
use controller::estate::InForce;
use controller::loops::preview::night;
use controller::settings::Settings;
use engine::{Command, Person, Way};
use model::{Micros, Mode, Name, UserName};
use plan::SourceFile;
use runtime::Tasks;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const ESTATE: &str = "
regions: { west: {} }
hosts: { h1: { region: west } }
channels:
  good: { kind: webhook, url: \"http://127.0.0.1:9/\" }
  bad: { kind: webhook, url: \"http://127.0.0.1:9/\", token: { file: /nowhere/token } }
";
const GOOD: &str = "
plan: good
steps: { tell: { notify: { channel: good, state: investigating, text: x } }, rest: { wait: { for: 10m } } }
";
const BAD: &str = "
plan: bad
steps: { tell: { notify: { channel: bad, state: investigating, text: x } } }
";
const ASKS: &str = "
plan: asks
inputs: { pause: { type: duration } }
steps:
  sure: { approve: { question: Now? } }
  rest: { after: sure, wait: { for: \"${{ inputs.pause }}\" } }
";
const CALLED: &str = "
plan: called
alone: false
steps: { rest: { wait: { for: 1s } } }
";

async fn started(folder: &std::path::Path, tasks: &Tasks) -> Arc<App> {
    let data = folder.to_path_buf();
    let listen = "127.0.0.1:0".parse().unwrap();
    let settings = Settings { data, listen, preview_hour: 24, ..Settings::default() };
    let app =
        app::start(&settings, tasks).await.unwrap_or_else(|error| panic!("{}", error.explain())).unwrap().app;
    let file = |(path, text): (&str, &str)| SourceFile { path: path.to_string(), text: text.to_string() };
    let files = [("e.yaml", ESTATE), ("g.yaml", GOOD), ("b.yaml", BAD), ("a.yaml", ASKS), ("c.yaml", CALLED)];
    let checked = plan::check(&files.map(file));
    let found: Vec<String> = checked.diagnostics.iter().map(ToString::to_string).collect();
    let checked = checked.estate.unwrap_or_else(|| panic!("{found:#?}"));
    app.estate.set(InForce { version: 1, checked });
    app
}

fn later(app: &App) -> Micros {
    app.clock.now().after(Duration::from_secs(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_plan_is_asked_in_the_night_and_what_would_be_refused_is_kept_with_its_reason() {
    runtime::tls::use_ring();
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::default();
    let app = started(folder.path(), &tasks).await;
    // What was applied since the night began waits for the next one.
    night(&app, app.started_at).await;
    assert_eq!(app.store.previews().await.unwrap(), []);
    night(&app, later(&app)).await;
    let kept = app.store.previews().await.unwrap();
    let told: Vec<(&str, &str)> = kept.iter().map(|row| (row.plan.as_str(), row.outcome.as_str())).collect();
    assert_eq!(told, [("asks", "refused"), ("bad", "refused"), ("good", "ready")]);
    assert_eq!(kept[0].refusals[0].step, "", "it cannot be asked about without its input");
    let refusal = &kept[1].refusals[0];
    assert_eq!((refusal.step.as_str(), refusal.problem.code.as_str()), ("tell", "LB1506"));
    // Once a night.
    let runs = app.store.runs(false, 100).await.unwrap();
    assert!(runs.len() == 2 && runs.iter().all(|row| row.mode == "preview" && !row.open), "{runs:#?}");
    night(&app, Micros(kept[0].at.0 - 1)).await;
    assert_eq!(app.store.runs(false, 100).await.unwrap().len(), 2);
    tasks.token().cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_asked_beside_a_live_run() {
    runtime::tls::use_ring();
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::default();
    let app = started(folder.path(), &tasks).await;
    let inputs = BTreeMap::from([("pause".to_string(), "1s".to_string())]);
    let in_force = app.estate.get().unwrap();
    let live = in_force.checked.compile(&Name::new("asks").unwrap(), Mode::Live, &inputs).unwrap();
    let run = app.runs.start(live, UserName::new("ada").unwrap(), None).await.unwrap();
    night(&app, later(&app)).await;
    assert_eq!(app.store.previews().await.unwrap(), []);
    let asked = loop {
        let state = app.runs.state(run).await.unwrap();
        let slots = state.steps.iter().flat_map(|step| step.approvals());
        if let Some(question) = slots.filter_map(|slot| slot.asked()).next() {
            break question.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let (approval, digest) = (asked.id, asked.digest);
    let yes = Command::Approve { approval, digest, reason: String::new(), way: Way::Plain };
    let ada = Person { name: UserName::new("ada").unwrap(), admin: true, roles: Default::default() };
    app.runs.command(run, yes, ada, 0).await.unwrap();
    while app.runs.state(run).await.is_ok_and(|state| state.is_open()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    night(&app, later(&app)).await;
    assert_eq!(app.store.previews().await.unwrap().len(), 3);
    tasks.token().cancel();
}
