//! What a runbook looks like, in both formats.

use super::{VERSION, everything, example, of_texts, page, root};
use html5gum::{Token, Tokenizer};
use model::{Mode, Name};
use plan::SourceFile;
use report::runbook::{Entry, Format, index};
use std::collections::BTreeSet;

/// Elements without an end.
const VOID: [&str; 4] = ["br", "hr", "input", "meta"];
/// Widest line of prose that is wrapped; tables and single long words may be wider.
const PROSE: usize = 110;

fn recorded(name: &str, text: &str) {
    let path = root().join("report/testdata/runbook").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), *text, "{name}");
}

#[test]
fn the_example_and_every_kind_look_as_recorded() {
    let (example, everything) = (example(), everything());
    for (estate, plan) in [
        (&example, "region-failover"),
        (&example, "region-return"),
        (&everything, "move"),
        (&everything, "everything"),
        (&everything, "called-off"),
    ] {
        let page = page(estate, plan, Mode::Live);
        recorded(&format!("{plan}.md"), &page.markdown());
        recorded(&format!("{plan}.html"), &page.html());
    }
}

#[test]
fn the_list_names_every_runbook() {
    let estate = everything();
    let show = |name: &str| estate.show(&Name::new(name).unwrap(), Mode::Live, &Default::default()).unwrap();
    let all = [show("everything"), show("move")];
    let entries: Vec<Entry<'_>> =
        all.iter().map(|shown| Entry { shown, file: format!("{}.md", shown.plan.name) }).collect();
    let text = index(&estate, &entries, VERSION).markdown();
    for part in ["[everything](everything.md)", "[move](move.md)", "`aftermath` is only called by others"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn the_same_estate_gives_the_same_bytes() {
    let once = page(&everything(), "everything", Mode::Live);
    assert_eq!(once.markdown(), page(&everything(), "everything", Mode::Live).markdown());
}

#[test]
fn every_kind_has_its_words_and_is_in_a_recorded_runbook() {
    let known: BTreeSet<&str> = plan::step_kinds().map(|(kind, _, _)| kind).collect();
    for kind in &known {
        assert!(
            report::runbook::does(kind).is_some(),
            "{kind} has no words: add it to a table of runbook/manual"
        );
    }
    assert_eq!(
        report::runbook::kinds().collect::<BTreeSet<&str>>(),
        known,
        "words for a kind that is not there"
    );
    let estate = everything();
    let mut shown: BTreeSet<String> = BTreeSet::new();
    for plan in ["everything", "called-off"] {
        let plan = estate.show(&Name::new(plan).unwrap(), Mode::Live, &Default::default()).unwrap().plan;
        shown.extend(plan.steps.iter().map(|step| step.kind.clone()));
    }
    assert_eq!(shown.iter().map(String::as_str).collect::<BTreeSet<&str>>(), known);
}

#[test]
fn prose_fits_paper() {
    for plan in ["everything", "called-off", "move"] {
        let text = page(&everything(), plan, Mode::Live).markdown();
        let mut code = false;
        for line in text.lines() {
            let fence = line.trim_start().starts_with("```");
            code ^= fence;
            let wide = report::layout::width(line) > PROSE;
            let breakable =
                line.trim_start().contains(' ') && !line.trim_start().starts_with('|') && !code && !fence;
            assert!(!wide || !breakable, "{plan}: {line}");
        }
    }
}

#[test]
fn a_drill_says_so_first() {
    let language = std::fs::read_to_string(root().join("plan/testdata/language/estate.yaml")).unwrap();
    let plan = "plan: move\nsteps: { told: { notify: { channel: hook, state: resolved } } }\n";
    let file = |path: &str, text: &str| SourceFile { path: path.to_string(), text: text.to_string() };
    let estate = of_texts(&[file("estate.yaml", &language), file("move.yaml", plan)]);
    let text = page(&estate, "move", Mode::Drill).markdown();
    assert!(text.lines().take(6).any(|line| line.contains("**This is the drill.**")), "{text}");
    assert!(text.contains("DRILL: move") && text.contains("--mode drill"), "{text}");
    assert!(!page(&estate, "move", Mode::Live).markdown().contains("This is the drill"));
}

#[test]
fn the_html_is_whole_and_needs_nothing_from_outside() {
    for plan in ["everything", "move"] {
        let html = Format::Html.write(&page(&everything(), plan, Mode::Live));
        let (mut open, mut headings, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
        for token in Tokenizer::new(&html) {
            let token = token.unwrap();
            match token {
                Token::StartTag(tag) => {
                    let name = String::from_utf8(tag.name.to_vec()).unwrap();
                    for (key, value) in &tag.attributes {
                        let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
                        assert!(!key.starts_with("on") && key != "src", "{name} {key}={value}");
                        if key == "href" {
                            assert!(value.starts_with("tel:") || value.starts_with("mailto:"), "{value}");
                        }
                        assert!(key != "id" || ids.insert(value.into_owned()));
                    }
                    assert!(!["script", "link", "img", "iframe", "form"].contains(&name.as_str()), "{name}");
                    headings.extend(name.strip_prefix('h').and_then(|level| level.parse::<u8>().ok()));
                    if !VOID.contains(&name.as_str()) {
                        open.push(name);
                    }
                }
                Token::EndTag(tag) => {
                    assert_eq!(open.pop().map(String::into_bytes), Some(tag.name.to_vec()), "{plan}");
                }
                Token::Error(error) => panic!("{plan}: {error:?}"),
                Token::String(_) | Token::Comment(_) | Token::Doctype(_) => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert_eq!(headings.iter().filter(|level| **level == 1).count(), 1);
        assert!(headings.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{headings:?}");
        assert!(html.contains("default-src 'none'") && html.lines().nth(1) == Some(report::runbook::MARK));
    }
}
