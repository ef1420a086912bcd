//! Codes of what a recovery leaves out: a drill that cannot be, an end at which nobody looks, a log that nobody ships.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

/// A drill of which nothing stands in.
pub static NO_DRILL: Code = Code {
    code: "LB0360",
    severity: Error,
    title: "a drill for which nothing stands in",
    why: "A drill never touches what is live. Without stand-ins each of its steps is refused, so it takes place on paper only.",
    mend: "declare hosts, records and channels that stand in, under `drill:`",
};

/// A recovery at whose end nobody looks.
pub static UNCHECKED_END: Code = Code {
    code: "LB0361",
    severity: Warning,
    title: "a recovery at whose end nobody looks",
    why: "The plan promises how soon something is back, and ends without having seen that it is.",
    mend: "put a `check` after the last step that changes something",
};

/// A check that asks somebody else.
pub static ASKS_ELSEWHERE: Code = Code {
    code: "LB0362",
    severity: Error,
    title: "a check that asks somebody else",
    why: "Until the cut-over the name leads to the old place: it answers for the new one, or does not answer at all.",
    mend: "ask each host by its own address (`urls:`), and by the name after the cut-over",
};

/// A log that nobody ships.
pub static UNSHIPPED_LOG: Code = Code {
    code: "LB0363",
    severity: Error,
    title: "a replay of a log that nobody ships",
    why: "A restored dump knows nothing of what was written after it, and the log that does stayed on the host.",
    mend: "ship the log with `continuous:` of the source, or promise no more than the newest backup",
};

/// A repository that whoever took a host could have emptied.
pub static UNLOCKED_REPOSITORY: Code = Code {
    code: "LB0364",
    severity: Warning,
    title: "a repository that a suspect host could have emptied",
    why: "Whoever encrypts a host removes its backups first, with the host's own key.",
    mend: "lock what was written with `object-lock:`, or restore from a repository into which that host does not write",
};

/// Work for a host that was cut off.
pub static CUT_OFF: Code = Code {
    code: "LB0365",
    severity: Error,
    title: "work for a host that was cut off",
    why: "Nobody reaches it any more, the controller neither; the step could only wait.",
    mend: "do it before the host is cut off, or let a person do it at its console (`ask`)",
};
