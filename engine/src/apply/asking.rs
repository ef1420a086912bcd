//! Questions and their answers.
//!
//! An approval binds the digest of what was shown. It counts only for the question that stands open,
//! with that digest, before it expires. What was void or expired can never be approved later: the next
//! question has a new id.

use super::IllegalEvent;
use crate::event::{About, Event};
use crate::state::{Approval, Question, RunState, Stage};
use model::{ApprovalId, Micros};
use std::sync::Arc;

pub(super) fn fold(
    mut state: RunState,
    event: &Event,
    approval: ApprovalId,
    at: Micros,
) -> Result<RunState, IllegalEvent> {
    let illegal = || IllegalEvent::Approval { kind: event.kind(), approval };
    if !state.is_open() {
        return Err(illegal());
    }
    if let Event::ApprovalAsked { step, about, question, role, digest, expires_at, .. } = event {
        let index = state.index(step).ok_or_else(illegal)?;
        let step = Arc::make_mut(&mut state.steps[index]);
        if !matches!(step.stage, Stage::Active { .. }) {
            return Err(illegal());
        }
        let slot = match about {
            About::Gate => &mut step.gate,
            About::Risk => &mut step.risk,
        };
        let may_ask = match slot {
            Approval::NotAsked => true,
            // A risk that was taken for other facts is asked again.
            Approval::Approved { question, .. } => question.digest != *digest,
            Approval::Asked(_) | Approval::Declined { .. } | Approval::Expired { .. } => false,
        };
        if !may_ask {
            return Err(illegal());
        }
        *slot = Approval::Asked(Question {
            id: approval,
            about: *about,
            text: question.clone(),
            role: role.clone(),
            digest: digest.clone(),
            asked_at: at,
            expires_at: *expires_at,
        });
        return Ok(state);
    }
    let slot = slot(&mut state, approval).ok_or_else(illegal)?;
    let Some(question) = slot.asked().cloned() else { return Err(illegal()) };
    *slot = match event {
        Event::ApprovalExpired { .. } if at >= question.expires_at => Approval::Expired { question, at },
        Event::ApprovalVoided { .. } => Approval::NotAsked,
        Event::Approved { digest, by, .. } if *digest == question.digest && at < question.expires_at => {
            Approval::Approved { question, by: by.clone(), at }
        }
        Event::Declined { digest, by, reason, .. } if *digest == question.digest => {
            Approval::Declined { question, by: by.clone(), reason: reason.clone(), at }
        }
        _ => return Err(illegal()),
    };
    Ok(state)
}

fn slot(state: &mut RunState, approval: ApprovalId) -> Option<&mut Approval> {
    let asks = |slot: &Approval| slot.asked().is_some_and(|question| question.id == approval);
    let step = state.steps.iter_mut().find(|step| asks(&step.gate) || asks(&step.risk))?;
    let step = Arc::make_mut(step);
    Some(if asks(&step.gate) { &mut step.gate } else { &mut step.risk })
}
