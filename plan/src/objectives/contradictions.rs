//! Objectives that cannot hold together.

use super::rto::Recovered;
use super::words::words;
use crate::codes;
use crate::diagnostic::Sink;
use crate::document::Document;
use crate::estate::Estate;
use crate::text::At;
use std::time::Duration;

/// A plan may take and lose no more than what it brings back can bear, and a restore gives no less loss than
/// its source is protected for.
pub(crate) fn plan(plan: &Document, estate: &Estate, recovered: &Recovered, sink: &mut Sink) {
    let sources =
        recovered.sources.iter().filter_map(|name| Some((name, &estate.sources.get(name)?.promised)));
    for (name, promised) in sources {
        looser("take", &plan.promised.rto, &promised.rto, &format!("source {:?}", name.as_str()), sink);
        looser("lose", &plan.promised.rpo, &promised.rpo, &format!("source {:?}", name.as_str()), sink);
    }
    for name in &recovered.services {
        let promised = estate.services.get(name).and_then(|service| service.promised.rto.clone());
        looser("take", &plan.promised.rto, &promised, &format!("service {:?}", name.as_str()), sink);
    }
    for name in &recovered.restored {
        let source = estate.sources.get(name).and_then(|source| source.promised.rpo.as_ref());
        if let (Some(own), Some(source)) = (&plan.promised.rpo, source)
            && own.value < source.value
        {
            let message = format!(
                "this plan promises to lose {} at most, but restores source {:?}, whose backups are held to {}",
                words(own.value),
                name.as_str(),
                words(source.value)
            );
            let help = "promise in the source what the plan needs, and back it up for that".to_string();
            sink.push_with(&codes::CONTRADICTION, own.span, message, help);
        }
    }
}

fn looser(
    verb: &str,
    own: &Option<At<Duration>>,
    other: &Option<At<Duration>>,
    whose: &str,
    sink: &mut Sink,
) {
    if let (Some(own), Some(other)) = (own, other)
        && own.value > other.value
    {
        let message = format!(
            "this plan may {verb} {}, but {whose}, which it brings back, may {verb} {} at most",
            words(own.value),
            words(other.value)
        );
        sink.push(&codes::CONTRADICTION, own.span, message);
    }
}

/// A service is not back before what it needs.
pub(crate) fn services(estate: &Estate, sink: &mut Sink) {
    for (name, service) in &estate.services {
        let Some(own) = &service.promised.rto else { continue };
        for need in &service.needs {
            let service = estate.services.get(&need.value).and_then(|service| service.promised.rto.as_ref());
            let source = estate.sources.get(&need.value).and_then(|source| source.promised.rto.as_ref());
            let Some(needed) = source.or(service).filter(|needed| needed.value > own.value) else { continue };
            let message = format!(
                "service {:?} must be back in {}, but needs {:?}, which may take {}",
                name.as_str(),
                words(own.value),
                need.value.as_str(),
                words(needed.value)
            );
            sink.push(&codes::CONTRADICTION, own.span, message);
        }
    }
}

/// One recovery that takes as long as it may leaves the promise of availability whole.
pub(crate) fn levels(estate: &Estate, sink: &mut Sink) {
    for level in estate.levels.values() {
        let source = estate.sources.get(&level.of).and_then(|source| source.promised.rto.as_ref());
        let service = estate.services.get(&level.of).and_then(|service| service.promised.rto.as_ref());
        let Some(rto) = service.or(source) else { continue };
        let down = level.over / WHOLE * WHOLE.saturating_sub(level.availability.value);
        if rto.value > down {
            let message = format!(
                "it leaves {} of {} to be down in, and one recovery of {} may take {}",
                words(down),
                words(level.over),
                level.of,
                words(rto.value)
            );
            sink.push(&codes::USED_UP, level.availability.span, message);
        }
    }
}

/// A whole in the parts of a share.
const WHOLE: u32 = 1_000_000;
