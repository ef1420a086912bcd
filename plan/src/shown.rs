//! A plan for people who carry it out by hand: every step, also those that no agent does yet, with what the text says
//! about it, and what else such people ask an estate.

use crate::checked::CheckedPlan;
use crate::checked_estate::CheckedEstate;
use crate::context::Purpose;
use crate::diagnostic::{Diagnostic, Sink};
use crate::domains;
use crate::inputs::InputType;
use crate::lower::{Said, lower_with};
use crate::objectives::{self, Loss, Prediction, predict};
use crate::text::reader::Reader;
use crate::text::{Entry, Value};
use model::{HostName, Mode, Name, StepPath, UserName};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A plan as people read it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its steps in an order that respects `after`. A step that no agent carries out yet, or that waits for a value
    /// which is not known yet, has no tasks.
    pub plan: CheckedPlan,
    /// How long it takes.
    pub prediction: Prediction,
    /// What its inputs are for.
    pub inputs: Vec<ShownInput>,
    /// Other plans that bring back what it moves.
    pub back: Vec<Name>,
    /// What the text says about each step, by the path of the step in the text.
    steps: BTreeMap<StepPath, Said>,
}

/// An input of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownInput {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: InputType,
    /// What it is for, in the plan's words.
    pub description: Option<String>,
    /// The value that was given, or the one that the plan has for it; `None` when it is not known.
    pub value: Option<String>,
}

/// What the text says about a step.
#[derive(Debug, Clone, Copy)]
pub struct ShownStep<'s> {
    /// What its verb says, inputs filled in. Every single value is a text; one that is not known yet stands as
    /// `${{ … }}`.
    pub parameters: &'s Json,
    /// Live hosts that it is about.
    pub hosts: &'s [HostName],
    /// What no agent carries out yet, in words.
    pub to_come: Option<&'static str>,
    /// Whether its tasks hold a value that is not known yet: a restore point stands as the newest one then.
    pub open: bool,
}

/// A person, and how they are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactHead {
    /// What people call them.
    pub name: String,
    /// What they are.
    pub title: Option<String>,
    /// A telephone number.
    pub phone: Option<String>,
    /// An address.
    pub email: Option<String>,
    /// Their name on a channel, and the channel.
    pub chat: Option<(String, Name)>,
}

/// The most that is lost, in time, when the backups of one schedule in one repository are all that is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupLoss {
    /// The schedule.
    pub schedule: Name,
    /// The repository.
    pub repository: Name,
    /// How much.
    pub loss: Loss,
}

/// Every noun as its text says it, by section and name. Every single value is a text.
#[derive(Debug, Clone, Default)]
pub struct Nouns(BTreeMap<(String, String), Json>);

impl Nouns {
    /// One noun: `get("channels", "ops")`.
    pub fn get(&self, section: &str, name: &str) -> Option<&Json> {
        self.0.get(&(section.to_string(), name.to_string()))
    }

    /// Those of a section with their names.
    pub fn of<'n>(&'n self, section: &'n str) -> impl Iterator<Item = (&'n str, &'n Json)> {
        let all = self.0.iter().filter(move |((own, _), _)| own == section);
        all.map(|((_, name), noun)| (name.as_str(), noun))
    }
}

impl Shown {
    /// What the text says about a step of the plan. A step of the text that became several (`start/1`, `start`) says
    /// the same about each.
    pub fn said(&self, step: &StepPath) -> Option<ShownStep<'_>> {
        let whole = self.steps.get(step).or_else(|| {
            let (text, _) = step.as_str().rsplit_once('/')?;
            self.steps.get(&StepPath::new(text).ok()?)
        });
        whole.map(|said| ShownStep {
            parameters: &said.params,
            hosts: &said.hosts,
            to_come: said.to_come,
            open: said.open,
        })
    }
}

impl CheckedEstate {
    /// A plan as people read it, in a mode with the given inputs, or everything that is in its way. Unlike
    /// [`CheckedEstate::compile`], it takes plans with kinds whose job is still to come and inputs without a value.
    pub fn show(
        &self,
        plan: &Name,
        mode: Mode,
        inputs: &BTreeMap<String, String>,
    ) -> Result<Shown, Vec<Diagnostic>> {
        let mut sink = Sink::new(&self.files);
        let Some(document) = self.document(plan, &mut sink) else { return Err(sink.finish(&self.files)) };
        let request = self.request(Purpose::Show, mode, inputs);
        let Some((lowered, steps)) = lower_with(document, &request, &mut sink, &mut |_| ()) else {
            return Err(sink.finish(&self.files));
        };
        let shown = document.inputs.iter().map(|(name, input)| ShownInput {
            name: name.clone(),
            kind: input.kind,
            description: input.description.clone(),
            value: inputs.get(name).or(input.default.as_ref()).cloned(),
        });
        let back = domains::back(document, &self.plans, &self.estate).into_iter().cloned().collect();
        let prediction = predict(&lowered, None);
        Ok(Shown { plan: lowered, prediction, inputs: shown.collect(), back, steps })
    }

    /// A person of a role; `None` when the estate has no such contact.
    pub fn contact(&self, user: &UserName) -> Option<ContactHead> {
        let contact = self.estate.contacts.get(&Name::new(user.as_str()).ok()?)?;
        let channel = contact.channel.as_ref().map(|channel| channel.value.clone());
        Some(ContactHead {
            name: contact.name.clone(),
            title: contact.title.clone(),
            phone: contact.phone.clone(),
            email: contact.email.clone(),
            chat: contact.chat.clone().zip(channel),
        })
    }

    /// What the backups of a source would lose at worst.
    pub fn losses(&self, source: &Name) -> Vec<BackupLoss> {
        let all = objectives::losses(&self.estate, source).into_iter();
        all.map(|(schedule, repository, loss)| BackupLoss {
            schedule: schedule.clone(),
            repository: repository.clone(),
            loss,
        })
        .collect()
    }

    /// Every noun as its text says it.
    pub fn nouns_as_written(&self) -> Nouns {
        let (mut sink, mut reader, mut all) = (Sink::new(&self.files), Reader::new(), Nouns::default());
        for (number, file) in self.files.iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let Some(root) = reader.read(number, &file.text, &mut sink) else { continue };
            if crate::document::is_plan(&root) {
                continue;
            }
            for section in entries(&root.value) {
                for noun in entries(&section.value.value) {
                    all.0.insert((section.key.clone(), noun.key.clone()), noun.value.canonical());
                }
            }
        }
        all
    }
}

fn entries(value: &Value) -> &[Entry] {
    match value {
        Value::Map(entries) => entries,
        Value::Null | Value::Scalar(_) | Value::List(_) => &[],
    }
}
