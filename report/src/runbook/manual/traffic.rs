//! Kinds that ask, and kinds that send people elsewhere.

use super::{Kind, as_ordered, no_commands};

pub const KINDS: [Kind; 4] = [
    Kind {
        name: "check",
        does: "The agent of each host asks each question, and goes on when every answer is as expected.",
        worked: "Every answer is as said below its command.",
        by_hand: as_ordered,
        without: "Lifeboat knows no commands for a question of this kind: look for yourself whether it works.",
    },
    Kind {
        name: "command",
        does: "The agent of each host runs a script that its policy lists. There is no shell.",
        worked: "The script ended with 0.",
        by_hand: as_ordered,
        without: "Run the script that the plan names.",
    },
    Kind {
        name: "cutover",
        does: "The controller points the DNS record at the addresses of the region, and asks every authoritative server until all say so.",
        worked: "Every server answers with the new addresses and no others. Resolvers may keep the old ones for the time to live.",
        by_hand: as_ordered,
        without: "Lifeboat knows no commands for this DNS provider: change the record in the provider's console.",
    },
    Kind {
        name: "switch",
        does: "The load balancer sends its requests to the members in the region, and to no others.",
        worked: "Requests arrive at the new members, and no longer at the old ones.",
        by_hand: no_commands,
        without: "Lifeboat knows no manual way: change the members in the balancer's own configuration or console.",
    },
];
