//! What becomes of an order that arrives: pure, so that every case is a test.

use crate::spool::Memory;
use model::{Epoch, Order, Problem};

/// The verdict on an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Its sender may not command here. The token is not touched: whoever holds the right epoch may still
    /// send it.
    TurnAway(Problem),
    /// The token is known: answer from the spool, do nothing twice.
    Repeat,
    /// New and allowed: spool it, then do it.
    Take,
    /// New and forbidden on this host: spool the refusal, so that a repeat gets the same answer.
    Refuse(Problem),
}

/// Judges an order against what is remembered and what the policy said about its work.
pub fn judge(memory: &Memory, order: &Order, policy: Result<(), Problem>) -> Verdict {
    if let Err(problem) = authority(memory, order.epoch) {
        return Verdict::TurnAway(problem);
    }
    if let Some(problem) = stale_head(memory, order) {
        return Verdict::TurnAway(problem);
    }
    if memory.barred.contains_key(&order.token.key()) {
        return Verdict::TurnAway(Problem::new(
            "LB2112",
            "the controller took this order back before it arrived",
            "Nothing to do: the next try has a token of its own.",
        ));
    }
    if memory.entries.contains_key(&order.token.key()) {
        return Verdict::Repeat;
    }
    match policy {
        Ok(()) => Verdict::Take,
        Err(problem) => Verdict::Refuse(problem),
    }
}

/// May the holder of this epoch command here?
pub fn authority(memory: &Memory, epoch: Epoch) -> Result<(), Problem> {
    Epoch::admit(memory.epoch, epoch).map_err(|refusal| {
        Problem::new(
            "LB2110",
            "this host does not obey that controller",
            "Another controller has taken over. Look at `lifeboat status` there; stop the old one.",
        )
        .caused_by(&refusal)
    })
}

fn stale_head(memory: &Memory, order: &Order) -> Option<Problem> {
    let seen = memory.heads.get(&order.head.run)?;
    let behind = order.head.sequence < seen.sequence;
    let forked = order.head.sequence == seen.sequence && order.head.hash != seen.hash;
    (behind || forked).then(|| {
        Problem::new(
            "LB2111",
            format!(
                "the controller's journal of run {} ends at event {}, but this host has seen event {}",
                order.head.run, order.head.sequence, seen.sequence
            ),
            "The journal lost its tail or was restored from an old copy. Stop this controller and bring back the newest copy of its data folder.",
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spool::Record;
    use model::jobs::Command;
    use model::{Digest, Direction, Head, Micros, Mode, Name, RunId, StepPath, Target, Token, Work};
    use uuid::Uuid;

    fn order(epoch: u64, holder: u128, sequence: u64, attempt: u32) -> Order {
        let run = RunId(Uuid::from_u128(1));
        Order {
            token: Token {
                run,
                step: StepPath::new("s").unwrap(),
                target: Target {
                    noun: Name::new("host").unwrap(),
                    name: Name::new("h").unwrap(),
                    host: None,
                },
                direction: Direction::Do,
                attempt,
                mode: Mode::Live,
            },
            epoch: Epoch { number: epoch, holder: Uuid::from_u128(holder) },
            head: Head { run, sequence, hash: Digest::new(format!("a{sequence}")).unwrap() },
            work: Work::Command(Command { script: "/x".into(), args: vec![], sha256: None }),
            timeout: std::time::Duration::from_secs(1),
        }
    }

    fn memory() -> Memory {
        let mut memory = Memory::default();
        let order = Box::new(order(5, 1, 7, 1));
        memory.apply(Record::Order { order, schedule: None, at: Micros(1), boot: "b".into() }).unwrap();
        memory
    }

    #[test]
    fn fault_14_an_older_epoch_or_an_equal_one_of_another_holder_is_turned_away() {
        for (epoch, holder) in [(4, 1), (5, 2)] {
            let verdict = judge(&memory(), &order(epoch, holder, 8, 1), Ok(()));
            assert!(matches!(verdict, Verdict::TurnAway(problem) if problem.code == "LB2110"));
        }
    }

    #[test]
    fn a_new_epoch_that_sends_the_same_token_gets_the_spooled_answer() {
        assert_eq!(judge(&memory(), &order(6, 2, 9, 1), Ok(())), Verdict::Repeat);
    }

    #[test]
    fn fault_10_a_head_older_than_one_seen_is_turned_away_whatever_the_epoch() {
        let verdict = judge(&memory(), &order(9, 3, 6, 2), Ok(()));
        assert!(matches!(verdict, Verdict::TurnAway(problem) if problem.code == "LB2111"));
    }

    #[test]
    fn an_order_that_was_taken_back_before_it_came_is_turned_away() {
        let mut memory = memory();
        memory.apply(Record::Barred { token: order(5, 1, 8, 2).token }).unwrap();
        let verdict = judge(&memory, &order(5, 1, 8, 2), Ok(()));
        assert!(matches!(verdict, Verdict::TurnAway(problem) if problem.code == "LB2112"));
    }

    #[test]
    fn forbidden_work_is_refused_under_its_token() {
        let no = Problem::new("LB2130", "no", "list it");
        assert_eq!(judge(&memory(), &order(5, 1, 8, 2), Err(no.clone())), Verdict::Refuse(no));
        assert_eq!(judge(&memory(), &order(5, 1, 8, 2), Ok(())), Verdict::Take);
    }
}
