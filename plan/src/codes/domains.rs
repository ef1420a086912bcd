//! Codes of failure domains: what a plan needs and presumes lost, or does not believe.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

/// The journal lives in the lost region.
pub static LOST_JOURNAL: Code = Code {
    code: "LB0350",
    severity: Warning,
    title: "controllers whose journal lives in the lost region",
    why: "They would still be there, and could neither read nor write what a run has done.",
    mend: "keep a copy of the database in another region; with none left, a rescue starts a controller on any machine from the rescue bundle",
};

/// A secret whose store lives in the lost region.
pub static LOST_SECRET: Code = Code {
    code: "LB0351",
    severity: Error,
    title: "a secret whose store lives in the lost region",
    why: "The data would be there, and nobody could open it.",
    mend: "keep the secret in a store of another region too, and name that one",
};

/// A stack or pool that depends on the lost region.
pub static LOST_STACK: Code = Code {
    code: "LB0352",
    severity: Error,
    title: "a stack or pool that depends on the lost region",
    why: "A stack cannot be applied without its state, and a balancer that is gone sends nobody anywhere.",
    mend: "keep the state in another region, or use a stack or pool that stands in one",
};

/// People who can be reached only through the lost region.
pub static LOST_PEOPLE: Code = Code {
    code: "LB0353",
    severity: Error,
    title: "people who can be reached only through the lost region",
    why: "The plan would wait for a person who does not hear of it.",
    mend: "give one of them a `phone`, or another way that does not stand in that region",
};

/// Every witness lives in the lost region.
pub static LOST_WITNESS: Code = Code {
    code: "LB0354",
    severity: Warning,
    title: "every witness lives in the lost region",
    why: "It was there to decide when one region is gone, and is gone with it.",
    mend: "put a witness into a third region",
};

/// A restore of a point that a suspect host may have written.
pub static SUSPECT_POINT: Code = Code {
    code: "LB0355",
    severity: Error,
    title: "a restore of a point that a suspect host may have written",
    why: "Since then the host may have backed up what an intruder or a bug made of the data.",
    mend: "restore a time before `scenario: suspect: since:`, like `point: 2026-11-20T21:04:05Z`",
};

/// A plan with no way back.
pub static NO_WAY_BACK: Code = Code {
    code: "LB0356",
    severity: Warning,
    title: "a plan with no way back",
    why: "After the disaster comes the day on which everything must go home, and it needs as much care.",
    mend: "write the plan that fences, promotes, checks and cuts over in the other direction, and rehearse it too",
};

/// An answer from a region that is not believed.
pub static SUSPECT_WORD: Code = Code {
    code: "LB0320",
    severity: Warning,
    title: "an answer from a region that is not believed",
    why: "The plan says that nothing this region says can be trusted.",
    mend: "ask another region",
};
