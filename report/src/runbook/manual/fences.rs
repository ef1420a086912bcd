//! Kinds that decide who may take writes.

use super::{Doing, Hand, Kind, as_ordered, no_commands, orders, together};
use model::Name;
use model::nouns::SourceKind;

pub const KINDS: [Kind; 5] = [
    Kind {
        name: "fence",
        does: "The agent of each old primary masks and stops its server, and sees it gone, so that it takes no more writes.",
        worked: "The server does not run, cannot be started, and its address refuses connections.",
        by_hand: as_ordered,
        without: "Lifeboat knows no commands for this server. Make sure in another way that it takes no more writes, before anything is promoted.",
    },
    Kind {
        name: "isolate",
        does: "The hosts are cut off, so that nobody reaches what runs on them.",
        worked: "From outside, nothing on the hosts answers any more.",
        by_hand: no_commands,
        without: "Lifeboat knows no manual way: close the hosts' network where it is given to them (the provider's firewall or console, a switch), or power them off.",
    },
    Kind {
        name: "promote",
        does: "The agent makes the standby the primary, and waits until it really takes writes.",
        worked: "The server is no longer in recovery, and a write is accepted.",
        by_hand: as_ordered,
        without: "Lifeboat knows no commands for a source of this kind: use its own tools.",
    },
    Kind {
        name: "rejoin",
        does: "The fenced old primary is rebuilt as a standby of the new one. What it had accepted and never passed on is lost.",
        worked: "The new primary lists it in pg_stat_replication, and it is in recovery.",
        by_hand: no_commands,
        without: "Lifeboat knows no commands that fit every server: rebuild it as your database's manual says (pg_rewind, or pg_basebackup into an empty data folder, with a standby.signal), and start it only as a standby.",
    },
    Kind {
        name: "unfence",
        does: "The fence is lifted, so that the server may be started again. Only when nothing was promoted.",
        worked: "The server may be started; its manager does not call it masked.",
        by_hand: lifted,
        without: "Lifeboat knows no commands for this server: take back what was done to fence it.",
    },
];

fn lifted(doing: &Doing<'_>) -> Vec<Hand> {
    let Some(source) = doing.word("source").and_then(|source| Name::new(source).ok()) else {
        return Vec::new();
    };
    let hands = doing.hosts().iter().filter_map(|host| {
        let SourceKind::Postgres(spec) = doing.estate.source_on(&source, host)?.kind else { return None };
        orders::unmasked(host, &spec.server?)
    });
    together(hands.collect())
}
