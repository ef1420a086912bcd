//! Questions and their answers.
//!
//! An approval binds the digest of what was shown. It counts only for the question that stands open,
//! with that digest, before it expires. What was void or expired can never be approved later: the next
//! question has a new id. There is one exception: when nobody answered in time, one person may approve
//! alone what has expired (break-glass). Who may do what is judged when it is asked for
//! ([`crate::people`]); the fold only keeps what no order of events can make right.

use super::IllegalEvent;
use crate::event::{About, Event};
use crate::state::{Approval, Question, RunState, Stage, StepState, Told, Voice};
use crate::verdict::weakest;
use model::{ApprovalId, Evidence, Micros};
use plan::checked::Step;
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
    if let Event::ApprovalAsked { step, .. } = event {
        let index = state.index(step).ok_or_else(illegal)?;
        let declared = &state.plan.steps[index];
        ask(declared, Arc::make_mut(&mut state.steps[index]), event, at).ok_or_else(illegal)?;
        return Ok(state);
    }
    let slot = slot(&mut state, approval).ok_or_else(illegal)?;
    match event {
        Event::PeopleTold { notice, channels, failed, .. } => {
            let question = slot.question_mut().ok_or_else(illegal)?;
            if question.told.iter().any(|told| told.notice == *notice) {
                return Err(illegal());
            }
            let (channels, failed) = (channels.clone(), failed.clone());
            question.told.push(Told { notice: *notice, at, channels, failed });
        }
        _ => *slot = answered(slot, event, at).ok_or_else(illegal)?,
    }
    Ok(state)
}

/// A question is asked.
fn ask(declared: &Step, step: &mut StepState, event: &Event, at: Micros) -> Option<()> {
    let Event::ApprovalAsked { approval, about, question, role, digest, expires_at, approvals, .. } = event
    else {
        return None;
    };
    let found = declared.evidence.as_ref().map(|rule| weakest(rule, &step.tasks));
    if !matches!(step.stage, Stage::Active { .. }) || (*about == About::Waiver && step.waiving.is_none()) {
        return None;
    }
    let slot = match about {
        About::Gate => &mut step.gate,
        About::Risk => &mut step.risk,
        About::Waiver => &mut step.waiver,
        About::Loss => &mut step.loss,
    };
    let may_ask = match slot {
        Approval::NotAsked => true,
        // A risk that was taken for other facts is asked again.
        Approval::Approved { question, .. } => question.digest != *digest,
        Approval::Asked(_) | Approval::Declined { .. } | Approval::Expired { .. } => false,
    };
    if !may_ask {
        return None;
    }
    *slot = Approval::Asked(Question {
        id: *approval,
        about: *about,
        text: question.clone(),
        role: role.clone(),
        digest: digest.clone(),
        asked_at: at,
        expires_at: *expires_at,
        needed: *approvals,
        voices: Vec::new(),
        told: Vec::new(),
        below_unreachable: *about == About::Waiver && found < Some(Evidence::Unreachable),
    });
    Some(())
}

/// What an event makes of a question that stands open, or has expired.
fn answered(slot: &Approval, event: &Event, at: Micros) -> Option<Approval> {
    let (mut question, open) = match slot {
        Approval::Asked(question) => (question.clone(), true),
        Approval::Expired { question, .. } => (question.clone(), false),
        Approval::NotAsked | Approval::Approved { .. } | Approval::Declined { .. } => return None,
    };
    match event {
        Event::ApprovalExpired { .. } if open && at >= question.expires_at => {
            Some(Approval::Expired { question, at })
        }
        Event::ApprovalVoided { .. } if open => Some(Approval::NotAsked),
        Event::Approved { digest, by, reason, break_glass, .. } => {
            let in_time = open && at < question.expires_at;
            let again = question.voices.iter().any(|voice| voice.by == *by) && !break_glass;
            if *digest != question.digest || again || !(in_time || *break_glass) {
                return None;
            }
            let (by, reason) = (by.clone(), reason.clone());
            question.voices.push(Voice { by: by.clone(), at, reason, break_glass: *break_glass });
            let enough = *break_glass || question.voices.len() >= question.needed as usize;
            Some(if enough { Approval::Approved { question, by, at } } else { Approval::Asked(question) })
        }
        Event::Declined { digest, by, reason, .. } if open && *digest == question.digest => {
            Some(Approval::Declined { question, by: by.clone(), reason: reason.clone(), at })
        }
        _ => None,
    }
}

fn slot(state: &mut RunState, approval: ApprovalId) -> Option<&mut Approval> {
    let is = |slot: &Approval| slot.question().is_some_and(|question| question.id == approval);
    let step = state.steps.iter_mut().find(|step| step.approvals().into_iter().any(is))?;
    Arc::make_mut(step).approvals_mut().into_iter().find(|slot| is(slot))
}
