//! What is counted, and what must be true after each move: everything done, and nothing twice.

use super::stage::{ONCE, STEPS, Stage, address, other};
use crate::world::SOON;
use engine::view::View;
use model::RunId;
use std::collections::{BTreeMap, BTreeSet};
use tests::polling::until;

/// How often each script began, the app was started, and the record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    pub scripts: BTreeMap<&'static str, usize>,
    app: usize,
    record: u64,
}

impl Stage {
    pub fn counts(&self) -> Counts {
        let scripts = ONCE.into_iter().map(|script| (script, self.world.count(script))).collect();
        Counts { scripts, app: self.world.count("app"), record: self.written }
    }

    /// After a move: everything was done, nothing twice, and the app is where it should be.
    pub async fn judge(&mut self, view: View, before: &Counts) -> Result<(), String> {
        let to = other(self.here);
        let ended = view.steps.iter().filter(|step| step.state == "succeeded").count();
        if view.status != "succeeded" || ended != STEPS {
            return Err(format!("not the end of an undisturbed run: {view:#?}"));
        }
        self.written = record_writes(&view).ok_or_else(|| format!("no cut-over: {view:#?}"))?;
        let mut wanted = before.clone();
        wanted.scripts.values_mut().for_each(|count| *count += 1);
        wanted.app += 1;
        wanted.record = if before.record == 0 { self.written } else { before.record + 1 };
        if self.counts() != wanted {
            return Err(format!("{:?} are not {wanted:?}: {view:#?}", self.counts()));
        }
        self.told_once_each(view.run)?;
        self.tokens_are_new(view.run).await?;
        let answers = self.bind.addresses("app.demo.test").await.map_err(|failure| failure.chain())?;
        let alive: Vec<usize> = self
            .world
            .pids("app")
            .into_iter()
            .enumerate()
            .filter_map(|(number, pid)| self.is_ours(pid).then_some(number + 1))
            .collect();
        if answers != [address(to)] || alive != [wanted.app] {
            return Err(format!(
                "DNS says {answers:?}, and of the starts of the app {alive:?} live: {view:#?}"
            ));
        }
        self.here = to;
        self.all_connected().await
    }

    /// Whether a process lives and is one of this stage: a number may belong to somebody else by now.
    fn is_ours(&self, pid: u32) -> bool {
        let folder = self.world.scratch.path().display().to_string();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        tests::process::alive(pid) && String::from_utf8_lossy(&environment).contains(&folder)
    }

    /// People heard of the beginning and of the end. A message may come again, under its own key.
    fn told_once_each(&self, run: RunId) -> Result<(), String> {
        let of_run = |post: &tests::webhook::Post| post.body["run"] == run.to_string();
        let posts = self.webhook.posts();
        let keys: BTreeSet<String> =
            posts.iter().filter(|post| of_run(post)).map(|post| post.body["key"].to_string()).collect();
        if keys.len() == 2 { Ok(()) } else { Err(format!("the messages of {run} are {keys:?}")) }
    }

    /// No attempt was begun twice in the journal, and its numbers have no gap.
    async fn tokens_are_new(&self, run: RunId) -> Result<(), String> {
        let rows = self.world.journal(run).await;
        let mut tokens = BTreeSet::new();
        for (row, number) in rows.iter().zip(1..) {
            if row.sequence != number {
                return Err(format!("event {number} of {run} is missing"));
            }
            let again = row.kind() == "attempt-started" && !tokens.insert(row.event["token"].to_string());
            if again {
                return Err(format!("begun twice: {}", row.event));
            }
        }
        Ok(())
    }

    async fn all_connected(&self) -> Result<(), String> {
        for host in ["east-1", "west-1"] {
            until("a connected host", SOON, async || {
                let status = self.world.cli.run(&["status", "--output", "json"], SOON).await;
                let status = status.and_then(|answer| answer.json()).map_err(|failure| failure.chain())?;
                let hosts = status["hosts"].as_array().cloned().unwrap_or_default();
                let up = hosts.iter().any(|row| row.to_string().contains(host) && row["is"] == "up");
                if up { Ok(()) } else { Err(status["hosts"].to_string()) }
            })
            .await
            .map_err(|failure| failure.chain())?;
        }
        Ok(())
    }
}

/// The number that the cut-over gave the record: it counts the writes.
fn record_writes(view: &View) -> Option<u64> {
    let step = view.steps.iter().find(|step| step.path.as_str() == "cut-over")?;
    step.attempts.iter().filter_map(|attempt| attempt.output.as_ref()?["generation"].as_u64()).next_back()
}
