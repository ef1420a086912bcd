//! Texts, keys and values that are not what they should be: what the readers find.

use super::Code;
use crate::diagnostic::Severity::{Error, Warning};

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
