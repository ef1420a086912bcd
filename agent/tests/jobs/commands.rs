//! Scripts: only those that the policy lists, and killed whole.

use crate::support::{Place, alive, all_jobs, exists, output, until, work};
use agent::jobs::{self, Probe};
use model::jobs::CommandOutput;
use model::{Mode, Outcome, Problem};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn work_that_the_policy_forbids_executes_nothing() {
    let place = Place::new();
    let touched = place.path("touched");
    let (script, digest) = place.script("s", &format!("#!/bin/sh\ntouch {}\n", touched.display()));
    let order = work("command", json!({ "script": script }));
    let listed = json!([{ "path": script, "sha256": digest }]);
    for policy in
        [json!({}), json!({ "jobs": ["command"] }), json!({ "jobs": ["backup"], "scripts": listed })]
    {
        let (context, _) = place.context("a", policy);
        let outcome = jobs::perform(&order, &context).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
        assert!(!exists(&touched));
    }
    let (context, _) = place.context("a", json!({ "jobs": ["command"], "scripts": listed }));
    output::<CommandOutput>(jobs::perform(&order, &context).await);
    assert!(exists(&touched));
}

#[tokio::test]
async fn a_script_that_changed_since_it_was_listed_is_not_run() {
    let place = Place::new();
    let (script, digest) = place.script("s", "#!/bin/sh\nexit 0\n");
    let touched = place.path("touched");
    place.script("s", &format!("#!/bin/sh\ntouch {}\n", touched.display()));
    let (context, _) =
        place.context("a", json!({ "jobs": ["command"], "scripts": [{ "path": script, "sha256": digest }] }));
    let order = work("command", json!({ "script": script }));
    let outcome = jobs::perform(&order, &context).await;
    assert_eq!(outcome.problem().unwrap().code, "LB2188");
    assert!(matches!(outcome, Outcome::Refused { .. }));
    assert!(matches!(jobs::would_you(&order, &context).await, Outcome::Refused { .. }));
    assert!(!exists(&touched));
}

#[tokio::test]
async fn a_script_in_a_folder_that_others_may_write_is_not_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let open = place.path("open");
    let touched = place.path("touched");
    std::fs::create_dir_all(open.join("below")).unwrap();
    let (script, digest) = place.script("open/below/s", &format!("#!/bin/sh\ntouch {}\n", touched.display()));
    // By its own path, and by a link that stands in a safe place.
    let link = place.path("link");
    std::os::unix::fs::symlink(&script, &link).unwrap();
    let scripts = json!([{ "path": script, "sha256": digest }, { "path": link, "sha256": digest }]);
    let (context, _) = place.context("a", json!({ "jobs": ["command"], "scripts": scripts }));
    let mode = |mode: u32| std::fs::set_permissions(&open, std::fs::Permissions::from_mode(mode)).unwrap();
    for unsafe_mode in [0o777, 0o775] {
        mode(unsafe_mode);
        for path in [&script, &link] {
            let outcome = jobs::perform(&work("command", json!({ "script": path })), &context).await;
            let problem = outcome.problem().unwrap();
            assert_eq!(problem.code, "LB2188");
            assert!(problem.message.contains("open (mode 07"), "{problem:?}");
            assert!(matches!(outcome, Outcome::Refused { .. }) && !exists(&touched));
        }
    }
    for safe_mode in [0o755, 0o1777] {
        mode(safe_mode);
        output::<CommandOutput>(jobs::perform(&work("command", json!({ "script": link })), &context).await);
    }
    assert!(exists(&touched));
}

#[tokio::test]
async fn a_guard_that_says_no_just_before_the_effect_prevents_it() {
    let place = Place::new();
    let touched = place.path("touched");
    let (script, digest) = place.script("s", &format!("#!/bin/sh\ntouch {}\n", touched.display()));
    let (mut context, _) =
        place.context("a", json!({ "jobs": ["command"], "scripts": [{ "path": script, "sha256": digest }] }));
    let order = work("command", json!({ "script": script }));
    context.guard = Arc::new(|| Err(Problem::new("LB2110", "an older epoch", "")));
    assert!(matches!(jobs::perform(&order, &context).await, Outcome::Refused { .. }));
    context.guard = Arc::new(|| Ok(()));
    context.mode = Mode::Preview;
    let preview: jobs::Preview = output(jobs::perform(&order, &context).await);
    assert!(preview.would[0].starts_with("run "), "{preview:?}");
    assert!(!exists(&touched));
}

#[tokio::test]
async fn a_script_gives_its_code_its_last_lines_and_no_secrets_of_ours() {
    let place = Place::new();
    let text = "#!/bin/sh\necho \"args: $1|$2\"\nenv\nhead -c 20000 /dev/zero | tr '\\0' x\necho\necho oops >&2\nexit 3\n";
    let (script, digest) = place.script("s", text);
    let (context, mut lines) =
        place.context("a", json!({ "jobs": ["command"], "scripts": [{ "path": script, "sha256": digest }] }));
    let order = work("command", json!({ "script": script, "args": ["a b", "; touch x"] }));
    let outcome = jobs::perform(&order, &context).await;
    let problem = outcome.problem().unwrap();
    assert_eq!(problem.code, "LB2217");
    assert!(problem.message.contains("exit code 3"), "{problem:?}");
    assert!(problem.log.contains(&"oops".to_string()), "{problem:?}");
    assert!(problem.log.contains(&"args: a b|; touch x".to_string()));
    assert!(problem.log.iter().all(|line| line.len() <= 4096 && !line.starts_with("CARGO")), "{problem:?}");
    assert_eq!(lines.recv().await.unwrap(), "args: a b|; touch x");
}

#[tokio::test]
async fn cancel_of_a_script_that_forks_twice_kills_the_whole_group() {
    let place = Place::new();
    // A child that ignores TERM, a grandchild in the background, and one that left the process group.
    let text = "#!/bin/sh\n(trap '' TERM; sleep 300 & sleep 301) &\n(setsid sleep 302 &)\nsleep 303\n";
    let (script, digest) = place.script("s", text);
    let (context, _) =
        place.context("a", json!({ "jobs": ["command"], "scripts": [{ "path": script, "sha256": digest }] }));
    let order = work("command", json!({ "script": script }));
    let (outcome, ()) = tokio::join!(jobs::perform(&order, &context), async {
        until("all run", async || alive(&context).len() >= 5).await;
        context.cancel.cancel();
    });
    assert_eq!(outcome, Outcome::Cancelled);
    assert!(alive(&context).is_empty(), "{:?} are left", alive(&context));
}

#[tokio::test]
async fn a_job_that_is_dropped_leaves_nobody() {
    let place = Place::new();
    let (script, digest) = place.script("s", "#!/bin/sh\nsleep 300 & sleep 301\n");
    let (context, _) =
        place.context("a", json!({ "jobs": ["command"], "scripts": [{ "path": script, "sha256": digest }] }));
    let order = work("command", json!({ "script": script }));
    tokio::select! {
        outcome = jobs::perform(&order, &context) => panic!("{outcome:?}"),
        () = until("all run", async || alive(&context).len() >= 3) => {}
    }
    until("nobody is left", async || alive(&context).is_empty()).await;
}

#[tokio::test]
async fn fault_24_a_probe_ends_what_a_killed_agent_left_before_it_answers() {
    let place = Place::new();
    let (script, digest) = place.script("s", "#!/bin/sh\nsleep 300\n");
    let policy = json!({ "jobs": all_jobs(), "scripts": [{ "path": script, "sha256": digest }] });
    let (context, _) = place.context("a", policy);
    // What an agent that got kill -9 leaves: a child with its mark and no parent that cares.
    let mut left =
        std::process::Command::new(&script).env(agent::jobs::child::MARKER, &context.marker).spawn().unwrap();
    until("it runs", async || alive(&context).len() >= 2).await;
    let probe = jobs::probe(&work("command", json!({ "script": script })), &context).await;
    assert!(matches!(probe, Probe::CannotTell(_)), "{probe:?}");
    assert!(alive(&context).is_empty());
    left.wait().unwrap();
}
