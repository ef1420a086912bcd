//! One input of the fuzz target, which the suite's own mutations share.

use plan::{Checked, SourceFile, check};

/// What a plan among the inputs acts on.
const ESTATE: &str = include_str!("../testdata/demo/estate.yaml");

/// Checks a file by itself and beside an estate, and every plan of it for a run. Panics when something does not hold
/// that holds for every text.
pub fn one(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let file = |path: &str, text: String| SourceFile { path: path.to_string(), text };
    looked_at(&check(&[file("a.yaml", text.clone())]));
    looked_at(&check(&[file("estate.yaml", ESTATE.to_string()), file("a.yaml", text)]));
}

fn looked_at(checked: &Checked) {
    for found in &checked.diagnostics {
        assert!(found.line >= 1 && found.column >= 1 && found.end_column > found.column, "{found:?}");
        assert!(!found.message.is_empty() && !found.help.is_empty(), "{found:?}");
    }
    assert_eq!(checked.estate.is_some(), checked.errors() == 0);
    let Some(estate) = &checked.estate else { return };
    for name in estate.plans() {
        for mode in [model::Mode::Live, model::Mode::Drill] {
            // What is in its way is no mistake of ours.
            let _ = estate.explain(name, mode, &Default::default(), None);
        }
    }
}
