//! What threads that walk a tree have still to do.
//!
//! The newest task comes first, so that a walk goes down before it goes on, and what waits stays little.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::sync::locked;

/// Tasks for some threads, which make new ones while they work.
pub(crate) struct Tasks<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: Vec<T>,
    /// Threads that wait for a task.
    idle: usize,
    /// Threads that work on a task, and so may add others.
    working: usize,
    stopped: bool,
}

impl<T> Tasks<T> {
    pub(crate) fn new(first: impl IntoIterator<Item = T>) -> Self {
        let state = State { waiting: first.into_iter().collect(), idle: 0, working: 0, stopped: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds tasks, of which the last is done first. One of them is the caller's, who comes back for it: for each
    /// of the others a thread is woken.
    pub(crate) fn add(&self, tasks: impl IntoIterator<Item = T>) {
        let mut state = locked(&self.state);
        state.waiting.extend(tasks);
        let wanted = state.waiting.len().saturating_sub(1).min(state.idle);
        drop(state);
        (0..wanted).for_each(|_| self.changed.notify_one());
    }

    /// Ends the work: tasks that wait are forgotten.
    pub(crate) fn stop(&self) {
        locked(&self.state).stopped = true;
        self.changed.notify_all();
    }

    /// Does tasks until none is left and nobody can add one.
    pub(crate) fn work(&self, mut perform: impl FnMut(T)) {
        loop {
            let state = locked(&self.state);
            let mut state = self.wait(state);
            let Some(task) = state.waiting.pop().filter(|_| !state.stopped) else {
                return;
            };
            state.working += 1;
            drop(state);
            let working = Working(self);
            perform(task);
            drop(working);
        }
    }

    /// Until there is a task, or will be none.
    fn wait<'s>(&'s self, mut state: MutexGuard<'s, State<T>>) -> MutexGuard<'s, State<T>> {
        state.idle += 1;
        let idle = |s: &mut State<T>| s.waiting.is_empty() && s.working > 0 && !s.stopped;
        let mut state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state
    }
}

/// Counts a thread out also when it panics, so that the others do not wait for it.
struct Working<'a, T>(&'a Tasks<T>);

impl<T> Drop for Working<'_, T> {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        state.working -= 1;
        let is_last = state.working == 0;
        drop(state);
        if is_last {
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_task_is_done_once_by_some_thread() {
        let tasks = Tasks::new([12_u32]);
        let done = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    tasks.work(|depth| {
                        done.fetch_add(1, Ordering::Relaxed);
                        if depth > 0 {
                            tasks.add([depth - 1, depth - 1]);
                        }
                    });
                });
            }
        });
        assert_eq!(done.into_inner(), 8191);
    }

    #[test]
    fn work_that_is_stopped_ends() {
        let tasks = Tasks::new([()]);
        let mut done = 0;
        tasks.work(|()| {
            done += 1;
            tasks.add([(), ()]);
            if done == 3 {
                tasks.stop();
            }
        });
        assert_eq!(done, 3);
    }
}
