//! Bad input: estates that cannot be, and tokens that are no good.

use crate::world::{Plans, SOON, World};
use tests::{programs::program, scratch::Scratch};

const TWO_STEPS: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }\n";

async fn small(name: &str) -> World {
    Plans::new(name).script("one", "").plan("small", TWO_STEPS).start().await
}

async fn version(world: &World) -> i64 {
    world.say(&["status", "--output", "json"]).await.json().unwrap()["estate_version"].as_i64().unwrap()
}

#[tokio::test]
async fn apply_tells_every_mistake_at_once_with_its_place_and_sends_nothing() {
    let world = small("input").await;
    let before = version(&world).await;
    let plan = "plan: wrong
title: Nothing here is right
steps:
  a: { after: c, undo: none, command: { script: /opt/a.sh, hosts: [nowhere-9] } }
  b: { after: a, start: { services: [no-such-service], region: east } }
  c: { after: b, wait: { for: 1s } }
";
    world.scratch.write("estate/wrong.yaml", plan).unwrap();
    let answer = world.apply().await.expect_code(1).unwrap();
    let told = format!("{}{}", answer.stdout, answer.stderr);
    for (place, what) in
        [("wrong.yaml:4:", "nowhere-9"), ("wrong.yaml:5:", "no-such-service"), ("wrong.yaml:4:", "c")]
    {
        assert!(told.contains(place), "{place} is not told:\n{told}");
        assert!(told.contains(what), "{what} is not told:\n{told}");
    }
    assert!(told.to_lowercase().contains("cycle") || told.contains("wait for each other"), "{told}");
    assert!(told.matches("LB0").count() >= 3, "all at once, each with its code:\n{told}");
    assert!(told.contains("nothing was sent"), "{told}");
    assert_eq!(version(&world).await, before);
}

#[tokio::test]
async fn apply_of_a_folder_that_is_not_there_or_holds_no_estate_is_a_wrong_command() {
    let scratch = Scratch::new("missing").unwrap();
    let cli = tests::programs::Cli::new(&scratch, "nobody").unwrap();
    let missing = scratch.path().join("not-here").display().to_string();
    let answer = cli.run(&["apply", &missing], SOON).await.unwrap().expect_code(2).unwrap();
    assert!(answer.stderr.contains("LB4002") && answer.stderr.contains("not-here"), "{}", answer.stderr);
    assert!(answer.stderr.contains("what to do:"), "{}", answer.stderr);
    let empty = scratch.folder("empty").unwrap().display().to_string();
    let answer = cli.run(&["apply", &empty], SOON).await.unwrap().expect_code(2).unwrap();
    assert!(answer.stderr.contains("LB4020"), "{}", answer.stderr);
}

#[tokio::test]
async fn a_file_that_is_no_yaml_is_told_with_its_place_and_a_missing_login_says_how_to_log_in() {
    let scratch = Scratch::new("malformed").unwrap();
    let cli = tests::programs::Cli::new(&scratch, "nobody").unwrap();
    let folder = scratch.folder("estate").unwrap().display().to_string();
    scratch.write("estate/estate.yaml", "regions: { east: {} }\nhosts: [\n").unwrap();
    let answer = cli.run(&["apply", &folder], SOON).await.unwrap().expect_code(1).unwrap();
    let told = format!("{}{}", answer.stdout, answer.stderr);
    assert!(told.contains("estate.yaml:") && told.contains("LB01"), "{told}");
    let answer = cli.run(&["status"], SOON).await.unwrap().expect_code(5).unwrap();
    assert!(
        answer.stderr.contains("LB4001") && answer.stderr.contains("lifeboat login"),
        "{}",
        answer.stderr
    );
}

/// Enrols once more with some token, and gives what the agent said.
async fn enrol(world: &World, token: &str) -> (Option<i32>, String) {
    let folder = world.scratch.folder("agent-second").unwrap();
    let settings = format!(
        "host: west-1\ncontrollers: [\"{}\"]\nstate: {}\npolicy: {}\n",
        world.controller.address(),
        folder.display(),
        world.scratch.path().join("agent-east-1-policy.yaml").display()
    );
    let settings = world.scratch.write("second.yaml", &settings).unwrap();
    let file = world.scratch.write_secret("second-token", token).unwrap();
    let mut command = tokio::process::Command::new(program("lifeboat-agent").unwrap());
    command.arg("enrol").arg("--config").arg(settings).arg("--token-file").arg(file).kill_on_drop(true);
    let output = tokio::time::timeout(SOON, command.output()).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn is_refused(world: &World, token: &str, code: &str, why: &str) {
    let (exit, said) = enrol(world, token).await;
    assert_ne!(exit, Some(0), "{said}");
    assert!(said.contains(code) && said.contains(why), "wanted {code} {why:?}:\n{said}");
    assert!(said.contains("what to do: "), "{said}");
    let certificates = std::fs::read_dir(world.scratch.path().join("agent-second")).unwrap();
    let certificates = certificates
        .filter(|file| file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().contains("cert")));
    assert_eq!(certificates.count(), 0, "something was enrolled");
    assert_eq!(world.rows("select host from agents where host = 'west-1'").await.len(), 0);
}

#[tokio::test]
async fn a_token_that_is_wrong_used_expired_or_of_another_host_is_refused_with_why() {
    let world = Plans::new("tokens")
        .script("one", "")
        .plan("small", TWO_STEPS)
        .estate("services:\n  idle: { kind: process, hosts: { east-1: { run: [/bin/true] } } }\n")
        .start()
        .await;
    let good = world.token("west-1", "15m").await;
    // The same CA, a secret that was never given out.
    let parsed = runtime::tls::JoinToken::parse(&good).unwrap();
    let never = runtime::tls::JoinToken::make(parsed.ca_hash()).text().to_string();
    is_refused(&world, &never, "LB1105", "not known").await;
    is_refused(&world, "nonsense", "LB", "token").await;
    let other = world.token("east-1", "15m").await;
    is_refused(&world, &other, "LB1105", "another host").await;
    let short = world.token("west-1", "1ms").await;
    is_refused(&world, &short, "LB1105", "expired").await;
    // A token works once, and a second use enrols nobody and takes nothing from the first.
    let (exit, said) = enrol(&world, &good).await;
    assert_eq!(exit, Some(0), "{said}");
    let (exit, said) = enrol(&world, &good).await;
    assert_ne!(exit, Some(0), "{said}");
    assert!(said.contains("LB1105") && said.contains("used before"), "{said}");
    assert_eq!(world.rows("select host from agents where host = 'west-1'").await.len(), 1);
}

#[tokio::test]
async fn a_token_of_another_controller_is_refused_before_anything_is_sent_to_it() {
    let world = small("wrong-ca").await;
    let elsewhere = runtime::tls::JoinToken::make(&"ab".repeat(32)).text().to_string();
    is_refused(&world, &elsewhere, "LB5443", "").await;
    // The login of a person is held to the same rule.
    let file = world.scratch.write_secret("false-admin", &elsewhere).unwrap().display().to_string();
    let cli = tests::programs::Cli::new(&world.scratch, "stranger").unwrap();
    let address = world.controller.address().to_string();
    let answer = cli.run(&["login", &address, "--token-file", &file], SOON).await.unwrap();
    let answer = answer.expect_code(5).unwrap();
    assert!(answer.stderr.contains("LB5443") && answer.stderr.contains("what to do:"), "{}", answer.stderr);
    // And a wrong secret of the right controller.
    let token = world.controller.admin_token().await.unwrap();
    let hash = runtime::tls::JoinToken::parse(&token).unwrap().ca_hash().to_owned();
    let wrong = runtime::tls::JoinToken::make(&hash).text().to_string();
    let file = world.scratch.write_secret("wrong-admin", &wrong).unwrap().display().to_string();
    let answer = cli.run(&["login", &address, "--token-file", &file], SOON).await.unwrap();
    let answer = answer.expect_code(5).unwrap();
    assert!(answer.stderr.contains("LB1105"), "{}", answer.stderr);
}
