//! `fence`: make sure that the old primary cannot accept writes.

use super::{Facts, Kind, Lowered, Part, approve};
use crate::checked::{EvidenceRule, Undo};
use crate::codes;
use crate::context::{Context, Purpose, Selection, agent_task, flat, list};
use crate::diagnostic::Severity;
use crate::text::{Fields, values};
use model::jobs::Fence;
use model::nouns::SourceKind;
use model::{Class, Evidence, Work};
use std::time::Duration;

/// How long an agent may be silent before its host counts as unreachable, when the plan does not say.
pub const DEFAULT_SILENCE: Duration = Duration::from_secs(15);
/// The evidence demanded when the plan does not say: the strongest that an agent itself can give.
pub const DEFAULT_EVIDENCE: Evidence = Evidence::Stopped;

pub(crate) static KIND: Kind = Kind {
    name: "fence",
    doc: "Stops and masks the server of `source` on each of its members in `region`, and returns how sure it is \
          that no writes are accepted there. `evidence` is what the run demands before it goes on: `stopped` \
          (an agent stopped the server and saw it gone), `lease-expired` (the source has a `lease`, and the host's \
          has run out for good, with a watchdog that was armed: no writes, whether the host answers or not) or `unreachable` (the host has been silent for \
          `silence`, 15s; it may still be alive). For `unreachable` write in `risk` what may be lost, in plain \
          words; a person reads and approves it (`approve: { role, within, approvals }`) when nothing stronger was \
          obtained. Fencing is a point of no return.\n\n\
          ```yaml\nfence:\n  fence:\n    source: tutor-db\n    region: us-east\n    evidence: unreachable\n    silence: 10s\n    \
          risk: db-1 does not answer; if it is alive and cut off, it still accepts writes that will be lost\n    \
          approve: { role: incident-commander, within: 10m }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(2 * 60),
    lower,
    rules: super::no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    let region = fields.need("region", cx.sink).and_then(|node| cx.region(node));
    let leased = source.as_ref().is_some_and(|source| cx.estate.lease(&source.value).is_some());
    let rule = evidence(cx, fields, leased);
    let (source, region, mut rule) = (source?, region?, rule?);
    cx.estate.sources.get(&source.value)?;
    let all = cx.estate.member_hosts(&source.value);
    let selection = Selection { region: Some(region.clone()), hosts: None };
    let what = format!("source {:?}", source.value.as_str());
    let hosts = cx.choose(&what, region.span, &all, &selection)?;
    let mut tasks = Vec::with_capacity(hosts.len());
    let facts = Facts {
        hosts: hosts.clone(),
        source: Some(source.value.clone()),
        region: Some(region.value.clone()),
        evidence: Some(rule.required),
        ..Facts::default()
    };
    let paused = hosts.iter().find(|host| cx.estate.hosts.get(*host).is_some_and(|host| host.pausable));
    if let (Some(host), Evidence::LeaseExpired) = (paused, rule.required) {
        let message = format!("{host} may be paused, so the end of its lease is no evidence");
        cx.sink.push(&codes::PAUSABLE, fields.span_of("evidence"), message);
        return None;
    }
    for live in &hosts {
        let Some((acting, spec)) = cx.source(&source.value, live, source.span) else {
            let evidence = Some(rule);
            return cx.unready(facts, Undo::Impossible).map(|lowered| Lowered { evidence, ..lowered });
        };
        if !matches!(&spec.kind, SourceKind::Postgres(postgres) if postgres.server.is_some()) {
            let message = format!("{what} has no `server` that a fence could stop and mask");
            let help = "name the service that runs it: `server: NAME` in the source".to_string();
            cx.sink.push_with(&codes::ILL_FITTING, source.span, message, help);
            return None;
        }
        if cx.plan.is_suspect(live, cx.estate) {
            rule.disbelieved.push(acting.clone());
        }
        tasks.push(agent_task("source", &source.value, acting, Work::Fence(Fence { source: spec }))?);
    }
    let summary =
        format!("fence {} on {} ({})", source.value, list(&super::check::acting_hosts(&tasks)), region.value);
    Some(Lowered {
        summary,
        parts: vec![Part { tasks, undo: Undo::Impossible }],
        facts,
        evidence: Some(rule),
        ..Lowered::default()
    })
}

fn evidence(cx: &mut Context<'_>, fields: &mut Fields<'_>, leased: bool) -> Option<EvidenceRule> {
    const WORDS: [(&str, Evidence); 5] = [
        ("unreachable", Evidence::Unreachable),
        ("lease-expired", Evidence::LeaseExpired),
        ("stopped", Evidence::Stopped),
        ("isolated", Evidence::Isolated),
        ("powered-off", Evidence::PoweredOff),
    ];
    let required = fields.get("evidence").map(|node| values::word(node, &WORDS, cx.sink));
    let silence = fields.get("silence").map(|node| values::duration(node, cx.sink));
    let risk = fields.get("risk").map(|node| values::words(node, cx.sink));
    let span = fields.span_of("approve");
    let approve = fields.get("approve").map(|node| approve::nested(cx, node, span));
    let required = flat(required)?.unwrap_or(DEFAULT_EVIDENCE);
    let (silence, risk, approve) = (flat(silence)?, flat(risk)?, flat(approve)?);
    match required {
        Evidence::LeaseExpired if !leased => {
            let message = "`lease-expired` is asked for, and the source has no lease".to_string();
            cx.sink.push(&codes::NO_LEASE, fields.span_of("evidence"), message);
            return None;
        }
        Evidence::Isolated | Evidence::PoweredOff => {
            let severity = if cx.purpose == Purpose::Run { Severity::Error } else { Severity::Warning };
            let message = format!("how to obtain the evidence {:?} is still to come", required.as_str());
            cx.sink.push_as(severity, &codes::EVIDENCE_LATER, fields.span_of("evidence"), message);
        }
        Evidence::Unreachable if risk.is_none() => {
            let message =
                "`unreachable` says only that nobody answers; this fence does not say what that risks"
                    .to_string();
            cx.sink.push(&codes::UNNAMED_RISK, fields.span_of("evidence"), message);
            return None;
        }
        Evidence::None | Evidence::Unreachable | Evidence::LeaseExpired | Evidence::Stopped => {}
    }
    let approve::Asked { role, within, approvals } = approve.unwrap_or_default();
    Some(EvidenceRule {
        required,
        silence: silence.unwrap_or(DEFAULT_SILENCE),
        risk: risk.unwrap_or_default(),
        role,
        within,
        approvals,
        disbelieved: Vec::new(),
    })
}
