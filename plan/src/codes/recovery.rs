//! What recovery documents of real teams taught: codes about whole plans, secrets, versions and drills.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

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
