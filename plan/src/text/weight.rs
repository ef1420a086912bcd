//! How much a tree takes: what aliases may make of a small text is counted before it is made.

/// What a tree takes, its aliases expanded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    /// Nodes, collections and keys included.
    pub nodes: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

impl Weight {
    /// Of a node without those in it.
    pub fn of(text: &str) -> Weight {
        Weight { nodes: 1, bytes: text.len() }
    }

    /// And another one.
    pub fn add(&mut self, other: Weight) {
        self.nodes += other.nodes;
        self.bytes += other.bytes;
    }

    /// What is left of a budget; `None` when it is not enough.
    pub fn less(self, other: Weight) -> Option<Weight> {
        let (nodes, bytes) = (self.nodes.checked_sub(other.nodes)?, self.bytes.checked_sub(other.bytes)?);
        Some(Weight { nodes, bytes })
    }
}
