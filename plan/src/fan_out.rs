//! `fan-out`: how a step that does the same on many hosts goes about it.

use crate::checked::FanOut;
use crate::codes;
use crate::context::{Context, flat};
use crate::lower::Draft;
use crate::text::{At, Fields, Node, Span, Value, values};

/// Step kinds that may leave some hosts undone. A stop that holds writers, a fence or a check that half the hosts
/// answer is none.
const KINDS: [&str; 4] = ["command", "deploy", "restart", "start"];
/// More hosts than these are many.
const FEW_HOSTS: usize = 3;
/// Most hosts that a field may name.
const MAX_HOSTS: i64 = 10_000;

/// What a step asks for; how many hosts that is, its tasks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    at_once: Option<HowMany>,
    canary: u32,
    failures: HowMany,
}

/// A number of hosts, or a share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HowMany {
    /// So many.
    Hosts(u32),
    /// So many in a million.
    Share(u32),
}

impl Asked {
    /// For a number of hosts. Shares are rounded so that less is risked: at least one at once, and none may fail
    /// where the share is less than one.
    pub fn of(&self, hosts: usize) -> FanOut {
        let hosts = u32::try_from(hosts).unwrap_or(u32::MAX).max(1);
        FanOut {
            at_once: self.at_once.map_or(hosts, |many| many.of(hosts)).clamp(1, hosts),
            canary: self.canary.min(hosts),
            failures: self.failures.of(hosts).min(hosts),
        }
    }
}

impl HowMany {
    fn of(self, hosts: u32) -> u32 {
        match self {
            HowMany::Hosts(number) => number,
            HowMany::Share(share) => {
                u32::try_from(u64::from(hosts) * u64::from(share) / 1_000_000).unwrap_or(u32::MAX)
            }
        }
    }
}

/// Reads `fan-out: { … }`.
pub(crate) fn read(cx: &mut Context<'_>, node: &Node, owner: Span) -> Option<At<Asked>> {
    let mut fields = Fields::of(node, "fan-out", owner, cx.sink)?;
    let at_once = flat(fields.get("at-once").map(|node| how_many(cx, node, 1)));
    let canary = fields.get("canary").map(|node| values::number(node, 0, MAX_HOSTS, cx.sink));
    let failures = fields.need("failures", cx.sink).and_then(|node| how_many(cx, node, 0));
    fields.finish(cx.sink);
    let canary = canary.map_or(Some(0), |canary| u32::try_from(canary?).ok())?;
    Some(At::new(Asked { at_once: at_once?, canary, failures: failures? }, owner))
}

/// A number of hosts of at least `least`, or a share like `10%`.
fn how_many(cx: &mut Context<'_>, node: &Node, least: i64) -> Option<HowMany> {
    if matches!(&node.value, Value::Scalar(scalar) if scalar.text.trim_end().ends_with('%')) {
        return values::share(node, cx.sink).map(HowMany::Share);
    }
    let number = values::number(node, least, MAX_HOSTS, cx.sink)?;
    u32::try_from(number).ok().map(HowMany::Hosts)
}

/// Steps that touch many hosts say how many may fail, and only kinds that can do without some of them.
pub(crate) fn rules(drafts: &[Draft], cx: &mut Context<'_>) {
    let running = drafts.iter().filter(|draft| draft.skipped.is_none());
    running.for_each(|draft| cx.about(draft, |cx| bounded(draft, cx)));
}

fn bounded(draft: &Draft, cx: &mut Context<'_>) {
    let fits = KINDS.contains(&draft.kind.name);
    let hosts = draft.facts().map_or(0, |facts| facts.hosts.len());
    match &draft.common.fan_out {
        Some(asked) if !fits => {
            let message = format!(
                "a {} has no `fan-out`: it is done only when every host has done it",
                draft.kind.name
            );
            let help = format!("these have one: {}", KINDS.join(", "));
            cx.sink.push_with(&codes::NO_SUCH_COMMON, asked.span, message, help);
        }
        None if fits && hosts > FEW_HOSTS => {
            let message = format!(
                "{} acts on {hosts} hosts at once, and nothing says how many may fail",
                draft.name.value
            );
            cx.sink.push(&codes::UNBOUNDED_FAN_OUT, draft.params_span, message);
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(at_once: Option<HowMany>, canary: u32, failures: HowMany) -> Asked {
        Asked { at_once, canary, failures }
    }

    #[test]
    fn a_share_is_rounded_so_that_less_is_risked() {
        let tenth = asked(Some(HowMany::Share(100_000)), 0, HowMany::Share(100_000));
        assert_eq!(tenth.of(9), FanOut { at_once: 1, canary: 0, failures: 0 });
        assert_eq!(tenth.of(25), FanOut { at_once: 2, canary: 0, failures: 2 });
        let all = asked(None, 3, HowMany::Hosts(5));
        assert_eq!(all.of(2), FanOut { at_once: 2, canary: 2, failures: 2 });
        assert_eq!(all.of(0), FanOut { at_once: 1, canary: 1, failures: 1 });
    }
}
