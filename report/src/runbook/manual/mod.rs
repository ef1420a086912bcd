//! What each step kind is in plain words, and how a person does it when nothing of Lifeboat is there.
//!
//! One table for each group of kinds; all of them in [`GROUPS`]. Commands are made from the orders of the step as
//! they would be sent, so that they do the very same; for kinds that no agent carries out yet, from what the plan says.
//! Adding a kind: a line in the table of its group.

mod data;
mod fences;
mod machines;
mod orders;
mod people;
pub mod postgres;
mod process;
pub mod restic;
mod services;
mod traffic;
mod written;

use super::page::Line;
use super::shell::Command;
use model::HostName;
use plan::checked::{Step, Task};
use plan::{CheckedEstate, Nouns, ShownStep};
use serde_json::Value;

/// Every group of kinds.
const GROUPS: [&[Kind]; 6] =
    [&people::KINDS, &services::KINDS, &data::KINDS, &fences::KINDS, &traffic::KINDS, &machines::KINDS];

/// A step kind for people.
pub struct Kind {
    /// The verb in plans.
    pub name: &'static str,
    /// What Lifeboat does.
    pub does: &'static str,
    /// How one sees that it worked.
    pub worked: &'static str,
    /// How it is done by hand.
    pub by_hand: fn(&Doing<'_>) -> Vec<Hand>,
    /// What is said where there are no commands.
    pub without: &'static str,
}

/// A step that is to be done by hand.
pub struct Doing<'d> {
    /// The estate.
    pub estate: &'d CheckedEstate,
    /// Its nouns as their texts say them.
    pub nouns: &'d Nouns,
    /// The step.
    pub step: &'d Step,
    /// What the plan says about it.
    pub said: Option<ShownStep<'d>>,
}

/// Something to do in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// Where.
    pub place: Place,
    /// What to know before.
    pub before: Option<Line>,
    /// What is pasted.
    pub run: Vec<String>,
    /// What to look for afterwards.
    pub after: Option<Line>,
}

/// Where commands are pasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On these hosts, one after another.
    Hosts(Vec<HostName>),
    /// Wherever this holds: "On any machine that …".
    Where(Line),
}

/// What a kind is for people; `None` for one that is in no table.
pub fn kind(name: &str) -> Option<&'static Kind> {
    GROUPS.iter().flat_map(|group| group.iter()).find(|kind| kind.name == name)
}

/// The names of all kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.iter()).map(|kind| kind.name)
}

/// How tasks are done by hand, hosts with the same commands together. `open`: a point in them is not decided.
fn tasks(tasks: &[Task], open: bool) -> Vec<Hand> {
    together(tasks.iter().flat_map(|task| orders::by_hand(task, open)).collect())
}

/// How a step is taken back by hand.
pub fn undo(back: &[Task], done: &[Task]) -> Vec<Hand> {
    together(back.iter().flat_map(|task| orders::undone(task, done)).collect())
}

/// Puts hosts with the same commands together, in the order in which they came.
fn together(hands: Vec<Hand>) -> Vec<Hand> {
    let mut out: Vec<Hand> = Vec::with_capacity(hands.len());
    for hand in hands {
        let same = |known: &&mut Hand| {
            known.run == hand.run && known.before == hand.before && known.after == hand.after
        };
        if let (Place::Hosts(more), Some(Hand { place: Place::Hosts(hosts), .. })) =
            (&hand.place, out.iter_mut().find(same))
        {
            let new: Vec<HostName> = more.iter().filter(|host| !hosts.contains(host)).cloned().collect();
            hosts.extend(new);
            continue;
        }
        out.push(hand);
    }
    out
}

impl Doing<'_> {
    /// What the plan says in a field of the step's verb, when that is a single value that is known.
    pub fn word(&self, field: &str) -> Option<&str> {
        word(self.said?.parameters.get(field)?)
    }

    /// What it says in a list.
    pub fn words(&self, field: &str) -> Vec<&str> {
        self.said.and_then(|said| said.parameters.get(field)).map(words).unwrap_or_default()
    }

    /// The live hosts that it is about.
    pub fn hosts(&self) -> &[HostName] {
        self.said.map(|said| said.hosts).unwrap_or_default()
    }
}

/// A single value that is known.
fn word(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.starts_with("${{"))
}

/// The single values of a list, or the only one.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(word).collect(),
        other => word(other).into_iter().collect(),
    }
}

impl Hand {
    /// Commands on one host. A command that cannot be pasted takes the others with it: half of them may do harm.
    pub fn on(host: &HostName, run: Vec<Option<String>>) -> Hand {
        Hand::at(Place::Hosts(vec![host.clone()]), run)
    }

    /// Commands in a place.
    pub fn at(place: Place, run: Vec<Option<String>>) -> Hand {
        match run.into_iter().collect::<Option<Vec<String>>>() {
            Some(run) => Hand { place, before: None, run, after: None },
            None => {
                let why =
                    "A text of this step holds characters that cannot be pasted. Take it from the estate.";
                Hand { place, before: Some(Line::from(why)), run: Vec::new(), after: None }
            }
        }
    }

    /// Says something before.
    pub fn first(self, line: impl Into<Line>) -> Hand {
        Hand { before: Some(line.into()), ..self }
    }

    /// Says what to look for.
    pub fn then(self, line: impl Into<Line>) -> Hand {
        Hand { after: Some(line.into()), ..self }
    }
}

/// A command of words that need nothing else.
fn plain<'w>(words: impl IntoIterator<Item = &'w str>) -> Option<String> {
    Command::empty().args(words).line()
}

/// A remark between commands; constant words.
fn remark(text: &'static str) -> Option<String> {
    Some(format!("# {text}"))
}

/// Nothing that could be pasted.
fn no_commands(_: &Doing<'_>) -> Vec<Hand> {
    Vec::new()
}

/// The orders as they would be sent.
fn as_ordered(doing: &Doing<'_>) -> Vec<Hand> {
    tasks(&doing.step.tasks, doing.said.is_some_and(|said| said.open))
}

/// Commands of which each waits for the success of the one before: a block is pasted whole.
fn chain(lines: Vec<Option<String>>) -> Option<String> {
    Some(lines.into_iter().collect::<Option<Vec<String>>>()?.join(" &&\n"))
}

/// A pipe that fails when its first part does.
fn whole_pipe(line: Option<String>) -> Option<String> {
    line.map(|line| format!("(set -o pipefail; {line})"))
}

/// Where a secret lies.
pub fn secret(place: &model::SecretRef) -> Line {
    match place {
        model::SecretRef::File(path) => Line::default().code(path.display().to_string()),
        model::SecretRef::Env(name) => Line::from("the environment variable ").code(name),
    }
}
