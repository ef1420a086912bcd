//! What the steps of a plan's `finally` part may be: words and looks, nothing that a recovery depends on.

use crate::codes;
use crate::context::Context;
use crate::lower::Draft;
use crate::text::Span;

/// Kinds that change which copy is written to or read, or take data away. At the end, whatever happened, nobody knows
/// whether they are right.
const NEVER: [&str; 9] =
    ["call", "cutover", "fence", "promote", "rejoin", "restore", "rollback", "swap", "unfence"];

/// Tells steps that have no place at the end, and fields that mean nothing there.
pub(crate) fn rules(drafts: &[Draft], cx: &mut Context<'_>) {
    for draft in drafts {
        if NEVER.contains(&draft.kind.name) {
            let message = format!(
                "a {} in `finally` would also be done when the plan has failed half way",
                draft.kind.name
            );
            let help = "make it a step of the plan, behind what it depends on".to_string();
            cx.sink.push_with(&codes::ILL_FITTING, draft.params_span, message, help);
        }
        if let Some(span) = draft.common.on_failure_span {
            no_choice(span, cx);
        }
    }
}

fn no_choice(span: Span, cx: &mut Context<'_>) {
    let message = "a step of `finally` has no `on-failure`: the run ends all the same".to_string();
    cx.sink.push(&codes::NO_SUCH_COMMON, span, message);
}
