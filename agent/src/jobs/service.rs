//! Start, stop, restart a service, or ask how it is.

use super::{Context, End, Job, Preview, Probe, note};
use crate::services::{self, Status};
use model::jobs::{Service, ServiceAction, ServiceOutput, ServiceState};
use model::{Outcome, Problem};
use serde::{Deserialize, Serialize};

/// What a restart remembers: the process before it.
#[derive(Debug, Serialize, Deserialize)]
struct Before {
    state: ServiceState,
    pid: Option<u32>,
}

impl Job for Service {
    type Output = ServiceOutput;

    async fn perform(&self, context: &Context) -> Result<ServiceOutput, End> {
        let manager = services::open(&self.service, &context.state_dir)?;
        let before = context.unless_cancelled(manager.status()).await??;
        context.phase(self.action.as_str());
        if self.action == ServiceAction::Status {
            return Ok(output(&before, before.clone()));
        }
        if self.action == ServiceAction::Restart {
            note::write(context, &Before { state: before.state, pid: before.pid })?;
        }
        // The server of a leased source starts only under its lease.
        let _held = match self.action {
            ServiceAction::Start | ServiceAction::Restart => {
                context.unless_cancelled(context.leases.hold_for(&self.service)).await??
            }
            ServiceAction::Stop | ServiceAction::Status => None,
        };
        context.may_act()?;
        // From here the effect may have begun, so a cancel cannot end in "cancelled".
        let acting = async {
            match self.action {
                ServiceAction::Start => manager.start().await,
                ServiceAction::Stop => manager.stop().await,
                ServiceAction::Restart => manager.restart().await,
                ServiceAction::Status => Ok(()),
            }
        };
        match context.unless_cancelled(acting).await {
            Ok(done) => done?,
            Err(_) => return Err(End::Unknown(cut_short(self))),
        }
        let after = manager.status().await?;
        let wanted = match self.action {
            ServiceAction::Stop => after.state != ServiceState::Running,
            _ => after.state == ServiceState::Running,
        };
        if !wanted {
            return Err(End::Failed(services::not_as_wanted(&self.service, self.action, &after)));
        }
        Ok(output(&before, after))
    }

    async fn probe(&self, context: &Context) -> Probe {
        let status = match services::open(&self.service, &context.state_dir) {
            Ok(manager) => manager.status().await,
            Err(problem) => Err(problem),
        };
        let status = match status {
            Ok(status) => status,
            Err(problem) => return Probe::CannotTell(problem),
        };
        let runs = status.state == ServiceState::Running;
        let done = match self.action {
            ServiceAction::Start => runs,
            ServiceAction::Stop => !runs,
            ServiceAction::Status => false,
            ServiceAction::Restart => {
                // No note: it was never begun.
                note::read::<Before>(context).is_some_and(|before| runs && before.pid != status.pid)
            }
        };
        if done { Probe::Done(Outcome::success(&output(&status.clone(), status))) } else { Probe::NotDone }
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let manager = services::open(&self.service, &context.state_dir)?;
        let status = context.unless_cancelled(manager.status()).await??;
        if status.state == ServiceState::Absent {
            return Err(End::Failed(services::not_as_wanted(&self.service, self.action, &status)));
        }
        let now = format!("{:?}", status.state).to_lowercase();
        Ok(Preview { would: vec![format!("{} {}, which is {now}", self.action.as_str(), self.service.name)] })
    }
}

fn output(before: &Status, after: Status) -> ServiceOutput {
    ServiceOutput { before: before.state, after: after.state, pid: after.pid }
}

fn cut_short(work: &Service) -> Problem {
    Problem::new(
        "LB2219",
        format!("{} of {} was cut short", work.action.as_str(), work.service.name),
        "Ask the service's status; then retry.",
    )
}
