//! Kinds that start, stop and change services.

use super::{Doing, Hand, Kind, no_commands, tasks, together, written};
use model::jobs::ServiceAction;

pub const KINDS: [Kind; 5] = [
    Kind {
        name: "start",
        does: "The agent of each host starts the services. What runs already is left alone.",
        worked: "Each service runs on each host and goes on running; its log shows no error.",
        by_hand: |doing| acted(doing, ServiceAction::Start),
        without: NO_SERVICE,
    },
    Kind {
        name: "stop",
        does: "The agent of each host stops the services, so that nothing of them writes any more.",
        worked: "No process of the services is left on the hosts.",
        by_hand: |doing| acted(doing, ServiceAction::Stop),
        without: NO_SERVICE,
    },
    Kind {
        name: "restart",
        does: "The agent of each host restarts the services, so that each has a new process.",
        worked: "Each service has a new process; its log shows no error.",
        by_hand: |doing| acted(doing, ServiceAction::Restart),
        without: NO_SERVICE,
    },
    Kind {
        name: "scale",
        does: "So many instances of each service run afterwards.",
        worked: "The number of instances is as asked.",
        by_hand: |doing| together(written::scale(doing)),
        without: NO_SERVICE,
    },
    Kind {
        name: "deploy",
        does: "Another version of the services is put on the hosts.",
        worked: "Each service says the version that was asked for.",
        by_hand: no_commands,
        without: "Lifeboat knows no manual way: put the version there with the tool by which you deploy every day.",
    },
];

const NO_SERVICE: &str =
    "Lifeboat knows no commands for what manages these services: use the tool by which you do it every day.";

/// By the orders; without them, by what the estate says about what manages the services.
fn acted(doing: &Doing<'_>, action: ServiceAction) -> Vec<Hand> {
    match doing.step.tasks.as_slice() {
        [] => together(written::act(doing, action)),
        orders => tasks(orders, false),
    }
}
