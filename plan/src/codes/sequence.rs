//! Codes about what must come before what, beyond promotions and cut-overs.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

/// A restore into the live data.
pub static OVER_LIVE: Code = Code {
    code: "LB0319",
    severity: Error,
    title: "a restore into the live data",
    why: "Restores go beside; the live data is replaced only by a swap.",
    mend: "restore into another name, then swap",
};

/// An output that may not be there.
pub static LATE_OUTPUT: Code = Code {
    code: "LB0321",
    severity: Error,
    title: "an output that may not be there",
    why: "The step would begin without the value that it needs.",
    mend: "name the step that gives it in `after`",
};

/// A rollback to a version that may be the bad one.
pub static ROLLBACK_TO_BAD: Code = Code {
    code: "LB0322",
    severity: Error,
    title: "a rollback to a version that may be the bad one",
    why: "A name that moves stands for what was published last, and that is what the rollback is to leave.",
    mend: "write `last-good`, or the name of a version that stands still",
};

/// A second writable copy.
pub static SECOND_COPY: Code = Code {
    code: "LB0323",
    severity: Error,
    title: "a second writable copy",
    why: "Two copies that take writes lose data that was acknowledged, by whatever verb the second one came.",
    mend: "fence the other member before it and name the fence in `after`",
};

/// A step before what it acts on exists.
pub static EARLY_TARGET: Code = Code {
    code: "LB0324",
    severity: Error,
    title: "a step before what it acts on exists",
    why: "It could only fail, in the middle of a recovery.",
    mend: "name the step that makes or starts it in `after`",
};

/// Data that is taken away before anything was verified.
pub static UNVERIFIED: Code = Code {
    code: "LB0325",
    severity: Error,
    title: "data that is taken away before anything was verified",
    why: "If the backup turns out to be bad, there is nothing left to go back to.",
    mend: "restore or prove a point of the source first, and name that step in `after`",
};

/// A stop of the last server without anything that was verified.
pub static LAST_COPY: Code = Code {
    code: "LB0326",
    severity: Warning,
    title: "a stop of the last server without anything that was verified",
    why: "If it does not come up again, the backup is all there is, and nobody has looked at it.",
    mend: "back up or prove the source before it, and name that step in `after`",
};

/// Evidence that is collected when it may be gone.
pub static LATE_EVIDENCE: Code = Code {
    code: "LB0327",
    severity: Warning,
    title: "evidence that is collected when it may be gone",
    why: "What happened will be asked afterwards, and what would answer is destroyed by then.",
    mend: "collect before anything is destroyed",
};

/// A rollback to the state of today.
pub static ROLLBACK_TO_NOW: Code = Code {
    code: "LB0328",
    severity: Error,
    title: "a rollback to the state of today",
    why: "The snapshot shows exactly what the rollback is to leave.",
    mend: "go back to a point from before the damage: a snapshot's id or a time",
};

/// A rollback to the newest snapshot.
pub static ROLLBACK_TO_NEWEST: Code = Code {
    code: "LB0329",
    severity: Warning,
    title: "a rollback to the newest snapshot",
    why: "Damage that is noticed late is in the newest snapshots too.",
    mend: "let the point be an input of type restore-point, and choose it from before the damage",
};

/// Many hosts at once, without a bound on how many may fail.
pub static UNBOUNDED_FAN_OUT: Code = Code {
    code: "LB0330",
    severity: Warning,
    title: "many hosts at once, and nothing says how many may fail",
    why: "What is wrong with the step is wrong on every host at the same moment, and one host that is down fails all.",
    mend: "add `fan-out: { at-once: 25%, canary: 1, failures: 10% }`, or a number of hosts for each",
};

/// A start of a replicated database's server.
pub static SECOND_PRIMARY: Code = Code {
    code: "LB0318",
    severity: Warning,
    title: "a start of a replicated database's server",
    why: "If it was the primary before, there are two writable copies once another one was promoted.",
    mend: "fence the source first, or leave the server to `rejoin`",
};

/// A promotion of what was fenced.
pub static FENCED_ITSELF: Code = Code {
    code: "LB0317",
    severity: Error,
    title: "a promotion of what was fenced",
    why: "The fence stops and masks the very server that should be promoted.",
    mend: "fence the region of the old primary, promote in another one",
};

/// A start before what it needs.
pub static EARLY_START: Code = Code {
    code: "LB0309",
    severity: Error,
    title: "a start before what it needs",
    why: "The service would begin against a database or service that is not there yet.",
    mend: "name the step that makes or starts it in `after`",
};
