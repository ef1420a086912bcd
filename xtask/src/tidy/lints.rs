//! Every crate inherits the lints of the workspace, and the workspace forbids unsafe code. A crate with a workspace
//! of its own (a fuzz target) has nothing to inherit; it forbids by itself.

use super::Finding;
use crate::checkout::TextFile;

/// Checks the manifests, the workspace's own among them.
pub fn check(manifests: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in manifests {
        let wanted: &[(&str, &str)] = if manifest.path == "Cargo.toml" {
            &[("workspace.lints.rust", "unsafe_code = \"forbid\"")]
        } else if manifest.text.lines().any(|line| line.trim() == "[workspace]") {
            &[("lints.rust", "unsafe_code = \"forbid\"")]
        } else {
            &[
                ("lints", "workspace = true"),
                ("package", "license.workspace = true"),
                ("package", "edition.workspace = true"),
            ]
        };
        for (section, line) in wanted {
            if !has(&manifest.text, section, line) {
                findings.push(Finding::new(&manifest.path, format!("[{section}] needs the line: {line}")));
            }
        }
    }
    findings
}

/// Whether a section of a manifest has a line.
fn has(text: &str, section: &str, wanted: &str) -> bool {
    let header = format!("[{section}]");
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&[TextFile { path: path.into(), text: text.into() }]).len()
    }

    #[test]
    fn a_crate_inherits_lints_licence_and_edition() {
        let good =
            "[package]\nlicense.workspace = true\nedition.workspace = true\n[lints]\nworkspace = true\n";
        assert_eq!(found("a/Cargo.toml", good), 0);
        assert_eq!(found("a/Cargo.toml", "[package]\nname = \"a\"\n"), 3);
        // The same line in another section does not count.
        assert_eq!(found("a/Cargo.toml", &good.replace("[lints]", "[other]")), 1);
    }

    #[test]
    fn the_workspace_forbids_unsafe_code() {
        assert_eq!(found("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"), 0);
        assert_eq!(found("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"deny\"\n"), 1);
        let own = "[workspace]\n[package]\nname = \"a\"\n";
        assert_eq!(found("a/fuzz/Cargo.toml", own), 1);
        assert_eq!(found("a/fuzz/Cargo.toml", &format!("{own}[lints.rust]\nunsafe_code = \"forbid\"\n")), 0);
    }
}
