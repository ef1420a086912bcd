//! What a plan is for, what it presumes and promises, and the way back.

use super::Book;
use super::page::{Block, Line};
use crate::units::count;
use model::{Mode, Work};
use plan::checked::{Action, Scenario};
use plan::objectives::words;
use std::collections::BTreeSet;
use std::time::Duration;

pub fn blocks(book: &Book<'_>) -> Vec<Block> {
    let plan = &book.shown.plan;
    let mut out = Vec::new();
    if plan.mode == Mode::Drill {
        let drill = Line::default()
            .strong("This is the drill.")
            .plain(" It is done on the stand-ins of the estate. Nothing in it touches what is live.");
        out.push(Block::Box(vec![Block::Text(drill)]));
    }
    let steps = count(book.steps().count() as u64, "step", "steps");
    let what = Line::from("A runbook for people: the plan ")
        .code(plan.name.to_string())
        .plain(format!(" in {steps}, to be followed by hand when Lifeboat itself is gone."));
    out.push(Block::Text(what));
    let inputs = book.shown.inputs.iter().map(|input| {
        let line = Line::from("Input ").code(&input.name);
        match &input.value {
            Some(value) => line.plain(": ").code(value),
            None => line.plain(": to be decided, see below"),
        }
    });
    out.push(Block::Points(presumed(&plan.scenario).into_iter().chain(inputs).collect()));
    out.push(Block::Heading("What is promised".into()));
    out.push(Block::Table {
        header: vec!["", "promised", "by arithmetic"],
        rows: vec![back(book), lost(book)],
    });
    out
}

/// The scenario in words.
fn presumed(scenario: &Scenario) -> Vec<Line> {
    let mut out = Vec::new();
    if !scenario.lost.is_empty() {
        let line = Line::from("Presumed lost: ").codes(&scenario.lost);
        out.push(line.plain(". Nothing in these regions answers, and no step but a fence needs them."));
    }
    if !scenario.suspect.is_empty() || !scenario.suspect_hosts.is_empty() {
        let line = Line::from("Not to be believed: ").codes(
            scenario
                .suspect
                .iter()
                .map(ToString::to_string)
                .chain(scenario.suspect_hosts.iter().map(ToString::to_string)),
        );
        let since = scenario.since.map(|since| format!(", since {since}")).unwrap_or_default();
        out.push(line.plain(format!("{since}. They may answer, and may say what is not so.")));
    }
    if out.is_empty() {
        out.push(Line::from("Nothing is presumed lost: every host is expected to answer."));
    }
    out
}

fn back(book: &Book<'_>) -> Vec<Line> {
    let prediction = &book.shown.prediction;
    let said = |length: Option<Duration>| length.map_or("nothing".to_string(), words);
    let waits = match prediction.waits.length.is_zero() {
        true => String::new(),
        false => format!(", of which up to {} for people and clocks", words(prediction.waits.length)),
    };
    let by = format!(
        "{} by estimate; {} at worst{waits}. So long Lifeboat takes; by hand it takes longer",
        words(prediction.estimated.length),
        words(prediction.worst.length)
    );
    vec![Line::from("back within (RTO)"), said(prediction.objective).into(), by.into()]
}

fn lost(book: &Book<'_>) -> Vec<Line> {
    let promised = book.shown.plan.objectives.rpo.map_or("nothing".to_string(), words);
    let all: Vec<String> = losses(book).into_iter().collect();
    let by = if all.is_empty() { "this plan brings no data back".to_string() } else { all.join("; ") };
    vec![Line::from("lost at most (RPO)"), promised.into(), by.into()]
}

/// What each step that brings data back may lose.
fn losses(book: &Book<'_>) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for task in book.steps().flat_map(|step| &step.tasks) {
        match &task.action {
            Action::Agent { work: Work::Promote(work), .. } => {
                out.insert(format!(
                    "{}: what the standby had not received when the old primary was lost; nobody knows how much before",
                    work.source.name
                ));
            }
            Action::Agent { work: Work::Restore(work), .. } => {
                let all = book.estate.losses(&work.source.name);
                let best = all.iter().filter(|one| one.repository == work.repository.name);
                let said = best.min_by_key(|one| one.loss.total()).map_or_else(
                    || "no schedule backs it up there; see the time of the snapshot".to_string(),
                    |one| format!("{} (schedule {})", one.loss.sum(), one.schedule),
                );
                out.insert(format!("{} from {}: {said}", work.source.name, work.repository.name));
            }
            Action::Agent { .. } | Action::Controller { .. } | Action::Timer { .. } => {}
        }
    }
    out
}

/// Other plans that bring back what this one moves.
pub fn way_back(book: &Book<'_>) -> Vec<Block> {
    let mut out = vec![Block::Heading("The way back".into())];
    let each = book.shown.back.iter().filter_map(|name| {
        let head = book.estate.plan(name)?;
        Some(Line::default().code(name.to_string()).plain(format!(": {}", head.title)))
    });
    let each: Vec<Line> = each.collect();
    if each.is_empty() {
        out.push(Block::Text("No plan of the estate goes back from here.".into()));
    } else {
        out.push(Block::Text(
            "When what was lost is healthy again, these plans bring back what this one moved:".into(),
        ));
        out.push(Block::Points(each));
    }
    out
}
