//! Orders and acknowledgements.

use super::{Malformed, required};
use crate::v1;
use model::{Ack, Order, Work};
use std::time::Duration;

/// An order for the wire, with the trace context that it carries (may be empty).
pub fn order_to_wire(order: &Order, traceparent: String) -> Result<v1::Order, serde_json::Error> {
    let Order { token, epoch, head, work, timeout } = order;
    Ok(v1::Order {
        token: Some(token.into()),
        epoch: Some((*epoch).into()),
        head: Some(head.into()),
        kind: work.kind().to_string(),
        version: work.version(),
        parameters: work.parameters()?,
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        traceparent,
    })
}

impl TryFrom<v1::Order> for Order {
    type Error = Malformed;
    /// The work must be readable too: whoever wants to refuse an unreadable order under its token reads
    /// the token first.
    fn try_from(order: v1::Order) -> Result<Self, Malformed> {
        let v1::Order { token, epoch, head, kind, version, parameters, timeout_ms, traceparent: _ } = order;
        Ok(Order {
            token: required("order.token", token)?.try_into()?,
            epoch: required("order.epoch", epoch)?.try_into()?,
            head: required("order.head", head)?.try_into()?,
            work: Work::read(&kind, version, &parameters)
                .map_err(|error| Malformed::invalid("order.parameters", error))?,
            timeout: Duration::from_millis(timeout_ms),
        })
    }
}

impl From<Ack> for v1::AckState {
    fn from(ack: Ack) -> Self {
        match ack {
            Ack::Accepted => v1::AckState::Accepted,
            Ack::Running => v1::AckState::Running,
            Ack::Ended => v1::AckState::Ended,
        }
    }
}

impl TryFrom<v1::AckState> for Ack {
    type Error = Malformed;
    fn try_from(state: v1::AckState) -> Result<Self, Malformed> {
        match state {
            v1::AckState::Unspecified => Err(Malformed::Missing { field: "order_ack.state" }),
            v1::AckState::Accepted => Ok(Ack::Accepted),
            v1::AckState::Running => Ok(Ack::Running),
            v1::AckState::Ended => Ok(Ack::Ended),
        }
    }
}
