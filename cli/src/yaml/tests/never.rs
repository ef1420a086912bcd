//! What the layout never does: change a value, lose or reorder a comment, or find another layout for its
//! own. Over generated texts and over every file of the repository.

use super::texts::generated;
use crate::yaml::{canonical, meaning};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// Values as another reader than ours sees them: types count. `None` for what it refuses.
fn values(text: &str) -> Option<Vec<serde_json::Value>> {
    serde_saphyr::from_multiple(text).ok()
}

fn holds(text: &str) {
    let out = canonical(text).unwrap_or_else(|refused| panic!("{refused:?}\n{text}"));
    assert_eq!(values(&out), values(text), "\n--- before\n{text}\n--- after\n{out}");
    assert_eq!(meaning::parts(&out).unwrap(), meaning::parts(text).unwrap());
    assert_eq!(canonical(&out).unwrap(), out, "not stable\n--- before\n{text}\n--- after\n{out}");
    for line in out.lines().filter(|line| line.trim_start().starts_with('#')) {
        assert_eq!(line.trim_end(), line);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_texts_keep_values_and_comments(choices in proptest::collection::vec(any::<u16>(), 0..160)) {
        let (text, comments) = generated(&choices);
        prop_assert!(values(&text).is_some(), "{text}");
        holds(&text);
        let out = canonical(&text).unwrap();
        // The generator knows its comments: none is lost, none is new, none has changed its place in the row.
        let mut rest = out.as_str();
        for comment in &comments {
            let at = rest.find(comment.as_str());
            prop_assert!(at.is_some(), "{comment} is lost or out of order\n{text}\n{out}");
            rest = &rest[at.unwrap() + comment.len()..];
        }
        prop_assert_eq!(meaning::parts(&out).unwrap().comments.len(), comments.len());
    }

    #[test]
    fn any_text_is_laid_out_or_refused(text in "[a-c:#\\-\\[\\]{}&*!|>'\"?,% \n]{0,60}") {
        if let Ok(out) = canonical(&text) {
            prop_assert_eq!(canonical(&out), Ok(out));
        }
    }
}

#[test]
fn the_largest_file_takes_no_longer_than_its_size_says() {
    let items: Vec<String> = (0..60_000).map(|number| format!("x{number}")).collect();
    let long = format!("a: [{}]\n{}", items.join(", "), "# c\n".repeat(50_000));
    let texts: String = (0..20_000).map(|number| format!("k{number}: |  # c\n  text\n")).collect();
    let begin = std::time::Instant::now();
    for text in [long, texts] {
        let out = canonical(&text).unwrap();
        assert_eq!(canonical(&out).unwrap(), out);
    }
    // Some seconds without optimisation on a busy machine; minutes, if each item looked at its whole line.
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            yaml_files(&path, found);
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_of_the_repository_keeps_values_and_comments() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut found = Vec::new();
    for folder in ["deploy", "plan/testdata"] {
        yaml_files(&root.join(folder), &mut found);
    }
    let mut laid_out = 0;
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        match canonical(&text) {
            Ok(_) => holds(&text),
            // What is no YAML, several documents or a tag of its own: three of the bad texts.
            Err(_) => assert!(path.to_string_lossy().contains(".bad.yaml"), "{}", path.display()),
        }
        laid_out += 1;
    }
    assert!(laid_out > 100, "{laid_out}");
}
