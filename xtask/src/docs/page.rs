//! The page of a code, and the list of all pages.

use super::codes::Found;
use super::groups;
use std::collections::{BTreeMap, BTreeSet};

/// What stands at the top of each page.
const NOTE: &str = "<!-- Made by `cargo xtask docs` from the sources. Change the message, the documentation or the advice there. -->";

/// Both a message and something to do are known.
pub fn says_enough(code: &str, found: &Found) -> bool {
    let means = !found.messages.is_empty() || !found.meanings.is_empty();
    let helps = !found.advices.is_empty() || !groups::of(code).advice.is_empty();
    means && helps
}

/// The page of one code.
pub fn render(code: &str, found: &Found) -> String {
    let group = groups::of(code);
    let mut page = format!("{NOTE}\n\n# {code}\n\n{}: {}\n", group.title, group.about);
    page.push_str("\n## What it means\n\n");
    for meaning in &found.meanings {
        page.push_str(&format!("{}\n\n", sentence(&plain(meaning))));
    }
    if !found.messages.is_empty() {
        page.push_str("The program says (what stands in braces is filled in):\n\n```text\n");
        for message in &found.messages {
            page.push_str(&format!("{code}: {}\n", one_line(message)));
        }
        page.push_str("```\n\n");
    }
    page.push_str("## Why it matters\n\n");
    let whys: BTreeSet<&str> = found.whys.iter().map(String::as_str).collect();
    let own = whys.iter().copied().collect::<Vec<_>>().join("\n\n");
    page.push_str(if own.is_empty() { group.why } else { &own });
    page.push_str("\n\n## What to do\n\n");
    for advice in &found.advices {
        page.push_str(&format!("- {}\n", sentence(&plain(advice))));
    }
    if !group.advice.is_empty() {
        page.push_str(&format!("- {}\n", group.advice));
    }
    page
}

/// The list of all pages, by group.
pub fn index(codes: &BTreeMap<String, Found>) -> String {
    let mut page = format!(
        "{NOTE}\n\n# Error codes\n\nEvery error that an operator can meet has a code that never changes its meaning. The\n\
         program prints what went wrong, why, and what to do; these pages say the same and a little more.\n"
    );
    let mut last = "";
    for (code, found) in codes {
        let group = groups::of(code);
        if group.title != last {
            page.push_str(&format!("\n## {}\n\n", group.title));
            last = group.title;
        }
        let text = found.messages.iter().next().or_else(|| found.meanings.iter().next());
        let text = text.map(|text| one_line(text)).unwrap_or_default();
        page.push_str(&format!("- [{code}]({code}.md): {}\n", plain(&text)));
    }
    page
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without what Markdown would take as a tag or a link.
fn plain(text: &str) -> String {
    one_line(text).replace('<', "\\<").replace("[`", "`").replace("`]", "`").replace("```", "")
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?', ':', '`']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
