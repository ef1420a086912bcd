//! All controllers and their database are gone. A rescue on any machine, from a bundle, goes on with the runs
//! that were open; the old controller, should it come back, is refused until it has taken over what was done.

use crate::failover::stage::{address, estate};
use crate::two_controllers::free;
use crate::world::{Plans, SOON, World, step};
use engine::view::View;
use model::RunId;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tests::bind::{Bind, Host};
use tests::polling::until;
use tests::process::{Process, Spec};
use tests::programs::{Answer, Cli, Controller, program};
use tests::webhook::Webhook;

/// Scripts of the failover.
const ONCE: [&str; 4] = ["close", "take", "promote", "tidy"];

const FAILOVER: &str = "  declare: { approve: { within: 10m } }
  tell: { after: declare, notify: { channel: ops, state: investigating, text: moving to west } }
  hold: { after: tell, stop: { services: [app], region: east } }
  close: { after: hold, undo: none, command: { script: SCRIPT(close), region: east } }
  take: { after: close, undo: none, command: { script: SCRIPT(take), region: west } }
  ready: { after: take, check: { checks: [fine], region: west } }
  promote: { after: ready, command: { script: SCRIPT(promote), region: west } }
  start: { after: promote, start: { services: [app], region: west } }
  verify: { after: start, check: { checks: [fine], region: west } }
  cut-over: { after: verify, cutover: { record: app, to: west } }
  tidy: { after: cut-over, undo: none, command: { script: SCRIPT(tidy), region: east } }
  told: { after: tidy, notify: { channel: ops, state: monitoring, text: it runs in west } }
";

/// The operators' offline key: its file, and its public half.
async fn offline_key(plans: &Plans, name: &str) -> (PathBuf, String) {
    let path = plans.scratch().path().join(name);
    let cli = Cli::new(plans.scratch(), name).unwrap();
    let made = cli.run(&["rescue", "key", "--to", &path.display().to_string()], SOON).await.unwrap();
    let public = made.expect_code(0).unwrap().stdout.trim().to_owned();
    assert!(public.starts_with("lifeboat-offline-1."), "{public}");
    (path, public)
}

/// A world with an offline key, whose bundles lie in a folder beside.
struct Stage {
    world: World,
    key: PathBuf,
    at: SocketAddr,
    bind: Bind,
    webhook: Webhook,
}

impl Stage {
    /// Two regions, an app in east, its record in a real BIND, and a plan that moves both to west. One step of it
    /// waits at its gate.
    async fn set(name: &str, more: &str) -> Stage {
        let mut plans = Plans::new(name).host("west-1").script("fine", "").script("app", "exec sleep 36000");
        for script in ONCE {
            plans = if script == "take" { plans.gated(script) } else { plans.script(script, "") };
        }
        let (key, public) = offline_key(&plans, "offline-key").await;
        let (dns, at) = (free(), free());
        let host = Host { name: "app".into(), address: address("east"), ttl: 1 };
        let bind = Bind::primary(plans.scratch(), "demo.test", dns, &[host], &[]).await.unwrap();
        let webhook = Webhook::start((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let estate = estate(dns, &bind, &webhook);
        let bundles = plans.scratch().path().join("bundles").display().to_string();
        let world = plans
            .estate(&estate)
            .policy("services:\n  - { name: app, process: SCRIPT(app), args: [] }\n")
            .plan("bring-up", "  app: { start: { services: [app], region: east } }\n")
            .plan("failover", FAILOVER)
            .controller(&format!(
                "offline-key: \"{public}\"\nbundle-to: {bundles}\nrescue-at: [\"{at}\"]\n{more}"
            ))
            .agents("rescue-after: 1s\n")
            .start()
            .await;
        let run = world.run("bring-up").await;
        world.until_success(run).await;
        let stage = Stage { world, key, at, bind, webhook };
        until("a bundle with both agents", SOON, async || {
            let text = std::fs::read_to_string(newest(&stage.bundles())).unwrap_or_default();
            match text.matches("key_fingerprint").count() {
                2 => Ok(()),
                count => Err(format!("{count}")),
            }
        })
        .await
        .unwrap();
        stage
    }

    fn bundles(&self) -> PathBuf {
        self.world.scratch.path().join("bundles")
    }

    /// The failover, approved, in the middle of the step that waits at its gate.
    async fn under_way(&self) -> RunId {
        let run = self.world.run("failover").await;
        self.world.until_view(run, "a question", |view| view.status == "waiting").await;
        let id = run.to_string();
        self.world.say(&["approve", &id, "declare", "--reason", "go", "--yes"]).await.expect_code(0).unwrap();
        self.world.until_begun("take").await;
        let accepted = |view: &View| step(view, "take").attempts[0].state == "accepted";
        self.world.until_view(run, "an accepted attempt", accepted).await;
        run
    }

    /// The controller's machine is gone, with all that was on it. Gives a backup of its folder that somebody made
    /// just before.
    async fn lose_the_controller(&mut self) -> PathBuf {
        let backup = self.world.scratch.folder("backup").unwrap();
        self.world.controller.freeze();
        copy(self.world.controller.data(), &backup);
        self.world.controller.kill();
        std::fs::remove_dir_all(self.world.controller.data()).unwrap();
        // And the secrets that lay on it.
        std::fs::rename(self.bind.key_file(), self.bind.key_file().with_extension("gone")).unwrap();
        backup
    }

    /// A rescue in a folder of that name, not started.
    fn rescue(&self, name: &str, at: SocketAddr) -> Rescue {
        let controller = Controller::named(&self.world.scratch, "rescue", name, at, "").unwrap();
        let log = self.world.scratch.log(name);
        Rescue { name: name.to_owned(), log, controller, process: None, at }
    }

    /// The command that begins a rescue.
    fn words(&self, rescue: &Rescue, more: &[&str]) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let settings = self.world.scratch.path().join(format!("{}.yaml", rescue.name));
        let at = rescue.at.to_string();
        let mut words = vec!["rescue".to_owned()];
        for (flag, value) in [
            ("--bundle", text(&self.bundles())),
            ("--key", text(&self.key)),
            ("--at", at.clone()),
            ("--listen", at),
            ("--data", text(&self.world.scratch.path().join(&rescue.name))),
            ("--settings", text(&settings)),
        ] {
            words.extend([flag.to_owned(), value]);
        }
        for pair in more.chunks(2) {
            match words.iter().position(|word| word == pair[0]) {
                Some(at) => pair[1].clone_into(&mut words[at + 1]),
                None => words.extend(pair.iter().map(|word| (*word).to_owned())),
            }
        }
        words
    }

    /// Begins a rescue, and has the command line speak with it from now on.
    async fn begin(&mut self, mut rescue: Rescue, more: &[&str]) -> (Rescue, Controller) {
        rescue.start(self.words(&rescue, more));
        until("a listening rescue", SOON, async || {
            tokio::net::TcpStream::connect(rescue.at).await.map(drop).map_err(|error| error.to_string())
        })
        .await
        .unwrap();
        let spare = self.rescue("spare", rescue.at);
        let speaks = std::mem::replace(&mut rescue.controller, spare.controller);
        let old = std::mem::replace(&mut self.world.controller, speaks);
        self.log_in().await;
        (rescue, old)
    }

    async fn log_in(&self) {
        let token = self.world.controller.admin_token().await.unwrap();
        let file = self.world.scratch.write_secret("token-of-now", &token).unwrap().display().to_string();
        let at = self.world.controller.address().to_string();
        self.world.say(&["login", &at, "--token-file", &file]).await.expect_code(0).unwrap();
    }

    /// A rescue that does not begin.
    async fn refused(&self, rescue: &Rescue, more: &[&str]) -> Answer {
        let words = self.words(rescue, more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.world.cli.run(&words, SOON).await.unwrap()
    }
}

/// A rescue, and the controller that it is.
struct Rescue {
    name: String,
    log: PathBuf,
    controller: Controller,
    process: Option<Process>,
    at: SocketAddr,
}

impl Rescue {
    fn start(&mut self, words: Vec<String>) {
        let argv = std::iter::once(program("lifeboat").unwrap().display().to_string()).chain(words);
        let log = self.log.clone();
        self.process = Some(Spec::new(&self.name, log, argv).start().unwrap());
    }

    async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(rustix::process::Signal::TERM, SOON).await;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

fn newest(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.pop().expect("a bundle")
}

async fn until_log(controller: &Controller, what: &str, words: &[&str]) {
    until(what, SOON, async || {
        let log = std::fs::read_to_string(controller.log()).unwrap_or_default();
        match words.iter().all(|word| log.contains(word)) {
            true => Ok(()),
            false => Err(log.lines().rev().take(15).collect::<Vec<_>>().join("\n")),
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn fault_18_a_rescue_finishes_the_run_of_a_controller_that_is_gone_and_nothing_is_done_twice() {
    let mut stage = Stage::set("fault-18", "").await;
    let run = stage.under_way().await;
    let before = stage.world.journal(run).await;
    let backup = stage.lose_the_controller().await;
    // The step ends while nobody commands.
    stage.world.open("take");
    stage.world.until_gone("take").await;
    let rescue = stage.rescue("rescue", stage.at);
    let (mut rescue, mut old) = stage.begin(rescue, &[]).await;
    let view = stage.world.until_success(run).await;

    // Everything was done once, by the same attempts.
    for script in ONCE {
        assert_eq!(stage.world.count(script), 1, "{script}");
    }
    assert_eq!(stage.world.count("app"), 2, "once in each region");
    assert_eq!(stage.bind.addresses("app.demo.test").await.unwrap(), [address("west")]);
    for one in &view.steps {
        assert!(one.attempts.len() <= 1, "{one:#?}");
    }
    let told = stage.webhook.posts();
    let of_run: Vec<_> = told.iter().filter(|post| post.body["run"] == run.to_string()).collect();
    assert_eq!(of_run.len(), 2, "{of_run:#?}");
    // What was recorded before is there, row for row, and what follows stands under the rescue's epoch.
    let after = stage.world.journal(run).await;
    for (was, is) in before.iter().zip(&after) {
        assert_eq!((was.sequence, was.epoch, &was.event), (is.sequence, is.epoch, &is.event));
    }
    assert!(after[before.len()..].iter().all(|row| row.epoch > 10_000), "{after:#?}");
    let shown = stage.world.say(&["status"]).await;
    assert!(shown.stdout.contains("in command"), "{}", shown.stdout);

    // The old controller comes back from a backup of its folder: its agents refuse it.
    rescue.stop().await;
    let rescued = stage.world.controller.data().to_owned();
    copy(&backup, old.data());
    old.start().await.unwrap();
    std::mem::swap(&mut stage.world.controller, &mut old);
    until_log(&stage.world.controller, "an old controller that is refused", &["LB1120", "commands no more"])
        .await;
    let main = stage.world.controller.address().to_string();
    let token = stage.world.scratch.path().join("admin-token").display().to_string();
    stage.world.say(&["login", &main, "--token-file", &token]).await.expect_code(0).unwrap();
    let refused = stage.world.say(&["run", "bring-up", "--detach"]).await;
    assert!(refused.code != 0 && refused.stderr.contains("LB1120"), "{}", refused.stderr);
    for script in ONCE {
        assert_eq!(stage.world.count(script), 1, "{script}");
    }

    // It takes over what was done meanwhile, and commands again.
    stage.world.controller.stop().await;
    let settings = stage.world.scratch.path().join("controller.yaml").display().to_string();
    let argv = [
        program("lifeboat-controller").unwrap().display().to_string(),
        "--config".to_owned(),
        settings,
        "import".to_owned(),
        "--from".to_owned(),
        rescued.display().to_string(),
    ];
    Spec::new("import", stage.world.scratch.log("import"), argv).run(SOON).await.unwrap();
    stage.world.controller.start().await.unwrap();
    for host in ["east-1", "west-1"] {
        stage.world.until_connected(host).await;
    }
    let verified = stage.world.say(&["audit", "verify"]).await.expect_code(0).unwrap();
    assert!(verified.stdout.contains("all as recorded"), "{}", verified.stdout);
    assert_eq!(stage.world.try_view(run).await.unwrap().status, "succeeded");
    let again = stage.world.run("bring-up").await;
    stage.world.until_success(again).await;
}

#[tokio::test]
async fn fault_18_of_two_rescues_the_agents_obey_the_first_and_a_third_begins_above_it() {
    let mut stage = Stage::set("two-rescues", "").await;
    let run = stage.under_way().await;
    stage.lose_the_controller().await;
    let first = stage.rescue("first", stage.at);
    let (mut first, _gone) = stage.begin(first, &[]).await;
    stage.world.until_connected("east-1").await;
    stage.world.until_connected("west-1").await;
    // The run goes on there, as far as its gate.
    stage.world.until_view(run, "a driven run", |view| view.status == "running").await;
    first.process = None;

    // Another operator begins one from the same bundle.
    let mut second = stage.rescue("second", stage.at);
    second.start(stage.words(&second, &[]));
    until_log(&second.controller, "a second rescue that is refused", &["LB1246", "commands no more"]).await;
    second.process = None;

    // The first machine is gone for good: a third one begins above it, and has what the first one did.
    let third = stage.rescue("third", stage.at);
    let (_third, _first) = stage.begin(third, &["--above", "20000"]).await;
    stage.world.open("take");
    stage.world.until_success(run).await;
    for script in ONCE {
        assert_eq!(stage.world.count(script), 1, "{script}");
    }
    let journal = stage.world.journal(run).await;
    let epochs: std::collections::BTreeSet<i64> = journal.iter().map(|row| row.epoch).collect();
    assert!(epochs.iter().any(|epoch| *epoch > 20_000), "{epochs:?}");
}

#[tokio::test]
async fn fault_18_a_rescue_drives_nothing_until_each_host_has_come_or_is_named_as_lost() {
    let mut stage = Stage::set("lost-host", "").await;
    let run = stage.under_way().await;
    stage.lose_the_controller().await;
    stage.world.agent("east-1").kill();
    stage.world.open("take");
    let rescue = stage.rescue("rescue", stage.at);
    let (mut rescue, _gone) = stage.begin(rescue, &[]).await;
    stage.world.until_connected("west-1").await;
    let shown = stage.world.say(&["status"]).await;
    assert!(shown.stdout.contains("waits for east-1"), "{}", shown.stdout);
    let refused = stage.world.say(&["run", "bring-up", "--detach"]).await;
    assert!(refused.code != 0 && refused.stderr.contains("LB1251"), "{}", refused.stderr);
    assert_eq!(stage.world.count("promote"), 0, "nothing is driven yet");

    // The same command again, and who is lost.
    rescue.stop().await;
    let unknown = stage.refused(&rescue, &["--lost", "nowhere"]).await;
    assert!(unknown.code == 5 && unknown.stderr.contains("LB1247"), "{}", unknown.stderr);
    rescue.start(stage.words(&rescue, &["--lost", "east"]));
    stage
        .world
        .until_view(run, "a step on the host that is left", |view| step(view, "promote").state == "succeeded")
        .await;
    assert_eq!((stage.world.count("take"), stage.world.count("promote")), (1, 1));
}

#[tokio::test]
async fn a_bundle_that_is_forged_unreadable_too_old_or_of_another_key_begins_nothing() {
    let mut stage = Stage::set("bad-bundles", "").await;
    let status = stage.world.say(&["status"]).await;
    assert!(status.stdout.contains("bundle") && status.stdout.contains("kept"), "{}", status.stdout);
    let bundle = newest(&stage.bundles());
    stage.world.controller.kill();
    let whole = std::fs::read_to_string(&bundle).unwrap();
    assert!(!whole.contains("BEGIN PRIVATE KEY") && whole.contains("BEGIN AGE ENCRYPTED FILE"));
    let rescue = stage.rescue("rescue", stage.at);
    let write = |name: &str, text: &str| stage.world.scratch.write(name, text).unwrap().display().to_string();
    let forged = write("forged.json", &whole.replace("failover", "failovre"));
    let torn = write("torn.json", &whole[..whole.len() / 2]);
    let other = stage.world.scratch.path().join("other-key").display().to_string();
    stage.world.say(&["rescue", "key", "--to", &other]).await.expect_code(0).unwrap();
    let there = stage.world.say(&["rescue", "key", "--to", &other]).await.expect_code(2).unwrap();
    assert!(there.stderr.contains("LB5462"), "{}", there.stderr);
    let cases: [(&[&str], &str); 4] = [
        (&["--bundle", &forged], "LB1243"),
        (&["--bundle", &torn], "LB1242"),
        (&["--max-age", "0s"], "LB1244"),
        (&["--key", &other], "LB1241"),
    ];
    for (more, code) in cases {
        let refused = stage.refused(&rescue, more).await;
        assert!(refused.code == 5 && refused.stderr.contains(code), "{code}: {refused:?}");
        assert!(!rescue.controller.data().exists(), "{code}: nothing was begun");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_back_waits_for_witnesses_and_is_not_begun_without_them() {
    let mut stage = Stage::set("witnesses", "witnesses: 3\n").await;
    stage.world.open("take");
    let run = stage.world.run("failover").await;
    stage.world.until_view(run, "a question", |view| view.status == "waiting").await;
    let id = run.to_string();
    stage.world.say(&["approve", &id, "declare", "--reason", "go", "--yes"]).await.expect_code(0).unwrap();
    // Two agents are all there are.
    let failed = |view: &View| step(view, "cut-over").state == "failed";
    let view = stage.world.until_view(run, "a cut-over that is refused", failed).await;
    assert!(format!("{view:#?}").contains("LB1250"), "{view:#?}");
    assert_eq!(
        stage.bind.addresses("app.demo.test").await.unwrap(),
        [address("east")],
        "nothing was changed"
    );
    stage.world.controller.stop().await;
    let settings = stage.world.scratch.path().join("controller.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("witnesses: 3", "witnesses: 2")).unwrap();
    stage.world.controller.start().await.unwrap();
    stage.world.until_connected("east-1").await;
    stage.world.until_connected("west-1").await;
    stage.world.say(&["retry", &id, "cut-over"]).await.expect_code(0).unwrap();
    stage.world.until_success(run).await;
    assert_eq!(stage.bind.addresses("app.demo.test").await.unwrap(), [address("west")]);
}
