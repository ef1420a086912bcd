//! `rollback`: an earlier state of data, or an earlier version of services.

use super::{Facts, Kind, Lowered, Part, Rules, prove, restore, start, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, Use, agent_task, flat, list};
use crate::inputs::InputType;
use crate::order;
use crate::text::{Fields, values};
use crate::version::Version;
use model::jobs::{Restore, Swap};
use model::nouns::Point;
use model::{Class, Work};
use std::time::Duration;

/// Ends the name of the copy that takes the place of the live data.
const COPY_ENDING: &str = "_rollback";

pub(crate) static KIND: Kind = Kind {
    name: "rollback",
    doc: "Goes back to an earlier state.\n\n\
          Of data: restores the point `to` of the database `source` from the repository `from` beside the live \
          one, on the member `on` (or in `region`), compares it with what was recorded at backup time, and only \
          then puts it in the live one's place. The old data stays for `keep-old` (72h). `to` is a snapshot, a \
          time (the newest snapshot that is not later), `last-proven` or `before-deploy`; the two words are \
          still to come. Its writers stand still from before it until after it. It is a point of no return.\n\n\
          Of services: puts the version `to` (`last-good`, or a name that stands still) of `services` back on their \
          hosts in `region` (or on `hosts`). Its job is still to come.\n\n\
          ```yaml\nback:\n  after: hold-writers\n  rollback: { source: tutor-db, to: 2026-11-20T21:04:05Z, from: s3-eu, on: db-2 }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(6 * 3600),
    lower,
    rules,
    outputs: &[("old", InputType::Text)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    match (fields.has("source"), fields.has("services")) {
        (true, false) => data(cx, fields),
        (false, true) => version(cx, fields),
        (true, true) | (false, false) => {
            let message = format!("{} is of either a `source` or of `services`", fields.what());
            cx.sink.push(&codes::EITHER_OR, fields.owner(), message);
            for key in ["source", "services", "to", "from", "on", "region", "hosts", "keep-old"] {
                fields.get(key);
            }
            None
        }
    }
}

fn data(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    let from = fields.need("from", cx.sink);
    let repository = from.and_then(|node| cx.repository(node, Use::Read));
    let to = fields.need("to", cx.sink).and_then(|node| prove::point(cx, node));
    let keep = fields.get("keep-old").map(|node| values::duration(node, cx.sink));
    let live = cx.member(source.as_ref(), fields);
    let (source, to, keep, live) = (source?, to?, flat(keep)?, live?);
    let facts = Facts {
        hosts: vec![live.clone()],
        source: Some(source.value.clone()),
        point: to.clone(),
        destroys: true,
        from: from.and_then(restore::repository_named),
        ..Facts::default()
    };
    let spec = cx.source(&source.value, &live, source.span);
    let (Some(repository), Some((acting, spec))) = (repository, spec) else { return cx.unready(facts) };
    cx.database(&source, &spec.kind, "rolled back")?;
    let copy = restore::usual_copy(cx, &spec.kind, COPY_ENDING, fields)?;
    let place = cx.place_words(&acting);
    let summary = format!("take {} on {acting}{place} back to {}", source.value, prove::words(&to));
    let target = |work| agent_task("source", &source.value, acting.clone(), work);
    let beside = Restore {
        source: spec.clone(),
        repository,
        point: to.clone().unwrap_or_default(),
        into: copy.clone(),
    };
    let keep_old = keep.unwrap_or_else(Swap::default_keep_old);
    let into_place = Swap { source: spec, copy: copy.clone(), keep_old };
    Some(Lowered {
        summary,
        parts: vec![
            Part { tasks: vec![target(Work::Restore(beside))?], undo: Undo::Nothing },
            Part { tasks: vec![target(Work::Swap(into_place))?], undo: Undo::Impossible },
        ],
        facts: Facts { copy: Some(copy), ..facts },
        ..Lowered::default()
    })
}

fn version(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let chosen = start::chosen(cx, fields);
    let node = fields.need("to", cx.sink)?;
    let version = values::version(node, cx.sink);
    let open = values::is_open(node);
    let chosen = chosen?;
    if version.is_none() && !open {
        return None;
    }
    cx.open |= open;
    let acting = cx.all_acting(&chosen.hosts, fields.owner())?;
    let words = version.as_ref().map_or_else(|| "a version".to_string(), ToString::to_string);
    Some(to_come(
        format!("take {} on {} back to {words}", list(&chosen.names), list(&acting)),
        "rolling back a version",
        Undo::Nothing,
        Facts { version, starts: true, ..chosen.facts() },
    ))
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    if let Some(Version::Moving(name)) = &rules.facts.version {
        let message = format!("{name:?} stands for another version each time, and may be the bad one itself");
        let help = "write `last-good`, or the name of a version that stands still".to_string();
        cx.sink.push_with(&codes::ROLLBACK_TO_BAD, rules.step().params_span, message, help);
    }
    if rules.facts.destroys {
        order::writers_held(rules, cx);
        order::second_copy(rules, cx);
        of_today(rules, cx);
    }
}

/// The newest snapshot shows the state that the rollback is to leave, all the more when this plan took it.
fn of_today(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let at = rules.step().params_span;
    let by_output =
        rules.step().uses.iter().filter_map(|one| Some((one.producer, rules.steps.get(one.producer)?)));
    let taken = by_output.filter(|(_, step)| step.kind.name == "backup").map(|(_, step)| step).next();
    let newest = rules.facts.point == Some(Point::Latest);
    let backups = rules
        .facts
        .source
        .as_ref()
        .filter(|_| newest)
        .map(|source| rules.index.may_be_of_source("backup", source).without(rules.later()));
    let before = backups.and_then(|backups| rules.steps.get(backups.iter().next()?));
    if let Some(step) = taken.or(before) {
        let message =
            format!("it goes back to what step {:?} has just backed up: the state of today", step.name.value);
        cx.sink.push(&codes::ROLLBACK_TO_NOW, at, message);
    } else if newest {
        let message = "the newest snapshot may have been taken after the damage".to_string();
        cx.sink.push(&codes::ROLLBACK_TO_NEWEST, at, message);
    }
}
