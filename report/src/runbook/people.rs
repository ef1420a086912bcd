//! Who decides, how they are reached, and where others are told.

use super::Book;
use super::page::{Block, Line};
use model::{ControlAction, Name, UserName};
use plan::checked::Action;
use serde_json::Value;
use std::collections::BTreeSet;

pub fn blocks(book: &Book<'_>) -> Vec<Block> {
    let mut out = vec![Block::Heading("Who".into())];
    let roles = roles(book);
    if roles.is_empty() {
        out.push(Block::Text(
            "No step of this plan waits for a named role. Agree on one person who decides.".into(),
        ));
    } else {
        let rows = roles.iter().flat_map(|role| role_rows(book, role)).collect();
        out.push(Block::Table { header: vec!["role", "who", "how to reach them"], rows });
        out.extend(escalation(book, &roles));
    }
    let channels = channels(book);
    if !channels.is_empty() {
        out.push(Block::Text("Others are told here:".into()));
        out.push(Block::Points(channels));
    }
    out
}

/// The roles that some step waits for.
fn roles(book: &Book<'_>) -> BTreeSet<Name> {
    let gates = book.steps().filter_map(|step| step.gate.as_ref()?.role.clone());
    let rules = book.steps().filter_map(|step| step.evidence.as_ref()?.role.clone());
    gates.chain(rules).collect()
}

fn role_rows(book: &Book<'_>, role: &Name) -> Vec<Vec<Line>> {
    let Some(head) = book.estate.role(role) else { return Vec::new() };
    let row = |part: &str, user: &UserName| {
        vec![
            Line::default().code(role.to_string()).plain(format!(" ({part})")),
            who(book, user),
            reached(book, user),
        ]
    };
    let backup = head.backup.as_ref().map(|user| row("backup", user));
    [row("first", &head.primary)].into_iter().chain(backup).collect()
}

fn who(book: &Book<'_>, user: &UserName) -> Line {
    let line = Line::default();
    match book.estate.contact(user) {
        None => line.code(user.to_string()),
        Some(contact) => {
            let title = contact.title.map(|title| format!(", {title}")).unwrap_or_default();
            line.strong(contact.name).plain(format!("{title} (")).code(user.to_string()).plain(")")
        }
    }
}

fn reached(book: &Book<'_>, user: &UserName) -> Line {
    let Some(contact) = book.estate.contact(user) else {
        return "the estate has no contact: write the number here: ……………………".into();
    };
    let mut ways = Vec::new();
    ways.extend(contact.phone.map(|phone| Line::default().phone(&phone)));
    ways.extend(contact.email.map(|email| Line::default().mail(&email)));
    ways.extend(
        contact
            .chat
            .map(|(chat, channel)| Line::default().code(chat).plain(" on ").code(channel.to_string())),
    );
    joined(ways)
}

fn joined(parts: Vec<Line>) -> Line {
    let mut out = Line::default();
    for (number, part) in parts.into_iter().enumerate() {
        out = if number > 0 { out.plain(", ").and(part) } else { out.and(part) };
    }
    out
}

/// Who is asked next when nobody of a role answers.
fn escalation(book: &Book<'_>, roles: &BTreeSet<Name>) -> Option<Block> {
    let each = roles.iter().filter_map(|role| {
        let said = book.nouns.get("roles", role.as_str())?;
        let users: Vec<UserName> = said
            .get("escalate")
            .and_then(Value::as_array)?
            .iter()
            .filter_map(|user| UserName::new(user.as_str()?).ok())
            .collect();
        let after = said.get("escalate-after").and_then(Value::as_str);
        let line = Line::from("Nobody of ").code(role.to_string());
        let line =
            line.plain(after.map_or(" answers: ".to_string(), |after| format!(" answers within {after}: ")));
        let people = users.iter().map(|user| who(book, user).plain(", ").and(reached(book, user)));
        Some(line.and(joined(people.collect())))
    });
    let each: Vec<Line> = each.collect();
    (!each.is_empty()).then_some(Block::Points(each))
}

/// Every channel that a step uses or on which somebody is reached, in the estate's own words.
fn channels(book: &Book<'_>) -> Vec<Line> {
    let told = book.steps().flat_map(|step| &step.tasks).filter_map(|task| match &task.action {
        Action::Controller { control: ControlAction::Notify { channel, .. } } => {
            Some(channel.name.to_string())
        }
        Action::Agent { .. } | Action::Controller { .. } | Action::Timer { .. } => None,
    });
    let written = book.steps().filter(|step| step.kind == "notify" && step.tasks.is_empty());
    let written = written.filter_map(|step| {
        Some(book.shown.said(&step.path)?.parameters.get("channel")?.as_str()?.to_string())
    });
    let bridges = book
        .nouns
        .of("channels")
        .filter(|(_, noun)| noun["kind"] == "bridge")
        .map(|(name, _)| name.to_string());
    let names: BTreeSet<String> = told.chain(written).chain(bridges).collect();
    names.iter().filter_map(|name| Some(channel(name, book.nouns.get("channels", name)?))).collect()
}

/// Kind and place of a channel. Where its secrets lie stands with the other secrets.
fn channel(name: &str, said: &Value) -> Line {
    let word = |field: &str| said.get(field).and_then(Value::as_str);
    let mut line = Line::default().code(name).plain(format!(": {}", word("kind").unwrap_or("channel")));
    for field in ["channel", "page", "team", "server", "url"] {
        if let Some(value) = word(field) {
            line = line.plain(", ").code(value);
        }
    }
    if let Some(number) = word("number") {
        line = line.plain(", ").phone(number);
    }
    for address in said.get("to").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        line = if address.contains('@') {
            line.plain(", ").mail(address)
        } else {
            line.plain(", ").phone(address)
        };
    }
    line
}
