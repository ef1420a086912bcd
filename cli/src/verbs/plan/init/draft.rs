//! A draft, and how it is written down.

use super::kinds::knows;
use crate::yaml::meaning::{is_nothing, is_word};
use std::collections::BTreeSet;

/// The host on which all of a draft stands until somebody says more.
pub const HOST: &str = "host-1";
/// What a place to fill in is marked with.
pub const FILL_IN: &str = "FILL IN";

/// Keys and values in order; the values as YAML on one line, see [`text`].
pub type Fields = Vec<(&'static str, String)>;

/// What was found.
#[derive(Debug, Default)]
pub struct Draft {
    /// What it was made from.
    pub origin: String,
    /// `services`
    pub services: Vec<Noun>,
    /// `sources`
    pub sources: Vec<Noun>,
    /// `checks`
    pub checks: Vec<Noun>,
    /// What was seen and not taken over, for people.
    pub notes: Vec<String>,
    /// Secrets that were seen and not copied, and where each belongs.
    pub secrets: Vec<String>,
}

/// One entry of a section.
#[derive(Debug, Default)]
pub struct Noun {
    /// Its name.
    pub name: String,
    /// What it may be, the best first: the first that this version of the language has is taken.
    pub choices: Vec<Fields>,
    /// What it says besides, whichever is taken.
    pub fields: Fields,
    /// Names of services that it refers to, by field: those that the draft has in the end are written.
    pub services: Vec<(&'static str, Vec<String>)>,
    /// Comments above it.
    pub comments: Vec<String>,
    /// What is said instead when this version has no word for it.
    pub otherwise: String,
}

impl Draft {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.sources.is_empty() && self.checks.is_empty()
    }

    /// The estate as YAML, not yet laid out.
    pub fn text(&self) -> String {
        let mut out = format!(
            "# A draft of an estate, made by `lifeboat plan init` from {}.\n\
             # It is a beginning: read each line, and replace what is marked {FILL_IN}.\n\n\
             # {FILL_IN}: the region or data centre in which this stands, and those that it may move to.\n\
             regions:\n  here: {{}}\n\n\
             # {FILL_IN}: the machines with an agent, named as in their certificates.\n\
             hosts:\n  {HOST}: {{ region: here }}\n",
            comment(&self.origin)
        );
        let known = self.known("services", &self.services, &BTreeSet::new());
        let services: BTreeSet<String> = known.iter().map(|(noun, _)| noun.name.clone()).collect();
        out.push_str(&section("services", &self.services, &known, &services));
        let known = self.known("sources", &self.sources, &services);
        out.push_str(&section("sources", &self.sources, &known, &services));
        let mut subjects = services.clone();
        subjects.extend(known.iter().map(|(noun, _)| noun.name.clone()));
        let of = |noun: &&Noun| noun.fields.iter().any(|(key, name)| *key == "of" && subjects.contains(name));
        let checks: Vec<(&Noun, &Fields)> =
            self.checks.iter().filter(of).filter_map(|noun| Some((noun, noun.choices.first()?))).collect();
        out.push_str(&section("checks", &[], &checks, &services));
        out.push_str(&backups(known.first().map(|(noun, _)| noun.name.as_str())));
        out
    }

    fn known<'d>(
        &self,
        name: &str,
        nouns: &'d [Noun],
        services: &BTreeSet<String>,
    ) -> Vec<(&'d Noun, &'d Fields)> {
        let choice = |noun: &'d Noun| {
            let known = |choice: &&Fields| knows(name, &entry(noun, choice, services));
            noun.choices.iter().find(known).map(|choice| (noun, choice))
        };
        nouns.iter().filter_map(choice).collect()
    }
}

/// A section with what is known; what is not stands in it as a comment.
fn section(name: &str, all: &[Noun], known: &[(&Noun, &Fields)], services: &BTreeSet<String>) -> String {
    let mut out = String::new();
    for noun in all.iter().filter(|noun| !known.iter().any(|(one, _)| std::ptr::eq(*one, *noun))) {
        out.push_str(&format!("# {}: {}\n", noun.name, comment(&noun.otherwise)));
    }
    if !known.is_empty() {
        out.push_str(&format!("{name}:\n"));
    }
    for (noun, choice) in known {
        for line in &noun.comments {
            out.push_str(&format!("  # {}\n", comment(line)));
        }
        out.push_str(&format!("  {}: {}\n", noun.name, entry(noun, choice, services)));
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

/// `{ kind: …, … }`
fn entry(noun: &Noun, choice: &Fields, services: &BTreeSet<String>) -> String {
    let mut parts: Vec<String> =
        noun.fields.iter().chain(choice).map(|(key, value)| format!("{key}: {value}")).collect();
    for (key, names) in &noun.services {
        let names: Vec<&str> =
            names.iter().filter(|name| services.contains(*name)).map(String::as_str).collect();
        match (*key, names.as_slice()) {
            (_, []) => {}
            ("server", [name, ..]) => parts.push(format!("{key}: {name}")),
            _ => parts.push(format!("{key}: [{}]", names.join(", "))),
        }
    }
    format!("{{ {} }}", parts.join(", "))
}

/// What no file of theirs can say.
fn backups(source: Option<&str>) -> String {
    let Some(source) = source else { return String::new() };
    format!(
        "\n# {FILL_IN}: where backups live, and when they are made. Remove the `# ` in front of these lines.\n\
         # repositories:\n\
         #   backups: {{ at: \"s3://BUCKET/PREFIX\", region: ELSEWHERE, password: {{ file: /etc/lifeboat/secrets/backups }} }}\n\
         # schedules:\n\
         #   nightly: {{ backup: {source}, to: [backups], at: \"0 2 * * *\", zone: UTC, keep: {{ days: 30 }}, prove: true }}\n"
    )
}

/// A comment on one line.
fn comment(text: &str) -> String {
    report::layout::clean(text)
}

/// A text as YAML on one line: without quotes only where nobody could take it for anything else.
pub fn text(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-@".contains(c))
        && !is_word(text)
        && !is_nothing(text);
    match plain {
        true => text.to_string(),
        // What JSON escapes, YAML understands.
        false => serde_json::Value::from(text).to_string(),
    }
}

/// A name of the language out of any text.
pub fn name(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(fits).collect();
    let name = name.trim_matches(|c| "._-".contains(c)).to_string();
    if name.is_empty() { "unnamed".to_string() } else { name }
}
