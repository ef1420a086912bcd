//! The arrows between the crates, which may never turn, and what must be absent from a crate.

use serde_json::Value;

use super::Finding;

/// Who may use which crates of ours, outside of tests. What has no row may use none.
const MAY_USE: &[(&str, &[&str])] = &[
    ("lifeboat-model", &[]),
    ("lifeboat-plan", &["model"]),
    ("lifeboat-engine", &["model", "plan"]),
    ("lifeboat-report", &["model", "plan", "engine"]),
    ("lifeboat-repository", &["model"]),
    ("lifeboat-proto", &["model"]),
    ("lifeboat-runtime", &["model"]),
    ("lifeboat-controller", &["model", "plan", "engine", "report", "proto", "runtime"]),
    ("lifeboat-agent", &["model", "proto", "runtime", "repository"]),
    ("lifeboat-cli", &["model", "plan", "report", "repository", "proto", "runtime", "controller"]),
    (
        "lifeboat-tests",
        &[
            "model",
            "plan",
            "engine",
            "report",
            "repository",
            "proto",
            "runtime",
            "controller",
            "agent",
            "cli",
        ],
    ),
];

/// The crates without network, database or clock.
const PURE: &[&str] = &["lifeboat-model", "lifeboat-plan", "lifeboat-engine", "lifeboat-report"];

/// What gives a crate network, database or clock, by the beginning of its name.
const IMPURE: &[&str] =
    &["tokio", "sqlx", "tonic", "hyper", "axum", "reqwest", "rustls", "hickory", "bollard", "zbus"];

/// Checks the dependencies that each crate of the workspace names in its Cargo.toml.
pub fn check(metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        // Only the workspace's own packages have no source.
        if !package["source"].is_null() {
            continue;
        }
        let name = package["name"].as_str().unwrap_or_default();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let wanted = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"].as_str() == Some("dev");
            findings.extend(refuse(name, wanted, for_tests));
        }
    }
    findings
}

fn refuse(name: &str, wanted: &str, for_tests: bool) -> Option<Finding> {
    if PURE.contains(&name) && IMPURE.iter().any(|impure| wanted.starts_with(impure)) {
        let what =
            format!("uses {wanted}, but is pure: no network, database or clock; take it as an argument");
        return Some(Finding::new(name, what));
    }
    let ours = wanted.strip_prefix("lifeboat-")?;
    let allowed = MAY_USE.iter().find(|(user, _)| *user == name).map_or(&[][..], |(_, used)| used);
    if for_tests || allowed.contains(&ours) {
        return None;
    }
    Some(Finding::new(
        name,
        format!("uses {wanted}: the arrows of the design do not allow it (xtask/src/tidy/arrows.rs)"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_knows_no_plans() {
        assert!(refuse("lifeboat-agent", "lifeboat-plan", false).is_some());
        assert!(refuse("lifeboat-agent", "lifeboat-engine", false).is_some());
        assert_eq!(refuse("lifeboat-agent", "lifeboat-model", false), None);
    }

    #[test]
    fn pure_crates_stay_pure_even_in_their_tests() {
        assert!(refuse("lifeboat-engine", "tokio-stream", true).is_some());
        assert!(refuse("lifeboat-plan", "tonic", false).is_some());
        assert_eq!(refuse("lifeboat-controller", "tonic", false), None);
    }

    #[test]
    fn a_repository_knows_the_model_and_nothing_else_of_ours() {
        assert!(refuse("lifeboat-repository", "lifeboat-runtime", false).is_some());
        assert_eq!(refuse("lifeboat-repository", "lifeboat-model", false), None);
    }

    #[test]
    fn a_crate_without_a_row_may_use_none_of_ours() {
        assert!(refuse("xtask", "lifeboat-tests", false).is_some());
    }

    #[test]
    fn only_the_workspace_is_checked() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "lifeboat-plan", "source": null, "dependencies": [{ "name": "sqlx", "kind": null }] },
            { "name": "other", "source": "registry", "dependencies": [{ "name": "lifeboat-plan", "kind": null }] },
        ]});
        let found = check(&metadata);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].at, "lifeboat-plan");
    }
}
