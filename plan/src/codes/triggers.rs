//! Plans that would begin by themselves and cannot, or should not.

use super::Code;
use crate::diagnostic::Severity::Error;

/// A trigger that too few could pull.
pub static TRIGGER_BLIND: Code = Code {
    code: "LB0470",
    severity: Error,
    title: "a trigger that too few could pull",
    why: "One host that asks may itself be cut off, and those in the lost region are gone with it: the plan would begin for nothing, or never.",
    mend: "let hosts of several other regions ask: `from: [HOST, HOST, HOST]` of the check, or lower `failing`",
};

/// A plan that begins by itself and needs somebody.
pub static TRIGGER_ASKS: Code = Code {
    code: "LB0471",
    severity: Error,
    title: "a plan that begins by itself and needs somebody",
    why: "In the night in which it begins nobody is there to say what it needs to know.",
    mend: "give every input a `default`, or leave `trigger` out and let a person start it",
};

/// A host that cannot ask what it is to ask.
pub static CANNOT_ASK: Code = Code {
    code: "LB0472",
    severity: Error,
    title: "a host that cannot ask what it is to ask",
    why: "A question about a server on another host needs its address; this host would ask itself, or nobody.",
    mend: "say whom to ask: `tcp: { address }`, `http: { url }`, or `urls`/`addresses` for each host of `from`",
};
