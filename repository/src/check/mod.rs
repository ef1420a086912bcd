//! Checking a repository: every damage listed, with the snapshots and files that it touches.
//!
//! Index files and snapshots are always read whole. Packs are compared with the listing, and with
//! `read_data` read, hashed, and every blob opened. Then every tree is read and every blob of every file
//! looked up. One damaged object never ends the check; a storage that does not answer does, since a check
//! that saw half of the repository has seen nothing.

mod packs;
mod trees;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use crate::error::{Class, Error, Result};
use crate::find::SnapshotInfo;
use crate::format::blob::BlobKind;
use crate::id::Id;
use crate::index::{self, Index};
use crate::monitor::Monitor;
use crate::repository::{MAX_KEY_BYTES, Repository};
use crate::storage::{AgeRule, Kind, Lifecycle, Object, listing};
use crate::sync::locked;
use crate::versions::{named, read_good};

/// So many files are named for each damage.
pub const MAX_FILES_NAMED: usize = 1000;

/// What is checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Read every pack and open every blob.
    pub read_data: bool,
    /// With `read_data`: only the packs of this part.
    pub subset: Option<Subset>,
}

/// One part of all packs: the same one each time, and all parts together are everything. So a check of
/// part 1 today, part 2 tomorrow and so on has read all data after `of` days, also of packs that came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subset {
    /// Which, from 1.
    pub part: u32,
    /// Of how many.
    pub of: u32,
}

impl Subset {
    fn has(self, pack: Id) -> bool {
        let number = pack.as_bytes().iter().take(4).fold(0_u32, |n, byte| n << 8 | u32::from(*byte));
        number % self.of.max(1) + 1 == self.part
    }
}

/// One damaged or missing object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What: a pack, an index file, a snapshot, a tree, a blob.
    pub object: String,
    /// What is wrong.
    pub detail: String,
    /// The snapshots that need it.
    pub snapshots: BTreeSet<Id>,
    /// Files that cannot be restored because of it, as `snapshot:path`, at most [`MAX_FILES_NAMED`].
    pub files: BTreeSet<String>,
}

/// Something that is not damage yet: a rule of the bucket that will remove or move data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its stable code.
    pub code: &'static str,
    /// What it is.
    pub detail: String,
    /// Why it must not be.
    pub reason: &'static str,
}

/// The code of [`Repository::dangerous_rules`].
const AGE_RULE: &str = "LB3037";

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Snapshots read.
    pub snapshots: u64,
    /// Packs that the index knows.
    pub packs: u64,
    /// Blobs that the index knows.
    pub blobs: u64,
    /// Packs that are stored and in no index file: left by a backup that was interrupted. No damage.
    pub packs_unindexed: u64,
    /// Packs read.
    pub packs_read: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// Every damage.
    pub damages: Vec<Damage>,
    /// Objects that somebody wrote over, and that are read in an older version: [`Error::Overwritten`]. No
    /// data is lost, but somebody who should not has a key that writes.
    pub overwritten: BTreeSet<String>,
    /// What will do damage if it stays.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why; no fault.
    pub unseen: Vec<String>,
}

impl CheckReport {
    /// Whether nothing is damaged, and nothing about to be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty() && self.findings.is_empty()
    }
}

/// What was found by now.
#[derive(Default)]
struct Findings {
    damages: BTreeMap<String, Damage>,
    /// Blobs that cannot be read, and the object to blame.
    bad_blobs: HashMap<(BlobKind, Id), String>,
}

impl Findings {
    /// Notes a damage; the first detail of an object is kept.
    fn add(&mut self, object: &str, detail: impl Into<String>) -> &mut Damage {
        self.damages.entry(object.to_owned()).or_insert_with(|| Damage {
            object: object.to_owned(),
            detail: detail.into(),
            snapshots: BTreeSet::new(),
            files: BTreeSet::new(),
        })
    }

    /// Notes an error when it is damage; anything else ends the check.
    fn add_error(&mut self, object: &str, error: Error) -> Result<()> {
        if error.class() != Class::Integrity {
            return Err(error);
        }
        let detail = match error {
            Error::Damaged { detail, .. } => detail,
            other => other.to_string(),
        };
        self.add(object, detail);
        Ok(())
    }
}

impl Repository {
    /// Checks the repository.
    ///
    /// # Errors
    /// When the storage does not answer, the repository is locked, or it was cancelled. Damage is no
    /// error: it is in the report.
    pub fn check(&self, options: CheckOptions, monitor: &Monitor) -> Result<CheckReport> {
        if options.subset.is_some_and(|s| !(1..=s.of).contains(&s.part)) {
            return Err(Error::Invalid("a part of a check is 1 to the number of parts".to_owned()));
        }
        let _lock = self.read_lock()?;
        let mut findings = Findings::default();
        self.check_keys(&mut findings)?;
        let snapshots = self.check_snapshots(&mut findings)?;
        let index = self.check_index(&mut findings)?;
        let mut report = CheckReport {
            snapshots: snapshots.len() as u64,
            packs: index.packs().len() as u64,
            blobs: index.blob_count() as u64,
            ..CheckReport::default()
        };
        report.packs_unindexed = packs::compare(self, &index, &mut findings)?;
        // Beside the packs, since what waits for the one leaves time for the other.
        let is_well = std::thread::scope(|scope| {
            let look = || trees::all_is_well(self, &index, &snapshots, monitor);
            let trees = findings.damages.is_empty().then(|| scope.spawn(look));
            if options.read_data {
                (report.packs_read, report.bytes_read) =
                    packs::read_all(self, &index, options.subset, monitor, &mut findings)?;
            }
            let died = |_| Err(Error::Internal("a thread of a check panicked"));
            trees.map_or(Ok(false), |trees| trees.join().unwrap_or_else(died))
        })?;
        if !is_well || !findings.damages.is_empty() {
            trees::name_damage(self, &index, &snapshots, monitor, &mut findings)?;
        }
        match self.dangerous_rules() {
            Ok(rules) => report.findings = rules,
            Err(why) => report.unseen.push(why),
        }
        report.damages = findings.damages.into_values().collect();
        report.overwritten = self.storage().overwritten().iter().map(ToString::to_string).collect();
        Ok(report)
    }

    /// `config` and the keys: without them nothing can be read, but for who has it open now.
    fn check_keys(&self, findings: &mut Findings) -> Result<()> {
        if let Err(e) = self.read_config_again() {
            findings.add_error(&Object::Config.to_string(), e)?;
        }
        for listed in listing(self.storage(), Kind::Key)? {
            let object = Object::Named(Kind::Key, listed.id);
            let read = read_good(self.storage(), object, listed.size, MAX_KEY_BYTES, &mut named(listed.id));
            if let Err(e) = read {
                findings.add_error(&object.to_string(), e)?;
            }
        }
        Ok(())
    }

    /// Rules of the bucket that move or remove objects of this repository by their age. One request.
    ///
    /// # Errors
    /// Why it could not be looked at: no permission, or a service without such rules.
    pub fn dangerous_rules(&self) -> Result<Vec<Finding>, String> {
        let rules = match self.storage().lifecycle() {
            Lifecycle::Rules(rules) => rules,
            Lifecycle::Unknown(why) => return Err(why),
        };
        let finding = |rule: &AgeRule| {
            let reason = rule.reason(self.archive().is_some())?;
            let detail = format!("the bucket's lifecycle rule {:?}", rule.name);
            Some(Finding { code: AGE_RULE, detail, reason })
        };
        Ok(rules.iter().filter_map(finding).collect())
    }

    fn check_snapshots(&self, findings: &mut Findings) -> Result<Vec<SnapshotInfo>> {
        let mut good = Vec::new();
        for listed in listing(self.storage(), Kind::Snapshot)? {
            match self.read_snapshot(&listed) {
                Ok(info) => good.push(info),
                Err(e) => {
                    let object = Object::Named(Kind::Snapshot, listed.id).to_string();
                    findings.add_error(&object, e)?;
                    findings.add(&object, "").snapshots.insert(listed.id);
                }
            }
        }
        Ok(good)
    }

    fn check_index(&self, findings: &mut Findings) -> Result<Index> {
        let findings = Mutex::new(findings);
        index::gather(self, &listing(self.storage(), Kind::Index)?, true, |id, error| {
            locked(&findings).add_error(&Object::Named(Kind::Index, id).to_string(), error)
        })
    }
}
