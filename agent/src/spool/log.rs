//! The spool's file: an append-only log of framed, checksummed records.
//!
//! A frame is `length u32 ‖ first 8 bytes of SHA-256(payload) ‖ payload`, little-endian. A record counts
//! once `append` has returned, which is after an fdatasync. Then a *seal* (a frame of length 0 with a
//! fixed checksum) is written without a sync. The seal tells two kinds of damage apart when the file is
//! read again:
//!
//! - damage at the end with no seal behind it is a record that was never acknowledged (a torn write):
//!   it is cut off and reported;
//! - damage with a seal or a record behind it hit something that was acknowledged. Cutting it would let
//!   an order that was begun begin again, so the log refuses to open and names the place.
//!
//! A kill leaves the page cache in place and thus the seal. Only a power loss can take the seal away,
//! and a power loss that also flips a bit in the last synced record is beyond what one disk can promise.

use super::Named;
use runtime::crash;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Largest record, in bytes.
pub const MAX_RECORD_BYTES: usize = 2 * 1024 * 1024;
/// Largest log that is read, in bytes.
pub const MAX_LOG_BYTES: u64 = 512 * 1024 * 1024;
const MAGIC: &[u8; 16] = b"lifeboat-spool-1";
const HEADER_BYTES: usize = 12;
const SEAL: [u8; HEADER_BYTES] = [0, 0, 0, 0, b's', b'e', b'a', b'l', b'e', b'd', b'.', b'.'];

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system said no.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A record that was acknowledged is damaged.
    #[error(
        "LB2121: {path}: record {record} at byte {offset} is damaged, and records behind it show that it was acknowledged"
    )]
    Damaged {
        /// The log.
        path: PathBuf,
        /// Counted from 1.
        record: u64,
        /// Where it begins.
        offset: u64,
    },
    /// Not a spool, or one of another version.
    #[error("LB2122: {path} is not a spool of this version")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// More than this program reads.
    #[error("LB2123: {path} has {bytes} bytes, more than a spool may have")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
}

/// An open log, positioned at its end.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    bytes: u64,
}

/// What was found when a log was opened.
#[derive(Debug)]
pub struct Opened {
    /// The log.
    pub log: Log,
    /// Payloads in order.
    pub records: Vec<Vec<u8>>,
    /// Bytes of a torn record that were cut off; 0 in peace.
    pub torn_bytes: u64,
}

impl Log {
    /// Makes a log that must not exist, durable with its directory.
    pub fn create(path: &Path) -> Result<Log, LogError> {
        let mut file = OpenOptions::new()
            .write(true)
            .read(true)
            .create_new(true)
            .open(path)
            .map_err(io("create", path))?;
        file.write_all(MAGIC).map_err(io("write", path))?;
        file.sync_all().map_err(io("sync", path))?;
        sync_directory(path)?;
        Ok(Log { file, path: path.to_path_buf(), bytes: MAGIC.len() as u64 })
    }

    /// Opens a log and reads all of it; a torn tail is cut off.
    pub fn open(path: &Path) -> Result<Opened, LogError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(io("open", path))?;
        let bytes = file.metadata().map_err(io("stat", path))?.len();
        if bytes > MAX_LOG_BYTES {
            return Err(LogError::TooLarge { path: path.to_path_buf(), bytes });
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(io("read", path))?;
        if !content.starts_with(MAGIC) {
            return Err(LogError::Foreign { path: path.to_path_buf() });
        }
        let (records, good) = parse(&content, path)?;
        let torn_bytes = content.len() as u64 - good;
        if torn_bytes > 0 {
            file.set_len(good).map_err(io("cut", path))?;
            file.sync_all().map_err(io("sync", path))?;
        }
        file.seek(SeekFrom::Start(good)).map_err(io("seek", path))?;
        Ok(Opened { log: Log { file, path: path.to_path_buf(), bytes: good }, records, torn_bytes })
    }

    /// Appends records and returns once they are durable. After an error the log must not be used again:
    /// whether the records are there is not known.
    pub fn append(&mut self, payloads: &[Vec<u8>]) -> Result<(), LogError> {
        self.append_unsynced(payloads)?;
        let last = payloads.last().map(Vec::as_slice).unwrap_or_default();
        crash::point_of("spool-written", Named(last));
        self.file.sync_data().map_err(io("sync", &self.path))?;
        crash::point_of("spool-synced", Named(last));
        self.file.write_all(&SEAL).map_err(io("seal", &self.path))?;
        self.bytes += SEAL.len() as u64;
        Ok(())
    }

    /// Appends records that may be lost with the machine's power: until the next [`Log::append`] they are
    /// not durable, and not sealed.
    pub fn append_unsynced(&mut self, payloads: &[Vec<u8>]) -> Result<(), LogError> {
        let mut frames = Vec::new();
        for payload in payloads {
            if payload.is_empty() || payload.len() > MAX_RECORD_BYTES {
                let source = std::io::Error::other(format!("a record of {} bytes", payload.len()));
                return Err(LogError::Io { operation: "append to", path: self.path.clone(), source });
            }
            frames.extend_from_slice(&frame(payload));
        }
        self.file.write_all(&frames).map_err(io("append to", &self.path))?;
        self.bytes += frames.len() as u64;
        Ok(())
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Replaces the log's content by these records, atomically.
    pub fn rewrite(&mut self, payloads: &[Vec<u8>]) -> Result<(), LogError> {
        let path = self.path.with_extension("new");
        if path.exists() {
            std::fs::remove_file(&path).map_err(io("remove", &path))?;
        }
        let mut fresh = Log::create(&path)?;
        if !payloads.is_empty() {
            fresh.append(payloads)?;
        }
        fresh.file.sync_all().map_err(io("sync", &path))?;
        std::fs::rename(&path, &self.path).map_err(io("rename", &path))?;
        sync_directory(&self.path)?;
        fresh.path = self.path.clone();
        *self = fresh;
        Ok(())
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&Sha256::digest(payload)[..8]);
    out.extend_from_slice(payload);
    out
}

/// The records and the length of the good part.
fn parse(content: &[u8], path: &Path) -> Result<(Vec<Vec<u8>>, u64), LogError> {
    let mut records = Vec::new();
    let mut at = MAGIC.len();
    while at < content.len() {
        let rest = &content[at..];
        if rest.starts_with(&SEAL) {
            at += SEAL.len();
            continue;
        }
        match record(rest) {
            Some(payload) => {
                at += HEADER_BYTES + payload.len();
                records.push(payload.to_vec());
            }
            None if acknowledged_behind(rest) => {
                let record = records.len() as u64 + 1;
                return Err(LogError::Damaged { path: path.to_path_buf(), record, offset: at as u64 });
            }
            None => return Ok((records, at as u64)),
        }
    }
    Ok((records, at as u64))
}

fn record(rest: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
    if length == 0 || length > MAX_RECORD_BYTES {
        return None;
    }
    let payload = rest.get(HEADER_BYTES..HEADER_BYTES + length)?;
    (Sha256::digest(payload)[..8] == rest[4..HEADER_BYTES]).then_some(payload)
}

/// A seal behind the damage, wherever it lies: the damaged length cannot be trusted. JSON payloads
/// cannot contain the seal's zero bytes, so one that is found is one that was written.
fn acknowledged_behind(rest: &[u8]) -> bool {
    rest.windows(SEAL.len()).skip(1).any(|window| window == SEAL)
}

fn sync_directory(path: &Path) -> Result<(), LogError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(io("sync the folder of", path))
}

fn io<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> LogError + 'a {
    move |source| LogError::Io { operation, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn three(path: &Path) -> Vec<u8> {
        let mut log = Log::create(path).unwrap();
        for text in ["one", "two", "three"] {
            log.append(&[text.as_bytes().to_vec()]).unwrap();
        }
        std::fs::read(path).unwrap()
    }

    fn texts(opened: &Opened) -> Vec<String> {
        opened.records.iter().map(|record| String::from_utf8(record.clone()).unwrap()).collect()
    }

    #[test]
    fn fault_06_what_was_appended_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.log");
        three(&path);
        let mut opened = Log::open(&path).unwrap();
        assert_eq!(
            (texts(&opened), opened.torn_bytes),
            (vec!["one".into(), "two".into(), "three".into()], 0)
        );
        opened.log.append(&[b"four".to_vec()]).unwrap();
        assert_eq!(Log::open(&path).unwrap().records.len(), 4);
    }

    #[test]
    fn fault_07_torn_record_at_the_tail() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.log");
        let whole = three(&path);
        let last = frame(b"three").len() + SEAL.len();
        for cut in 1..last {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let opened = Log::open(&path).unwrap();
            let expected = if cut <= SEAL.len() { 3 } else { 2 };
            assert_eq!(opened.records.len(), expected, "cut {cut}");
            assert_eq!(Log::open(&path).unwrap().torn_bytes, 0, "cut {cut}: the tail is gone for good");
        }
    }

    #[test]
    fn fault_08_flipped_bit_in_the_middle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.log");
        let whole = three(&path);
        for byte in MAGIC.len()..whole.len() - SEAL.len() {
            for bit in [0, 3, 7] {
                let mut bad = whole.clone();
                bad[byte] ^= 1 << bit;
                std::fs::write(&path, &bad).unwrap();
                match Log::open(&path) {
                    Err(LogError::Damaged { .. }) => {}
                    Ok(opened) => {
                        assert_eq!(texts(&opened), ["one", "two", "three"], "byte {byte} bit {bit}")
                    }
                    Err(other) => panic!("byte {byte}: {other}"),
                }
            }
        }
    }

    #[test]
    fn a_rewritten_log_holds_only_what_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.log");
        three(&path);
        let mut log = Log::open(&path).unwrap().log;
        log.rewrite(&[b"kept".to_vec()]).unwrap();
        log.append(&[b"new".to_vec()]).unwrap();
        assert_eq!(texts(&Log::open(&path).unwrap()), ["kept", "new"]);
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.log");
        std::fs::write(&path, b"hello").unwrap();
        assert!(matches!(Log::open(&path), Err(LogError::Foreign { .. })));
    }
}
