//! Every code of the check, in one list: what is wrong, why it matters, how to mend it.
//!
//! The reference has a page for each; the tests hold a bad and a good case for each. A code never
//! changes its meaning and is never used again.

mod domains;
mod estate;
mod language;
mod promises;
mod recovery;
mod sequence;
mod triggers;
mod values;

pub use domains::*;
pub use estate::*;
pub use language::*;
pub use promises::*;
pub use recovery::*;
pub use sequence::*;
pub use triggers::*;
pub use values::*;

use crate::diagnostic::Severity::{self, Error, Warning};

/// One kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `LB0108`.
    pub code: &'static str,
    /// How bad it usually is.
    pub severity: Severity,
    /// What is wrong, as a heading.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// How it is mended, where the finding itself has no better advice.
    pub mend: &'static str,
}

/// All of them, by number.
pub static ALL: &[&Code] = &[
    &NOT_A_NAME,
    &NOT_A_DURATION,
    &NOT_A_CRON,
    &NOT_A_ZONE,
    &NEVER_FIRES,
    &SYNTAX,
    &TOO_LARGE,
    &UNKNOWN_KEY,
    &MISSING,
    &WRONG_TYPE,
    &DUPLICATE,
    &UNKNOWN_WORD,
    &NOT_AN_ADDRESS,
    &NOT_A_URL,
    &OUT_OF_RANGE,
    &NOT_ABSOLUTE,
    &PLAIN_SECRET,
    &VERB,
    &UNKNOWN_KIND,
    &EITHER_OR,
    &EMPTY,
    &NOT_A_DNS_NAME,
    &SEVERAL_DOCUMENTS,
    &LATER,
    &BAD_INPUT_USE,
    &NO_SUCH_COMMON,
    &JOB_LATER,
    &NOT_ALLOWED,
    &ALLOW_REASON,
    &ALLOW_IN_VAIN,
    &CALL_BOUNDS,
    &NOT_A_VERSION,
    &NOT_A_SHARE,
    &NOT_A_TIME,
    &NOT_A_DIGEST,
    &UNKNOWN,
    &UNKNOWN_STEP,
    &UNKNOWN_PLAN,
    &BAD_INPUT,
    &NOT_THERE,
    &AMBIGUOUS,
    &NO_STAND_IN,
    &ILL_FITTING,
    &CALL_CIRCLE,
    &UNKNOWN_OUTPUT,
    &OWN_STAND_IN,
    &CYCLE,
    &UNFENCED_PROMOTE,
    &UNCHECKED_CUTOVER,
    &LATE_START,
    &UNNAMED_RISK,
    &EVIDENCE_LATER,
    &UNRESTORED_SWAP,
    &WRITERS_RUN,
    &EARLY_START,
    &LOST_HOST,
    &LOST_REPOSITORY,
    &LOST_CONTROLLER,
    &LOST_SERVER,
    &UNSAFE_RETRY,
    &CONCURRENT,
    &UNDO_NONE,
    &FENCED_ITSELF,
    &SECOND_PRIMARY,
    &OVER_LIVE,
    &SUSPECT_WORD,
    &LATE_OUTPUT,
    &ROLLBACK_TO_BAD,
    &SECOND_COPY,
    &EARLY_TARGET,
    &UNVERIFIED,
    &LAST_COPY,
    &LATE_EVIDENCE,
    &ROLLBACK_TO_NOW,
    &ROLLBACK_TO_NEWEST,
    &UNBOUNDED_FAN_OUT,
    &BY_AGE,
    &UNPINNED_SCRIPT,
    &UNLISTED_PERSON,
    &ONLY_NEAR,
    &LOST_JOURNAL,
    &LOST_SECRET,
    &LOST_STACK,
    &LOST_PEOPLE,
    &LOST_WITNESS,
    &SUSPECT_POINT,
    &NO_WAY_BACK,
    &UNCHECKED_END,
    &ASKS_ELSEWHERE,
    &UNSHIPPED_LOG,
    &UNLOCKED_REPOSITORY,
    &CUT_OFF,
    &NO_DRILL,
    &UNCHECKED,
    &OLD_SECRET,
    &MOVING_DEPLOY,
    &RTO_EXCEEDED,
    &RTO_WAITS,
    &CONTRADICTION,
    &SLOW_STEP,
    &RPO_EXCEEDED,
    &NO_BACKUP,
    &NO_SURVIVOR,
    &SHORT_KEEP,
    &UNPROVEN,
    &UNFED,
    &USED_UP,
    &NO_LEASE,
    &ILL_LEASE,
    &PAUSABLE,
    &NOBODY_TO_FOLLOW,
    &TOO_FEW_PEOPLE,
    &HALF_EXTENDED,
    &TWO_SITES,
    &TRIGGER_BLIND,
    &TRIGGER_ASKS,
    &CANNOT_ASK,
];

/// A name that is not declared.
pub static UNKNOWN: Code = Code {
    code: "LB0201",
    severity: Error,
    title: "a name that is not declared",
    why: "The step or noun would reach for something that does not exist.",
    mend: "declare it, or use a name that is declared",
};

/// A step that the plan does not have.
pub static UNKNOWN_STEP: Code = Code {
    code: "LB0202",
    severity: Error,
    title: "a step that the plan does not have",
    why: "What should come before would not come at all.",
    mend: "use the name of a step of this plan",
};

/// A plan that is not declared.
pub static UNKNOWN_PLAN: Code = Code {
    code: "LB0203",
    severity: Error,
    title: "a plan that is not declared",
    why: "There is nothing to run.",
    mend: "use the name of a plan of the estate",
};

/// An input that is missing, unknown or of the wrong type.
pub static BAD_INPUT: Code = Code {
    code: "LB0204",
    severity: Error,
    title: "an input that is missing, unknown or of the wrong type",
    why: "A run must not begin with a guess.",
    mend: "give each input a value of its type: `lifeboat run PLAN --input NAME=VALUE`",
};

/// Something that is not in that place.
pub static NOT_THERE: Code = Code {
    code: "LB0205",
    severity: Error,
    title: "something that is not in that place",
    why: "There is nobody in that place who could do it.",
    mend: "name a region or host where it is declared, or declare it there",
};

/// A name that means several things.
pub static AMBIGUOUS: Code = Code {
    code: "LB0206",
    severity: Error,
    title: "a name that means several things",
    why: "One of them would have to be guessed.",
    mend: "say which one is meant",
};

/// A live target without a stand-in.
pub static NO_STAND_IN: Code = Code {
    code: "LB0207",
    severity: Error,
    title: "a live target without a stand-in",
    why: "A drill must never touch what is live.",
    mend: "map it under `drill:`",
};

/// A reference to something of the wrong kind.
pub static ILL_FITTING: Code = Code {
    code: "LB0208",
    severity: Error,
    title: "a reference to something of the wrong kind",
    why: "It cannot be asked to do this.",
    mend: "refer to something of the kind in the message",
};

/// Steps or services that wait for each other.
pub static CYCLE: Code = Code {
    code: "LB0301",
    severity: Error,
    title: "steps or services that wait for each other",
    why: "None of them could ever begin.",
    mend: "remove one of the dependencies",
};

/// A promotion without a fence before it.
pub static UNFENCED_PROMOTE: Code = Code {
    code: "LB0302",
    severity: Error,
    title: "a promotion without a fence before it",
    why: "The old primary may still accept writes; two primaries lose data that was acknowledged.",
    mend: "put a `fence` of the same source before it and name it in `after`",
};

/// A cut-over to a region that was not checked.
pub static UNCHECKED_CUTOVER: Code = Code {
    code: "LB0303",
    severity: Error,
    title: "a cut-over to a region that was not checked",
    why: "Everybody would be sent to a place of which nobody knows that it works.",
    mend: "put a `check` of that region before the cut-over, after what is started there",
};

/// A start in a region that a record may already point at.
pub static LATE_START: Code = Code {
    code: "LB0304",
    severity: Warning,
    title: "a start in a region that a record may already point at",
    why: "Users arrive before the service runs.",
    mend: "put the start before the check that the cut-over waits for",
};

/// Weak evidence without its risk in words.
pub static UNNAMED_RISK: Code = Code {
    code: "LB0305",
    severity: Error,
    title: "weak evidence without its risk in words",
    why: "Whoever approves it at 3 a.m. must read what may be lost.",
    mend: "add `risk:` in plain words, for instance: \"east-1 does not answer; if it is alive and cut off, it still accepts writes, and those are lost or must be merged by hand\"",
};

/// Evidence that this version cannot obtain.
pub static EVIDENCE_LATER: Code = Code {
    code: "LB0306",
    severity: Warning,
    title: "evidence that this version cannot obtain",
    why: "The run would wait at this step for proof that never comes.",
    mend: "ask for `stopped`, or for `unreachable` with its risk in words",
};

/// A swap of a copy that this plan did not restore.
pub static UNRESTORED_SWAP: Code = Code {
    code: "LB0307",
    severity: Error,
    title: "a swap of a copy that this plan did not restore",
    why: "Live data would be replaced by something that nobody has verified.",
    mend: "put a `restore` of the same source into the same copy on the same host before it",
};

/// A swap, rollback or destructive statement while writers run.
pub static WRITERS_RUN: Code = Code {
    code: "LB0308",
    severity: Error,
    title: "a swap, rollback or destructive statement while writers run",
    why: "What they write after the last look is lost, and they may hold the old data open.",
    mend: "stop the source's writers before it, and start them after it",
};

/// A step that depends on a lost region.
pub static LOST_HOST: Code = Code {
    code: "LB0310",
    severity: Error,
    title: "a step that depends on a lost region",
    why: "The plan presumes that this region is dead; the step could only wait.",
    mend: "do it in another region, or take the region out of `scenario.lost`",
};

/// Backups that live in the lost region.
pub static LOST_REPOSITORY: Code = Code {
    code: "LB0311",
    severity: Error,
    title: "backups that live in the lost region",
    why: "They are presumed lost together with what they protect.",
    mend: "use a repository in another region",
};

/// Every controller lives in the lost region.
pub static LOST_CONTROLLER: Code = Code {
    code: "LB0312",
    severity: Warning,
    title: "every controller lives in the lost region",
    why: "Nobody would be left to drive this plan.",
    mend: "put a controller into another region; with none left, a rescue starts one on any machine from the rescue bundle",
};

/// A DNS zone or channel that lives in the lost region.
pub static LOST_SERVER: Code = Code {
    code: "LB0313",
    severity: Error,
    title: "a DNS zone or channel that lives in the lost region",
    why: "The update or message could not be delivered.",
    mend: "use one that is served from another region",
};

/// An automatic retry of an unsafe step.
pub static UNSAFE_RETRY: Code = Code {
    code: "LB0314",
    severity: Error,
    title: "an automatic retry of an unsafe step",
    why: "Nobody can tell whether the first try did its work; a second one may do it twice.",
    mend: "remove `retry`; a person decides with `lifeboat retry`",
};

/// Two steps that may act on one target at once.
pub static CONCURRENT: Code = Code {
    code: "LB0315",
    severity: Warning,
    title: "two steps that may act on one target at once",
    why: "Their order is decided by chance.",
    mend: "name one of them in the other's `after`",
};

/// `undo: none` on a point of no return.
pub static UNDO_NONE: Code = Code {
    code: "LB0316",
    severity: Error,
    title: "`undo: none` on a point of no return",
    why: "It would hide that nothing before it can be taken back any more.",
    mend: "remove `undo: none`",
};
