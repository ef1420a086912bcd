//! Which hosts of a step may begin: so many at once, canaries first, none after too many have failed.

use crate::problems;
use crate::state::TaskState;
use crate::verdict::{Verdict, verdict};
use model::{HostName, Problem};
use plan::checked::{Action, FanOut, Step, hosts};

/// How the hosts of a step stand.
pub(super) struct Fleet<'a> {
    step: &'a Step,
    fan_out: FanOut,
    hosts: Vec<Host<'a>>,
}

/// One host of a step.
struct Host<'a> {
    name: &'a HostName,
    /// It has a task that is under way, or that will be tried again by itself.
    busy: bool,
    /// It has a task that has failed for good.
    failed: bool,
    /// It has a task that waits to begin: never begun, or asked for again by a person.
    fresh: bool,
}

impl<'a> Fleet<'a> {
    /// `None` for a step that does everything at once.
    pub fn of(step: &'a Step, verdicts: &[Verdict]) -> Option<Self> {
        let fan_out = step.fan_out?;
        let host = |name| {
            let mut host = Host { name, busy: false, failed: false, fresh: false };
            for (_, verdict) in of_host(step, name).filter_map(|at| Some((at, verdicts.get(at)?))) {
                match verdict {
                    Verdict::Start => host.fresh = true,
                    Verdict::Scheduled { .. } | Verdict::Open | Verdict::Retry | Verdict::Probe => {
                        host.busy = true;
                    }
                    Verdict::Failed(_) => host.failed = true,
                    Verdict::Done => {}
                }
            }
            host
        };
        Some(Self { step, fan_out, hosts: hosts(&step.tasks).into_iter().map(host).collect() })
    }

    /// Hosts that have failed.
    pub fn failed(&self) -> usize {
        self.hosts.iter().filter(|host| host.failed).count()
    }

    /// More have failed than may, or one that went first.
    fn is_over(&self) -> bool {
        self.failed() > self.fan_out.failures as usize || self.canaries().any(|host| host.failed)
    }

    fn canaries(&self) -> impl Iterator<Item = &Host<'a>> {
        self.hosts.iter().take(self.fan_out.canary as usize)
    }

    /// Tasks whose host may not begin now.
    pub fn held(&self) -> Vec<bool> {
        let over = self.is_over();
        let canary = self.fan_out.canary as usize;
        let first = self.canaries().all(|host| !host.busy && !host.fresh && !host.failed);
        let mut free = (self.fan_out.at_once as usize)
            .saturating_sub(self.hosts.iter().filter(|host| host.busy).count());
        let mut held = vec![false; self.step.tasks.len()];
        for (number, host) in self.hosts.iter().enumerate().filter(|(_, host)| host.fresh && !host.busy) {
            let may = !over && free > 0 && (number < canary || first);
            if may {
                free -= 1;
            } else {
                of_host(self.step, host.name).for_each(|task| held[task] = true);
            }
        }
        held
    }

    /// Why the step has failed, when nothing of it is under way any more: `first` is what the first host says.
    /// `None` when so few failed that it is done all the same.
    pub fn failure(&self, first: Problem) -> Option<Problem> {
        if !self.is_over() {
            return None;
        }
        let not_begun =
            self.hosts.iter().filter(|host| host.fresh).map(|host| host.name.to_string()).collect();
        let failed = self.hosts.iter().filter(|host| host.failed).map(|host| host.name.to_string()).collect();
        Some(problems::too_many_failed(&first, failed, self.hosts.len(), not_begun, self.fan_out.failures))
    }
}

/// Indexes of the tasks of a host.
pub(super) fn of_host<'s>(step: &'s Step, host: &'s HostName) -> impl Iterator<Item = usize> + use<'s> {
    let is_its = move |action: &Action| matches!(action, Action::Agent { host: its, .. } if its == host);
    step.tasks.iter().enumerate().filter(move |(_, task)| is_its(&task.action)).map(|(at, _)| at)
}

/// How many hosts of a step are where.
pub(crate) struct Count {
    /// All.
    pub hosts: usize,
    /// Everything is done there.
    pub done: usize,
    /// Something has failed for good there.
    pub failed: usize,
}

/// Counts the hosts of a step with `fan-out`.
pub(crate) fn count(step: &Step, tasks: &[TaskState]) -> Option<Count> {
    let verdicts: Vec<Verdict> =
        tasks.iter().map(|task| verdict(task, step.class, step.tries.max(1))).collect();
    let fleet = Fleet::of(step, &verdicts)?;
    let done = fleet.hosts.iter().filter(|host| !host.failed && !host.busy && !host.fresh).count();
    Some(Count { hosts: fleet.hosts.len(), done, failed: fleet.failed() })
}
