//! Tokens, targets, modes, epochs, journal heads.

use super::{Malformed, required, run_id_of, uuid_of};
use crate::v1;
use model::{Digest, Direction, Epoch, Head, HostName, Mode, Name, StepPath, Target, Token};

impl From<&Token> for v1::Token {
    fn from(token: &Token) -> Self {
        let Token { run, step, target, direction, attempt, mode } = token;
        v1::Token {
            run: run.0.as_bytes().to_vec(),
            step: step.to_string(),
            target: Some(target.into()),
            direction: v1::Direction::from(*direction).into(),
            attempt: *attempt,
            mode: v1::Mode::from(*mode).into(),
        }
    }
}

impl TryFrom<v1::Token> for Token {
    type Error = Malformed;
    fn try_from(token: v1::Token) -> Result<Self, Malformed> {
        let direction = token.direction();
        let mode = token.mode();
        let v1::Token { run, step, target, direction: _, attempt, mode: _ } = token;
        Ok(Token {
            run: run_id_of(&run)?,
            step: StepPath::new(step).map_err(Malformed::name("token.step"))?,
            target: required("token.target", target)?.try_into()?,
            direction: direction.try_into()?,
            attempt,
            mode: mode.try_into()?,
        })
    }
}

impl From<&Target> for v1::Target {
    fn from(target: &Target) -> Self {
        let Target { noun, name, host } = target;
        v1::Target {
            noun: noun.to_string(),
            name: name.to_string(),
            host: host.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::Target> for Target {
    type Error = Malformed;
    fn try_from(target: v1::Target) -> Result<Self, Malformed> {
        let v1::Target { noun, name, host } = target;
        let host = match host.is_empty() {
            true => None,
            false => Some(HostName::new(host).map_err(Malformed::name("target.host"))?),
        };
        Ok(Target {
            noun: Name::new(noun).map_err(Malformed::name("target.noun"))?,
            name: Name::new(name).map_err(Malformed::name("target.name"))?,
            host,
        })
    }
}

impl From<Direction> for v1::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Do => v1::Direction::Do,
            Direction::Undo => v1::Direction::Undo,
        }
    }
}

impl TryFrom<v1::Direction> for Direction {
    type Error = Malformed;
    fn try_from(direction: v1::Direction) -> Result<Self, Malformed> {
        match direction {
            v1::Direction::Unspecified => Err(Malformed::Missing { field: "direction" }),
            v1::Direction::Do => Ok(Direction::Do),
            v1::Direction::Undo => Ok(Direction::Undo),
        }
    }
}

impl From<Mode> for v1::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Live => v1::Mode::Live,
            Mode::Drill => v1::Mode::Drill,
            Mode::Preview => v1::Mode::Preview,
        }
    }
}

impl TryFrom<v1::Mode> for Mode {
    type Error = Malformed;
    fn try_from(mode: v1::Mode) -> Result<Self, Malformed> {
        match mode {
            v1::Mode::Unspecified => Err(Malformed::Missing { field: "mode" }),
            v1::Mode::Live => Ok(Mode::Live),
            v1::Mode::Drill => Ok(Mode::Drill),
            v1::Mode::Preview => Ok(Mode::Preview),
        }
    }
}

impl From<Epoch> for v1::Epoch {
    fn from(epoch: Epoch) -> Self {
        let Epoch { number, holder } = epoch;
        v1::Epoch { number, holder: holder.as_bytes().to_vec() }
    }
}

impl TryFrom<v1::Epoch> for Epoch {
    type Error = Malformed;
    fn try_from(epoch: v1::Epoch) -> Result<Self, Malformed> {
        let v1::Epoch { number, holder } = epoch;
        Ok(Epoch { number, holder: uuid_of("epoch.holder", &holder)? })
    }
}

impl From<&Head> for v1::Head {
    fn from(head: &Head) -> Self {
        let Head { run, sequence, hash } = head;
        v1::Head { run: run.0.as_bytes().to_vec(), sequence: *sequence, hash: hash.to_string() }
    }
}

impl TryFrom<v1::Head> for Head {
    type Error = Malformed;
    fn try_from(head: v1::Head) -> Result<Self, Malformed> {
        let v1::Head { run, sequence, hash } = head;
        Ok(Head {
            run: run_id_of(&run)?,
            sequence,
            hash: Digest::new(hash).map_err(Malformed::name("head.hash"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::RunId;

    #[test]
    fn a_token_survives_the_wire_and_an_unspecified_mode_does_not() {
        let token = Token {
            run: RunId(uuid::Uuid::from_u128(7)),
            step: StepPath::new("promote").unwrap(),
            target: Target {
                noun: Name::new("source").unwrap(),
                name: Name::new("db").unwrap(),
                host: Some(HostName::new("h").unwrap()),
            },
            direction: Direction::Undo,
            attempt: 3,
            mode: Mode::Drill,
        };
        let mut wire = v1::Token::from(&token);
        assert_eq!(Token::try_from(wire.clone()).unwrap(), token);
        wire.mode = 0;
        assert_eq!(Token::try_from(wire), Err(Malformed::Missing { field: "mode" }));
    }
}
