#![allow(clippy::unwrap_used)]
use super::*;
use plan::SourceFile;

fn changes(old: &str, new: &str) -> Vec<compare::Change> {
    let read = |text: &str| nouns::read(&[SourceFile { path: "a.yaml".into(), text: text.into() }]).unwrap();
    compare::compare(&read(old), &read(new))
}

fn shown(old: &str, new: &str) -> String {
    show::text(&changes(old, new))
}

fn same(old: &str, new: &str) {
    assert_eq!(changes(old, new), [], "{}", shown(old, new));
}

#[test]
fn order_layout_comments_and_ways_to_write_the_same_are_no_difference() {
    same("a: { x: 1, y: 2 }\nb: {}\n", "# c\nb:\na:\n  y: '2'\n  x: \"1\"\n");
    same("s: { web: { needs: [a, b] } }\n", "s: { web: { needs: [b, a] } }\n");
    same("s: { web: { needs: [a] } }\n", "s: { web: { needs: a } }\n");
    same("s: { web: { hosts: [a, b] } }\n", "s: { web: { hosts: { b: {}, a: } } }\n");
    same("o: { x: { rto: 60s } }\n", "o: { x: { rto: 1m } }\n");
    same("s: &s { w: { run: [a] } }\nt: *s\n", "s: { w: { run: [a] } }\nt: { w: { run: [a] } }\n");
}

#[test]
fn a_folded_text_is_the_text() {
    same("s:\n  w:\n    risk: >\n      one\n      two\n", "s: { w: { risk: one two } }\n");
}

#[test]
fn the_order_of_arguments_is_a_difference() {
    assert_eq!(
        shown("s: { w: { run: [a, b] } }\n", "s: { w: { run: [b, a] } }\n"),
        "~ s/w\n    run: [a, b] → [b, a]\n0 added, 0 removed, 1 changed"
    );
    // A text is not a length of time everywhere.
    assert_eq!(changes("s: { w: { run: [60s] } }\n", "s: { w: { run: [1m] } }\n").len(), 1);
}

#[test]
fn nouns_are_added_removed_and_changed_field_by_field() {
    let old = "hosts: { a: { region: east }, b: { region: east } }\nservices: { w: { kind: systemd, unit: w, hosts: [a, b] } }\n";
    let new = "hosts: { a: { region: west }, c: { region: west } }\nservices: { w: { kind: systemd, hosts: [a, c], environment: { X: 1 } } }\n";
    let expected = "\
~ hosts/a
    region: east → west
- hosts/b
    region: - east
+ hosts/c
    region: + west
~ services/w
    environment.X: + 1
    hosts: - b
    hosts: + c
    unit: - w
1 added, 1 removed, 2 changed";
    assert_eq!(shown(old, new), expected);
}

#[test]
fn plans_are_compared_by_step_and_edge() {
    let old = "plan: p\nobjectives: { rto: 2m }\nsteps:\n  a: { wait: { for: 1s } }\n  b: { after: a, check: { checks: [x], retries: 20 } }\n  c: { after: [a, b], wait: { for: 1s } }\n";
    let new = "plan: p\nobjectives: { rto: 5m }\nsteps:\n  b: { check: { checks: [x], retries: 10 } }\n  c: { after: b, wait: { for: 1s } }\n  d: { after: c, wait: { for: 1s } }\n";
    let expected = "\
~ plan/p
    objectives.rto: 2m → 5m
    - step a
        wait.for: - 1s
    ~ step b
        check.retries: 20 → 10
    + step d
        wait.for: + 1s
    - b after a
    - c after a
    + d after c
0 added, 0 removed, 1 changed";
    assert_eq!(shown(old, new), expected);
    assert_eq!(changes(old, "regions: {}\n")[0].kind, compare::Kind::Removed);
}

#[test]
fn long_values_have_a_line_each_and_none_is_wider_than_the_screen() {
    let words = |word: &str| vec![word; 40].join(" ");
    let old = format!("plan: p\nsteps:\n  a: {{ notify: {{ text: {} }} }}\n", words("old"));
    let new = format!("plan: p\nsteps:\n  a: {{ notify: {{ text: {} }} }}\n", words("new"));
    let text = shown(&old, &new);
    assert!(text.lines().all(|line| report::layout::width(line) <= 80), "{text}");
    assert!(
        text.contains("        notify.text:\n          - old old") && text.contains("\n          + new new"),
        "{text}"
    );
}

#[test]
fn items_that_are_maps_are_told_by_their_place() {
    let text = shown("s: { w: { x: [{ a: 1 }, { b: 2 }] } }\n", "s: { w: { x: [{ a: 1 }, { b: 3 }] } }\n");
    assert!(text.contains("x[1].b: 2 → 3"), "{text}");
}

#[test]
fn a_secret_in_plain_text_is_not_repeated() {
    let text =
        shown("r: { a: { password: hunter2 } }\n", "r: { a: { password: hunter3, token: { file: /x } } }\n");
    assert!(!text.contains("hunter") && text.contains("password: (a secret in plain text)"), "{text}");
    assert!(text.contains("token.file: + /x"), "{text}");
}
