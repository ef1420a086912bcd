//! Codes of what an estate declares, plans or no plans.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

/// A text that is not a share.
pub static NOT_A_SHARE: Code = Code {
    code: "LB0140",
    severity: Error,
    title: "a text that is not a share",
    why: "0.999 is read as a share by one person and as a percentage by the next.",
    mend: "write a number between 0 and 100 and a percent sign: 99.9%",
};

/// A text that is not a time.
pub static NOT_A_TIME: Code = Code {
    code: "LB0141",
    severity: Error,
    title: "a text that is not a time",
    why: "Without a day and a zone it cannot be told what is before it.",
    mend: "write a day, a time and a zone: 2026-11-20T21:04:05Z",
};

/// A text that is not a SHA-256.
pub static NOT_A_DIGEST: Code = Code {
    code: "LB0142",
    severity: Error,
    title: "a text that is not a SHA-256",
    why: "A script is told from a changed one by its digest alone.",
    mend: "write the 64 digits that `sha256sum FILE` prints",
};

/// Something that stands in for itself.
pub static OWN_STAND_IN: Code = Code {
    code: "LB0220",
    severity: Error,
    title: "something that stands in for itself",
    why: "A drill would change what is live.",
    mend: "declare another one for drills and map the live one to it",
};

/// Objects of a repository removed or moved by their age.
pub static BY_AGE: Code = Code {
    code: "LB0340",
    severity: Error,
    title: "objects of a repository removed or moved by their age",
    why: "A backup sends nothing twice, so an old object may hold data of today's snapshot: a rule by age destroys snapshots of all ages.",
    mend: "say with `keep` of a schedule which snapshots stay; to pay less give the repository a `class`, to keep for years an `archive`",
};

/// A script without a digest.
pub static UNPINNED_SCRIPT: Code = Code {
    code: "LB0341",
    severity: Warning,
    title: "a script without a digest",
    why: "The agents' policies pin it, but nobody who reads the plan can tell which content was meant, and each host may list another one.",
    mend: "add `sha256:` with what `sha256sum FILE` prints; an agent whose policy lists another content then refuses it",
};

/// A person of a role without a contact.
pub static UNLISTED_PERSON: Code = Code {
    code: "LB0342",
    severity: Warning,
    title: "a person of a role without a contact",
    why: "At 3 a.m. somebody looks for the number of the one person who may approve.",
    mend: "declare the person under `contacts:` by the name that the role has",
};

/// A source whose backups stay in its own region.
pub static ONLY_NEAR: Code = Code {
    code: "LB0343",
    severity: Warning,
    title: "a source whose backups stay in its own region",
    why: "What takes the region takes the data and every backup of it.",
    mend: "add a repository in another region to `to:` of the schedule",
};

/// More approvals than a role has people.
pub static TOO_FEW_PEOPLE: Code = Code {
    code: "LB0450",
    severity: Error,
    title: "more approvals than the role has people",
    why: "The question could never be answered, and the run would stand still in front of it.",
    mend: "name a `role` with that many people (`primary`, `backup`, `others`), or ask for fewer approvals",
};
