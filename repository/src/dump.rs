//! One file of a snapshot to a writer.
//!
//! Blobs are read and opened by several threads, some runs ahead of the writer, and given out in order:
//! where a request takes 30 ms, one after the other would be slow. So much is ahead at most:
//! [`AHEAD`] runs for each thread, each of at most [`MAX_RUN_BYTES`] of plaintext or of one blob.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use crate::browse::Target;
use crate::error::{Error, Result};
use crate::find::SnapshotInfo;
use crate::format::blob::BlobKind;
use crate::format::node::NodeKind;
use crate::format::opener::Opener;
use crate::id::Id;
use crate::index::{Index, Place};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::sync::locked;

/// Bytes of a file that are read at once.
const MAX_RUN_BYTES: u64 = 4 * 1024 * 1024;
/// Runs that are read or wait for the writer, for each thread.
const AHEAD: usize = 2;

type Run = Vec<(Id, Place)>;
type Answer = Result<Vec<u8>>;

impl Repository {
    /// Writes one file of a snapshot, every blob verified before its bytes are given out. Returns its size.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`], [`Error::WrongKind`], damage, [`Error::Sink`] when `out` fails, or
    /// [`Error::Cancelled`]. What was written before an error is verified, but not the whole.
    pub fn dump(
        &self,
        snapshot: &SnapshotInfo,
        path: &str,
        out: &mut dyn Write,
        monitor: &Monitor,
    ) -> Result<u64> {
        let _lock = self.read_lock()?;
        let index = self.index()?;
        let wrong = |found| Error::WrongKind {
            snapshot: snapshot.id.short(),
            path: path.to_owned(),
            found,
            wanted: "a file",
        };
        let node = match self.resolve(&index, snapshot, path)? {
            Target::Node(node) if node.kind == NodeKind::File => node,
            Target::Node(node) => return Err(wrong(node.kind.word())),
            Target::Root(_) => return Err(wrong("a folder")),
        };
        let size = self.dump_blobs(&index, node.content.as_deref().unwrap_or_default(), out, monitor)?;
        out.flush().map_err(Error::Sink)?;
        monitor.add_file();
        Ok(size)
    }

    fn dump_blobs(&self, index: &Index, blobs: &[Id], out: &mut dyn Write, monitor: &Monitor) -> Result<u64> {
        let threads = self.readers();
        std::thread::scope(|scope| {
            let (jobs, receiver) = sync_channel::<(Run, SyncSender<Answer>)>(threads * AHEAD);
            let receiver = Arc::new(Mutex::new(receiver));
            for _ in 0..threads {
                let receiver = Arc::clone(&receiver);
                scope.spawn(move || self.read_runs(index, &receiver));
            }
            drop(receiver);
            let (mut waiting, mut size) = (VecDeque::new(), 0);
            let mut write = |answer: Receiver<Answer>| -> Result<()> {
                monitor.proceed()?;
                let plain = answer.recv().map_err(|_| Error::Internal("a thread of a dump panicked"))??;
                out.write_all(&plain).map_err(Error::Sink)?;
                size += plain.len() as u64;
                monitor.add_done(plain.len() as u64);
                Ok(())
            };
            for run in (Runs { index, rest: blobs }) {
                if waiting.len() >= threads * AHEAD
                    && let Some(answer) = waiting.pop_front()
                {
                    write(answer)?;
                }
                let (reply, answer) = sync_channel(1);
                jobs.send((run?, reply)).map_err(|_| Error::Internal("all threads of a dump are gone"))?;
                waiting.push_back(answer);
            }
            waiting.into_iter().try_for_each(&mut write)?;
            Ok(size)
        })
    }

    fn read_runs(&self, index: &Index, jobs: &Mutex<Receiver<(Run, SyncSender<Answer>)>>) {
        let Ok(mut opener) = Opener::new() else { return };
        loop {
            let Ok((run, reply)) = locked(jobs).recv() else { return };
            // Nobody waits any more when the dump has failed.
            let _ = reply.send(self.read_run(index, &mut opener, &run));
            opener.shrink();
        }
    }

    /// Blobs that lie one after another in a pack.
    fn read_run(&self, index: &Index, opener: &mut Opener, run: &Run) -> Answer {
        let (Some((_, first)), Some((_, last))) = (run.first(), run.last()) else { return Ok(Vec::new()) };
        let pack = index.pack(*first)?;
        let length = (last.offset - first.offset) as usize + last.length as usize;
        let bytes = self.read_pack(pack, u64::from(first.offset), length)?;
        let mut out = Vec::new();
        for (id, place) in run {
            let from = (place.offset - first.offset) as usize;
            let sealed = bytes.get(from..from + place.length as usize).unwrap_or_default();
            match opener.open(self.cipher(), sealed, place.plain_length, *id) {
                Ok(plain) => out.extend_from_slice(plain),
                // Once more, by whoever knows what else may help, and what to say.
                Err(_) => out.extend(self.open_blob(pack, *place, *id, sealed)?),
            }
        }
        Ok(out)
    }
}

/// The blobs of a file, as runs.
struct Runs<'a> {
    index: &'a Index,
    rest: &'a [Id],
}

impl Runs<'_> {
    fn place(&self, at: usize) -> Result<Option<(Id, Place)>> {
        let Some(id) = self.rest.get(at) else { return Ok(None) };
        let place = self.index.find(BlobKind::Data, *id);
        place
            .map(|place| Some((*id, place)))
            .ok_or_else(|| Error::damaged(format!("blob {id}"), "no index file knows it"))
    }
}

impl Iterator for Runs<'_> {
    type Item = Result<Run>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.place(0) {
            Ok(first) => first?,
            Err(e) => return Some(Err(e)),
        };
        let mut bytes = first.1.plain_bytes(BlobKind::Data, first.0);
        let mut run = vec![first];
        // One that cannot be found ends the run: what comes before it is given out.
        while let Ok(Some((id, place))) = self.place(run.len()) {
            bytes += place.plain_bytes(BlobKind::Data, id);
            let follows = run.last().is_some_and(|(_, last)| {
                last.pack == place.pack && last.offset.checked_add(last.length) == Some(place.offset)
            });
            if !follows || bytes > MAX_RUN_BYTES {
                break;
            }
            run.push((id, place));
        }
        self.rest = self.rest.get(run.len()..).unwrap_or_default();
        Some(Ok(run))
    }
}
