//! Which folders a tree backup of several paths goes through, and which it takes whole.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// One folder on the way to the paths, or a path itself.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Everything below belongs to the backup.
    pub(super) whole: bool,
    /// Otherwise only these.
    pub(super) children: BTreeMap<OsString, Self>,
}

impl Plan {
    /// The plan for absolute paths; one inside another adds nothing.
    pub(super) fn of(paths: &[PathBuf]) -> Result<Self> {
        let mut root = Self::default();
        if paths.is_empty() {
            return Err(Error::Invalid("there is no path to back up".to_owned()));
        }
        for path in paths {
            root.add(path)?;
        }
        Ok(root)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let refuse = |reason| Error::BadName { name: path.display().to_string(), reason };
        if !path.is_absolute() {
            return Err(refuse("it is not absolute"));
        }
        let mut at = self;
        for part in path.components() {
            match part {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) if !at.whole => at = at.children.entry(name.to_owned()).or_default(),
                Component::Normal(_) => return Ok(()),
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(refuse("it has a part that is .."));
                }
            }
        }
        at.whole = true;
        at.children.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_inside_another_adds_nothing() {
        let plan = |paths: &[&str]| Plan::of(&paths.iter().map(PathBuf::from).collect::<Vec<_>>()).unwrap();
        assert_eq!(plan(&["/a/b", "/a"]), plan(&["/a", "/a/b/c"]));
        assert_ne!(plan(&["/a/b", "/a/c"]), plan(&["/a"]));
        assert!(plan(&["/"]).whole);
        assert!(Plan::of(&[PathBuf::from("a")]).is_err());
        assert!(Plan::of(&[PathBuf::from("/a/../b")]).is_err());
    }
}
