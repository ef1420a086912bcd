//! The objects of a repository and their names, as the format lays them out.

use std::fmt;

use crate::id::Id;

/// The kinds of objects that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `keys/`: the master key, wrapped by a password.
    Key,
    /// `snapshots/`.
    Snapshot,
    /// `index/`: which blob is in which pack.
    Index,
    /// `locks/`.
    Lock,
    /// `data/`: packs of blobs.
    Pack,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Key, Self::Snapshot, Self::Index, Self::Lock, Self::Pack];

    /// The folder of the kind.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Key => "keys",
            Self::Snapshot => "snapshots",
            Self::Index => "index",
            Self::Lock => "locks",
            Self::Pack => "data",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Snapshot => "snapshot",
            Self::Index => "index file",
            Self::Lock => "lock",
            Self::Pack => "pack",
        }
    }
}

/// One stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// The one `config`.
    Config,
    /// Any other object.
    Named(Kind, Id),
}

impl Object {
    /// The path below the repository's root, with `/` between its parts.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Config => "config".to_owned(),
            Self::Named(Kind::Pack, id) => {
                let name = id.to_string();
                format!("data/{}/{name}", &name[..2])
            }
            Self::Named(kind, id) => format!("{}/{id}", kind.folder()),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("config"),
            Self::Named(kind, id) => write!(f, "{} {id}", kind.word()),
        }
    }
}
