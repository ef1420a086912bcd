//! What must be known and at hand before the first step.

use super::Book;
use super::manual::{self, Doing, Hand};
use super::page::{Block, Line};
use model::nouns::{PostgresSpec, Question, RepositorySpec, SourceKind, SourceSpec};
use model::{ControlAction, SecretRef, Work};
use plan::InputType;
use plan::checked::{Action, Step, Task, Undo};
use std::collections::{BTreeMap, BTreeSet};

/// Programs that commands begin with, and the package of Debian that has each.
const TOOLS: [(&str, &str); 9] = [
    ("psql", "postgresql-client"),
    ("pg_dump", "postgresql-client"),
    ("pg_restore", "postgresql-client"),
    ("restic", "restic"),
    ("nsupdate", "bind9-dnsutils"),
    ("curl", "curl"),
    ("docker", "docker.io"),
    ("kubectl", ""),
    ("terraform", ""),
];

pub fn blocks(book: &Book<'_>) -> Vec<Block> {
    let name = book.shown.plan.name.to_string();
    let alive = Line::default()
        .strong("Is Lifeboat really gone?")
        .plain(" While a controller answers (")
        .code("lifeboat status")
        .plain("), let it do this: ")
        .code(format!("lifeboat run {name}"))
        .plain(". Never follow this page beside an open run: both would act.");
    let order = Line::default()
        .strong("In this order.")
        .plain(" Tick each step when you have seen that it worked. When one fails, stop and read what it says about that.");
    let shell = Line::default()
        .strong("Commands are for root and bash,")
        .plain(" on the host that stands above them. When psql says that peer authentication failed, put ")
        .code("sudo -u postgres")
        .plain(" before the command.");
    let mut ticks = vec![alive, order, shell];
    ticks.extend(inputs(book));
    ticks.extend(tools(book));
    let mut inner = vec![Block::Text(Line::default().strong("Before you begin")), Block::Ticks(ticks)];
    let secrets = secrets(book);
    if !secrets.is_empty() {
        inner.push(Block::Text(
            "Secrets that are needed. They lie here and stand nowhere in this page:".into(),
        ));
        inner.push(Block::Ticks(secrets));
    }
    vec![Block::Heading("Before you begin".into()), Block::Box(inner.split_off(1))]
}

/// Values that nobody has given yet.
fn inputs(book: &Book<'_>) -> Vec<Line> {
    let open = book.shown.inputs.iter().filter(|input| input.value.is_none());
    let line = |input: &plan::ShownInput| {
        let what = match input.kind {
            InputType::RestorePoint => "a restore point: latest, the id of a snapshot, or a time",
            InputType::Version => "a version",
            InputType::Host => "a host",
            InputType::Number => "a number",
            InputType::Duration => "a length of time",
            InputType::Text => "a text",
        };
        let line = Line::default().strong("Decide ").code(&input.name).plain(format!(", {what}: "));
        let said = input.description.as_deref().map(|said| format!("{said} ")).unwrap_or_default();
        line.plain(format!("{said}……………………"))
    };
    open.map(line).collect()
}

/// Every command of the runbook.
fn hands(book: &Book<'_>) -> Vec<Hand> {
    let of = |step: &Step| {
        let doing = Doing { estate: book.estate, nouns: book.nouns, step, said: book.shown.said(&step.path) };
        manual::kind(&step.kind).map(|kind| (kind.by_hand)(&doing)).unwrap_or_default()
    };
    book.steps().flat_map(of).collect()
}

fn tools(book: &Book<'_>) -> Option<Line> {
    let hands = hands(book);
    let said: Vec<&str> =
        hands.iter().flat_map(|hand| &hand.run).flat_map(|run| run.split_whitespace()).collect();
    let is_named = |tool: &str| said.iter().any(|word| word.rsplit('/').next() == Some(tool));
    let needed: Vec<(&str, &str)> = TOOLS.into_iter().filter(|(tool, _)| is_named(tool)).collect();
    if needed.is_empty() {
        return None;
    }
    let packages: BTreeSet<&str> =
        needed.iter().map(|(_, package)| *package).filter(|name| !name.is_empty()).collect();
    let line = Line::default().strong("At hand:").plain(" ").codes(needed.iter().map(|(tool, _)| tool));
    if packages.is_empty() {
        return Some(line.plain("."));
    }
    let packages: Vec<&str> = packages.into_iter().collect();
    Some(line.plain(" (Debian: ").code(format!("apt-get install {}", packages.join(" "))).plain(")."))
}

/// Where each secret lies: place, what it is, on which machine.
fn secrets(book: &Book<'_>) -> Vec<Line> {
    let mut found: BTreeMap<(String, String, String), Line> = BTreeMap::new();
    let undo = |step: &Step| match &step.undo {
        Undo::Tasks { tasks } => tasks.clone(),
        Undo::Nothing | Undo::Impossible => Vec::new(),
    };
    let tasks: Vec<Task> =
        book.steps().flat_map(|step| step.tasks.iter().cloned().chain(undo(step))).collect();
    for task in &tasks {
        match &task.action {
            Action::Agent { host, work } => {
                let mut add = |place: &SecretRef, what: String| {
                    found.insert((place.to_string(), what, host.to_string()), manual::secret(place));
                };
                of_work(work, &mut add);
            }
            Action::Controller { control } => {
                let (place, what) = match control {
                    ControlAction::Cutover { record, .. } | ControlAction::RestoreRecord { record } => {
                        (Some(&record.zone.key), format!("the TSIG key of {}", record.zone.zone))
                    }
                    ControlAction::Notify { channel, .. } => {
                        (channel.token.as_ref(), format!("the token of the channel {}", channel.name))
                    }
                };
                let machine = "the controller's host".to_string();
                found.extend(place.map(|place| ((place.to_string(), what, machine), manual::secret(place))));
            }
            Action::Timer { .. } => {}
        }
    }
    let line = |((_, what, machine), place): (&(String, String, String), &Line)| {
        place.clone().plain(format!(" on {machine}: {what}"))
    };
    found.iter().map(line).collect()
}

fn of_work(work: &Work, add: &mut impl FnMut(&SecretRef, String)) {
    let repository = |spec: &RepositorySpec, add: &mut dyn FnMut(&SecretRef, String)| {
        add(&spec.password, format!("the password of the repository {}", spec.name));
        if let Some(credentials) = &spec.credentials {
            add(credentials, format!("the S3 credentials of the repository {}", spec.name));
        }
    };
    match work {
        Work::Backup(work) => {
            repository(&work.repository, add);
            of_source(&work.source, add);
        }
        Work::Restore(work) => {
            repository(&work.repository, add);
            of_source(&work.source, add);
        }
        Work::Prove(work) => {
            repository(&work.repository, add);
            of_source(&work.source, add);
        }
        Work::Retain(work) => repository(&work.repository, add),
        Work::Swap(work) => of_source(&work.source, add),
        Work::Promote(work) => of_source(&work.source, add),
        Work::Rejoin(work) => {
            of_source(&work.source, add);
            if let SourceKind::Postgres(PostgresSpec { follow, .. }) = &work.source.kind
                && let Some(password) = &follow.password
            {
                add(password, format!("the password with which a standby of {} follows", work.source.name));
            }
        }
        Work::Unfence(work) => of_source(&work.source, add),
        Work::Check(check) => {
            if let Question::Sql { source, .. } = &check.check.question {
                of_source(source, add);
            }
        }
        // A fence stops a service; it asks the server nothing.
        Work::Fence(_) | Work::Service(_) | Work::Command(_) => {}
    }
}

fn of_source(source: &SourceSpec, add: &mut impl FnMut(&SecretRef, String)) {
    let SourceKind::Postgres(spec) = &source.kind else { return };
    if let Some(password) = &spec.password {
        add(password, format!("the password of {} at {}", spec.user, source.name));
    }
}
