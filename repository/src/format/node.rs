//! A node of a tree: one file, folder, link or device, with all that is needed to make it again.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gojson::{self, Text};
use crate::id::Id;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NodeKind {
    /// A regular file.
    #[serde(rename = "file")]
    File,
    /// A folder.
    #[serde(rename = "dir")]
    Folder,
    /// A symbolic link.
    #[serde(rename = "symlink")]
    Symlink,
    /// A block device.
    #[serde(rename = "dev")]
    BlockDevice,
    /// A character device.
    #[serde(rename = "chardev")]
    CharDevice,
    /// A named pipe.
    #[serde(rename = "fifo")]
    Fifo,
    /// A socket. Stored by name, never restored.
    #[serde(rename = "socket")]
    Socket,
    /// Anything else, also of a newer writer.
    #[serde(rename = "irregular", other)]
    Irregular,
}

impl NodeKind {
    /// With its article, for messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Symlink => "a symbolic link",
            Self::BlockDevice => "a block device",
            Self::CharDevice => "a character device",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::Irregular => "an irregular file",
        }
    }
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xattr {
    /// Its name with the namespace, as `user.comment`.
    pub name: String,
    /// Its value.
    #[serde(with = "gojson::bytes")]
    pub value: Vec<u8>,
}

/// One entry of a folder. The fields stand in the order in which restic writes them; no other may be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The file name, any bytes but `/` and NUL.
    #[serde(with = "name")]
    pub name: Vec<u8>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: NodeKind,
    /// Go's `fs.FileMode` bits; see [`Node::permissions`].
    #[serde(default, skip_serializing_if = "is_zero_u32")]
    pub mode: u32,
    /// Time of the last change of content.
    #[serde(with = "gojson::time")]
    pub mtime: Timestamp,
    /// Time of the last access.
    #[serde(with = "gojson::time")]
    pub atime: Timestamp,
    /// Time of the last change of the inode.
    #[serde(with = "gojson::time")]
    pub ctime: Timestamp,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The owner's name, when it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The group's name, when it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Inode number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inode: u64,
    /// Device of the file system, only for files with several hard links.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub device_id: u64,
    /// Bytes of a file: always the sum of its blobs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// Hard links.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub links: u64,
    /// Where a symbolic link points to, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub linktarget: String,
    /// Where it points to, when that is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "raw_bytes")]
    pub linktarget_raw: Option<Vec<u8>>,
    /// Extended attributes, ACLs among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_attributes: Option<Vec<Xattr>>,
    /// Device number of a device.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub device: u64,
    /// The blobs of a file, in order. `None` for everything else.
    #[serde(default)]
    pub content: Option<Vec<Id>>,
    /// The tree of a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtree: Option<Id>,
}

/// What a backup needs of its parent's node to see whether a file is still the same. Everything else of the
/// node is read too, so that a tree which can be glimpsed at can be decoded.
#[derive(Debug, Deserialize)]
#[serde(from = "Seen")]
pub(crate) struct Glimpse {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: NodeKind,
    pub(crate) mtime: Timestamp,
    pub(crate) ctime: Timestamp,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) content: Option<Vec<Id>>,
    pub(crate) subtree: Option<Id>,
}

/// A [`Node`] whose texts are only looked at.
#[derive(Deserialize)]
#[expect(dead_code, reason = "what is not used is read to know that it can be")]
struct Seen<'a> {
    #[serde(with = "name")]
    name: Vec<u8>,
    #[serde(rename = "type")]
    kind: NodeKind,
    #[serde(default)]
    mode: u32,
    #[serde(with = "gojson::time")]
    mtime: Timestamp,
    #[serde(with = "gojson::time")]
    atime: Timestamp,
    #[serde(with = "gojson::time")]
    ctime: Timestamp,
    uid: u32,
    gid: u32,
    #[serde(borrow, default)]
    user: Text<'a>,
    #[serde(borrow, default)]
    group: Text<'a>,
    #[serde(default)]
    inode: u64,
    #[serde(default)]
    device_id: u64,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    links: u64,
    #[serde(borrow, default)]
    linktarget: Text<'a>,
    #[serde(default, with = "raw_bytes")]
    linktarget_raw: Option<Vec<u8>>,
    #[serde(default)]
    extended_attributes: Option<Vec<Xattr>>,
    #[serde(default)]
    device: u64,
    #[serde(default)]
    content: Option<Vec<Id>>,
    #[serde(default)]
    subtree: Option<Id>,
}

impl From<Seen<'_>> for Glimpse {
    fn from(seen: Seen<'_>) -> Self {
        let Seen { name, kind, mtime, ctime, inode, size, content, subtree, .. } = seen;
        Self { name, kind, mtime, ctime, inode, size, content, subtree }
    }
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn is_zero_u32(value: &u32) -> bool {
    *value == 0
}

impl Node {
    /// A node with this name, kind, mode (Go's bits) and time, owned by root, and nothing else.
    #[must_use]
    pub fn new(name: impl Into<Vec<u8>>, kind: NodeKind, mode: u32, time: Timestamp) -> Self {
        Self {
            name: name.into(),
            kind,
            mode,
            mtime: time,
            atime: time,
            ctime: time,
            uid: 0,
            gid: 0,
            user: String::new(),
            group: String::new(),
            inode: 0,
            device_id: 0,
            size: 0,
            links: 0,
            linktarget: String::new(),
            linktarget_raw: None,
            extended_attributes: None,
            device: 0,
            content: None,
            subtree: None,
        }
    }

    /// The name as the file system knows it.
    #[must_use]
    pub fn os_name(&self) -> &OsStr {
        OsStr::from_bytes(&self.name)
    }

    /// The twelve permission bits (`07777`).
    #[must_use]
    pub fn permissions(&self) -> u32 {
        super::mode::permissions(self.mode)
    }

    /// The bytes that a symbolic link points to.
    #[must_use]
    pub fn link_target(&self) -> &[u8] {
        self.linktarget_raw.as_deref().unwrap_or(self.linktarget.as_bytes())
    }
}

mod name {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::format::gojson::Text;
    use crate::format::quote;

    pub(super) fn serialize<S: Serializer>(name: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&quote::quote(name))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = Text::deserialize(deserializer)?;
        quote::unquote(&text.0).map_err(serde::de::Error::custom)
    }
}

mod raw_bytes {
    use serde::{Deserializer, Serializer};

    use crate::format::gojson;

    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        gojson::bytes::serialize(bytes.as_deref().unwrap_or_default(), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        gojson::bytes::deserialize(deserializer).map(Some).map(|raw| raw.filter(|bytes| !bytes.is_empty()))
    }
}
