//! The figures: what each is called and what it shall be. The goals are the project's own.

use serde::Serialize;

/// A figure that is measured for every tool.
#[derive(Debug, PartialEq)]
pub struct Figure {
    /// In JSON.
    pub key: &'static str,
    /// For people.
    pub title: &'static str,
    /// What ours shall be.
    pub goal: Goal,
}

/// What a figure of ours shall be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// So many times as fast as the fastest peer.
    Faster(f64),
    /// At most this part of everything is sent a second time.
    SentAgain(f64),
    /// It is shown, and no more.
    Shown,
}

/// What ours stores, at most, beside the smallest of the peers.
pub const STORED_AT_MOST: f64 = 1.03;
/// The memory of ours in everything that is measured.
pub const PEAK_MIB_AT_MOST: f64 = 192.0;

/// Opening an empty repository.
pub const OPEN: Figure =
    Figure { key: "open", title: "opening an empty repository (scrypt)", goal: Goal::Shown };
/// The first backup.
pub const FIRST: Figure =
    Figure { key: "first", title: "first backup, mixed corpus", goal: Goal::Faster(2.0) };
/// The second backup of the same.
pub const AGAIN: Figure =
    Figure { key: "again", title: "backup again, nothing changed", goal: Goal::Faster(4.0) };
/// The second backup of a large file.
pub const LARGE: Figure =
    Figure { key: "large", title: "one large file, 1 % of it changed in place", goal: Goal::Faster(2.5) };
/// Restore, as long as the command takes.
pub const RESTORE: Figure = Figure { key: "restore", title: "restore all", goal: Goal::Faster(1.6) };
/// Restore until it is on disk: ours syncs by itself, peers do not.
pub const ON_DISK: Figure =
    Figure { key: "restore_on_disk", title: "restore all, until it is on disk", goal: Goal::Shown };
/// Check.
pub const CHECK: Figure = Figure { key: "check", title: "check, all data read", goal: Goal::Faster(2.0) };
/// The backup after one that was killed.
pub const KILLED: Figure =
    Figure { key: "killed", title: "backup again after kill -9 half-way", goal: Goal::SentAgain(0.05) };
/// First backup to a server far away.
pub const S3_FIRST: Figure =
    Figure { key: "s3_first", title: "first backup, S3 at 30 ms", goal: Goal::Faster(2.0) };
/// Restore from a server far away.
pub const S3_RESTORE: Figure =
    Figure { key: "s3_restore", title: "restore all, S3 at 30 ms", goal: Goal::Faster(2.0) };
/// The same to a server beside us: what of it the server itself costs.
pub const S3_FIRST_NEAR: Figure =
    Figure { key: "s3_first_near", title: "first backup, the same S3 server at 0 ms", goal: Goal::Shown };
/// The same from a server beside us.
pub const S3_RESTORE_NEAR: Figure =
    Figure { key: "s3_restore_near", title: "restore all, the same S3 server at 0 ms", goal: Goal::Shown };

/// All of them, as they are printed.
pub const ALL: &[Figure] = &[
    OPEN,
    FIRST,
    AGAIN,
    LARGE,
    RESTORE,
    ON_DISK,
    CHECK,
    KILLED,
    S3_FIRST,
    S3_RESTORE,
    S3_FIRST_NEAR,
    S3_RESTORE_NEAR,
];

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// The key of its figure.
    pub figure: &'static str,
    /// The tool.
    pub tool: &'static str,
    /// Its round, from 1.
    pub round: usize,
    /// How long it took.
    pub seconds: f64,
    /// The largest resident set.
    pub peak_mib: f64,
    /// Of the data that was backed up, restored or checked.
    pub bytes: u64,
    /// What the repository holds afterwards, where that says something.
    pub stored: Option<u64>,
    /// After a kill: what was sent in both runs beyond a whole run, as a part of a whole run.
    pub sent_again: Option<f64>,
    /// After a kill: what the second run sent, as a part of a whole run.
    pub sent_by_rerun: Option<f64>,
}
