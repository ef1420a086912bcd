//! What a person meets: everything that is wrong at once, and plans compiled for runs and drills.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use model::nouns::{ServiceSpec, SourceKind};
use model::{ControlAction, Mode, Name, Work};
use plan::checked::{Action, CheckedPlan, Step, Undo};
use plan::{CheckedEstate, Diagnostic, Severity, SourceFile, check};
use std::collections::BTreeMap;

const ESTATE: &str = include_str!("../testdata/demo/estate.yaml");

fn files(texts: &[&str]) -> Vec<SourceFile> {
    let name = |number: usize| if number == 0 { "estate.yaml".to_string() } else { format!("{number}.yaml") };
    texts
        .iter()
        .enumerate()
        .map(|(number, text)| SourceFile { path: name(number), text: text.to_string() })
        .collect()
}

fn estate(texts: &[&str]) -> CheckedEstate {
    let checked = check(&files(texts));
    let found: Vec<String> = checked.diagnostics.iter().map(ToString::to_string).collect();
    checked.estate.unwrap_or_else(|| panic!("{found:#?}"))
}

fn compile(texts: &[&str], mode: Mode, inputs: &[(&str, &str)]) -> Result<CheckedPlan, Vec<Diagnostic>> {
    let inputs: BTreeMap<String, String> =
        inputs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    estate(texts).compile(&Name::new("p").unwrap(), mode, &inputs)
}

fn codes(found: &[Diagnostic]) -> Vec<&str> {
    found.iter().map(|one| one.code.as_str()).collect()
}

fn step<'p>(plan: &'p CheckedPlan, path: &str) -> &'p Step {
    plan.steps.iter().find(|step| step.path.as_str() == path).unwrap_or_else(|| panic!("no step {path}"))
}

#[test]
fn an_unknown_host_an_unknown_service_and_a_cycle_are_told_at_once_with_their_places() {
    let bad = "plan: p\nsteps:\n  a: { after: b, start: { services: [ap], region: west } }\n  \
               b: { after: a, command: { script: /opt/x.sh, hosts: [wst-1] } }\n";
    let checked = check(&files(&[ESTATE, bad]));
    let told: Vec<String> = checked.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "1.yaml:3:3: error LB0301: steps wait for each other: a → b → a",
            "1.yaml:3:38: error LB0201: no service \"ap\" is declared",
            "1.yaml:4:56: error LB0201: no host \"wst-1\" is declared",
        ]
    );
    let spot = |one: &Diagnostic| {
        one.excerpt
            .chars()
            .skip(one.column as usize - 1)
            .take((one.end_column - one.column) as usize)
            .collect::<String>()
    };
    assert_eq!(checked.diagnostics.iter().map(spot).collect::<Vec<_>>(), ["a", "ap", "wst-1"]);
    assert_eq!(checked.diagnostics[1].help, "did you mean \"app\"?");
    assert!(checked.estate.is_none());
}

#[test]
fn an_unknown_plan_is_told_with_the_nearest() {
    let estate = estate(&[ESTATE, "plan: region-failover\nsteps: { a: { wait: { for: 1s } } }\n"]);
    let found =
        estate.compile(&Name::new("region-failovr").unwrap(), Mode::Live, &BTreeMap::new()).unwrap_err();
    assert_eq!(
        (found[0].code.as_str(), found[0].help.as_str()),
        ("LB0203", "did you mean \"region-failover\"?")
    );
}

#[test]
fn services_start_in_waves_after_what_they_need_and_stop_the_other_way_round() {
    let more = "services:\n  cache: { kind: systemd, unit: cache, hosts: [west-1] }\n  \
                front: { kind: systemd, unit: front, hosts: [west-1], needs: [cache, back] }\n  \
                back: { kind: systemd, unit: back, hosts: [west-1], needs: [cache] }\n";
    let plan = "plan: p\nsteps:\n  up: { start: { services: [front, back, cache], region: west } }\n  \
                then: { after: up, wait: { for: 1s } }\n  down: { after: then, stop: { services: [cache, back, front], region: west } }\n";
    let plan = compile(&[ESTATE, more, plan], Mode::Live, &[]).unwrap();
    let order: Vec<(String, Vec<String>, String)> = plan
        .steps
        .iter()
        .map(|step| {
            let after = step.after.iter().map(ToString::to_string).collect();
            let acts =
                step.tasks.iter().map(|task| task.target.name.to_string()).collect::<Vec<_>>().join(",");
            (step.path.to_string(), after, acts)
        })
        .collect();
    let row = |path: &str, after: &[&str], acts: &str| {
        (path.to_string(), after.iter().map(ToString::to_string).collect::<Vec<_>>(), acts.to_string())
    };
    assert_eq!(
        order,
        [
            row("up/1", &[], "cache"),
            row("up/2", &["up/1"], "back"),
            row("up", &["up/2"], "front"),
            row("then", &["up"], "p"),
            row("down/1", &["then"], "front"),
            row("down/2", &["down/1"], "back"),
            row("down", &["down/2"], "cache"),
        ]
    );
    let Undo::Tasks { tasks } = &step(&plan, "up/1").undo else { panic!("a start is undone by a stop") };
    assert!(
        matches!(&tasks[0].action, Action::Agent { work: Work::Service(service), .. } if service.action.as_str() == "stop")
    );
}

#[test]
fn inputs_are_filled_in_and_what_is_missing_or_ill_fitting_is_told() {
    let plan = "plan: p\ninputs:\n  point: { type: restore-point }\n  where: { type: host, default: west-1 }\n  pause: { type: duration, default: 2s }\n\
                steps:\n  r: { restore: { source: app-db, from: local, point: \"${{ inputs.point }}\", on: \"${{ inputs.where }}\" } }\n  \
                w: { after: r, wait: { for: \"${{ inputs.pause }}\" } }\n";
    let texts = [ESTATE, plan];
    let compiled = compile(&texts, Mode::Live, &[("point", "deadbeef"), ("where", "east-1")]).unwrap();
    assert_eq!(step(&compiled, "r").tasks[0].target.host.as_ref().unwrap().as_str(), "east-1");
    assert_eq!(compiled.inputs["pause"], "2s");
    let missing = compile(&texts, Mode::Live, &[]).unwrap_err();
    assert_eq!(codes(&missing), ["LB0204"]);
    assert!(missing[0].message.contains("\"point\" (restore-point) has no value"), "{}", missing[0].message);
    let wrong = compile(&texts, Mode::Live, &[("point", "newest"), ("wher", "x")]).unwrap_err();
    assert_eq!(codes(&wrong), ["LB0204", "LB0204"]);
    let unknown = compile(&texts, Mode::Live, &[("point", "latest"), ("where", "west-9")]).unwrap_err();
    assert_eq!(codes(&unknown), ["LB0201"]);
}

#[test]
fn a_step_that_this_mode_or_input_leaves_out_is_kept_and_marked() {
    let plan = "plan: p\ninputs: { both: { type: text, default: \"no\" } }\nsteps:\n  \
                d: { when: { mode: drill }, wait: { for: 1s } }\n  \
                i: { when: { input: { both: \"yes\" } }, wait: { for: 1s } }\n  z: { after: [d, i], wait: { for: 1s } }\n";
    let texts = [ESTATE, plan];
    let live = compile(&texts, Mode::Live, &[]).unwrap();
    assert_eq!(step(&live, "d").skipped.as_deref(), Some("not in mode live"));
    assert_eq!(step(&live, "i").skipped.as_deref(), Some("input both is \"no\", not \"yes\""));
    assert!(step(&live, "d").tasks.is_empty() && step(&live, "z").skipped.is_none());
    let drill = compile(&texts, Mode::Drill, &[("both", "yes")]).unwrap();
    assert!(drill.steps.iter().all(|step| step.skipped.is_none()));
    assert_eq!(
        step(&compile(&texts, Mode::Preview, &[]).unwrap(), "d").skipped.as_deref(),
        Some("not in mode preview")
    );
}

#[test]
fn evidence_that_cannot_be_obtained_yet_is_a_warning_of_the_check_and_an_error_of_the_run() {
    let plan = "plan: p\nsteps:\n  f: { fence: { source: app-db, region: east, evidence: isolated } }\n";
    let checked = check(&files(&[ESTATE, plan]));
    assert_eq!((codes(&checked.diagnostics), checked.errors()), (vec!["LB0306"], 0));
    let found = compile(&[ESTATE, plan], Mode::Live, &[]).unwrap_err();
    assert_eq!((codes(&found), found[0].severity), (vec!["LB0306"], Severity::Error));
}

const DRILL: &str = "hosts:\n  lab-1: { region: west }\n  lab-2: { region: west }\n\
    channels:\n  rehearsal: { kind: webhook, url: \"http://127.2.0.30:8090/drill\" }\n\
    drill:\n  hosts: { east-1: lab-1, west-1: lab-2 }\n  records: { app: app-drill.demo.test }\n  channels: { ops: rehearsal }\n";

fn in_drill() -> String {
    let lab = |host: &str, address: &str| {
        let spec = format!("{{ address: {address}, port: 25432 }}");
        format!("      {host}: {spec}\n")
    };
    let members = format!("    members:\n{}{}", lab("lab-1", "127.3.0.1"), lab("lab-2", "127.3.0.2"));
    let postgres = "      west-1: { run: [/usr/lib/postgresql/15/bin/postgres, -D, /var/lib/demo/west] }\n";
    let servers = "      lab-1: { run: [/usr/bin/postgres, -D, /lab/1] }\n      lab-2: { run: [/usr/bin/postgres, -D, /lab/2] }\n";
    let app = "      west-1: { run: [/usr/bin/demo-app, --listen, \"127.2.0.20:8080\"] }\n";
    let apps = "      lab-2: { run: [/usr/bin/demo-app, --listen, \"127.3.0.2:8080\"] }\n";
    let url = "west-1: \"http://127.2.0.20:8080/health\"";
    let edits = [
        ("    members:\n", members.as_str()),
        (postgres, &format!("{postgres}{servers}")),
        (app, &format!("{app}{apps}")),
        (url, &format!("{url}, lab-2: \"http://127.3.0.2:8080/health\"")),
    ];
    edits.iter().fold(ESTATE.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn a_drill_sends_everything_to_the_stand_ins_and_a_live_run_nothing() {
    let failover =
        include_str!("../testdata/demo/region-failover.yaml").replace("plan: region-failover", "plan: p");
    let estate_text = in_drill();
    let texts = [estate_text.as_str(), DRILL, &failover];
    // The way back is another plan.
    assert_eq!(codes(&check(&files(&texts)).diagnostics), ["LB0356"]);
    let drill = compile(&texts, Mode::Drill, &[]).unwrap();
    let text = serde_json::to_string(&drill.steps).unwrap();
    for live in [
        "\"east-1\"",
        "\"west-1\"",
        "127.1.0.10",
        "127.2.0.10",
        "127.2.0.20:8080",
        "app.demo.test",
        "/hook\"",
        "/var/lib/demo",
    ] {
        assert!(!text.contains(live), "{live} in {text}");
    }
    let Action::Agent { host, work: Work::Promote(promote) } = &step(&drill, "promote").tasks[0].action
    else {
        panic!("an order to promote")
    };
    assert_eq!(host.as_str(), "lab-2");
    let SourceKind::Postgres(spec) = &promote.source.kind else { panic!("a database") };
    assert!(matches!(&spec.server, Some(ServiceSpec { name, .. }) if name.as_str() == "postgres"));
    let Action::Controller { control: ControlAction::Notify { title, .. } } =
        &step(&drill, "tell").tasks[0].action
    else {
        panic!("a message")
    };
    assert!(title.starts_with("DRILL: "));
    let live = serde_json::to_string(&compile(&texts, Mode::Live, &[]).unwrap().steps).unwrap();
    assert!(!live.contains("lab-") && !live.contains("127.3.") && !live.contains("rehearsal"));
}

#[test]
fn a_live_target_without_a_stand_in_is_a_warning_of_the_check_and_an_error_of_the_drill() {
    let failover =
        include_str!("../testdata/demo/region-failover.yaml").replace("plan: region-failover", "plan: p");
    let texts =
        [ESTATE, "hosts: { lab-1: { region: west } }\ndrill: { hosts: { east-1: lab-1 } }\n", &failover];
    let checked = check(&files(&texts));
    let missing = |one: &Diagnostic| one.code == "LB0207" || one.code == "LB0356";
    assert!(checked.errors() == 0 && checked.diagnostics.iter().all(missing));
    let found = compile(&texts, Mode::Drill, &[]).unwrap_err();
    assert!(found.iter().all(|one| one.code == "LB0207" && one.severity == Severity::Error), "{found:#?}");
    let told: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
    for word in
        ["channel \"ops\"", "host west-1", "record \"app\"", "source \"app-db\" has no settings on lab-1"]
    {
        assert!(told.iter().any(|message| message.contains(word)), "{word} in {told:#?}");
    }
}

#[test]
fn a_plan_without_objectives_is_measured_against_its_sources() {
    let plan =
        "plan: p\nobjectives: { rpo: 30s }\nsteps:\n  f: { fence: { source: app-db, region: east } }\n";
    let plan = compile(&[ESTATE, plan], Mode::Live, &[]).unwrap();
    assert_eq!(plan.objectives.rpo.unwrap().as_secs(), 30);
    assert_eq!(plan.objectives.rto.unwrap().as_secs(), 7_200);
}

#[test]
fn a_secret_in_plain_text_is_not_repeated_in_any_excerpt() {
    let bad = "repositories:\n  b: { region: wset, password: hunter2, at: /srv/b }\nservices:\n  job: { kind: process, run: [/usr/bin/job, --token=hunter2], environment: { A_TOKEN: hunter2 }, hosts: [east-1] }\n";
    let checked = check(&files(&[ESTATE, bad]));
    assert_eq!(codes(&checked.diagnostics), ["LB0201", "LB0117", "LB0117", "LB0117"]);
    assert!(
        !serde_json::to_string(&checked.diagnostics).unwrap().contains("hunter2"),
        "{:#?}",
        checked.diagnostics
    );
    assert!(checked.diagnostics[0].excerpt.starts_with("  b: { region: wset, password: ***"));
}

#[test]
fn a_schedule_never_runs_on_a_stand_in() {
    let more = "schedules:\n  s: { backup: app-db, on: lab-1, to: [local], at: \"0 1 * * *\" }\n";
    let checked = check(&files(&[&in_drill(), DRILL, more]));
    assert_eq!(codes(&checked.diagnostics), ["LB0205"]);
}
