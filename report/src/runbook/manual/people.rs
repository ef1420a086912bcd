//! Kinds that are done by people, or by nobody.

use super::{Kind, as_ordered, no_commands};

pub const KINDS: [Kind; 5] = [
    Kind {
        name: "approve",
        does: "Lifeboat asks a person and goes on only after a yes.",
        worked: "The person named here has said yes, in words, to the question above. Write down who and when.",
        by_hand: no_commands,
        without: "Nothing to type: ask the person named above the question, by telephone if nothing else works.",
    },
    Kind {
        name: "ask",
        does: "A person does something that no program does, and says so.",
        worked: "The person who did it says that it is done. Write down who and when.",
        by_hand: no_commands,
        without: "Nothing to type: the task is for a person, with or without Lifeboat.",
    },
    Kind {
        name: "call",
        does: "The steps of another plan stand in this place.",
        worked: "All of its steps are done.",
        by_hand: no_commands,
        without: "Nothing to type: its steps stand in this runbook.",
    },
    Kind {
        name: "notify",
        does: "The controller sends a message to a channel, so that others know.",
        worked: "The message is seen in the channel.",
        by_hand: as_ordered,
        without: "There are no commands for a channel of this kind: tell its readers in the channel itself, or by telephone.",
    },
    Kind {
        name: "wait",
        does: "Nothing is done: time has to pass.",
        worked: "The time is over.",
        by_hand: as_ordered,
        without: "Look at a clock. How long is said when the plan is run.",
    },
];
