//! Blobs of a file on their way: how their ids get into its node in the right order.

use std::collections::VecDeque;
use std::io::{self, Read};

use crate::chunker::Chunker;
use crate::error::{Error, Result};
use crate::format::node::Node;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::write::{Ticket, Writer};

/// Blobs of one file that may be on their way at once. More would only cost memory.
const MAX_TICKETS: usize = 512;

/// Why a reader was not read to its end.
pub(super) enum ReadFailure {
    /// The source failed; the session may go on.
    Source(io::Error),
    /// The session is over.
    Session(Error),
}

impl ReadFailure {
    /// What it is where nothing may be left out: the end of the session, with the name of the source.
    pub(super) fn of(self, name: &str) -> Error {
        match self {
            Self::Source(source) => Error::SourceRead { name: name.to_owned(), source },
            Self::Session(error) => error,
        }
    }
}

impl From<Error> for ReadFailure {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

/// A blob, until its turn comes.
enum Blob {
    /// A worker has it.
    Sent(Ticket),
    /// Every repository has it.
    Known(Id),
}

/// The content of one file. When it is dropped, its blobs are stored, but nobody's.
#[derive(Default)]
pub(super) struct Blobs {
    ids: Vec<Id>,
    on_their_way: VecDeque<Blob>,
    size: u64,
}

impl Blobs {
    /// Reads to the end, and hands over every blob.
    pub(super) fn read(
        &mut self,
        reader: &mut dyn Read,
        chunker: &mut Chunker<'_>,
        writer: &Writer<'_>,
        monitor: &Monitor,
    ) -> Result<(), ReadFailure> {
        chunker.restart();
        loop {
            let mut blob = writer.buffer();
            if let Err(e) = chunker.next(reader, &|| !monitor.is_cancelled(), &mut blob) {
                writer.proceed()?;
                return Err(ReadFailure::Source(e));
            }
            if blob.is_empty() {
                writer.give_back(blob);
                return Ok(());
            }
            let length = blob.len() as u64;
            let sent = Blob::Sent(writer.data(blob)?);
            self.add(sent, length, writer, monitor)?;
        }
    }

    /// Adds a blob of this length that every repository has.
    pub(super) fn keep(
        &mut self,
        id: Id,
        length: u64,
        writer: &Writer<'_>,
        monitor: &Monitor,
    ) -> Result<(), ReadFailure> {
        writer.proceed()?;
        Ok(self.add(Blob::Known(id), length, writer, monitor)?)
    }

    fn add(&mut self, blob: Blob, length: u64, writer: &Writer<'_>, monitor: &Monitor) -> Result<()> {
        self.size += length;
        monitor.add_done(length);
        self.on_their_way.push_back(blob);
        self.settle(writer, MAX_TICKETS)
    }

    /// Waits until at most `keep` blobs are on their way.
    fn settle(&mut self, writer: &Writer<'_>, keep: usize) -> Result<()> {
        while self.on_their_way.len() > keep {
            match self.on_their_way.pop_front() {
                Some(Blob::Sent(ticket)) => self.ids.push(writer.id(&ticket)?),
                Some(Blob::Known(id)) => self.ids.push(id),
                None => break,
            }
        }
        Ok(())
    }

    /// Its node, complete. The size becomes the sum of the blobs, whatever the file system said: restic
    /// restores exactly so many bytes.
    pub(super) fn finish(mut self, node: Node, writer: &Writer<'_>) -> Result<Node> {
        self.settle(writer, 0)?;
        Ok(Node { content: Some(self.ids), size: self.size, ..node })
    }
}
