//! Kinds that make machines.

use super::{Kind, written};

pub const KINDS: [Kind; 1] = [Kind {
    name: "provision",
    does: "What the stack describes is made, and its hosts enrol.",
    worked: "The tool reports no error, and the hosts answer.",
    by_hand: written::provision,
    without: "Lifeboat knows no commands for a stack of this kind: apply it with its own tool.",
}];
