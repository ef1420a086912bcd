//! What packs of data cost and how fast they can be read: the classes of an S3 service.
//!
//! Only packs with data of files may have a class. Keys, snapshots, index files, locks and packs of trees
//! are read by every operation and stay in the service's standard class.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether a pack can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmth {
    /// Now.
    Ready,
    /// It was asked for and will be readable.
    Thawing,
    /// Nobody asked for it.
    Cold,
}

/// A storage class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PackClass {
    /// Read often.
    Standard,
    /// Read seldom; reading costs.
    StandardIa,
    /// The same in one zone only.
    OnezoneIa,
    /// The service decides.
    IntelligentTiering,
    /// An archive that can be read at once.
    GlacierIr,
    /// An archive that is thawed within hours before it can be read.
    Glacier,
    /// An archive that is thawed within half a day or two.
    DeepArchive,
}

impl PackClass {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::StandardIa,
        Self::OnezoneIa,
        Self::IntelligentTiering,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// The name that services use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// Whether it must be thawed before it can be read: for archive repositories only.
    #[must_use]
    pub const fn is_cold(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }
}

impl fmt::Display for PackClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PackClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.to_ascii_uppercase().replace('-', "_");
        Self::ALL.into_iter().find(|class| class.name() == wanted).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|class| class.name()).collect();
            format!("it is one of {}", names.join(", "))
        })
    }
}
