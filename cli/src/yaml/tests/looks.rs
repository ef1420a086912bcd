//! What the layout looks like, rule by rule.

use crate::yaml::canonical;

fn becomes(text: &str, expected: &str) {
    let once = canonical(text).unwrap();
    assert_eq!(once, expected, "\n{once}");
    assert_eq!(canonical(&once).unwrap(), once, "not stable:\n{once}");
}

fn stays(text: &str) {
    becomes(text, text);
}

#[test]
fn blocks_are_set_in_by_two_and_lists_too() {
    becomes(
        "hosts:\n    a:\n        region: east\nlist:\n- one\n-   two\n",
        "hosts:\n  a:\n    region: east\nlist:\n  - one\n  - two\n",
    );
    stays("a:\n  - b: 1\n    c: 2\n  - - x\n    - y\n  -\n");
    becomes("- a:  1\n  b: 2\n-  c\n", "- a: 1\n  b: 2\n- c\n");
}

#[test]
fn aligned_spaces_go_and_braces_have_one_space() {
    becomes(
        "postgres: {kind: systemd,   hosts: [ a,b ]}\napp:      { kind: systemd }\n",
        "postgres: { kind: systemd, hosts: [a, b] }\napp: { kind: systemd }\n",
    );
    becomes("a: {  }\nb: [ ]\nc: { d, e: }\n", "a: {}\nb: []\nc: { d: null, e: null }\n");
    becomes("a: [x: 1, {y: 2}]\n", "a: [{ x: 1 }, { y: 2 }]\n");
}

#[test]
fn braces_that_do_not_fit_become_lines_from_the_outside_in() {
    let items: Vec<String> = (0..12).map(|number| format!("item-{number:04}")).collect();
    let text = format!("a: {{ list: [{}], b: 1 }}\n", items.join(", "));
    let list: String = items.iter().map(|item| format!("    - {item}\n")).collect();
    becomes(&text, &format!("a:\n  list:\n{list}  b: 1\n"));
    let fits = format!("a: {{ b: {} }}\n", "x".repeat(100 - "a: { b:  }".len()));
    stays(&fits);
    becomes(&fits.replace('x', "xx"), &format!("a:\n  b: {}\n", "x".repeat(2 * (100 - "a: { b:  }".len()))));
}

#[test]
fn the_top_is_always_in_lines() {
    becomes("{ regions: {east: {}}, hosts: {} }\n", "regions: { east: {} }\nhosts: {}\n");
}

#[test]
fn empty_lines_stay_but_never_two_nor_first_in_a_block_nor_last() {
    becomes("\n\na: 1\n\n\n\nb:\n\n  c: 1\n\n\n  d: 2\n\n\n", "a: 1\n\nb:\n  c: 1\n\n  d: 2\n");
    becomes("# top\n\n\n# more\n\na: 1\n", "# top\n\n# more\n\na: 1\n");
}

#[test]
fn comments_stay_with_what_they_are_about() {
    stays(
        "\
# the file

# about a
a: 1  # right of a
b:  # about the block
  # about c
  c: 1
  # d: 2

  # the end of b
# about e
e:
  # nothing here yet
f: [x, y]  # right of f
g: |  # a text
  # not a comment
# the end

# really
",
    );
}

#[test]
fn a_comment_between_blocks_belongs_where_its_column_says() {
    becomes(
        "a:\n    b:\n        c: 1\n        # in b\n    # in a\n    d: 1\n# outside\ne: 1\n",
        "a:\n  b:\n    c: 1\n    # in b\n  # in a\n  d: 1\n# outside\ne: 1\n",
    );
    // Once one stands further left, the next ones do not go back in.
    becomes("a:\n  b: 1\n# out\n  # odd\nc: 1\n", "a:\n  b: 1\n# out\n# odd\nc: 1\n");
    stays("a:\n  - b: 1\n    # in the item\n  # in the list\nc: 1\n");
    stays("a:\n  b: 1\n  # end of a\n# end of all\n");
    becomes("a:\n- b\n# end of all\n", "a:\n  - b\n# end of all\n");
}

#[test]
fn comments_in_braces_make_lines_of_them() {
    becomes(
        "a: [ # open\n  x, # right of x\n  {y: 1}, # right of y\n  # before the end\n] # close\n",
        "a:\n  # open\n  - x  # right of x\n  - { y: 1 }  # right of y\n  # before the end\n  # close\n",
    );
    becomes("a: [ # nobody\n]\n", "a: []  # nobody\n");
    becomes("a: { # one\n  # two\n} # three\n", "# one\n# two\na: {}  # three\n");
}

#[test]
fn a_comment_before_a_value_goes_to_its_right_or_above() {
    becomes("a: # why\n  1\n", "a: 1  # why\n");
    becomes("a:\n  # why\n  1 # right\n", "# why\na: 1  # right\n");
    becomes("- # why\n  a: 1\n- # what\n  x\n", "-  # why\n  a: 1\n- x  # what\n");
    becomes("a: # head\n  # first\n  b: 1\n", "a:  # head\n  # first\n  b: 1\n");
}

#[test]
fn quotes_stay_and_single_ones_become_double() {
    becomes(
        "a: '0 2 * * *'\nb: 'say \"hi\"'\nc: 'it''s'\nd: \"tab\\t\"\ne: 'yes'\nf: yes\ng: \"1\"\nh: ''\n",
        "a: \"0 2 * * *\"\nb: 'say \"hi\"'\nc: \"it's\"\nd: \"tab\\t\"\ne: \"yes\"\nf: yes\ng: \"1\"\nh: \"\"\n",
    );
    becomes("'a b': {'c': 'd'}\n", "\"a b\": { \"c\": \"d\" }\n");
}

#[test]
fn a_text_over_several_lines_comes_together_or_is_folded() {
    becomes(
        "a: one\n  two\nb: \"three\n  four\"\nc: x\n\n  y\n",
        "a: one two\nb: \"three four\"\nc: \"x\\ny\"\n",
    );
    let words = ["word"; 30].join(" ");
    let half = words.len() / 2;
    let text = format!("a: {}\n  {}\n", &words[..half], words[half..].trim());
    let out = canonical(&text).unwrap();
    assert!(out.starts_with("a: >-\n  word word") && out.lines().all(|line| line.len() <= 100), "{out}");
    assert_eq!(canonical(&out).unwrap(), out);
    // On one line it was written by somebody who wanted it so.
    stays(&format!("a: {words}\n"));
}

#[test]
fn texts_in_lines_keep_their_lines() {
    becomes(
        "a:\n    b: |\n        one\n          two\n\n        three\n\n\n    c: >-\n          folded\n          on\nd: 1\n",
        "a:\n  b: |\n    one\n      two\n\n    three\n\n  c: >-\n    folded\n    on\nd: 1\n",
    );
    stays("a: |2\n   set in\n  less\nb: |+\n  kept\n\n\nc: 1\n");
    becomes("a: |1-\n   two\nb: |4\n       three\n", "a: |2-\n    two\nb: |2\n     three\n");
    stays("- |\n  one\n- >\n  two\n");
    becomes("a: |\n\nb: |+\n\n\n", "a: \"\"\n\nb: \"\\n\\n\"\n");
    becomes("a: |\n  no line break at the end", "a: |\n  no line break at the end\n");
}

#[test]
fn anchors_aliases_and_tags_stay() {
    becomes(
        "a: &one {x: 1}\nb: *one\nc: &two\n    d: !!str 1\ne: &three [*one , *two]\n*one : f\n",
        "a: &one { x: 1 }\nb: *one\nc: &two\n  d: !!str 1\ne: &three [*one, *two]\n*one : f\n",
    );
    stays("- &a\n  x: 1\n- &b y\n- !!map\n  z: *a\n- &c\n");
}

#[test]
fn marks_of_a_document_go() {
    becomes("# top\n--- # begin\na: 1\n...\n# end\n", "# top\n# begin\na: 1\n# end\n");
    becomes("---\n- a\n- b\n", "- a\n- b\n");
    becomes("\u{feff}a: 1\r\nb:\r\n  - c\r\n", "a: 1\nb:\n  - c\n");
    becomes("# nothing else\n", "# nothing else\n");
    becomes("", "");
}

#[test]
fn what_cannot_be_laid_out_is_refused_with_its_line() {
    let refused = |text: &str| canonical(text).unwrap_err();
    assert_eq!(refused("a: 1\n? [x]\n: 2\n").line, 2);
    assert_eq!(refused("a: 1\n---\nb: 2\n").line, 2);
    assert!(refused("a: [1\n").what.contains("not YAML"));
    assert!(refused("%YAML 1.2\n---\na: 1\n").what.contains("directives"));
    assert!(refused("just a text\n").what.contains("neither a map nor a list"));
}
