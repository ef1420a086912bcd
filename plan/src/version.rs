//! Versions of services as people write them.

/// Longest name of a version, in bytes.
const MAX_BYTES: usize = 256;
/// Names that mean another version tomorrow than today.
const MOVING: [&str; 10] =
    ["latest", "current", "stable", "main", "master", "head", "edge", "nightly", "previous", "newest"];

/// A version of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The newest one whose checks passed.
    LastGood,
    /// A name that stands for one version: `1.4.2`, a commit, an image with its digest.
    Named(String),
    /// A name that moves: `latest`, `app:stable`, `HEAD~1`. Nobody can tell which version it meant yesterday.
    Moving(String),
}

/// Reads a version: letters, digits and `. _ - + / : @ ~ ^`, beginning with a letter or digit.
pub fn parse(text: &str) -> Option<Version> {
    let good = !text.is_empty()
        && text.len() <= MAX_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-+/:@~^".contains(c));
    if !good {
        return None;
    }
    if text == "last-good" {
        return Some(Version::LastGood);
    }
    // Of an image only the tag moves; one with a digest is pinned.
    let tag = text.rsplit(['/', ':']).next().unwrap_or(text).to_ascii_lowercase();
    // `HEAD~1` counts from wherever the work tree happens to stand.
    let relative = text.contains(['~', '^']);
    let moves = relative || (!text.contains('@') && MOVING.contains(&tag.as_str()));
    Some(if moves { Version::Moving(text.to_string()) } else { Version::Named(text.to_string()) })
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Version::LastGood => f.pad("last-good"),
            Version::Named(text) | Version::Moving(text) => f.pad(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_last_good_or_a_name_that_stands_still_or_moves() {
        assert_eq!(parse("last-good"), Some(Version::LastGood));
        for still in
            ["1.4.2", "registry.example/app:1.4.2", "app:latest@sha256:0f1e", "3f9c2aa", "origin/release-7"]
        {
            assert_eq!(parse(still), Some(Version::Named(still.to_string())), "{still}");
        }
        for moving in [
            "latest",
            "app:stable",
            "registry.example:5000/app:latest",
            "origin/main",
            "HEAD",
            "HEAD~1",
            "v2^",
        ] {
            assert_eq!(parse(moving), Some(Version::Moving(moving.to_string())), "{moving}");
        }
        for none in ["", "-x", "a b", "app;rm"] {
            assert_eq!(parse(none), None, "{none}");
        }
        assert_eq!(parse(&"a".repeat(MAX_BYTES + 1)), None);
    }
}
