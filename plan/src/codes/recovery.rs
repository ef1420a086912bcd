//! What recovery documents of real teams taught: codes about whole plans, secrets, versions and drills.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

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

/// A scheduled drill that would be refused.
pub static NO_DRILL: Code = Code {
    code: "LB0370",
    severity: Error,
    title: "a scheduled drill that would be refused",
    why: "The calendar says that recovery is rehearsed, and it never is; or somebody rehearses on what is live.",
    mend: "say under `drill:` what stands in for each live host, channel and repository of the plan, and give its inputs defaults",
};

/// Other data or another version that nothing checks.
pub static UNCHECKED: Code = Code {
    code: "LB0371",
    severity: Warning,
    title: "other data or another version that nothing checks",
    why: "That it is in place says nothing about whether it works, and users are the first to find out.",
    mend: "put a `check` after it that asks what users need",
};

/// A changed secret that is not read.
pub static OLD_SECRET: Code = Code {
    code: "LB0372",
    severity: Warning,
    title: "a changed secret that is not read",
    why: "A process keeps the value that it read when it started: it fails with it, or goes on with what was stolen.",
    mend: "name every service of its `used-by` in `services` of the step, or start them after it",
};

/// A deploy of whatever was published last.
pub static MOVING_DEPLOY: Code = Code {
    code: "LB0373",
    severity: Warning,
    title: "a deploy of whatever was published last",
    why: "It may be the version that broke everything, or one that does not know the data of the backup.",
    mend: "write `last-good`, or the name of a version that stands still; let it be an input of type version",
};

/// A restore from where nothing is backed up.
pub static UNFED: Code = Code {
    code: "LB0422",
    severity: Warning,
    title: "a restore from where nothing is backed up",
    why: "What lies there was put there by hand once, if it is there at all.",
    mend: "add a schedule that backs the source up into it",
};

/// An availability that one recovery uses up.
pub static USED_UP: Code = Code {
    code: "LB0423",
    severity: Warning,
    title: "an availability that one recovery uses up",
    why: "The first incident breaks the promise, even when everything goes as planned.",
    mend: "promise a shorter `rto` and build it, promise less availability, or say with `over:` that it is measured over a longer time",
};
