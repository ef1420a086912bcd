//! Large files that the parent knows: what stayed in its place is found by its hash alone.
//!
//! A database or the image of a disk is changed in place. To cut it anew takes one thread that scans every byte,
//! and others that hash what it hands over. But where the parent's blobs lie in it is known. So several threads
//! read one of them each and hash it while it is in their cache, and where the hash is the parent's, nothing
//! else is to be done. What differs is cut as ever, from the end of the last blob that stayed to the next one.
//! Where a long stretch differs, the rest has moved, and is cut without being compared.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};

use crate::format::blob::BlobKind;
use crate::id::Id;
use crate::sync::locked;
use crate::write::Writer;

/// With fewer blobs threads are not worth their while.
const MIN_BLOBS: usize = 8;
/// So many are compared before their turn.
const AHEAD: usize = 32;
/// After so many in a row that differ the rest has moved.
const MAX_DIFFERENT: usize = 16;
/// One read, which stays in the cache of a core until it is hashed.
const READ_BYTES: usize = 256 * 1024;

/// Where a blob of the parent lies in the file.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) id: Id,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Where blobs of the parent lie in a file that has now `size` bytes; nothing when it is not worth to look. Only
/// what every repository has, since nothing is stored of what stayed.
pub(super) fn known(blobs: &[Id], size: u64, writer: &Writer<'_>) -> Vec<Known> {
    let mut known = Vec::new();
    let mut from = 0;
    let Some(index) = writer.indexes().next() else { return known };
    for id in blobs {
        let Some(place) = index.find(BlobKind::Data, *id).filter(|_| writer.has(BlobKind::Data, *id)) else {
            break;
        };
        let to = from + place.plain_bytes(BlobKind::Data, *id);
        if to > size {
            break;
        }
        known.push(Known { id: *id, from, to });
        from = to;
    }
    // The last one ended where the file did: with what follows now it would be cut elsewhere.
    if from < size && known.len() == blobs.len() {
        known.pop();
    }
    if known.len() < MIN_BLOBS {
        known.clear();
    }
    known
}

/// A stretch of the file, in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// This blob is where it was; it has so many bytes.
    Same(Id, u64),
    /// From there, and up to there or to the end of the file.
    Other(u64, Option<u64>),
}

/// Compares a file with what is known of it, by so many threads, and tells every stretch; the last one is
/// always what comes after. An error of `each` ends it. What cannot be read differs: whoever cuts it will see.
pub(super) fn compare<E>(
    file: &File,
    known: &[Known],
    threads: usize,
    proceed: &(dyn Fn() -> bool + Sync),
    mut each: impl FnMut(Stretch) -> Result<(), E>,
) -> Result<(), E> {
    let ((ask, asked), (tell, told)) = (channel(), channel());
    let asked = Mutex::new(asked);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (asked, tell) = (&asked, tell.clone());
            scope.spawn(move || answer(file, known, proceed, asked, &tell));
        }
        drop(tell);
        let mut ahead = Ahead { file, known, ask, told, answers: vec![None; known.len()] };
        (0..AHEAD).for_each(|number| ahead.ask(number));
        let (mut other, mut different) = (None, 0);
        for (number, one) in known.iter().enumerate() {
            if ahead.is_same(number) {
                if let Some(from) = other.take() {
                    each(Stretch::Other(from, Some(one.from)))?;
                }
                each(Stretch::Same(one.id, one.to - one.from))?;
                different = 0;
            } else {
                other.get_or_insert(one.from);
                different += 1;
                if different > MAX_DIFFERENT {
                    break;
                }
            }
            ahead.ask(number + AHEAD);
        }
        let end = known.last().map_or(0, |one| one.to);
        // Nobody compares any more what is cut now.
        drop(ahead);
        each(Stretch::Other(other.unwrap_or(end), None))
    })
}

/// What is being compared, and what came of it.
struct Ahead<'a> {
    file: &'a File,
    known: &'a [Known],
    ask: Sender<usize>,
    told: Receiver<(usize, bool)>,
    answers: Vec<Option<bool>>,
}

impl Ahead<'_> {
    fn ask(&mut self, number: usize) {
        let Some(one) = self.known.get(number) else { return };
        // Only a hint: what the kernel makes of it is its own affair.
        let _ = fadvise(self.file, one.from, std::num::NonZeroU64::new(one.to - one.from), Advice::WillNeed);
        // Without a thread there is no answer either.
        let _ = self.ask.send(number);
    }

    fn is_same(&mut self, number: usize) -> bool {
        while self.answers.get(number) == Some(&None) {
            let Ok((of, same)) = self.told.recv() else { return false };
            if let Some(answer) = self.answers.get_mut(of) {
                *answer = Some(same);
            }
        }
        self.answers.get(number) == Some(&Some(true))
    }
}

/// One comparing thread.
fn answer(
    file: &File,
    known: &[Known],
    proceed: &dyn Fn() -> bool,
    asked: &Mutex<Receiver<usize>>,
    tell: &Sender<(usize, bool)>,
) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let Ok(number) = locked(asked).recv() else { return };
        let is_same = known
            .get(number)
            .is_some_and(|one| proceed() && hash(file, *one, &mut buffer).is_ok_and(|id| id == one.id));
        if tell.send((number, is_same)).is_err() {
            return;
        }
    }
}

fn hash(file: &File, one: Known, buffer: &mut [u8]) -> io::Result<Id> {
    let (mut part, mut sum) = (Part { file, at: one.from, to: Some(one.to) }, Sha256::new());
    loop {
        match part.read(buffer) {
            Ok(0) => return Ok(Id::from_bytes(sum.finalize().into())),
            Ok(read) => sum.update(buffer.get(..read).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reads a part of a file, whoever else reads it.
pub(super) struct Part<'f> {
    pub(super) file: &'f File,
    pub(super) at: u64,
    pub(super) to: Option<u64>,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.to.map_or(u64::MAX, |to| to.saturating_sub(self.at));
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    /// A file of `count` blobs of 100 bytes, and where they are.
    fn made(count: u8) -> (Vec<u8>, Vec<Known>) {
        let bytes: Vec<u8> = (0..count).flat_map(|blob| [blob; 100]).collect();
        let known = (0..u64::from(count)).zip(bytes.chunks(100));
        let known = known.map(|(n, blob)| Known { id: Id::of(blob), from: n * 100, to: n * 100 + 100 });
        let known = known.collect();
        (bytes, known)
    }

    fn told(bytes: &[u8], known: &[Known], proceed: &(dyn Fn() -> bool + Sync)) -> Vec<Stretch> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut all = Vec::new();
        let each = |stretch| -> Result<(), ()> {
            all.push(stretch);
            Ok(())
        };
        compare(&file, known, 3, proceed, each).unwrap();
        all
    }

    #[test]
    fn what_stayed_and_what_lies_between_is_told_in_order() {
        let (mut bytes, known) = made(100);
        let same = |n: usize| Stretch::Same(known[n].id, 100);
        assert_eq!(
            told(&bytes, &known, &|| true),
            (0..100).map(same).chain([Stretch::Other(10_000, None)]).collect::<Vec<_>>()
        );
        bytes[250..320].fill(255);
        bytes[9_999] = 255;
        let expected = [same(0), same(1), Stretch::Other(200, Some(400))].into_iter();
        let expected = expected.chain((4..99).map(same)).chain([Stretch::Other(9_900, None)]);
        assert_eq!(told(&bytes, &known, &|| true), expected.collect::<Vec<_>>());
    }

    #[test]
    fn after_a_long_stretch_that_differs_nothing_is_compared() {
        let (mut bytes, known) = made(100);
        bytes.insert(150, 7);
        assert_eq!(
            told(&bytes, &known, &|| true),
            [Stretch::Same(known[0].id, 100), Stretch::Other(100, None)]
        );
    }

    #[test]
    fn what_cannot_be_read_differs() {
        let (mut bytes, known) = made(12);
        bytes.truncate(1_050);
        let expected = (0..10).map(|n| Stretch::Same(known[n].id, 100));
        let expected: Vec<_> = expected.chain([Stretch::Other(1_000, None)]).collect();
        assert_eq!(told(&bytes, &known, &|| true), expected);
        assert_eq!(told(&bytes, &known, &|| false), [Stretch::Other(0, None)]);
    }

    #[test]
    fn an_error_ends_it() {
        let (bytes, known) = made(100);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        assert_eq!(compare(&file, &known, 2, &|| true, |_| Err(5)), Err(5));
    }
}
