//! Every file is listed. A file that no `mod` line names is not compiled at all, and nobody notices;
//! a kind (a step, a job, a source, …) that is not in the visible list of its folder does not exist.

use std::collections::BTreeSet;

use super::{Finding, names::declared};
use crate::checkout::TextFile;

/// The folders that hold one kind a file; their `mod.rs` is the visible list.
const KINDS: &[&str] = &[
    "agent/src/jobs",
    "agent/src/services",
    "agent/src/sources",
    "controller/src/channels",
    "controller/src/dns",
    "controller/src/loops",
    "model/src/jobs",
    "plan/src/steps",
    "repository/src/storage",
    "xtask/src/bench/repository/measures",
    "xtask/src/bench/repository/tools",
];

/// Checks all files of the workspace together.
pub fn check(files: &[TextFile]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut findings = Vec::new();
    for file in files {
        let Some((parents, name)) = parents(&file.path) else { continue };
        let Some(parent) = files.iter().find(|other| parents.contains(&other.path)) else {
            findings.push(Finding::new(&file.path, format!("has none of {}", parents.join(", "))));
            continue;
        };
        if !parent.text.lines().any(|line| declared(line.trim()) == Some(name)) {
            let what = format!("is not compiled: {} has no `mod {name};`", parent.path);
            findings.push(Finding::new(&file.path, what));
        }
    }
    for folder in KINDS {
        let inside = format!("{folder}/");
        let list = format!("{folder}/mod.rs");
        if paths.iter().any(|path| path.starts_with(&inside)) && !paths.contains(list.as_str()) {
            findings.push(Finding::new(*folder, "holds kinds, but has no mod.rs that lists them"));
        }
    }
    findings
}

/// The files that may declare this one, and the name that they declare it by. Roots have none.
fn parents(path: &str) -> Option<(Vec<String>, &str)> {
    let (_, inside) = path.split_once("/src/")?;
    if inside.starts_with("bin/") || matches!(inside, "lib.rs" | "main.rs") {
        return None;
    }
    let (folder, file) = path.rsplit_once('/')?;
    let (folder, name) = match file.strip_suffix(".rs")? {
        "mod" => folder.rsplit_once('/')?,
        name => (folder, name),
    };
    let candidates = if folder.ends_with("/src") {
        vec![format!("{folder}/lib.rs"), format!("{folder}/main.rs")]
    } else {
        vec![format!("{folder}/mod.rs"), format!("{folder}.rs")]
    };
    Some((candidates, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<TextFile> = files
            .iter()
            .map(|(path, text)| TextFile { path: (*path).into(), text: (*text).into() })
            .collect();
        check(&files).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_file_that_nobody_declares_is_found() {
        let found = found(&[
            ("agent/src/lib.rs", "pub mod jobs;"),
            ("agent/src/jobs/mod.rs", "mod check;"),
            ("agent/src/jobs/check.rs", ""),
            ("agent/src/jobs/swap.rs", ""),
        ]);
        assert_eq!(
            found,
            ["agent/src/jobs/swap.rs: is not compiled: agent/src/jobs/mod.rs has no `mod swap;`"]
        );
    }

    #[test]
    fn both_layouts_of_a_module_are_known() {
        let files = [
            ("a/src/main.rs", "mod b;\n#[cfg(test)]\n    mod c;"),
            ("a/src/b.rs", "pub(crate) mod d;"),
            ("a/src/b/d.rs", ""),
            ("a/src/c.rs", ""),
            ("a/src/bin/e.rs", ""),
            ("a/build.rs", ""),
            ("a/tests/f.rs", ""),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn a_folder_of_kinds_has_a_list() {
        let files = [
            ("plan/src/lib.rs", "mod steps;"),
            ("plan/src/steps.rs", "mod fence;"),
            ("plan/src/steps/fence.rs", ""),
        ];
        assert_eq!(found(&files), ["plan/src/steps: holds kinds, but has no mod.rs that lists them"]);
    }

    #[test]
    fn a_folder_without_any_parent_is_found() {
        assert_eq!(found(&[("a/src/lib.rs", ""), ("a/src/b/c.rs", "")]).len(), 1);
    }
}
