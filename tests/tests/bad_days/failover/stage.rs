//! Two regions, an app that runs in one of them, its record in a real BIND, and a plan that moves both to the
//! other region; and what must be true after each move.

use super::verdict::Counts;
use crate::world::{Plans, SOON, World};
use engine::view::View;
use model::RunId;
use sqlx::Row as _;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tests::{
    bind::{Bind, Host},
    ports,
    webhook::Webhook,
};

/// How long a process may take to die at a point that lies behind the end of the run.
const AFTERMATH: Duration = Duration::from_millis(700);
/// The bound of one move with a death in it.
const MOVE: Duration = Duration::from_secs(90);
/// Scripts that run once in each move.
pub const ONCE: [&str; 5] = ["close", "last-copy", "take", "promote", "tidy"];
pub const STEPS: usize = 12;

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The controller.
    Controller,
    /// The agent of the region that the app leaves.
    Left,
    /// The agent of the region that takes over.
    Taking,
}

impl Role {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Role::Controller => "controller",
            Role::Left => "left",
            Role::Taking => "taking",
        }
    }
}

/// The stage, and where the app runs on it.
pub struct Stage {
    pub world: World,
    pub bind: Bind,
    pub webhook: Webhook,
    /// The region of the app.
    pub here: &'static str,
    /// How often the record was written.
    pub written: u64,
}

pub fn address(region: &str) -> Ipv4Addr {
    if region == "east" { Ipv4Addr::new(127, 0, 0, 11) } else { Ipv4Addr::new(127, 0, 0, 12) }
}

pub fn other(region: &str) -> &'static str {
    if region == "east" { "west" } else { "east" }
}

fn steps(from: &str, to: &str) -> String {
    format!(
        "  tell: {{ notify: {{ channel: ops, state: investigating, text: moving to {to} }} }}
  hold: {{ after: tell, stop: {{ services: [app], region: {from} }} }}
  close: {{ after: hold, undo: none, command: {{ script: SCRIPT(close), region: {from} }} }}
  last-copy: {{ after: close, undo: none, command: {{ script: SCRIPT(last-copy), region: {from} }} }}
  take: {{ after: last-copy, undo: none, command: {{ script: SCRIPT(take), region: {to} }} }}
  ready: {{ after: take, check: {{ checks: [fine], region: {to} }} }}
  promote: {{ after: ready, command: {{ script: SCRIPT(promote), region: {to} }} }}
  start: {{ after: promote, start: {{ services: [app], region: {to} }} }}
  verify: {{ after: start, check: {{ checks: [fine], region: {to} }} }}
  cut-over: {{ after: verify, cutover: {{ record: app, to: {to} }} }}
  tidy: {{ after: cut-over, undo: none, command: {{ script: SCRIPT(tidy), region: {from} }} }}
  told: {{ after: tidy, notify: {{ channel: ops, state: monitoring, text: it runs in {to} }} }}
"
    )
}

/// An app in two regions, whose record stands in a BIND, and where people are told.
pub fn estate(dns: SocketAddr, bind: &Bind, webhook: &Webhook) -> String {
    format!(
        "services:
  app: {{ kind: process, hosts: {{ east-1: {{ run: [SCRIPT(app)], stop-grace: 1s }}, west-1: {{ run: [SCRIPT(app)], stop-grace: 1s }} }} }}
checks:
  fine: {{ of: app, monitor: false, command: {{ script: SCRIPT(fine) }} }}
dns:
  demo: {{ kind: rfc2136, zone: demo.test, servers: [\"{dns}\"], key: {{ file: {key} }} }}
records:
  app: {{ name: app.demo.test, in: demo, ttl: 1s, values: {{ east: [{east}], west: [{west}] }} }}
channels:
  ops: {{ kind: webhook, url: \"{url}\" }}
",
        key = bind.key_file().display(),
        east = address("east"),
        west = address("west"),
        url = webhook.url(),
    )
}

impl Stage {
    /// Sets it; the app runs in east.
    pub async fn set(name: &str) -> Stage {
        let mut plans = Plans::new(name).host("west-1").script("fine", "").script("app", "exec sleep 36000");
        for script in ONCE {
            plans = plans.script(script, "");
        }
        let dns: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free(Ipv4Addr::LOCALHOST.into()).unwrap()).into();
        let host = Host { name: "app".into(), address: address("east"), ttl: 1 };
        let bind = Bind::primary(plans.scratch(), "demo.test", dns, &[host], &[]).await.unwrap();
        let webhook = Webhook::start((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let estate = estate(dns, &bind, &webhook);
        let world = plans
            .estate(&estate)
            .policy("services:\n  - { name: app, process: SCRIPT(app), args: [] }\n")
            .plan("bring-up", "  app: { start: { services: [app], region: east } }\n")
            .plan("to-west", &steps("east", "west"))
            .plan("to-east", &steps("west", "east"))
            .start()
            .await;
        let run = world.run("bring-up").await;
        world.until_success(run).await;
        Stage { world, bind, webhook, here: "east", written: 0 }
    }

    fn host(&self, role: Role) -> String {
        let region = if role == Role::Left { self.here } else { other(self.here) };
        format!("{region}-1")
    }

    /// Starts a process anew, with one variable for its crash points. It may die before it is up.
    async fn restart(&mut self, role: Role, key: &str, value: &str) {
        let host = self.host(role);
        let keys = ["LIFEBOAT_CRASH_AT", "LIFEBOAT_CRASH_RECORD"];
        if role == Role::Controller {
            let controller = &mut self.world.controller;
            controller.kill();
            keys.into_iter().for_each(|known| controller.set(known, if known == key { value } else { "" }));
            let _ = controller.start().await;
            // An agent whose sessions were all short waits longer each time; a new one does not.
            for host in ["east-1", "west-1"] {
                let agent = self.world.agent(host);
                agent.kill();
                agent.start().unwrap();
            }
        } else {
            let agent = self.world.agent(&host);
            agent.kill();
            keys.into_iter().for_each(|known| agent.set(known, if known == key { value } else { "" }));
            agent.start().unwrap();
        }
    }

    async fn is_dead(&mut self, role: Role, within: Duration) -> bool {
        let host = self.host(role);
        match role {
            Role::Controller => self.world.controller.wait_until_it_ends(within).await.is_ok(),
            Role::Left | Role::Taking => self.world.agent(&host).wait_until_it_ends(within).await.is_ok(),
        }
    }

    /// The points that a process passes in a move in which nothing happens, each once.
    pub async fn record(&mut self, role: Role) -> Vec<String> {
        let file: PathBuf = self.world.scratch.path().join("passes");
        self.restart(role, "LIFEBOAT_CRASH_RECORD", &file.display().to_string()).await;
        let before = self.counts();
        let run = self.move_the_app(role, &mut true).await.unwrap();
        tokio::time::sleep(AFTERMATH).await;
        self.restart(role, "", "").await;
        self.judge(run, &before).await.unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// One move, in which a process dies at a point. Gives whether it did.
    pub async fn case(&mut self, role: Role, point: &str) -> Result<bool, String> {
        let before = self.counts();
        self.restart(role, "LIFEBOAT_CRASH_AT", point).await;
        let mut revived = false;
        let view = self.move_the_app(role, &mut revived).await?;
        let died = revived || self.is_dead(role, AFTERMATH).await;
        if !revived {
            self.restart(role, "", "").await;
        }
        self.judge(view, &before).await?;
        Ok(died)
    }

    /// Runs the plan to its end: whoever dies is started again, and a person looks and answers.
    async fn move_the_app(&mut self, role: Role, revived: &mut bool) -> Result<View, String> {
        let plan = format!("to-{}", other(self.here));
        let (before, counts) = (self.newest_run().await, self.counts());
        let deadline = std::time::Instant::now() + MOVE;
        loop {
            if !*revived && self.is_dead(role, Duration::ZERO).await {
                self.restart(role, "", "").await;
                *revived = true;
            }
            let seen = match self.newest_run().await {
                Some(run) if Some(run) != before => self.look(run, &counts).await,
                // Its answer may be lost, the run is not: the next look finds it.
                _ => match self.world.cli.run(&["run", &plan, "--detach"], SOON).await {
                    Ok(answer) => Err(answer.stderr),
                    Err(failure) => Err(failure.chain()),
                },
            };
            match seen {
                Ok(view) => return Ok(view),
                Err(seen) if std::time::Instant::now() > deadline => {
                    return Err(format!("no end within {MOVE:?}: {seen}"));
                }
                Err(_) => tokio::time::sleep(tests::polling::PAUSE).await,
            }
        }
    }

    /// The view of a run that is over. One that waits for a person is looked after first.
    async fn look(&self, run: RunId, before: &Counts) -> Result<View, String> {
        let view = self.world.try_view(run).await?;
        if !view.is_open() {
            return Ok(view);
        }
        let id = run.to_string();
        for one in view.steps.iter() {
            let path = one.path.as_str();
            let Some(ran) = ONCE.iter().find(|script| **script == path) else { continue };
            let ran = self.world.count(ran) - before.scripts[ran];
            // It may have been settled meanwhile, or the controller be away: the next look says.
            if one.attempts.iter().any(|attempt| attempt.answerable) {
                let word = if ran > 0 { "--done" } else { "--not-done" };
                let words = ["answer", &id, path, word, "--reason", "I looked"];
                let _ = self.world.cli.run(&words, SOON).await;
            } else if one.state == "failed" {
                if ran > 0 {
                    return Err(format!("{path} ran and counts as failed: {view:#?}"));
                }
                let _ = self.world.cli.run(&["retry", &id, path], SOON).await;
            }
        }
        Err(format!("{view:#?}"))
    }

    async fn newest_run(&self) -> Option<RunId> {
        let rows = self.world.rows("select run from runs order by requested_at desc, run desc limit 1").await;
        rows.first().map(|row| row.get::<String, _>(0).parse().unwrap())
    }
}
