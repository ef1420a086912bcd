//! Blobs of files on their way: how their ids get into the nodes in the right order.

use std::collections::VecDeque;
use std::io::{self, Read};

use crate::chunker::Chunker;
use crate::error::{Error, Result};
use crate::format::node::Node;
use crate::monitor::Monitor;
use crate::write::{Ticket, Writer};

/// Blobs of one folder that may be on their way at once. More would only cost memory.
const MAX_TICKETS: usize = 512;

/// Why a reader was not read to its end.
pub(super) enum ReadFailure {
    /// The source failed; the session may go on.
    Source(io::Error),
    /// The session is over.
    Session(Error),
}

/// The nodes of one folder, and the blobs that still belong into them.
#[derive(Default)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    on_their_way: VecDeque<(usize, Ticket)>,
}

impl Nodes {
    /// Reads to the end, hands over every blob, and adds the node. Its size becomes the sum of its blobs,
    /// whatever the file system said: restic restores exactly so many bytes.
    pub(super) fn push_read(
        &mut self,
        mut node: Node,
        reader: &mut dyn Read,
        chunker: &mut Chunker<'_>,
        writer: &Writer<'_>,
        monitor: &Monitor,
    ) -> Result<u64, ReadFailure> {
        chunker.restart();
        node.content = Some(Vec::new());
        node.size = 0;
        let at = self.nodes.len();
        self.nodes.push(node);
        let read = self.read(at, reader, chunker, writer, monitor);
        if matches!(read, Err(ReadFailure::Source(_))) {
            // Blobs of this file come last in the queue; they are stored, but nobody's.
            while self.on_their_way.pop_back_if(|(of, _)| *of == at).is_some() {}
            self.nodes.truncate(at);
        }
        read
    }

    fn read(
        &mut self,
        at: usize,
        reader: &mut dyn Read,
        chunker: &mut Chunker<'_>,
        writer: &Writer<'_>,
        monitor: &Monitor,
    ) -> Result<u64, ReadFailure> {
        let mut size = 0;
        loop {
            let mut blob = writer.buffer();
            if let Err(e) = chunker.next(reader, &|| !monitor.is_cancelled(), &mut blob) {
                writer.proceed().map_err(ReadFailure::Session)?;
                return Err(ReadFailure::Source(e));
            }
            if blob.is_empty() {
                writer.give_back(blob);
                break;
            }
            let length = blob.len() as u64;
            size += length;
            let ticket = writer.data(blob).map_err(ReadFailure::Session)?;
            monitor.add_done(length);
            self.on_their_way.push_back((at, ticket));
            self.settle(writer, MAX_TICKETS).map_err(ReadFailure::Session)?;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.size = size;
        }
        Ok(size)
    }

    /// Waits until at most `keep` blobs are on their way.
    fn settle(&mut self, writer: &Writer<'_>, keep: usize) -> Result<()> {
        while self.on_their_way.len() > keep {
            let Some((at, ticket)) = self.on_their_way.pop_front() else {
                break;
            };
            let id = writer.id(&ticket)?;
            if let Some(content) = self.nodes.get_mut(at).and_then(|n| n.content.as_mut()) {
                content.push(id);
            }
        }
        Ok(())
    }

    /// All nodes, complete.
    pub(super) fn finish(mut self, writer: &Writer<'_>) -> Result<Vec<Node>> {
        self.settle(writer, 0)?;
        Ok(self.nodes)
    }
}
