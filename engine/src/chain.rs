//! The hash chain over a run's journal.
//!
//! Each row's hash covers the row and the hash before it, so a changed, removed or inserted row is
//! found. It is computed over the text that the store keeps, never over a text written again: what was
//! hashed is what is read. A journal that lost its *tail* still verifies; that is found by comparing its
//! head with what agents have seen.

use crate::event::Recorded;
use crate::journal::{Entry, JournalError};
use model::{Digest, Head};
use sha2::{Digest as _, Sha256};

/// Stands before the first row, and names the format.
const ORIGIN: &str = "lifeboat journal 1";

/// The hash of a row: `text` is the JSON of its event, as it is stored.
pub fn chain(previous: Option<&Digest>, recorded: &Recorded, text: &str) -> Digest {
    hash(previous, recorded.run, recorded.sequence, recorded.at.0, recorded.epoch, text)
}

fn hash(
    previous: Option<&Digest>,
    run: model::RunId,
    sequence: u64,
    at: i64,
    epoch: u64,
    text: &str,
) -> Digest {
    let previous = previous.map_or(ORIGIN, Digest::as_str);
    let mut hasher = Sha256::new();
    // The text stands last and everything before it holds no newline, so no two rows hash the same bytes.
    hasher.update(format!("{previous}\n{run}\n{sequence}\n{at}\n{epoch}\n"));
    hasher.update(text);
    let hex = hex::encode(hasher.finalize());
    match Digest::new(hex) {
        Ok(digest) => digest,
        Err(never) => unreachable!("64 hex digits are a digest: {never}"),
    }
}

/// Checks a whole journal, oldest first, and gives its head.
pub fn verify(entries: &[Entry]) -> Result<Option<Head>, JournalError> {
    let mut head: Option<Head> = None;
    for (index, entry) in entries.iter().enumerate() {
        let recorded = &entry.recorded;
        let expected = index as u64 + 1;
        let previous = head.as_ref().map(|head| &head.hash);
        let whole = recorded.sequence == expected
            && head.as_ref().is_none_or(|head| head.run == recorded.run)
            && chain(previous, recorded, &entry.text) == entry.hash;
        if !whole {
            return Err(JournalError::Damaged { run: recorded.run, sequence: expected });
        }
        head = Some(Head { run: recorded.run, sequence: expected, hash: entry.hash.clone() });
    }
    Ok(head)
}
