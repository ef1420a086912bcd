//! Kinds that touch data: copies, proofs, and what takes the place of what is live.

use super::orders::digest;
use super::{Doing, Hand, Kind, Place, as_ordered, chain, no_commands, postgres};
use crate::runbook::page::Line;
use model::Name;
use model::nouns::{PostgresSpec, SourceKind};

pub const KINDS: [Kind; 8] = [
    Kind {
        name: "backup",
        does: "The agent takes one encrypted snapshot of the source into the repository.",
        worked: "The newest snapshot of the source is of now.",
        by_hand: as_ordered,
        without: NO_SOURCE,
    },
    Kind {
        name: "collect",
        does: "Logs and files are copied to a safe place before anything is destroyed.",
        worked: "The copies are there and can be opened.",
        by_hand: super::written::collect,
        without: "Copy by hand what may be needed afterwards: logs of the services, and what the system logged.",
    },
    Kind {
        name: "prove",
        does: "The agent restores the point into a scratch copy, compares it with what was recorded when the backup was taken, and drops the copy.",
        worked: "The copy holds what was recorded with the backup.",
        by_hand: as_ordered,
        without: NO_SOURCE,
    },
    Kind {
        name: "restore",
        does: "The agent restores a copy beside the live data and compares it with what was recorded when the backup was taken. The live data is not touched.",
        worked: "The copy is there, and holds what was recorded with the backup.",
        by_hand: as_ordered,
        without: NO_SOURCE,
    },
    Kind {
        name: "rollback",
        does: "An earlier state takes the place of the present one, which stays beside.",
        worked: "What people see is of the time that was asked for.",
        by_hand: as_ordered,
        without: "Lifeboat knows no manual way to put an earlier version of services back: use the tool by which you deploy every day. Data is restored as the repository's part at the end says.",
    },
    Kind {
        name: "sql",
        does: "Statements that the plan pins are run on the database, once.",
        worked: "psql ended without an error, and what it printed is as expected.",
        by_hand: sql,
        without: NO_SOURCE,
    },
    Kind {
        name: "swap",
        does: "The agent ends all sessions, and the copy takes the name of the live database. The old data stays beside under another name.",
        worked: "The database with the live name holds the restored data; the old one is still there.",
        by_hand: as_ordered,
        without: NO_SOURCE,
    },
    Kind {
        name: "rotate",
        does: "A new value of a secret is made where it is kept, and what uses it is restarted.",
        worked: "The old value is refused, and what uses the secret works.",
        by_hand: no_commands,
        without: "Lifeboat knows no manual way: make a new value where the secret is kept, then restart what uses it.",
    },
];

const NO_SOURCE: &str = "Lifeboat knows no commands for a source of this kind: use its own tools.";

/// The statement or the file, with the digest that the plan pins.
fn sql(doing: &Doing<'_>) -> Vec<Hand> {
    let source = doing.word("source").and_then(|source| Name::new(source).ok());
    let (Some(source), Some(host)) = (source, doing.hosts().first()) else { return Vec::new() };
    let Some(SourceKind::Postgres(spec)) = doing.estate.source_on(&source, host).map(|spec| spec.kind) else {
        return Vec::new();
    };
    let run = match (doing.word("statement"), doing.word("file")) {
        (Some(statement), _) => vec![postgres::psql(&spec, &spec.database).option("-c", statement).line()],
        (None, Some(file)) => file_of(&spec, file, doing.word("sha256")),
        (None, None) => return Vec::new(),
    };
    let once = "Run it once. Nobody can tell afterwards whether it ran twice.";
    vec![Hand::at(Place::Hosts(vec![host.clone()]), run).first(Line::default().strong(once))]
}

/// The file, only when it is the one that was meant.
fn file_of(spec: &PostgresSpec, file: &str, sha256: Option<&str>) -> Vec<Option<String>> {
    let run = postgres::psql(spec, &spec.database).arg("--single-transaction").option("-f", file).line();
    vec![chain(sha256.map(|sha256| digest(sha256, file)).into_iter().chain([run]).collect())]
}
