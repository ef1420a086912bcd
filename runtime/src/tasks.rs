//! The supervisor of named tasks: every long-lived task has a name, an owner and a policy.
//!
//! A task registers before it is spawned and leaves in a guard's drop, so whether it ends, panics or
//! is aborted, the list of running names is exact. [`Tasks::stop`] first gives the word to stop, then
//! aborts those whose policy says so, then waits until the deadline; whoever is left is named and
//! aborted. A task that is spawned while stopping is treated like the others: it sees the cancelled
//! token at once, or is aborted at once.

use crate::lifecycle::{Shutdown, StopReason};
use futures::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// What happens to a task when the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It sees the token, ends by itself and is waited for until the deadline.
    Wait,
    /// It may be cut off at any await.
    Abort,
}

/// What happens to the process when a task ends with an error or a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The error is logged; the others go on.
    Log,
    /// The process stops: without this task it is of no use.
    StopProcess,
}

/// How the supervisor treats a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// When the process stops.
    pub on_stop: OnStop,
    /// When the task fails.
    pub on_error: OnError,
}

impl Policy {
    /// Waited for; the process stops when it fails.
    pub const VITAL: Policy = Policy { on_stop: OnStop::Wait, on_error: OnError::StopProcess };
    /// Waited for; a failure is logged.
    pub const WORKER: Policy = Policy { on_stop: OnStop::Wait, on_error: OnError::Log };
    /// Cut off; a failure is logged.
    pub const BACKGROUND: Policy = Policy { on_stop: OnStop::Abort, on_error: OnError::Log };
}

struct Running {
    name: String,
    on_stop: OnStop,
    abort: Option<AbortHandle>,
}

#[derive(Default)]
struct List {
    next: u64,
    running: BTreeMap<u64, Running>,
}

/// The supervisor, as a handle that is cheap to clone.
#[derive(Clone, Default)]
pub struct Tasks {
    shutdown: Shutdown,
    tracker: TaskTracker,
    list: Arc<Mutex<List>>,
}

/// Leaves the list when the task is over, however it ended.
struct Leave {
    list: Arc<Mutex<List>>,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        lock(&self.list).running.remove(&self.number);
    }
}

fn lock(list: &Mutex<List>) -> std::sync::MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tasks {
    /// A supervisor without tasks.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, tracker: TaskTracker::new(), list: Arc::default() }
    }

    /// The word to stop.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// The token that a task watches to know when to end.
    pub fn token(&self) -> CancellationToken {
        self.shutdown.token()
    }

    /// Stops the process on SIGTERM or SIGINT from now on.
    pub fn stop_on_signals(&self) -> std::io::Result<()> {
        let listening = self.shutdown.listen()?;
        self.spawn("signals", Policy::BACKGROUND, async move {
            listening.await;
            Ok::<_, std::convert::Infallible>(())
        });
        Ok(())
    }

    /// Starts a task in a span of its name, below the current span. An error or a panic is logged and
    /// treated as the policy says; a task that ends well simply leaves.
    pub fn spawn<F, E>(&self, name: impl Into<String>, policy: Policy, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let name = name.into();
        let span = tracing::info_span!("task", name = %name);
        let number = self.register(&name, policy.on_stop);
        let leave = Leave { list: self.list.clone(), number };
        let shutdown = self.shutdown.clone();
        let guarded = async move {
            let _leave = leave;
            let error = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
            };
            tracing::error!(task = %name, %error, "task failed");
            if policy.on_error == OnError::StopProcess {
                shutdown.stop(StopReason::Task { name, error });
            }
        };
        let abort = self.tracker.spawn(guarded.instrument(span)).abort_handle();
        // It may be over already, and then it is no longer in the list.
        if let Some(running) = lock(&self.list).running.get_mut(&number) {
            running.abort = Some(abort.clone());
        }
        // `stop` gives the word before it aborts, so one of the two sees the other.
        if policy.on_stop == OnStop::Abort && self.shutdown.is_stopping() {
            abort.abort();
        }
    }

    fn register(&self, name: &str, on_stop: OnStop) -> u64 {
        let mut list = lock(&self.list);
        list.next += 1;
        let number = list.next;
        list.running.insert(number, Running { name: name.to_string(), on_stop, abort: None });
        number
    }

    /// Names of the tasks that run now, oldest first.
    pub fn names(&self) -> Vec<String> {
        lock(&self.list).running.values().map(|running| running.name.clone()).collect()
    }

    fn abort(&self, which: impl Fn(OnStop) -> bool) {
        for running in lock(&self.list).running.values().filter(|running| which(running.on_stop)) {
            if let Some(abort) = &running.abort {
                abort.abort();
            }
        }
    }

    /// Stops all tasks: gives the word, aborts those that may be cut off, waits for the others until
    /// the deadline, aborts the rest. Gives the names of those that did not end by themselves.
    pub async fn stop(&self, deadline: Duration) -> Vec<String> {
        self.shutdown.stop(StopReason::Asked("stopped".to_string()));
        self.tracker.close();
        self.abort(|on_stop| on_stop == OnStop::Abort);
        if tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        let late = self.names();
        tracing::error!(tasks = ?late, deadline_s = deadline.as_secs_f64(), "tasks did not stop in time");
        self.abort(|_| true);
        late
    }

    /// The end of a process' main: waits for a reason to stop, drains, and gives the exit code.
    pub async fn run(&self, drain: Duration) -> crate::Exit {
        let reason = self.shutdown.requested().await;
        tracing::info!(%reason, "stopping");
        let late = self.stop(drain).await;
        match (reason.exit(), late.is_empty()) {
            (crate::Exit::Done, false) => crate::Exit::Incomplete,
            (exit, _) => exit,
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "without a message"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;
    use crate::Exit;

    const SOON: Duration = Duration::from_secs(10);
    type Done = Result<(), String>;

    #[tokio::test]
    async fn a_panicking_vital_task_stops_the_process() {
        let tasks = Tasks::default();
        tasks.spawn("store", Policy::VITAL, async {
            if true {
                panic!("disk on fire");
            }
            Done::Ok(())
        });
        let reason = tasks.shutdown().requested().await;
        assert_eq!(reason.to_string(), "task store failed: panicked: disk on fire");
        assert_eq!(tasks.run(SOON).await, Exit::No);
    }

    #[tokio::test]
    async fn a_failing_worker_is_logged_and_the_others_go_on() {
        let tasks = Tasks::default();
        let token = tasks.token();
        tasks.spawn("worker", Policy::WORKER, async { Done::Err("no".into()) });
        tasks.spawn("other", Policy::WORKER, async move {
            token.cancelled().await;
            Done::Ok(())
        });
        tokio::time::timeout(SOON, async {
            while tasks.names() != ["other"] {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the failed task leaves");
        assert!(!tasks.shutdown().is_stopping());
        assert!(tasks.stop(SOON).await.is_empty());
        assert!(tasks.names().is_empty());
    }

    #[tokio::test]
    async fn who_does_not_stop_by_the_deadline_is_named_and_cut_off() {
        let tasks = Tasks::default();
        tasks.spawn("deaf", Policy::WORKER, std::future::pending::<Done>());
        tasks.spawn("ticker", Policy::BACKGROUND, std::future::pending::<Done>());
        assert_eq!(tasks.stop(Duration::from_millis(50)).await, ["deaf"]);
        tokio::time::timeout(SOON, tasks.tracker.wait()).await.expect("the deaf task is aborted");
        assert!(tasks.names().is_empty());
    }

    #[tokio::test]
    async fn a_drain_that_is_cut_short_is_incomplete() {
        let tasks = Tasks::default();
        tasks.spawn("deaf", Policy::WORKER, std::future::pending::<Done>());
        tasks.shutdown().stop(StopReason::Signal("SIGTERM"));
        assert_eq!(tasks.run(Duration::from_millis(20)).await, Exit::Incomplete);
    }
}
