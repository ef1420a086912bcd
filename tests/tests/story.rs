//! The story of the demo as a test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use tests::{
    scratch::Scratch,
    story::estate::{Estate, Region},
};

fn region(name: &str, net: u8) -> Region {
    Region {
        name: name.into(),
        database: ([127, net, 0, 10], 25432).into(),
        app: ([127, net, 0, 20], 8080).into(),
        database_argv: vec![
            "/usr/lib/postgresql/15/bin/postgres".into(),
            "-D".into(),
            format!("/srv/{name}"),
        ],
        database_user: Some("postgres".into()),
        app_argv: vec!["/opt/demo-app".into(), "--region".into(), name.into()],
    }
}

fn estate() -> Estate {
    Estate {
        east: region("east", 1),
        west: region("west", 2),
        controller: ([127, 2, 0, 5], 7443).into(),
        dns: ([127, 2, 0, 53], 25353).into(),
        dns_key: "/etc/lifeboat/tsig".into(),
        webhook: "http://127.2.0.30:8090/hook".into(),
        repository: "/srv/repository".into(),
        password: "/etc/lifeboat/password".into(),
    }
}

fn read(folder: &Path) -> Vec<plan::SourceFile> {
    let mut files: Vec<plan::SourceFile> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| plan::SourceFile {
            path: path.display().to_string(),
            text: fs::read_to_string(&path).unwrap(),
        })
        .collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

#[test]
fn the_estate_and_the_plans_of_the_story_can_be_applied() {
    let scratch = Scratch::new("estate").unwrap();
    let folder = estate().write(&scratch).unwrap();
    let checked = plan::check(&read(&folder));
    // A first start has no fence before it, and the check says so: nothing else is in the way.
    let expected =
        |found: &plan::Diagnostic| found.code == "LB0318" && found.path.ends_with("/bring-up.yaml");
    assert!(checked.diagnostics.iter().all(expected), "{:#?}", checked.diagnostics);
    assert_eq!(checked.errors(), 0);
    let estate = checked.estate.unwrap();
    let plans: Vec<&str> = estate.plans().map(|name| name.as_str()).collect();
    assert_eq!(plans, ["bring-up", "region-failover", "region-return"]);
}

#[test]
fn the_policies_of_the_story_allow_what_its_plans_and_verbs_ask_and_not_more() {
    let scratch = Scratch::new("policies").unwrap();
    let written = estate();
    let checked = plan::check(&read(&written.write(&scratch).unwrap())).estate.unwrap();
    let policy = |region: &Region| {
        let path = scratch.write(&format!("{}.yaml", region.name), &written.policy(region)).unwrap();
        agent::policy::Policy::load(&path).unwrap()
    };
    let policies = [policy(&written.east), policy(&written.west)];
    let mut plans: Vec<plan::CheckedPlan> = checked
        .plans()
        .map(|name| checked.compile(name, model::Mode::Live, &Default::default()).unwrap())
        .collect();
    for (verb, parameters) in [
        ("backup", "{ source: app-db, to: local, on: west-1 }"),
        ("prove", "{ source: app-db, from: local, point: latest, on: west-1 }"),
        ("restore", "{ source: app-db, from: local, point: latest, into: app_restored, on: west-1 }"),
    ] {
        plans.push(checked.single(verb, parameters, model::Mode::Live).unwrap());
    }
    let mut asked = 0;
    for task in plans.iter().flat_map(|plan| &plan.steps).flat_map(|step| &step.tasks) {
        let plan::checked::Action::Agent { host, work } = &task.action else { continue };
        let own = usize::from(host.as_str() == "west-1");
        policies[own].permits(work).unwrap();
        asked += 1;
        // The other region's services are not this host's to start.
        if work.kind() == "service" {
            policies[1 - own].permits(work).unwrap_err();
        }
    }
    assert!(asked > 8, "{asked}");
}
