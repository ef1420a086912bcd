//! `sql`: a pinned statement or file, run on a source.

use super::{Facts, Kind, Lowered, Rules, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, flat};
use crate::inputs::InputType;
use crate::order;
use crate::text::{Fields, Node, values};
use model::Class;
use std::time::Duration;

/// Digits of a SHA-256.
const DIGEST_DIGITS: usize = 64;
/// First words of statements that take data away.
const DESTROYING: [[&str; 2]; 6] = [
    ["drop", "database"],
    ["drop", "schema"],
    ["drop", "table"],
    ["truncate", ""],
    ["delete", "from"],
    ["drop", "owned"],
];

pub(crate) static KIND: Kind = Kind {
    name: "sql",
    doc: "Runs one `statement`, or the statements of a `file` on the member with that `sha256`, on `source`: on the member \
          `on`, or the one in `region`. The plan pins what is run; a file that has changed is refused. To \
          ask a question use `check`. A statement that drops, truncates or deletes is destructive: a \
          restored or proven point and held writers come before it. Nobody can tell whether a \
          statement may run twice, so it is never repeated by itself, and it is a point of no return unless \
          the step says `undo: none`. Its job is still to come.\n\n\
          ```yaml\nread-write:\n  sql: { source: tutor-db, on: db-2, statement: alter database tutor reset default_transaction_read_only }\n```",
    class: Class::Unsafe,
    timeout: Duration::from_secs(10 * 60),
    lower,
    rules,
    outputs: &[("printed", InputType::Text)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let source = fields.need("source", cx.sink).and_then(|node| cx.noun("source", node));
    let statement = fields.get("statement").map(|node| values::words(node, cx.sink));
    let file = fields.get("file").map(|node| values::path(node, cx.sink));
    let digest = fields.get("sha256").map(|node| sha256(node, cx));
    let live = cx.member(source.as_ref(), fields);
    if statement.is_some() == file.is_some() {
        let message = format!("{} has either a `statement` or a `file`", fields.what());
        cx.sink.push(&codes::EITHER_OR, fields.owner(), message);
        return None;
    }
    if file.is_some() != digest.is_some() {
        let message =
            "a `file` and its `sha256` belong together: without it nobody knows what is run".to_string();
        let help = "give both: `sha256sum FILE` says it".to_string();
        cx.sink.push_with(&codes::MISSING, fields.owner(), message, help);
        return None;
    }
    let (source, statement, file, live) = (source?, flat(statement)?, flat(file)?, live?);
    flat(digest)?;
    let facts = Facts {
        hosts: vec![live.clone()],
        source: Some(source.value.clone()),
        destroys: statement.as_deref().is_some_and(destroys),
        ..Facts::default()
    };
    let Some((acting, spec)) = cx.source(&source.value, &live, source.span) else {
        return cx.unready(facts);
    };
    cx.database(&source, &spec.kind, "asked in SQL")?;
    let what = match (&statement, &file) {
        (Some(statement), _) => format!("{:?}", statement.chars().take(60).collect::<String>()),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => return None,
    };
    Some(to_come(
        format!("run {what} on {} at {acting}", source.value),
        "running SQL",
        Undo::Impossible,
        facts,
    ))
}

fn sha256(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let text = values::words(node, cx.sink)?;
    let good =
        text.len() == DIGEST_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !good {
        let message = format!("a SHA-256 is {DIGEST_DIGITS} digits of 0-9 and a-f");
        cx.sink.push(&codes::WRONG_TYPE, node.span, message);
    }
    good.then_some(text)
}

/// Whether data is taken away, as far as the first words of each statement say it.
fn destroys(text: &str) -> bool {
    text.split(';').any(|statement| {
        let mut words = statement.split_whitespace().map(str::to_ascii_lowercase);
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        DESTROYING.iter().any(|[verb, what]| first == *verb && (what.is_empty() || second == *what))
    })
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    if rules.facts.destroys {
        order::verified_before(rules, cx);
        order::writers_held(rules, cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_say_what_a_statement_does() {
        assert!(destroys("DROP DATABASE IF EXISTS app"));
        assert!(destroys("truncate users"));
        assert!(destroys("select 1; delete  from users"));
        assert!(!destroys("alter table users drop column x"));
        assert!(!destroys("select 'drop database app'"));
        assert!(!destroys("create database app"));
    }
}
