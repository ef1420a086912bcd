//! Rules of a bucket that move or remove objects by their age.
//!
//! Age says nothing about a pack: one of a hundred days may hold data of today's snapshot, since a backup
//! sends no blob twice. A rule that removes old packs destroys snapshots of all ages, and one that moves
//! them into an archive class makes restores, prunes and checks wait or fail. What costs less for packs that are
//! read seldom is said when they are written ([`super::PackClass`]).

/// What a storage says about such rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The rules on current objects of this repository; none is as it should be.
    Rules(Vec<AgeRule>),
    /// It could not be looked at: not allowed, or the service has no such thing.
    Unknown(String),
}

/// One rule on objects of this repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeRule {
    /// Its name in the bucket.
    pub name: String,
    /// What it does.
    pub effect: Effect,
    /// Whether it is on all objects of the repository alike.
    pub is_on_all: bool,
}

/// What a rule does to an object that is old enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is removed.
    Expires,
    /// It moves into another class.
    Moves,
}

impl AgeRule {
    /// Why this rule must not be, if so. An archive goes as a whole, and has no snapshot that is younger
    /// than its packs by more than a quarter.
    #[must_use]
    pub fn reason(&self, is_archive: bool) -> Option<&'static str> {
        match (self.effect, is_archive) {
            (Effect::Expires, true) if self.is_on_all => None,
            (Effect::Expires, true) => Some("removes a part of the archive, which is whole or worth nothing"),
            (Effect::Expires, false) => {
                Some("removes objects by age, but an old pack may hold data of today's snapshot")
            }
            (Effect::Moves, true) => Some(
                "moves objects by age, also trees that must stay readable; packs of data have their class when they are written",
            ),
            (Effect::Moves, false) => Some(
                "moves objects by age, but an old pack may hold data of today's snapshot; choose a class with --pack-class instead",
            ),
        }
    }
}
