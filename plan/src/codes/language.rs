//! Codes of the language of plans: calls, outputs, versions, what is allowed and what is still to come.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

/// A common field that a kind cannot have.
pub static NO_SUCH_COMMON: Code = Code {
    code: "LB0127",
    severity: Error,
    title: "a common field that a kind cannot have",
    why: "It would be read and mean nothing.",
    mend: "remove it, or give it to the steps that it is meant for",
};

/// Something that is checked and that nobody carries out yet.
pub static JOB_LATER: Code = Code {
    code: "LB0128",
    severity: Warning,
    title: "something that nobody carries out yet",
    why: "The plan is proven with it as it stands, but it cannot be run: a run with a step that does nothing would look as if it had worked.",
    mend: "keep it and the plan waits for a version that carries it out; to run the plan now, do it with a kind that exists, or by hand in an `ask`",
};

/// What cannot be allowed.
pub static NOT_ALLOWED: Code = Code {
    code: "LB0129",
    severity: Error,
    title: "an `allow` of what is not a warning",
    why: "Errors are never allowed away, and a code that does not exist allows nothing.",
    mend: "mend what is wrong, or name the code of a warning",
};

/// A warning that is allowed without a reason.
pub static ALLOW_REASON: Code = Code {
    code: "LB0130",
    severity: Warning,
    title: "a warning that is allowed without a reason",
    why: "Whoever reads it next year cannot tell whether the reason still holds.",
    mend: "write it behind: `allow: [LB0315] # why`, or as `allow: { LB0315: why }`",
};

/// An `allow` that silences nothing.
pub static ALLOW_IN_VAIN: Code = Code {
    code: "LB0131",
    severity: Warning,
    title: "an `allow` that silences nothing",
    why: "It would silence the warning when it comes back for another reason.",
    mend: "remove the code, or the whole `allow`",
};

/// Calls beyond the bounds.
pub static CALL_BOUNDS: Code = Code {
    code: "LB0132",
    severity: Error,
    title: "calls beyond the bounds",
    why: "Bounds keep a plan readable at 3 a.m., and its check short.",
    mend: "call fewer plans: at most 4 deep, 2000 steps in all, 123 bytes for the path of a step, 50000 steps in all plans together",
};

/// A text that is not a version.
pub static NOT_A_VERSION: Code = Code {
    code: "LB0133",
    severity: Error,
    title: "a text that is not a version",
    why: "Nothing could be put in place by that name.",
    mend: "write last-good, or a name of letters, digits and . _ - + / : @",
};

/// Plans that call each other.
pub static CALL_CIRCLE: Code = Code {
    code: "LB0209",
    severity: Error,
    title: "plans that call each other",
    why: "The run would never end.",
    mend: "remove one of the calls",
};

/// An output that a step does not give.
pub static UNKNOWN_OUTPUT: Code = Code {
    code: "LB0210",
    severity: Error,
    title: "an output that a step does not give",
    why: "There would be nothing to fill in.",
    mend: "use an output of the step's kind, of a step that acts on one target",
};
