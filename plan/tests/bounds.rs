//! Whatever the text is, the check ends soon, with diagnostics, never with a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use plan::{Checked, Severity, SourceFile, check};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Longest time that a check of bounded text may take, unoptimised and on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn one(text: &str) -> Checked {
    let began = Instant::now();
    let checked = check(&[SourceFile { path: "a.yaml".into(), text: text.into() }]);
    assert!(began.elapsed() < SOON, "took {:?}", began.elapsed());
    for found in &checked.diagnostics {
        assert!(found.line >= 1 && found.column >= 1 && found.end_column > found.column, "{found:?}");
    }
    assert_eq!(checked.estate.is_some(), checked.errors() == 0);
    checked
}

fn demo(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn deep_nesting_is_an_error() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(5_000),
        (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>(),
    ] {
        assert!(one(&text).errors() >= 1, "{}", &text[..40]);
    }
}

#[test]
fn aliases_that_grow_beyond_measure_are_an_error() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_string();
    for level in 1..=20 {
        let refs = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    let checked = one(&text);
    assert!(
        checked.diagnostics.iter().any(|found| found.code == "LB0107"),
        "{:?}",
        checked.diagnostics.first()
    );
}

#[test]
fn an_alias_inside_its_own_anchor_is_an_error() {
    assert!(one("a: &a [*a]\n").errors() >= 1);
}

#[test]
fn aliases_within_measure_are_read() {
    let text = "regions: { east: {} }\nhosts:\n  a: &host { region: east }\n  b: *host\n";
    assert_eq!(one(text).diagnostics, []);
    let hosts: Vec<String> = one(text).estate.unwrap().hosts().map(|(host, _)| host.to_string()).collect();
    assert_eq!(hosts, ["a", "b"]);
}

#[test]
fn files_that_are_too_large_are_not_read() {
    let checked = one(&format!("# {}\n", "x".repeat(1024 * 1024)));
    assert_eq!(checked.diagnostics[0].code, "LB0107");
    let file = |number: usize| SourceFile { path: format!("{number}.yaml"), text: "#".repeat(1_000_000) };
    let many: Vec<SourceFile> = (0..5).map(file).collect();
    assert_eq!(check(&many).diagnostics[0].code, "LB0107");
    let crowd = vec![SourceFile { path: "a".into(), text: String::new() }; 1_001];
    assert_eq!(check(&crowd).diagnostics[0].code, "LB0107");
}

#[test]
fn a_flood_of_mistakes_is_cut_and_keeps_the_errors() {
    let text = (0..5_000).map(|number| format!("x{number}: {{}}\n")).collect::<String>();
    let checked = one(&text);
    assert_eq!(checked.diagnostics.len(), plan::diagnostic::MAX_DIAGNOSTICS);
    assert!(checked.diagnostics.iter().all(|found| found.severity == Severity::Error));
}

#[test]
fn an_empty_estate_is_an_estate() {
    assert_eq!(check(&[]).diagnostics, []);
    assert_eq!(one("").diagnostics, []);
    assert_eq!(one("# nothing yet\n").diagnostics, []);
}

#[test]
fn a_thousand_hosts_and_twenty_thousand_steps_are_checked() {
    let mut estate = "regions: { east: {}, west: {} }\nhosts:\n".to_string();
    for host in 0..1_000 {
        estate
            .push_str(&format!("  h{host}: {{ region: {} }}\n", if host % 2 == 0 { "east" } else { "west" }));
    }
    estate.push_str("services:\n  app: { kind: systemd, unit: app, hosts: [h0, h1] }\n");
    let mut files = vec![SourceFile { path: "estate.yaml".into(), text: estate }];
    for plan in 0..200 {
        let mut text =
            format!("plan: p{plan}\nsteps:\n  s0: {{ start: {{ services: [app], hosts: [h1] }} }}\n");
        for step in 1..100 {
            text.push_str(&format!(
                "  s{step}: {{ after: s{}, restart: {{ services: [app], hosts: [h1] }} }}\n",
                step - 1
            ));
        }
        files.push(SourceFile { path: format!("p{plan}.yaml"), text });
    }
    let began = Instant::now();
    let checked = check(&files);
    assert_eq!(checked.diagnostics, []);
    assert!(began.elapsed() < SOON, "took {:?}", began.elapsed());
    eprintln!("checked in {:?}", began.elapsed());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        one(&text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        one(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn words_of_yaml_in_any_order_never_panic(words in prop::collection::vec(
        prop::sample::select(vec![
            "plan: p\n", "steps:\n", "  a: ", "{", "}", "[", "]", "after: a", "promote: ", "fence: ", ", ", "\n", "- ", "&a ", "*a",
            "regions: ", "hosts: ", "services: ", "region: east", "kind: process", "run: ", "\"", "'", "|", ">", "? ", ": ", "!t ", "---\n", "${{ inputs.x }}", "inputs: ", "when: ", "drill: ", "null", "~",
        ]), 0..60)) {
        one(&words.concat());
    }

    #[test]
    fn a_demo_with_a_hole_never_panics(from in 0usize..4_000, length in 0usize..40, with in "\\PC{0,6}") {
        for name in ["estate.yaml", "region-failover.yaml"] {
            let text = demo(name);
            let at = |index: usize| text.char_indices().map(|(at, _)| at).nth(index).unwrap_or(text.len());
            let cut = format!("{}{with}{}", &text[..at(from)], &text[at(from + length)..]);
            let other = if name == "estate.yaml" { "region-failover.yaml" } else { "estate.yaml" };
            let files = [SourceFile { path: name.into(), text: cut }, SourceFile { path: other.into(), text: demo(other) }];
            let checked = check(&files);
            prop_assert_eq!(checked.estate.is_some(), checked.errors() == 0);
        }
    }
}

#[test]
fn thousands_of_unknown_names_beside_thousands_of_known_ones_are_told_soon() {
    let hosts: String = (0..8_000).map(|number| format!("  host-{number}: {{ region: east }}\n")).collect();
    let services: String = (0..8_000)
        .map(|number| format!("  s{number}: {{ kind: systemd, unit: s, hosts: [hots-{number}] }}\n"))
        .collect();
    let checked = one(&format!("regions: {{ east: {{}} }}\nhosts:\n{hosts}services:\n{services}"));
    assert_eq!(checked.diagnostics.len(), plan::diagnostic::MAX_DIAGNOSTICS);
}
