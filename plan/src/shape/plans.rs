//! The tables of plans: their head, the fields that every step has, and the parameters of each step kind.

use super::{Field, Type, may, need};

const SOURCE: Field = need("source", Type::Of(&["source"]), "The source.");
const REGION: Field = may("region", Type::Of(&["region"]), "The region in which it is done.");
const HOSTS: Field = may("hosts", Type::Many(&Type::Of(&["host"])), "Single hosts, instead of a region.");
const ON: Field = may("on", Type::Of(&["host"]), "The member that does it.");
const SERVICES: Field = need("services", Type::Many(&Type::Of(&["service"])), "The services.");
const FROM: Field = need("from", Type::Of(&["repository"]), "The repository that has the backup.");
const POINT: Field =
    may("point", Type::Point, "`latest`, a snapshot id, or a time: the newest one that is not later.");
const ROLE: Field = may("role", Type::Of(&["role"]), "Who may answer; anyone who may run plans when absent.");
const WITHIN: Field = may("within", Type::Duration, "How long the question stands; 30m when absent.");
const APPROVALS: Field =
    may("approvals", Type::Number(1, 10), "How many people of the role must say yes; 1 when absent.");
const RECORD: Field = need("record", Type::Of(&["record"]), "The record.");
const TO_REGION: Field = need("to", Type::Of(&["region"]), "The region that it points at afterwards.");
const KEEP_OLD: Field = may("keep-old", Type::Duration, "How long the old data stays; 72h when absent.");

/// `scenario: { … }`.
pub(crate) const SCENARIO: &[Field] = &[
    may("lost", Type::Many(&Type::Of(&["region"])), "Regions presumed dead: nothing may depend on them."),
    may(
        "suspect",
        Type::Either(&[Type::Many(&Type::Of(&["region"])), Type::Fields(SUSPECT)]),
        "Whose word is not believed: regions, or `{ regions, hosts, since }`.",
    ),
];

/// `suspect: { … }`.
pub(crate) const SUSPECT: &[Field] = &[
    may("regions", Type::Many(&Type::Of(&["region"])), "Regions."),
    may("hosts", Type::Many(&Type::Of(&["host"])), "Single hosts."),
    may("since", Type::Time, "Since when: what they backed up later does not count."),
];

/// `trigger: { … }`.
pub(crate) const TRIGGER: &[Field] = &[
    need(
        "check",
        Type::Of(&["check"]),
        "The check that must fail. The hosts that ask it are its vantage points.",
    ),
    may("failing", Type::Number(2, 1_000), "So many of them must say so; a majority when absent."),
    need("for", Type::Duration, "For so long, without a break."),
    need("cool-down", Type::Duration, "Before this plan may begin by itself once more."),
];

const OBJECTIVES: &[Field] = &[
    may("rto", Type::Duration, "How long the recovery may take."),
    may("rpo", Type::Duration, "How much data, in time, may be lost."),
];

const INPUT: &[Field] = &[
    need(
        "type",
        Type::One(&["text", "restore-point", "version", "host", "number", "duration"]),
        "What it holds.",
    ),
    may("default", Type::Text, "Its value when none is given."),
    may("description", Type::Text, "What it is for."),
];

/// The head of a plan. Its `steps` and `finally` are maps of steps.
pub(crate) const PLAN: &[Field] = &[
    need("plan", Type::Name, "The name of the plan."),
    may("title", Type::Words, "One line for people."),
    may("scenario", Type::Fields(SCENARIO), "What is presumed."),
    may("objectives", Type::Fields(OBJECTIVES), "What the recovery is measured against."),
    may("trigger", Type::Fields(TRIGGER), "When it begins by itself; only people start it when absent."),
    may("inputs", Type::Map(&Type::Fields(INPUT)), "Values that are given at the start of a run."),
    may("alone", Type::Truth, "`false`: it is only sound in the plans that call it."),
    may("allow", Type::Any, "Warnings that are looked at and taken, each with its reason."),
    need("steps", Type::Any, "The steps by name. What has no `after` starts at once."),
    may("finally", Type::Any, "Steps that run at the end, whatever happened."),
];

const RETRY: &[Field] = &[
    may("tries", Type::Number(1, 20), "Tries in all."),
    may("pause", Type::Duration, "The first pause; it doubles."),
];

const WHEN: &[Field] = &[
    may("mode", Type::Many(&Type::One(&["live", "drill", "preview"])), "Only in these modes."),
    may("input", Type::Map(&Type::Text), "Only when inputs have these values."),
    may("output", Type::Map(&Type::Text), "Only when outputs of other steps have these values."),
];

const HOW_MANY: Type = Type::Either(&[Type::Number(0, 10_000), Type::Text]);

const FAN_OUT: &[Field] = &[
    may("at-once", HOW_MANY, "Hosts at the same time, by number or share (`25%`); all when absent."),
    may("canary", Type::Number(0, 10_000), "Hosts that go first and must all succeed; 0 when absent."),
    need("failures", HOW_MANY, "Hosts that may fail, by number or share (`10%`)."),
];

/// Fields that every step has.
pub(crate) const COMMON: &[Field] = &[
    may("after", Type::Either(&[Type::Name, Type::List(&Type::Name)]), "Steps that must be done before."),
    may("timeout", Type::Duration, "From sending until the attempt is unknown."),
    may("takes", Type::Duration, "How long it usually takes."),
    may("retry", Type::Fields(RETRY), "How often it is tried, where its class allows more than once."),
    may(
        "on-failure",
        Type::One(&["ask", "stop", "continue", "unwind"]),
        "What happens when it failed for good; `ask` when absent.",
    ),
    may("undo", Type::One(&["none"]), "`none`: there is nothing to take back."),
    may("fan-out", Type::Fields(FAN_OUT), "How it goes about many hosts (command, deploy, restart, start)."),
    may("when", Type::Fields(WHEN), "A step that is left out counts as done."),
    may("allow", Type::Any, "Warnings that are looked at and taken, each with its reason."),
];

const APPROVE: &[Field] = &[ROLE, WITHIN, APPROVALS];
const ANSWER: &[Field] = &[
    need(
        "type",
        Type::One(&["text", "number", "duration", "version", "restore-point", "host"]),
        "What it holds.",
    ),
    may("one-of", Type::Many(&Type::Text), "The words that it may be."),
];
const IN_PLACE: &[Field] = &[SERVICES, REGION, HOSTS];

/// The parameters of each step kind.
pub(crate) static KINDS: [(&str, &[Field]); 28] = [
    ("approve", &[ROLE, WITHIN, APPROVALS, may("question", Type::Words, "What is asked.")]),
    (
        "ask",
        &[
            need("task", Type::Words, "What a person is to do, in plain words."),
            ROLE,
            WITHIN,
            may("answers", Type::Map(&Type::Fields(ANSWER)), "What they are to say."),
        ],
    ),
    (
        "backup",
        &[
            SOURCE,
            need("to", Type::Of(&["repository"]), "The repository that gets it."),
            may("tags", Type::Either(&[Type::Name, Type::List(&Type::Name)]), "Tags of the snapshot."),
            ON,
            REGION,
        ],
    ),
    (
        "call",
        &[
            need("plan", Type::Of(&["plan"]), "The plan whose steps stand here."),
            may("inputs", Type::Map(&Type::Text), "Values of its inputs."),
        ],
    ),
    (
        "check",
        &[
            need("checks", Type::Many(&Type::Of(&["check"])), "The checks."),
            REGION,
            HOSTS,
            may("retries", Type::Number(0, 10_000), "Tries after the first."),
            may("pause", Type::Duration, "Between two tries."),
        ],
    ),
    (
        "collect",
        &[
            REGION,
            HOSTS,
            may("services", Type::Many(&Type::Of(&["service"])), "Whose logs."),
            may("paths", Type::Many(&Type::Path), "Which files."),
            may("since", Type::Duration, "How far back."),
            may("to", Type::Of(&["repository"]), "The repository that gets it; or `folder`."),
            may("folder", Type::Path, "The folder on each host that gets it."),
        ],
    ),
    (
        "command",
        &[
            may("script", Type::Path, "The script, as the agents' policy lists it; or `in` and `run`."),
            may("in", Type::Of(&["service"]), "The service inside which `run` runs."),
            may("run", Type::List(&Type::Text), "Program and arguments for `in`. No secrets."),
            may("args", Type::Either(&[Type::Text, Type::List(&Type::Text)]), "Its arguments. No secrets."),
            may("sha256", Type::Digest, "What `sha256sum` prints of it: another content is refused."),
            REGION,
            HOSTS,
        ],
    ),
    ("cutover", &[RECORD, TO_REGION]),
    (
        "deploy",
        &[
            SERVICES,
            REGION,
            HOSTS,
            need("version", Type::Words, "A name that stands still, or `last-good`."),
            may("start", Type::Truth, "Whether they are started; true when absent."),
        ],
    ),
    (
        "fence",
        &[
            SOURCE,
            need("region", Type::Of(&["region"]), "Where the old primary is."),
            may(
                "evidence",
                Type::One(&["unreachable", "lease-expired", "stopped", "isolated", "powered-off"]),
                "How sure the run must be, at least; `stopped` when absent.",
            ),
            may(
                "silence",
                Type::Duration,
                "How long without an answer until it is unreachable; 15s when absent.",
            ),
            may("risk", Type::Words, "What may be lost, for whoever approves weak evidence."),
            may("approve", Type::Fields(APPROVE), "Who approves it."),
        ],
    ),
    ("isolate", &[REGION, HOSTS, may("source", Type::Of(&["source"]), "The source whose members they are.")]),
    (
        "notify",
        &[
            need("channel", Type::Of(&["channel"]), "The channel."),
            need(
                "state",
                Type::One(&["investigating", "identified", "monitoring", "resolved"]),
                "How it stands.",
            ),
            may("title", Type::Words, "One line; the plan's title when absent."),
            may("text", Type::Words, "The message."),
            may("template", Type::Words, "The message, with values of the run in it."),
            may("repeat", Type::Duration, "How often it is said again until the run ends."),
        ],
    ),
    ("promote", &[SOURCE, REGION, ON]),
    (
        "prove",
        &[
            SOURCE,
            FROM,
            POINT,
            ON,
            REGION,
            may("checks", Type::Many(&Type::Of(&["check"])), "SQL checks that ask the copy."),
        ],
    ),
    (
        "provision",
        &[
            need("stack", Type::Of(&["stack"]), "The stack that is applied."),
            may("variables", Type::Map(&Type::Text), "Variables for it."),
        ],
    ),
    ("rejoin", &[SOURCE, ON, REGION, KEEP_OLD]),
    ("restart", IN_PLACE),
    (
        "restore",
        &[
            SOURCE,
            FROM,
            POINT,
            ON,
            REGION,
            may("into", Type::Words, "The copy: a database, or an absolute folder."),
        ],
    ),
    (
        "rollback",
        &[
            may("source", Type::Of(&["source"]), "The source that goes back."),
            may("services", Type::Many(&Type::Of(&["service"])), "The services that go back."),
            need("to", Type::Words, "A point, or a version."),
            may("from", Type::Of(&["repository"]), "The repository that has the backup."),
            ON,
            REGION,
            HOSTS,
            KEEP_OLD,
        ],
    ),
    (
        "rotate",
        &[
            need("secret", Type::Of(&["secret"]), "The secret that gets a new value."),
            may("services", Type::Many(&Type::Of(&["service"])), "Services that are restarted to read it."),
            REGION,
            HOSTS,
        ],
    ),
    ("scale", &[SERVICES, REGION, HOSTS, need("to", Type::Words, "How many of each, or `declared`.")]),
    (
        "sql",
        &[
            SOURCE,
            ON,
            REGION,
            may("statement", Type::Words, "One statement."),
            may("file", Type::Path, "A file with statements, on the member."),
            may("sha256", Type::Digest, "What `sha256sum` prints of it."),
        ],
    ),
    ("start", IN_PLACE),
    ("stop", IN_PLACE),
    ("swap", &[SOURCE, need("copy", Type::Words, "The copy that a `restore` made."), ON, REGION, KEEP_OLD]),
    ("switch", &[need("pool", Type::Of(&["pool"]), "The pool."), TO_REGION]),
    ("unfence", &[SOURCE, need("region", Type::Of(&["region"]), "Where the fence is lifted.")]),
    ("wait", &[need("for", Type::Duration, "How long, at most a day.")]),
];
