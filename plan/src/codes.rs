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

pub use domains::*;
pub use estate::*;
pub use language::*;
pub use promises::*;
pub use recovery::*;
pub use sequence::*;
pub use triggers::*;

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
    &TRIGGER_BLIND,
    &TRIGGER_ASKS,
    &CANNOT_ASK,
];

/// A text that is not a name.
pub static NOT_A_NAME: Code = Code {
    code: "LB0101",
    severity: Error,
    title: "a text that is not a name",
    why: "Names travel into file names, DNS, metrics and commands; anything else would have to be escaped everywhere.",
    mend: "use letters, digits, '.', '_' and '-', at most 128, beginning with a letter or digit",
};

/// A text that is not a duration.
pub static NOT_A_DURATION: Code = Code {
    code: "LB0102",
    severity: Error,
    title: "a text that is not a duration",
    why: "A number without a unit is read as seconds by one person and as minutes by the next.",
    mend: "write a number and a unit: 500ms, 30s, 15m, 72h, 30d or 1h30m",
};

/// A text that is not a cron expression.
pub static NOT_A_CRON: Code = Code {
    code: "LB0103",
    severity: Error,
    title: "a text that is not a cron expression",
    why: "A schedule that cannot be read would never fire.",
    mend: "write five fields, minute hour day month weekday: \"0 2 * * *\" is every night at two",
};

/// An unknown time zone.
pub static NOT_A_ZONE: Code = Code {
    code: "LB0104",
    severity: Error,
    title: "an unknown time zone",
    why: "The schedule would fire at another hour than its author meant.",
    mend: "write UTC or a name like Europe/Berlin",
};

/// A schedule that never fires.
pub static NEVER_FIRES: Code = Code {
    code: "LB0105",
    severity: Error,
    title: "a schedule that never fires",
    why: "Its backups would never be taken, and nobody would notice.",
    mend: "give it a day that exists",
};

/// A text that is not YAML.
pub static SYNTAX: Code = Code {
    code: "LB0106",
    severity: Error,
    title: "a text that is not YAML",
    why: "Nothing after this place can be read.",
    mend: "mend the line; indentation, a missing ':' or an open quote are the usual causes",
};

/// A text beyond the bounds.
pub static TOO_LARGE: Code = Code {
    code: "LB0107",
    severity: Error,
    title: "a text beyond the bounds",
    why: "Bounds keep a broken or hostile file from taking down whoever checks it.",
    mend: "split it: at most 1 MiB a file, 4 MiB in all, 32 levels deep, 400000 values with aliases expanded",
};

/// An unknown field.
pub static UNKNOWN_KEY: Code = Code {
    code: "LB0108",
    severity: Error,
    title: "an unknown field",
    why: "A field that nobody reads is a wish that nobody fulfils, and a slip of the pen looks just the same.",
    mend: "remove it, or use a field that exists",
};

/// A missing field.
pub static MISSING: Code = Code {
    code: "LB0109",
    severity: Error,
    title: "a missing field",
    why: "There is no safe value to guess.",
    mend: "add the field",
};

/// A value of the wrong type.
pub static WRONG_TYPE: Code = Code {
    code: "LB0110",
    severity: Error,
    title: "a value of the wrong type",
    why: "It cannot be read as what it should be.",
    mend: "write a value of the type that is asked for",
};

/// The same name twice.
pub static DUPLICATE: Code = Code {
    code: "LB0111",
    severity: Error,
    title: "the same name twice",
    why: "One of the two would silently win.",
    mend: "rename or remove one of them",
};

/// A word that is none of those expected.
pub static UNKNOWN_WORD: Code = Code {
    code: "LB0112",
    severity: Error,
    title: "a word that is none of those expected",
    why: "Only listed words have a meaning.",
    mend: "use one of the words in the message",
};

/// A text that is not an address.
pub static NOT_AN_ADDRESS: Code = Code {
    code: "LB0113",
    severity: Error,
    title: "a text that is not an address",
    why: "Nothing could be reached there.",
    mend: "write an IP address, with a port where one is asked for: 192.0.2.53 or 192.0.2.53:53",
};

/// A text that is not a location.
pub static NOT_A_URL: Code = Code {
    code: "LB0114",
    severity: Error,
    title: "a text that is not a location",
    why: "Nothing could be reached there.",
    mend: "write http://…, https://…, s3://bucket/prefix or an absolute path, as the field asks",
};

/// A number out of range.
pub static OUT_OF_RANGE: Code = Code {
    code: "LB0115",
    severity: Error,
    title: "a number out of range",
    why: "Beyond these bounds a run would never end, or never begin.",
    mend: "write a number within the bounds in the message",
};

/// A path that is not absolute.
pub static NOT_ABSOLUTE: Code = Code {
    code: "LB0116",
    severity: Error,
    title: "a path that is not absolute",
    why: "Agents and controllers have no folder of yours to begin from.",
    mend: "write the whole path, beginning with /",
};

/// A secret in plain text.
pub static PLAIN_SECRET: Code = Code {
    code: "LB0117",
    severity: Error,
    title: "a secret in plain text",
    why: "An estate lives in git and is read by many; a secret in it is a secret no more.",
    mend: "write where it is found instead: { file: /etc/lifeboat/NAME } or { env: NAME }; then change the secret",
};

/// A step without its one verb.
pub static VERB: Code = Code {
    code: "LB0118",
    severity: Error,
    title: "a step without its one verb",
    why: "A step does exactly one thing.",
    mend: "give the step one kind, like `promote: {…}`",
};

/// An unknown step kind.
pub static UNKNOWN_KIND: Code = Code {
    code: "LB0119",
    severity: Error,
    title: "an unknown step kind",
    why: "Nobody knows what it would do.",
    mend: "use a kind of the reference: approve, ask, backup, call, check, collect, command, cutover, deploy, fence, isolate, notify, promote, prove, provision, rejoin, restart, restore, rollback, rotate, scale, sql, start, stop, swap, switch, unfence, wait",
};

/// Fields that exclude each other.
pub static EITHER_OR: Code = Code {
    code: "LB0120",
    severity: Error,
    title: "fields that exclude each other",
    why: "It cannot be told which of them is meant.",
    mend: "give exactly one of the fields in the message",
};

/// An empty list where something is needed.
pub static EMPTY: Code = Code {
    code: "LB0121",
    severity: Error,
    title: "an empty list where something is needed",
    why: "A step or noun that acts on nothing looks as if it had worked.",
    mend: "name at least one",
};

/// A text that is not a DNS name.
pub static NOT_A_DNS_NAME: Code = Code {
    code: "LB0122",
    severity: Error,
    title: "a text that is not a DNS name",
    why: "No server could hold it.",
    mend: "write a full name like api.example.com, inside the zone that it is in",
};

/// Several documents in one file.
pub static SEVERAL_DOCUMENTS: Code = Code {
    code: "LB0124",
    severity: Error,
    title: "several documents in one file",
    why: "Only the first would be read by most tools.",
    mend: "write one document a file",
};

/// A part of the language that is still to come.
pub static LATER: Code = Code {
    code: "LB0125",
    severity: Warning,
    title: "a part of the language that is still to come",
    why: "It is read and checked like everything else, but this version cannot do it: no agent is told of it, and nothing that needs it runs.",
    mend: "leave it for a version that has it, and do by hand until then what it stands for",
};

/// An input that is used where it cannot be.
pub static BAD_INPUT_USE: Code = Code {
    code: "LB0126",
    severity: Error,
    title: "an input that is used where it cannot be",
    why: "Inputs are typed so that a plan is proven before its values are known.",
    mend: "write ${{ inputs.NAME }} as the whole value, of an input of a fitting type",
};

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

/// A promotion of what was fenced.
pub static FENCED_ITSELF: Code = Code {
    code: "LB0317",
    severity: Error,
    title: "a promotion of what was fenced",
    why: "The fence stops and masks the very server that should be promoted.",
    mend: "fence the region of the old primary, promote in another one",
};
