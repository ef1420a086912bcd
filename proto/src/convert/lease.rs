//! Requests for leases and what is answered.

use super::{Malformed, required};
use crate::v1;
use model::lease::{Grant, Request, Terms};
use model::{Epoch, Name, Problem};
use std::time::Duration;

/// What an agent hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseReply {
    /// It is granted.
    Granted(Grant),
    /// It is not.
    Refused {
        /// The boot of the request.
        boot: String,
        /// When the request was sent.
        sent: Duration,
        /// Number of the epoch that refuses.
        epoch: u64,
        /// Why.
        problem: Problem,
        /// Another member is the primary, or is to be.
        fenced: bool,
    },
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A request on its way.
pub fn lease_request_to_wire(source: &Name, request: &Request) -> v1::LeaseRequest {
    v1::LeaseRequest {
        source: source.to_string(),
        boot_id: request.boot.clone(),
        sent_us: us(request.sent),
        length_ms: ms(request.terms.length),
        stop_ms: ms(request.terms.stop),
        armed: request.armed,
    }
}

/// A request as it arrived.
pub fn lease_request(wire: v1::LeaseRequest) -> Result<(Name, Request), Malformed> {
    let source = Name::new(wire.source).map_err(Malformed::name("lease_request.source"))?;
    let terms =
        Terms { length: Duration::from_millis(wire.length_ms), stop: Duration::from_millis(wire.stop_ms) };
    let sent = Duration::from_micros(wire.sent_us);
    Ok((source, Request { boot: wire.boot_id, sent, terms, armed: wire.armed }))
}

/// An answer on its way: the granted length, or why not and whether another member is the primary.
pub fn lease_answer_to_wire(
    source: &Name,
    request: &Request,
    epoch: Epoch,
    answer: Result<Duration, (Problem, bool)>,
) -> v1::LeaseAnswer {
    let (length_us, refused, fenced) = match answer {
        Ok(length) => (us(length), None, false),
        Err((problem, fenced)) => (0, Some((&problem).into()), fenced),
    };
    v1::LeaseAnswer {
        source: source.to_string(),
        boot_id: request.boot.clone(),
        sent_us: us(request.sent),
        epoch: Some(epoch.into()),
        length_us,
        refused,
        fenced,
    }
}

/// An answer as it arrived.
pub fn lease_reply(wire: v1::LeaseAnswer) -> Result<(Name, LeaseReply), Malformed> {
    let source = Name::new(wire.source).map_err(Malformed::name("lease_answer.source"))?;
    let epoch = Epoch::try_from(required("lease_answer.epoch", wire.epoch)?)?.number;
    let (boot, sent) = (wire.boot_id, Duration::from_micros(wire.sent_us));
    let reply = match wire.refused {
        None => {
            LeaseReply::Granted(Grant { boot, sent, length: Duration::from_micros(wire.length_us), epoch })
        }
        Some(problem) => {
            LeaseReply::Refused { boot, sent, epoch, problem: problem.into(), fenced: wire.fenced }
        }
    };
    Ok((source, reply))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_and_answers_survive_the_wire() {
        let source = Name::new("db").unwrap();
        let terms = Terms { length: Duration::from_secs(10), stop: Duration::from_secs(2) };
        let sent = Duration::from_micros(1_234_567);
        let request = Request { boot: "b".to_string(), sent, terms, armed: true };
        let back = lease_request(lease_request_to_wire(&source, &request)).unwrap();
        assert_eq!(back, (source.clone(), request.clone()));
        let epoch = Epoch { number: 7, holder: uuid::Uuid::from_u128(1) };
        let granted = lease_answer_to_wire(&source, &request, epoch, Ok(Duration::from_secs(9)));
        let grant = Grant { boot: "b".to_string(), sent, length: Duration::from_secs(9), epoch: 7 };
        assert_eq!(lease_reply(granted).unwrap(), (source.clone(), LeaseReply::Granted(grant)));
        let problem = Problem::new("LB1431", "no", "wait");
        let refused = lease_answer_to_wire(&source, &request, epoch, Err((problem.clone(), true)));
        let expected = LeaseReply::Refused { boot: "b".to_string(), sent, epoch: 7, problem, fenced: true };
        assert_eq!(lease_reply(refused).unwrap(), (source, expected));
    }
}
