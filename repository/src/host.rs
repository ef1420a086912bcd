//! What this process knows about itself and its host: names for locks, keys, snapshots and owners.

use std::collections::HashMap;
use std::fs;

/// More than any host has; a larger file is not read as a list of users.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// This host's name.
pub(crate) fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The effective user and group of this process.
pub(crate) fn ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Whether this process may give files away and make devices.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user's name of this process, or its number.
pub(crate) fn username() -> String {
    let (uid, _) = ids();
    Names::load().user(uid).map_or_else(|| uid.to_string(), str::to_owned)
}

/// Names of users and groups, from the host's own files.
#[derive(Default)]
pub(crate) struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    pub(crate) fn load() -> Self {
        Self { users: read("/etc/passwd"), groups: read("/etc/group") }
    }

    pub(crate) fn user(&self, uid: u32) -> Option<&str> {
        self.users.get(&uid).map(String::as_str)
    }

    pub(crate) fn group(&self, gid: u32) -> Option<&str> {
        self.groups.get(&gid).map(String::as_str)
    }
}

/// `name:password:number:...` of both files. A file that cannot be read only costs names.
fn read(path: &str) -> HashMap<u32, String> {
    if fs::metadata(path).is_ok_and(|m| m.len() > MAX_FILE_BYTES) {
        return HashMap::new();
    }
    let mut names = HashMap::new();
    for line in fs::read_to_string(path).unwrap_or_default().lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(number)) = (fields.next(), fields.nth(1).and_then(|n| n.parse().ok())) {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}
