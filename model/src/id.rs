//! Names and identifiers. Ids are UUID v7 (sortable by creation), names are short and printable.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Longest name that is accepted anywhere, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// A text that is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "LB0101: {text:?} is not a name: use letters, digits, '.', '_' and '-', 1 to 128 of them, beginning with a letter or digit"
)]
pub struct InvalidName {
    /// What was given.
    pub text: String,
}

fn valid(text: &str, extra: &[char]) -> bool {
    !text.is_empty()
        && text.len() <= MAX_NAME_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || extra.contains(&c))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $extra:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a text as a name, or says why it is none.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                if valid(&text, $extra) { Ok(Self(text)) } else { Err(InvalidName { text }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name_type!(
    /// Name of a region, source, service, check, repository, record, channel, role, schedule or plan.
    Name, &[]
);
name_type!(
    /// Name of a host, which is the identity of its agent.
    HostName, &[]
);
name_type!(
    /// Name of a person or machine that commands a controller.
    UserName, &['@']
);
name_type!(
    /// Path of a step in its plan: `promote`, or `schedule/nightly` for work that an agent starts itself.
    StepPath, &['/']
);
name_type!(
    /// Id of a snapshot in its repository: lower-case hex of a SHA-256.
    SnapshotId, &[]
);
name_type!(
    /// Lower-case hex of a SHA-256 over the canonical JSON of what a person or a run was bound to.
    Digest, &[]
);

macro_rules! uuid_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.to_string())
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Ok(Self(Uuid::parse_str(text)?))
            }
        }
    };
}

uuid_type!(
    /// One run of a plan.
    RunId
);
uuid_type!(
    /// One question for approval.
    ApprovalId
);

impl Digest {
    /// SHA-256 of the value's JSON. The types of this crate serialise maps in key order, so equal
    /// values give equal digests.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self::of_bytes(&serde_json::to_vec(value)?))
    }

    /// SHA-256 of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(hex::encode(sha2::Sha256::digest(bytes)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        assert!(Name::new("tutor-db").is_ok());
        assert!(Name::new("").is_err());
        assert!(Name::new("-x").is_err());
        assert!(Name::new("a b").is_err());
        assert!(Name::new("x".repeat(129)).is_err());
        assert!(StepPath::new("schedule/nightly").is_ok());
        assert!(Name::new("a/b").is_err());
    }

    #[test]
    fn a_bad_name_is_refused_when_read_from_json() {
        assert!(serde_json::from_str::<Name>("\"a;rm -rf\"").is_err());
        assert_eq!(serde_json::from_str::<Name>("\"a\"").unwrap().as_str(), "a");
    }
}
