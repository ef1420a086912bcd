//! What a tree backup leaves out.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};

/// Compiled patterns. Without a `/` a pattern is compared with file names anywhere; with one, with whole
/// paths, where one that does not begin with `/` may begin at any folder.
pub(super) struct Excludes {
    names: GlobSet,
    paths: GlobSet,
}

impl Excludes {
    pub(super) fn compile(patterns: &[String]) -> Result<Self> {
        let mut names = GlobSetBuilder::new();
        let mut paths = GlobSetBuilder::new();
        for pattern in patterns {
            let trimmed = pattern.trim_end_matches('/');
            let (set, text) = match trimmed {
                "" => {
                    return Err(Error::Invalid(format!("the exclude pattern {pattern:?} is empty")));
                }
                name if !name.contains('/') => (&mut names, name.to_owned()),
                path if path.starts_with('/') => (&mut paths, path.to_owned()),
                path => (&mut paths, format!("**/{path}")),
            };
            let glob = GlobBuilder::new(&text).literal_separator(true).backslash_escape(true).build();
            set.add(glob.map_err(|e| {
                Error::Invalid(format!("the exclude pattern {pattern:?} is not understood: {e}"))
            })?);
        }
        let build = |set: GlobSetBuilder| {
            set.build().map_err(|e| Error::Invalid(format!("the exclude patterns are too many: {e}")))
        };
        Ok(Self { names: build(names)?, paths: build(paths)? })
    }

    pub(super) fn covers(&self, path: &Path) -> bool {
        if self.names.is_empty() && self.paths.is_empty() {
            return false;
        }
        path.file_name().is_some_and(|name| self.names.is_match(name)) || self.paths.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patterns_cover_names_anywhere_and_paths_where_they_say() {
        let excludes =
            Excludes::compile(&["*.tmp".into(), "/srv/cache".into(), "build/out".into(), ".git/".into()])
                .unwrap();
        for path in ["/a/b.tmp", "/srv/cache", "/x/build/out", "/r/.git"] {
            assert!(excludes.covers(Path::new(path)), "{path}");
        }
        for path in ["/a/b.tmp2", "/srv/cache2", "/x/srv/cache", "/build/x/out"] {
            assert!(!excludes.covers(Path::new(path)), "{path}");
        }
        assert!(Excludes::compile(&["[".into()]).is_err());
    }
}
