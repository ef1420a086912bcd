//! The steps themselves, and how they are taken back.

use super::Book;
use super::manual::{self, Doing, Hand, Place};
use super::order::beside;
use super::page::{Block, Item, Line};
use crate::units::count;
use model::{Class, Evidence, HostName};
use plan::checked::{OnFailure, Precondition, Step, Undo};
use plan::objectives::{StepPrediction, words};
use serde_json::Value;

/// Most steps that are named as ones that may go on beside another.
const MAX_BESIDE: usize = 6;
/// Longest text of a parameter that is shown.
const MAX_SHOWN: usize = 400;

pub fn blocks(book: &Book<'_>) -> Vec<Block> {
    let steps: Vec<&Step> = book.steps().collect();
    let main = steps.iter().filter(|step| !step.finally).count();
    let free = beside(steps.get(..main).unwrap_or_default());
    let item = |(at, step): (usize, &&Step)| {
        item(book, step, &steps, free.get(at).map(Vec::as_slice).unwrap_or_default())
    };
    let mut items: Vec<Item> = steps.iter().enumerate().map(item).collect();
    let last = items.split_off(main);
    let mut out = vec![Block::Heading("Steps".into()), Block::Steps { first: 1, items }];
    if !last.is_empty() {
        out.push(Block::Heading("At the end, whatever happened".into()));
        out.push(Block::Steps { first: main + 1, items: last });
    }
    let skipped = book.shown.plan.steps.iter().filter_map(|step| {
        let why = step.skipped.as_ref()?;
        Some(Line::default().code(step.path.to_string()).plain(format!(" is left out: {why}")))
    });
    let skipped: Vec<Line> = skipped.collect();
    if !skipped.is_empty() {
        out.push(Block::Points(skipped));
    }
    out
}

fn item(book: &Book<'_>, step: &Step, all: &[&Step], beside: &[usize]) -> Item {
    let said = book.shown.said(&step.path);
    let doing = Doing { estate: book.estate, nouns: book.nouns, step, said };
    let kind = manual::kind(&step.kind);
    let predicted = book.shown.prediction.steps.iter().find(|one| one.step == step.path);
    let first = [
        ("Who", who(step)),
        ("Where", place(&doing)),
        ("Only when", needs(step)),
        ("What happens", kind.map_or(Line::default(), |kind| kind.does.into())),
        ("How many at once", at_once(step)),
        ("How long", how_long(step, predicted)),
        ("Meanwhile", meanwhile(beside, all)),
    ];
    let then = [
        ("It worked when", worked(step, kind.map_or("", |kind| kind.worked))),
        ("If it fails", on_failure(step)),
        ("To take it back", take_back(step)),
    ];
    let mut blocks: Vec<Block> = decision(step).into_iter().collect();
    blocks.push(labelled(first));
    let hands = kind.map(|kind| (kind.by_hand)(&doing)).unwrap_or_default();
    if hands.is_empty() {
        let without = kind.map_or("Lifeboat knows no manual way.", |kind| kind.without);
        blocks.push(Block::Text(Line::default().strong("By hand.").plain(" ").plain(without)));
        blocks.extend(parameters(&doing));
    }
    blocks.extend(hands.iter().flat_map(hand));
    blocks.push(labelled(then));
    let summary = match step.summary.as_str() {
        "" => format!("{} {}", step.kind, said.map(|said| flat(said.parameters)).unwrap_or_default()),
        // It is said here for machines; a person does it all the same.
        told => told.trim_end_matches(" (still to come)").to_string(),
    };
    Item { name: step.path.to_string(), summary, blocks }
}

/// Points with what each is about; without those that say nothing.
fn labelled<const N: usize>(points: [(&str, Line); N]) -> Block {
    let said = points.into_iter().filter(|(_, line)| !line.is_empty());
    let line = |(label, line): (&str, Line)| Line::default().strong(format!("{label}:")).plain(" ").and(line);
    Block::Points(said.map(line).collect())
}

/// What a person decides before the step, word for word.
fn decision(step: &Step) -> Option<Block> {
    let asked = match (&step.gate, &step.evidence) {
        (Some(gate), _) => Line::from(gate.question.as_str()),
        (None, Some(rule)) if rule.required == Evidence::Unreachable => Line::default()
            .strong("When nobody can show that the old primary is off, this is risked:")
            .plain(" ")
            .plain(rule.risk.as_str()),
        (None, Some(_) | None) => return None,
    };
    Some(Block::Box(vec![Block::Text(asked)]))
}

fn who(step: &Step) -> Line {
    let role = |role: &Option<model::Name>| match role {
        Some(role) => Line::default().code(role.to_string()),
        None => Line::from("a person who may run plans"),
    };
    if let Some(gate) = &step.gate {
        return role(&gate.role)
            .plain(format!(" says yes first; the question stands for {}", words(gate.within)));
    }
    match &step.evidence {
        Some(rule) if rule.required == Evidence::Unreachable => role(&rule.role)
            .plain(format!(" takes the risk above, or does not, within {}", words(rule.within))),
        Some(_) | None => Line::default(),
    }
}

fn place(doing: &Doing<'_>) -> Line {
    let mut hosts: Vec<HostName> =
        doing.step.tasks.iter().filter_map(|task| task.target.host.clone()).collect();
    if hosts.is_empty() {
        hosts = doing.hosts().to_vec();
    }
    hosts.sort();
    hosts.dedup();
    Line::default().codes(hosts)
}

/// How a step goes about many hosts.
fn at_once(step: &Step) -> Line {
    let Some(fan) = step.fan_out else { return Line::default() };
    let host = |number: u32| count(u64::from(number), "host", "hosts");
    let canary = match fan.canary {
        0 => String::new(),
        number => format!("first {} alone, and go on only when it worked there; then ", host(number)),
    };
    let failures = match fan.failures {
        0 => "stop as soon as one fails".to_string(),
        number => format!("stop when more than {} failed", host(number)),
    };
    format!("{canary}{} at a time at most; {failures}", host(fan.at_once)).into()
}

fn needs(step: &Step) -> Line {
    let mut after: Vec<String> = step.after.iter().map(ToString::to_string).collect();
    let mut line = Line::default();
    for one in &step.preconditions {
        if let Precondition::Fenced { step, evidence } = one {
            let and = if line.is_empty() { "" } else { "; " };
            line = line.plain(and).code(step.to_string()).plain(" is done, with the evidence ");
            line = line.code(evidence.as_str()).plain(" or better");
            after.retain(|name| name != step.as_str());
        }
    }
    match after.is_empty() {
        true => line,
        false if line.is_empty() => line.codes(after).plain(" done"),
        false => line.plain("; ").codes(after).plain(" done"),
    }
}

fn how_long(step: &Step, predicted: Option<&StepPrediction>) -> Line {
    let estimate = predicted.map(|one| words(one.lengths.estimate)).unwrap_or_default();
    if step.tasks.is_empty() && step.gate.is_some() {
        return format!("about {estimate}").into();
    }
    let source = if step.takes.is_some() { "as the plan says" } else { "usual for its kind" };
    let decided = if decision(step).is_some() { ", the decision included" } else { "" };
    let overdue = words(step.timeout);
    format!("about {estimate} ({source}{decided}); doing it should never take more than {overdue}").into()
}

fn worked(step: &Step, usual: &str) -> Line {
    let line = Line::from(usual);
    match &step.evidence {
        Some(rule) => {
            let line = line.plain(" Evidence that is asked for: ").code(rule.required.as_str()).plain(".");
            match rule.disbelieved.as_slice() {
                [] => line,
                hosts => line
                    .plain(" What these hosts say of themselves is not believed: ")
                    .codes(hosts)
                    .plain("."),
            }
        }
        None => line,
    }
}

fn on_failure(step: &Step) -> Line {
    let then = match step.on_failure {
        OnFailure::Ask => {
            "stop. The person who decides chooses: mend it and try again, go on without it, or take back what was done"
        }
        OnFailure::Stop => "the plan ends here; leave what is done as it is",
        OnFailure::Continue => "go on with the next step, and tell the others",
        OnFailure::Unwind => "take back what was done, newest first, as the part below says",
    };
    let again = match step.class {
        Class::Unsafe => ". Do not try again before you know what it has done",
        Class::Probed => ". Before you try again, look whether it was done after all",
        Class::Read | Class::Idempotent => "",
    };
    format!("{then}{again}.").into()
}

fn take_back(step: &Step) -> Line {
    match &step.undo {
        Undo::Impossible => Line::default()
            .strong("Point of no return.")
            .plain(" From here on nothing before it is taken back."),
        Undo::Nothing => Line::default(),
        Undo::Tasks { .. } => "see “To take it back” below".into(),
    }
}

fn meanwhile(beside: &[usize], all: &[&Step]) -> Line {
    let names: Vec<String> =
        beside.iter().take(MAX_BESIDE).filter_map(|at| Some(all.get(*at)?.path.to_string())).collect();
    if names.is_empty() {
        return Line::default();
    }
    let line = Line::from("may be done at the same time as ").codes(names);
    match beside.len() > MAX_BESIDE {
        true => line.plain(format!(" and {}", count((beside.len() - MAX_BESIDE) as u64, "other", "others"))),
        false => line,
    }
}

/// What the plan says, where there are no commands that would show it.
fn parameters(doing: &Doing<'_>) -> Option<Block> {
    let said = doing.said?.parameters.as_object()?;
    if doing.step.gate.is_some() || said.is_empty() {
        return None;
    }
    let each = said.iter().enumerate().map(|(number, (key, value))| {
        let comma = if number > 0 { ", " } else { "The plan says: " };
        Line::from(format!("{comma}{key} ")).code(flat(value).chars().take(MAX_SHOWN).collect::<String>())
    });
    Some(Block::Text(each.fold(Line::default(), Line::and).plain(".")))
}

/// A value of a plan in one line.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key} {}", flat(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Null => "nothing".to_string(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Commands under the place where they are pasted.
fn hand(hand: &Hand) -> Vec<Block> {
    let place = match &hand.place {
        Place::Hosts(hosts) => Line::from("On ").codes(hosts),
        Place::Where(line) => line.clone(),
    };
    let mut out = Vec::new();
    out.extend(hand.before.clone().map(Block::Text));
    if !hand.run.is_empty() {
        out.push(Block::Text(Line::default().strong("By hand.").plain(" ").and(place).plain(":")));
        out.push(Block::Shell(hand.run.clone()));
    }
    out.extend(hand.after.clone().map(Block::Text));
    out
}

/// Steps that can be taken back, newest first.
pub fn undo(book: &Book<'_>) -> Vec<Block> {
    let mut items = Vec::new();
    // What is done at the end stays done.
    let steps: Vec<&Step> = book.steps().filter(|step| !step.finally).collect();
    for step in steps.iter().rev() {
        let Undo::Tasks { tasks } = &step.undo else { continue };
        let hands = manual::undo(tasks, &step.tasks);
        let mut blocks: Vec<Block> = hands.iter().flat_map(hand).collect();
        if blocks.is_empty() {
            blocks.push(Block::Text(
                "Lifeboat knows no commands for it: use the tool by which you do it every day.".into(),
            ));
        }
        items.push(Item { name: format!("take back {}", step.path), summary: step.summary.clone(), blocks });
    }
    let mut out = vec![Block::Heading("To take it back".into())];
    let last = steps.iter().rev().find(|step| step.undo == Undo::Impossible);
    if let Some(last) = last {
        let line = Line::default().strong("Once").plain(" ").code(last.path.to_string()).plain(
            " was begun, nothing before it is taken back: what comes before it below is for the time until then.",
        );
        out.push(Block::Text(line));
    }
    if items.is_empty() {
        out.push(Block::Text("No step of this plan is taken back by steps of its own.".into()));
    } else {
        out.push(Block::Text("Only those that were done, in this order:".into()));
        out.push(Block::Steps { first: 1, items });
    }
    out
}
