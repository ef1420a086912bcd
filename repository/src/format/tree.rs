//! A tree: the nodes of one folder, ascending by name, each name once.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde::{Deserialize, Serialize};

use super::node::{Glimpse, Node, NodeKind};
use super::{Malformed, gojson};

#[derive(Serialize, Deserialize)]
struct Tree<N> {
    nodes: N,
}

/// The bytes of a tree blob. Sorts the nodes; a name that occurs twice is refused.
pub(crate) fn encode(nodes: &mut [Node]) -> Result<Vec<u8>, Malformed> {
    nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = nodes.array_windows::<2>().find(|[a, b]| a.name == b.name) {
        return Err(Malformed::new(format!("the name {:?} occurs twice in one folder", pair[0].os_name())));
    }
    let mut bytes = gojson::encode(&Tree { nodes: &*nodes })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The nodes of a tree blob. Whatever a writer stored, the names are safe to use below a folder, and
/// none occurs twice: a link and a folder of one name could lead a restore out of its target.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Node>, Malformed> {
    read(bytes, |node: &Node| (&node.name, node.kind == NodeKind::Folder && node.subtree.is_none()))
}

/// The same of what is needed to compare a folder with it.
pub(crate) fn glimpse(bytes: &[u8]) -> Result<Vec<Glimpse>, Malformed> {
    read(bytes, |node: &Glimpse| (&node.name, node.kind == NodeKind::Folder && node.subtree.is_none()))
}

/// `look` gives a node's name, and whether it is a folder without a tree.
fn read<'b, N: Deserialize<'b>>(
    bytes: &'b [u8],
    look: impl Fn(&N) -> (&Vec<u8>, bool),
) -> Result<Vec<N>, Malformed> {
    let tree: Tree<Option<Vec<N>>> =
        serde_json::from_slice(bytes).map_err(|e| Malformed::new(e.to_string()))?;
    let nodes = tree.nodes.unwrap_or_default();
    let is_sorted = nodes.is_sorted_by(|a, b| look(a).0 < look(b).0);
    let mut seen = HashSet::new();
    for node in &nodes {
        let (name, lacks_tree) = look(node);
        let shown = || OsStr::from_bytes(name);
        if !is_safe(name) {
            return Err(Malformed::new(format!("the name {:?} cannot be a file's", shown())));
        }
        if !is_sorted && !seen.insert(name.as_slice()) {
            return Err(Malformed::new(format!("the name {:?} occurs twice", shown())));
        }
        if lacks_tree {
            return Err(Malformed::new(format!("the folder {:?} has no tree", shown())));
        }
    }
    drop(seen);
    Ok(nodes)
}

/// Whether a name can be one part of a path.
pub(crate) fn is_safe(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::Timestamp;

    fn file(name: &str) -> Node {
        let mut node = Node::new(name, NodeKind::File, 0o644, Timestamp::UNIX_EPOCH);
        node.content = Some(Vec::new());
        node
    }

    #[test]
    fn a_tree_is_written_byte_for_byte_as_restic_writes_it() {
        let bytes = encode(&mut [file("b"), file("a<")]).unwrap();
        let node = |name: &str| {
            format!(
                r#"{{"name":"{name}","type":"file","mode":420,"mtime":"1970-01-01T00:00:00Z","atime":"1970-01-01T00:00:00Z","ctime":"1970-01-01T00:00:00Z","uid":0,"gid":0,"content":[]}}"#
            )
        };
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!("{{\"nodes\":[{},{}]}}\n", node("a\\u003c"), node("b"))
        );
    }

    #[test]
    fn names_that_lead_elsewhere_or_occur_twice_are_refused() {
        assert!(encode(&mut [file("a"), file("a")]).is_err());
        for name in ["", ".", "..", "a/b", "a\\x00"] {
            let mut bytes = encode(&mut [file("x")]).unwrap();
            let text = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
            let name = serde_json::to_string(name).unwrap();
            assert!(decode(text.replace("\"x\"", &name).as_bytes()).is_err(), "{name}");
        }
    }
}
