//! Requests for leases and what is answered.

use super::{Malformed, required};
use crate::v1;
use model::lease::{Extend, Grant, Promotable, Request, Terms};
use model::{Epoch, HostName, Name, Problem};
use prost::Message as _;
use std::time::Duration;

/// Members that a set may have on the wire.
const MAX_MEMBERS: usize = 64;

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
        held: request.held.as_ref().map(set_to_wire),
    }
}

fn set_to_wire(set: &Promotable) -> v1::PromotableSet {
    let members = set.members.iter().map(ToString::to_string).collect();
    v1::PromotableSet { term: set.term, members }
}

fn set(field: &'static str, wire: v1::PromotableSet) -> Result<Promotable, Malformed> {
    if wire.members.len() > MAX_MEMBERS {
        return Err(Malformed::invalid(field, format!("more than {MAX_MEMBERS} members")));
    }
    let members = wire.members.into_iter().map(|host| HostName::new(host).map_err(Malformed::name(field)));
    Ok(Promotable { term: wire.term, members: members.collect::<Result<_, _>>()? })
}

/// A request as it arrived.
pub fn lease_request(wire: v1::LeaseRequest) -> Result<(Name, Request), Malformed> {
    let source = Name::new(wire.source).map_err(Malformed::name("lease_request.source"))?;
    let terms =
        Terms { length: Duration::from_millis(wire.length_ms), stop: Duration::from_millis(wire.stop_ms) };
    let sent = Duration::from_micros(wire.sent_us);
    let held = wire.held.map(|held| set("lease_request.held", held)).transpose()?;
    Ok((source, Request { boot: wire.boot_id, sent, terms, armed: wire.armed, held }))
}

/// An answer on its way: the grant, or why not and whether another member is the primary.
pub fn lease_answer_to_wire(
    source: &Name,
    request: &Request,
    epoch: Epoch,
    answer: Result<Grant, (Problem, bool)>,
) -> v1::LeaseAnswer {
    let (length_us, refused, fenced, set) = match answer {
        Ok(grant) => (us(grant.length), None, false, grant.set.as_ref().map(set_to_wire)),
        Err((problem, fenced)) => (0, Some((&problem).into()), fenced, None),
    };
    v1::LeaseAnswer {
        source: source.to_string(),
        boot_id: request.boot.clone(),
        sent_us: us(request.sent),
        epoch: Some(epoch.into()),
        length_us,
        refused,
        fenced,
        set,
    }
}

/// An answer as it arrived.
pub fn lease_reply(wire: v1::LeaseAnswer) -> Result<(Name, LeaseReply), Malformed> {
    let source = Name::new(wire.source).map_err(Malformed::name("lease_answer.source"))?;
    let epoch = Epoch::try_from(required("lease_answer.epoch", wire.epoch)?)?.number;
    let (boot, sent) = (wire.boot_id, Duration::from_micros(wire.sent_us));
    let length = Duration::from_micros(wire.length_us);
    let set = wire.set.map(|it| set("lease_answer.set", it)).transpose()?;
    let reply = match wire.refused {
        None => LeaseReply::Granted(Grant { boot, sent, length, epoch, set }),
        Some(problem) => {
            LeaseReply::Refused { boot, sent, epoch, problem: problem.into(), fenced: wire.fenced }
        }
    };
    Ok((source, reply))
}

/// Longest question or answer between members, in bytes.
pub const MAX_EXTEND_BYTES: usize = 4096;

fn unreadable(field: &'static str) -> impl FnOnce(prost::DecodeError) -> Malformed {
    move |error| Malformed::invalid(field, error)
}

/// A question to a member on its way.
pub fn extend_to_wire(source: &Name, ask: &Extend) -> Vec<u8> {
    let wire = v1::ExtendRequest {
        source: source.to_string(),
        boot_id: ask.boot.clone(),
        sent_us: us(ask.sent),
        length_ms: ms(ask.terms.length),
        stop_ms: ms(ask.terms.stop),
        term: ask.term,
        armed: ask.armed,
    };
    wire.encode_to_vec()
}

/// A question to a member as it arrived.
pub fn extend_of(bytes: &[u8]) -> Result<(Name, Extend), Malformed> {
    let wire = v1::ExtendRequest::decode(bytes).map_err(unreadable("extend_request"))?;
    let source = Name::new(wire.source).map_err(Malformed::name("extend_request.source"))?;
    let terms =
        Terms { length: Duration::from_millis(wire.length_ms), stop: Duration::from_millis(wire.stop_ms) };
    let sent = Duration::from_micros(wire.sent_us);
    Ok((source, Extend { boot: wire.boot_id, sent, terms, term: wire.term, armed: wire.armed }))
}

/// A member's answer on its way: what it gives, or why nothing.
pub fn extended_to_wire(answer: Result<Duration, &Problem>) -> Vec<u8> {
    let wire = match answer {
        Ok(length) => v1::ExtendAnswer { length_us: us(length), refused: None },
        Err(problem) => v1::ExtendAnswer { length_us: 0, refused: Some(problem.into()) },
    };
    wire.encode_to_vec()
}

/// A member's answer as it arrived.
pub fn extended_of(bytes: &[u8]) -> Result<Result<Duration, Problem>, Malformed> {
    let wire = v1::ExtendAnswer::decode(bytes).map_err(unreadable("extend_answer"))?;
    Ok(match wire.refused {
        None => Ok(Duration::from_micros(wire.length_us)),
        Some(problem) => Err(problem.into()),
    })
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
        let held = Promotable { term: 3, members: [HostName::new("h1").unwrap()].into() };
        let request = Request { boot: "b".to_string(), sent, terms, armed: true, held: Some(held.clone()) };
        let back = lease_request(lease_request_to_wire(&source, &request)).unwrap();
        assert_eq!(back, (source.clone(), request.clone()));
        let epoch = Epoch { number: 7, holder: uuid::Uuid::from_u128(1) };
        let length = Duration::from_secs(9);
        let grant = Grant { boot: "b".to_string(), sent, length, epoch: 7, set: Some(held) };
        let granted = lease_answer_to_wire(&source, &request, epoch, Ok(grant.clone()));
        assert_eq!(lease_reply(granted).unwrap(), (source.clone(), LeaseReply::Granted(grant)));
        let problem = Problem::new("LB1431", "no", "wait");
        let refused = lease_answer_to_wire(&source, &request, epoch, Err((problem.clone(), true)));
        let expected = LeaseReply::Refused { boot: "b".to_string(), sent, epoch: 7, problem, fenced: true };
        assert_eq!(lease_reply(refused).unwrap(), (source, expected));
    }

    #[test]
    fn questions_to_members_and_their_answers_survive_the_wire() {
        let source = Name::new("db").unwrap();
        let terms = Terms { length: Duration::from_secs(10), stop: Duration::from_secs(2) };
        let sent = Duration::from_micros(77);
        let ask = Extend { boot: "b".to_string(), sent, terms, term: 4, armed: true };
        assert_eq!(extend_of(&extend_to_wire(&source, &ask)).unwrap(), (source, ask));
        let problem = Problem::new("LB2463", "no", "wait");
        assert_eq!(extended_of(&extended_to_wire(Err(&problem))), Ok(Err(problem)));
        assert_eq!(extended_of(&extended_to_wire(Ok(sent))), Ok(Ok(sent)));
        assert!(extended_of(&[255; 9]).is_err() && extend_of(&[]).is_err());
    }
}
