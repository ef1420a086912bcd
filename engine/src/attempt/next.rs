//! What may happen to an attempt in each of its states.

use super::{AttemptState, Cause, Failure, Input, Resolution, Silence};
use crate::event::{Actor, ProbeAnswer, Revocation};
use crate::problems;
use model::{Class, Micros, Outcome, Problem};
use serde_json::Value;

impl AttemptState {
    /// The state after `input`; `None` when that cannot happen in this state.
    pub fn next(&self, input: &Input<'_>, class: Class, now: Micros) -> Option<AttemptState> {
        match self {
            AttemptState::Scheduled { .. } => match input {
                Input::Started => Some(AttemptState::Sent { at: now, silence: None }),
                Input::Ended(Outcome::Cancelled, _, _) => {
                    Some(AttemptState::Cancelled { sent_at: None, at: now })
                }
                _ => None,
            },
            AttemptState::Sent { at, silence } => match input {
                Input::Accepted => Some(AttemptState::Accepted { sent_at: *at, at: now, silence: None }),
                Input::Silent(found) => Some(AttemptState::Sent { at: *at, silence: Some(found.clone()) }),
                other => under_way(*at, silence.is_some(), other, class, now),
            },
            AttemptState::Accepted { sent_at, at, silence } => match input {
                Input::Accepted if silence.is_some() => {
                    Some(AttemptState::Accepted { sent_at: *sent_at, at: *at, silence: None })
                }
                Input::Silent(found) => {
                    let silence = Some(found.clone());
                    Some(AttemptState::Accepted { sent_at: *sent_at, at: *at, silence })
                }
                other => under_way(*sent_at, silence.is_some(), other, class, now),
            },
            AttemptState::Unknown { sent_at, since, cause, problem, resolution } => {
                let doubt = Doubt { sent_at: *sent_at, since: *since, cause: *cause, problem };
                doubt.next(resolution, input, class, now)
            }
            AttemptState::Failed { sent_at, at, failure, problem } => match (failure, input) {
                (Failure::Reported, Input::Probed(answer)) => {
                    Some(confirmed(*sent_at, *at, problem, answer, now))
                }
                _ => None,
            },
            AttemptState::Succeeded { .. } | AttemptState::Cancelled { .. } => None,
        }
    }
}

/// What may happen to an attempt that was sent or accepted, alike.
fn under_way(
    sent_at: Micros,
    silent: bool,
    input: &Input<'_>,
    class: Class,
    now: Micros,
) -> Option<AttemptState> {
    match input {
        Input::Ended(outcome, by, took_us) => Some(end(sent_at, outcome, by, *took_us, class, now)),
        Input::TimedOut(problem) => Some(AttemptState::Unknown {
            sent_at,
            since: now,
            cause: Cause::TimedOut,
            problem: (*problem).clone(),
            resolution: to_settle(class, false),
        }),
        Input::Revoked(Revocation::NeverBegun) => {
            Some(AttemptState::Cancelled { sent_at: Some(sent_at), at: now })
        }
        Input::Revoked(Revocation::Stopped) => Some(stopped(sent_at, class, now)),
        Input::Answered(done, by, reason) if silent => Some(answered(sent_at, *done, by, reason, now)),
        // Revoked as `Ended`: the result itself is on its way.
        Input::Revoked(Revocation::Ended)
        | Input::Answered(..)
        | Input::Started
        | Input::Accepted
        | Input::Silent(_)
        | Input::Probed(_) => None,
    }
}

/// The state that an outcome gives.
fn end(
    sent_at: Micros,
    outcome: &Outcome,
    by: &Actor,
    took_us: Option<u64>,
    class: Class,
    now: Micros,
) -> AttemptState {
    let failed = |failure, problem: &Problem| AttemptState::Failed {
        sent_at,
        at: now,
        failure,
        problem: problem.clone(),
    };
    match outcome {
        Outcome::Succeeded { output } => {
            AttemptState::Succeeded { sent_at, at: now, output: output.clone(), by: by.clone(), took_us }
        }
        Outcome::Failed { problem } => failed(Failure::Reported, problem),
        Outcome::Refused { problem } => failed(Failure::Refused, problem),
        Outcome::Unknown { problem } => AttemptState::Unknown {
            sent_at,
            since: now,
            cause: Cause::Reported,
            problem: problem.clone(),
            resolution: to_settle(class, true),
        },
        Outcome::Cancelled => stopped(sent_at, class, now),
    }
}

/// What changes nothing needs no settling.
fn to_settle(class: Class, ended: bool) -> Resolution {
    match class {
        Class::Read => Resolution::Moot,
        Class::Idempotent | Class::Probed | Class::Unsafe => Resolution::Revoking { ended, silence: None },
    }
}

/// Stopped in the middle: harmless when it only reads, else half of it may be there.
fn stopped(sent_at: Micros, class: Class, now: Micros) -> AttemptState {
    match class {
        Class::Read => AttemptState::Cancelled { sent_at: Some(sent_at), at: now },
        Class::Idempotent | Class::Probed | Class::Unsafe => AttemptState::Unknown {
            sent_at,
            since: now,
            cause: Cause::Stopped,
            problem: problems::stopped_in_the_middle(),
            resolution: Resolution::Probing { silence: None },
        },
    }
}

/// A person's word.
fn answered(sent_at: Micros, done: bool, by: &Actor, reason: &str, now: Micros) -> AttemptState {
    if done {
        AttemptState::Succeeded { sent_at, at: now, output: Value::Null, by: by.clone(), took_us: None }
    } else {
        let problem = problems::answered_not_done(by, reason);
        AttemptState::Failed { sent_at, at: now, failure: Failure::NotDone, problem }
    }
}

/// A probe of an attempt whose agent had said that it failed.
fn confirmed(
    sent_at: Micros,
    at: Micros,
    problem: &Problem,
    answer: &ProbeAnswer,
    now: Micros,
) -> AttemptState {
    let failed = |failure| AttemptState::Failed { sent_at, at, failure, problem: problem.clone() };
    match answer {
        ProbeAnswer::Done { output } => AttemptState::Succeeded {
            sent_at,
            at: now,
            output: output.clone(),
            by: Actor::Engine,
            took_us: None,
        },
        ProbeAnswer::NotDone => failed(Failure::NotDone),
        ProbeAnswer::CannotTell { .. } => failed(Failure::Doubtful),
    }
}

/// The lasting facts of an unknown attempt.
struct Doubt<'a> {
    sent_at: Micros,
    since: Micros,
    cause: Cause,
    problem: &'a Problem,
}

impl Doubt<'_> {
    fn next(
        &self,
        resolution: &Resolution,
        input: &Input<'_>,
        class: Class,
        now: Micros,
    ) -> Option<AttemptState> {
        match resolution {
            Resolution::Revoking { ended, silence } => self.revoking(*ended, silence, input, class, now),
            Resolution::Probing { .. } => match input {
                Input::Probed(answer) => Some(self.probed(answer, now)),
                Input::Silent(found) => Some(self.with(Resolution::Probing { silence: Some(found.clone()) })),
                Input::Answered(done, by, reason) => Some(self.answered(*done, by, reason, now)),
                Input::Ended(outcome, by, took_us) => self.result(outcome, by, *took_us, class, now),
                _ => None,
            },
            Resolution::Asking { .. } => match input {
                Input::Answered(done, by, reason) => Some(self.answered(*done, by, reason, now)),
                Input::Ended(outcome, by, took_us) => self.result(outcome, by, *took_us, class, now),
                _ => None,
            },
            Resolution::Moot => None,
        }
    }

    fn revoking(
        &self,
        ended: bool,
        silence: &Option<Silence>,
        input: &Input<'_>,
        class: Class,
        now: Micros,
    ) -> Option<AttemptState> {
        match input {
            Input::Revoked(Revocation::NeverBegun) => Some(self.not_done(now)),
            Input::Revoked(Revocation::Stopped) => Some(self.with(Resolution::Probing { silence: None })),
            // The job is over and the agent has already said that it cannot tell: so the probe must.
            Input::Revoked(Revocation::Ended) if ended => {
                Some(self.with(Resolution::Probing { silence: None }))
            }
            Input::Revoked(Revocation::Ended) => None,
            Input::Silent(found) => {
                Some(self.with(Resolution::Revoking { ended, silence: Some(found.clone()) }))
            }
            Input::Accepted if silence.is_some() => {
                Some(self.with(Resolution::Revoking { ended, silence: None }))
            }
            Input::Answered(done, by, reason) => Some(self.answered(*done, by, reason, now)),
            Input::Ended(Outcome::Unknown { .. }, _, _) if !ended => {
                Some(self.with(Resolution::Revoking { ended: true, silence: None }))
            }
            Input::Ended(Outcome::Cancelled, _, _) => Some(self.with(Resolution::Probing { silence: None })),
            Input::Ended(outcome, by, took_us) => self.result(outcome, by, *took_us, class, now),
            Input::Started | Input::Accepted | Input::TimedOut(_) | Input::Probed(_) => None,
        }
    }

    /// A result that settles the doubt; one that adds nothing is none.
    fn result(
        &self,
        outcome: &Outcome,
        by: &Actor,
        took_us: Option<u64>,
        class: Class,
        now: Micros,
    ) -> Option<AttemptState> {
        match outcome {
            Outcome::Unknown { .. } | Outcome::Cancelled => None,
            Outcome::Succeeded { .. } | Outcome::Failed { .. } | Outcome::Refused { .. } => {
                Some(end(self.sent_at, outcome, by, took_us, class, now))
            }
        }
    }

    fn probed(&self, answer: &ProbeAnswer, now: Micros) -> AttemptState {
        match answer {
            ProbeAnswer::Done { output } => AttemptState::Succeeded {
                sent_at: self.sent_at,
                at: now,
                output: output.clone(),
                by: Actor::Engine,
                took_us: None,
            },
            ProbeAnswer::NotDone => self.not_done(now),
            ProbeAnswer::CannotTell { problem } => self.with(Resolution::Asking { seen: problem.clone() }),
        }
    }

    fn answered(&self, done: bool, by: &Actor, reason: &str, now: Micros) -> AttemptState {
        match (done, self.cause) {
            (false, Cause::Stopped) => self.not_done(now),
            (true, _) | (false, Cause::TimedOut | Cause::Reported) => {
                answered(self.sent_at, done, by, reason, now)
            }
        }
    }

    fn not_done(&self, now: Micros) -> AttemptState {
        match self.cause {
            Cause::Stopped => AttemptState::Cancelled { sent_at: Some(self.sent_at), at: now },
            Cause::TimedOut | Cause::Reported => AttemptState::Failed {
                sent_at: self.sent_at,
                at: now,
                failure: Failure::NotDone,
                problem: problems::proven_not_done(self.problem),
            },
        }
    }

    fn with(&self, resolution: Resolution) -> AttemptState {
        AttemptState::Unknown {
            sent_at: self.sent_at,
            since: self.since,
            cause: self.cause,
            problem: self.problem.clone(),
            resolution,
        }
    }
}
