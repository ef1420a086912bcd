//! Objectives that cannot be kept: what `objectives` finds. And leases that cannot.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

/// A recovery that takes longer than its objective.
pub static RTO_EXCEEDED: Code = Code {
    code: "LB0401",
    severity: Error,
    title: "a recovery that takes longer than its objective",
    why: "On the night itself the plan is followed to the letter, and the promise is broken all the same.",
    mend: "shorten the steps on the critical path, say with `takes:` what they really take, or promise what can be kept; `lifeboat plan explain` shows the sum",
};

/// Waits that are longer than the objective.
pub static RTO_WAITS: Code = Code {
    code: "LB0402",
    severity: Error,
    title: "waits that are longer than the objective",
    why: "The plan gives people and clocks more time than it has itself, before any step has done anything.",
    mend: "shorten `within:` of its questions and `for:` of its waits, or promise a longer recovery",
};

/// Objectives that contradict each other.
pub static CONTRADICTION: Code = Code {
    code: "LB0403",
    severity: Error,
    title: "objectives that contradict each other",
    why: "Whoever reads one of them counts on something that the other does not give.",
    mend: "make the two agree: the tighter one decides what has to be built",
};

/// A step that takes longer than its time-out.
pub static SLOW_STEP: Code = Code {
    code: "LB0404",
    severity: Error,
    title: "a step that takes longer than its time-out",
    why: "The run would stop waiting for it every time, and ask a person whether it was done.",
    mend: "raise `timeout:` above what the step takes",
};

/// Backups that lose more than the objective.
pub static RPO_EXCEEDED: Code = Code {
    code: "LB0411",
    severity: Error,
    title: "backups that lose more than the objective",
    why: "Failure comes at the worst moment: just before a backup is whole. All since the beginning of the one before is lost then.",
    mend: "back up more often, say with `takes:` and `transfer:` what a backup really takes, or promise what can be kept",
};

/// A promise about data without backups.
pub static NO_BACKUP: Code = Code {
    code: "LB0412",
    severity: Error,
    title: "a promise about data without backups",
    why: "A backup that is taken by hand is taken the day after it was needed.",
    mend: "add a schedule that backs it up: `NAME: { backup: SOURCE, to: [REPOSITORY], at: \"0 2 * * *\" }`",
};

/// Backups that are lost together with what they protect.
pub static NO_SURVIVOR: Code = Code {
    code: "LB0413",
    severity: Error,
    title: "backups that are lost together with what they protect",
    why: "What takes the region takes the data and every copy of it.",
    mend: "add a repository in another region to `to:` of the schedule",
};

/// Backups that are let go too soon.
pub static SHORT_KEEP: Code = Code {
    code: "LB0414",
    severity: Error,
    title: "backups that are let go too soon",
    why: "When a bad write is noticed, the last backup from before it is gone.",
    mend: "raise `keep:`, or back up more often",
};

/// A claim of proofs that nothing keeps.
pub static UNPROVEN: Code = Code {
    code: "LB0415",
    severity: Error,
    title: "a claim of proofs that nothing keeps",
    why: "A backup that was never restored is a hope.",
    mend: "set `prove:` on a schedule that fires often enough",
};

/// The end of a lease that nobody gives.
pub static NO_LEASE: Code = Code {
    code: "LB0440",
    severity: Error,
    title: "evidence from a lease that nobody gives",
    why: "Without a lease the old primary goes on as long as it likes, so its end never comes by itself.",
    mend: "give the source a `lease: 10s`, or ask for `stopped`, or for `unreachable` with its risk in words",
};

/// A lease that cannot be kept.
pub static ILL_LEASE: Code = Code {
    code: "LB0441",
    severity: Error,
    title: "a lease that cannot be kept",
    why: "At its deadline every process of the server must be ended, by a watchdog that knows where they are.",
    mend: "lease a postgres source whose `server` is a systemd unit or a process, for 3s to 10m",
};

/// The end of a lease on a machine whose clock may stand still.
pub static PAUSABLE: Code = Code {
    code: "LB0442",
    severity: Error,
    title: "evidence from a lease on a machine that may be paused",
    why: "A machine that was paused takes the rest of its lease when it goes on, long after everybody else counted it as over.",
    mend: "ask for `stopped`, or for `unreachable` with its risk in words; a person sees that the machine is off",
};

/// A lease that only some members could extend.
pub static HALF_EXTENDED: Code = Code {
    code: "LB0460",
    severity: Error,
    title: "a lease that only some members could extend",
    why: "An extension takes the word of every member that may be promoted, so with one that cannot be asked there is none: the primary stops when the controllers do.",
    mend: "give every member's host its `at`, or none",
};

/// Two sites and no third voice.
pub static TWO_SITES: Code = Code {
    code: "LB0461",
    severity: Warning,
    title: "two sites and no third voice",
    why: "Two sites that do not hear each other look alike from both sides, so one of them must stop, or a person must decide.",
    mend: "put a controller in a third region; or allow this with a reason, and know who decides at night",
};

/// A rejoin with nobody to follow.
pub static NOBODY_TO_FOLLOW: Code = Code {
    code: "LB0444",
    severity: Error,
    title: "a rejoin with nobody to follow",
    why: "A member comes back as a standby of another one that takes writes; with no other member there is none.",
    mend: "name the other members under `members` of the source; for a drill, give them stand-ins of their own",
};
