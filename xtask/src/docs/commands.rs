//! An advice may only name commands that exist: at three in the morning people type what they read.

use super::codes::Found;
use crate::checkout::TextFile;
use std::collections::{BTreeMap, BTreeSet};
use syn::{Fields, Item, ItemEnum, Type};

/// Where the command line is declared.
const ARGUMENTS: &str = "cli/src/args.rs";
/// The enum with its verbs.
const VERBS: &str = "Verb";

/// Advices of a code that name a command that is not there: where, and what.
pub fn unknown(code: &str, found: &Found, rust: &[TextFile]) -> Vec<(String, String)> {
    let known = known(rust);
    if known.is_empty() {
        return Vec::new();
    }
    let at = found.places.iter().next().cloned().unwrap_or_default();
    let named = found.advices.iter().chain(&found.whys).flat_map(|text| named(text));
    named
        .filter(|words| !exists(&known, words))
        .map(|words| {
            (at.clone(), format!("{code} names `lifeboat {}`, which is no command", words.join(" ")))
        })
        .collect()
}

/// Each verb with the verbs below it.
type Verbs = BTreeMap<String, BTreeSet<String>>;

fn exists(known: &Verbs, words: &[String]) -> bool {
    let Some(below) = words.first().and_then(|verb| known.get(verb)) else {
        return words.first().is_some_and(|verb| verb == "help");
    };
    below.is_empty() || words.get(1).is_some_and(|word| below.contains(word))
}

/// The words behind `lifeboat` wherever a text shows a command in backticks.
fn named(text: &str) -> Vec<Vec<String>> {
    text.split("`lifeboat ")
        .skip(1)
        .map(|rest| {
            let command = rest.split('`').next().unwrap_or_default();
            command.split_whitespace().take(2).map(str::to_string).collect()
        })
        .collect()
}

fn known(rust: &[TextFile]) -> Verbs {
    let Some(file) = rust.iter().find(|file| file.path == ARGUMENTS) else { return Verbs::new() };
    let Ok(tree) = syn::parse_file(&file.text) else { return Verbs::new() };
    let enums: BTreeMap<String, &ItemEnum> = tree
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Enum(item) => Some((item.ident.to_string(), item)),
            _ => None,
        })
        .collect();
    let Some(verbs) = enums.get(VERBS) else { return Verbs::new() };
    verbs
        .variants
        .iter()
        .map(|verb| {
            let below = inner(&verb.fields).and_then(|name| enums.get(&name));
            let below = below.into_iter().flat_map(|below| &below.variants);
            (word(&verb.ident.to_string()), below.map(|verb| word(&verb.ident.to_string())).collect())
        })
        .collect()
}

/// The type in `Verb(Type)`.
fn inner(fields: &Fields) -> Option<String> {
    match fields.iter().next().map(|field| &field.ty) {
        Some(Type::Path(path)) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

/// `CreateToken` as it is typed: `create-token`.
fn word(variant: &str) -> String {
    let mut out = String::new();
    for (index, c) in variant.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
