//! `sql`: a pinned statement or file, run on a source.

use super::{Facts, Kind, Lowered, Rules, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, flat};
use crate::inputs::InputType;
use crate::order;
use crate::text::sql::{self, Sql};
use crate::text::{Fields, Node, values};
use model::Class;
use std::time::Duration;

/// Digits of a SHA-256.
const DIGEST_DIGITS: usize = 64;
/// First words of statements that take data away.
const DESTROYING: [&[&str]; 6] = [
    &["drop", "database"],
    &["drop", "schema"],
    &["drop", "table"],
    &["truncate"],
    &["delete", "from"],
    &["drop", "owned"],
];
/// First words of statements that hold others.
const HOLDING: [&str; 3] = ["with", "do", "explain"];

/// What statements say that replay a log.
const REPLAYS: [&str; 3] = ["pg_wal_replay_", "pg_xlog_replay_", "recovery_target"];

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
    let statement = fields.get("statement").map(|node| statement(node, cx));
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
        destroys: statement.as_deref().is_some_and(|statement| destroys(&sql::read(statement))),
        replays: statement.as_deref().is_some_and(replays),
        ..Facts::default()
    };
    let Some((acting, spec)) = cx.source(&source.value, &live, source.span) else {
        return cx.unready(facts, Undo::Impossible);
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

/// A statement without a password in it: the plan lives in git, and the server's log shows what was run.
fn statement(node: &Node, cx: &mut Context<'_>) -> Option<String> {
    let text = values::words(node, cx.sink)?;
    if sql::read(&text).password {
        cx.sink.push(
            &codes::PLAIN_SECRET,
            node.span,
            "the statement holds a password in plain text".to_string(),
        );
        return None;
    }
    Some(text)
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

/// Whether data is taken away, as far as the first words of each statement say it. What a `with`, `do` or
/// `explain` does stands further behind.
fn destroys(sql: &Sql) -> bool {
    sql.statements.iter().any(|words| {
        let holds = words.first().is_some_and(|first| HOLDING.contains(&first.as_str()));
        let begins = (0..words.len()).take(if holds { words.len() } else { 1 });
        begins
            .into_iter()
            .any(|at| DESTROYING.iter().any(|verb| verb.iter().eq(words.iter().skip(at).take(verb.len()))))
    })
}

/// Whether the log of the server is replayed, which is there only when somebody has shipped it.
fn replays(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    REPLAYS.iter().any(|word| text.contains(word))
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let source = rules.facts.source.as_ref().and_then(|source| cx.estate.sources.get(source));
    if rules.facts.replays && source.is_some_and(|source| !source.continuous) {
        let message = "it replays a log, and nothing ships the log of this source".to_string();
        cx.sink.push(&codes::UNSHIPPED_LOG, rules.step().params_span, message);
    }
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
        for bad in [
            "DROP DATABASE IF EXISTS app",
            "truncate users",
            "select 1; delete  from users",
            "-- tidy\ndrop table x",
            "/* tidy */ truncate x",
            "with old as (select 1) delete from x",
            "with gone as (delete from x returning *) select count(*) from gone",
            "do $$ begin truncate x; end $$",
        ] {
            assert!(destroys(&sql::read(bad)), "{bad}");
        }
        for good in [
            "alter table users drop column x",
            "select 'drop database app'",
            "select 'a; drop table x'",
            "create database app",
            "-- drop table x",
        ] {
            assert!(!destroys(&sql::read(good)), "{good}");
        }
    }

    #[test]
    fn a_replay_is_found_by_its_function() {
        assert!(replays("SELECT pg_wal_replay_resume();"));
        assert!(!replays("select pg_wal_lsn_diff(a, b) from x"));
    }
}
