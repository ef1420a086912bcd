//! The operators' offline key: it signs the call of a rescue and opens the keys of a rescue bundle.
//!
//! It is made on an operator's machine and stays off every machine that Lifeboat runs on; controllers and
//! agents only ever see its public half. It has two parts, made together: one signs (Ed25519), the other opens
//! what is sealed to it (an age identity, X25519). Its file is also an identity file of the `age` program, so
//! that what is sealed can be opened by hand. Sealing and opening are done by whoever needs them; here are
//! texts, signatures and their check.

use crate::Explained;
use crate::fs::{FileError, PRIVATE, read_bounded, write_durable};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use zeroize::Zeroizing;

/// What a public half begins with.
const PUBLIC: &str = "lifeboat-offline-1";
/// What the line of the signing part begins with; for `age` it is a comment.
const SIGNING: &str = "# lifeboat-sign-1 ";
/// What the line of the opening part begins with.
const OPENING: &str = "AGE-SECRET-KEY-";
/// Largest key file, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// Longest text of a signed message, in bytes.
pub const MAX_SIGNED_BYTES: usize = 64 * 1024;

/// An offline key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The file could not be read or written.
    #[error("LB5461: the offline key's file cannot be used")]
    File(#[source] FileError),
    /// There is a file already.
    #[error("LB5462: {path} is there already, and an offline key is never written over")]
    There {
        /// The file.
        path: String,
    },
    /// A text that is no offline key.
    #[error("LB5463: this is no {what}")]
    NoKey {
        /// What it should be.
        what: &'static str,
    },
    /// A key could not be made.
    #[error("LB5464: an offline key cannot be made")]
    Make,
    /// A signature that is not right.
    #[error("LB5465: the signature of the {what} is not that of the operators' offline key")]
    Signature {
        /// What was signed.
        what: &'static str,
    },
}

impl Explained for OfflineError {
    fn advice(&self) -> &'static str {
        match self {
            OfflineError::File(_) => "Check the path: is the medium with the offline key there?",
            OfflineError::There { .. } => "Name another file.",
            OfflineError::NoKey { .. } => {
                "`lifeboat rescue key --to FILE` makes one: the file is the secret half, what it prints is the public half."
            }
            OfflineError::Make => "Try again; if it persists, report it.",
            OfflineError::Signature { .. } => {
                "Somebody made it who has another key. Use the offline key whose public half the controllers' settings have."
            }
        }
    }
}

/// The public half, as it stands in settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    verify: [u8; 32],
    seal_to: String,
}

impl PublicKey {
    /// To whom secrets are sealed: an age recipient.
    pub fn seal_to(&self) -> &str {
        &self.seal_to
    }

    /// Takes a signed message, if the key signed it as that. Gives its body.
    pub fn verify(&self, what: &'static str, text: &str) -> Result<String, OfflineError> {
        if text.len() > MAX_SIGNED_BYTES {
            return Err(OfflineError::NoKey { what: "signed message" });
        }
        let signed: Signed =
            serde_json::from_str(text).map_err(|_| OfflineError::NoKey { what: "signed message" })?;
        let signature = hex::decode(&signed.signature).map_err(|_| OfflineError::Signature { what })?;
        UnparsedPublicKey::new(&ED25519, self.verify)
            .verify(&bound(what, &signed.body), &signature)
            .map_err(|_| OfflineError::Signature { what })?;
        Ok(signed.body)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}.{}.{}", hex::encode(self.verify), self.seal_to)
    }
}

impl FromStr for PublicKey {
    type Err = OfflineError;

    fn from_str(text: &str) -> Result<Self, OfflineError> {
        let no = || OfflineError::NoKey { what: "public half of an offline key" };
        let mut parts = text.trim().splitn(3, '.');
        let (kind, verify, seal_to) = (parts.next(), parts.next(), parts.next());
        let verify = hex::decode(verify.ok_or_else(no)?).map_err(|_| no())?;
        let seal_to = seal_to.filter(|text| text.starts_with("age1") && text.len() < 128).ok_or_else(no)?;
        match (kind, <[u8; 32]>::try_from(verify)) {
            (Some(PUBLIC), Ok(verify)) => Ok(PublicKey { verify, seal_to: seal_to.to_string() }),
            _ => Err(no()),
        }
    }
}

/// The secret half. Only whoever makes it or begins a rescue has it in memory.
pub struct SecretKey {
    pair: Ed25519KeyPair,
    text: Zeroizing<String>,
    public: PublicKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

impl SecretKey {
    /// Makes one, with an age identity and its recipient that were just made.
    pub fn make(identity: &str, recipient: &str) -> Result<Self, OfflineError> {
        let signing = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| OfflineError::Make)?;
        let text = Zeroizing::new(format!(
            "# The offline key of Lifeboat's operators. Keep it on a medium that lies in a drawer, twice.\n\
             # Whoever has it can take command of every host.\n\
             # public: {recipient}\n{SIGNING}{}\n{identity}\n",
            hex::encode(signing.as_ref())
        ));
        Self::parse(&text, recipient)
    }

    fn parse(text: &str, recipient: &str) -> Result<Self, OfflineError> {
        let no = || OfflineError::NoKey { what: "offline key" };
        let line = |prefix: &str| text.lines().find(|line| line.starts_with(prefix)).ok_or_else(no);
        line(OPENING)?;
        let pkcs8 = line(SIGNING)?.trim_start_matches(SIGNING).trim();
        let pkcs8 = Zeroizing::new(hex::decode(pkcs8).map_err(|_| no())?);
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| no())?;
        let verify = pair.public_key().as_ref().try_into().map_err(|_| no())?;
        let public = PublicKey { verify, seal_to: recipient.to_string() };
        Ok(Self { pair, text: Zeroizing::new(text.to_string()), public })
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, OfflineError> {
        let bytes = Zeroizing::new(read_bounded(path, MAX_BYTES).map_err(OfflineError::File)?);
        let no = || OfflineError::NoKey { what: "offline key" };
        let text = std::str::from_utf8(&bytes).map_err(|_| no())?;
        let recipient = text.lines().find_map(|line| line.strip_prefix("# public: ")).ok_or_else(no)?;
        Self::parse(text, recipient.trim())
    }

    /// Writes it to a file that is not there yet, for its owner alone.
    pub fn store(&self, path: &Path) -> Result<(), OfflineError> {
        if path.exists() {
            return Err(OfflineError::There { path: path.display().to_string() });
        }
        write_durable(path, self.text.as_bytes(), PRIVATE).map_err(OfflineError::File)
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The part that opens what is sealed to it: an age identity.
    pub fn identity(&self) -> Option<&str> {
        self.text.lines().find(|line| line.starts_with(OPENING))
    }

    /// Signs a body as a message of a kind, for [`PublicKey::verify`].
    pub fn sign(&self, what: &'static str, body: &str) -> String {
        let signature = hex::encode(self.pair.sign(&bound(what, body)));
        let signed = Signed { body: body.to_string(), signature };
        serde_json::to_string(&signed).unwrap_or_default()
    }
}

#[derive(Serialize, Deserialize)]
struct Signed {
    body: String,
    signature: String,
}

/// What is signed: a signature of one kind of message is none of another.
fn bound(what: &str, body: &str) -> Vec<u8> {
    format!("lifeboat {what} 1\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn made() -> SecretKey {
        SecretKey::make("AGE-SECRET-KEY-1TEST", "age1test").unwrap()
    }

    #[test]
    fn a_key_survives_its_file_and_its_public_half_a_line_of_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offline-key");
        let key = made();
        key.store(&path).unwrap();
        assert!(matches!(key.store(&path), Err(OfflineError::There { .. })));
        let again = SecretKey::load(&path).unwrap();
        assert_eq!((again.public(), again.identity()), (key.public(), Some("AGE-SECRET-KEY-1TEST")));
        assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap(), *key.public());
        for bad in ["", "lifeboat-offline-1.00.age1x", "lifeboat-offline-2", "age1test"] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_is_taken_as_it_was_signed_and_in_no_other_way() {
        let (key, other) = (made(), made());
        let signed = key.sign("call", "the body");
        assert_eq!(key.public().verify("call", &signed).unwrap(), "the body");
        assert!(key.public().verify("bundle", &signed).is_err(), "it was signed as something else");
        assert!(other.public().verify("call", &signed).is_err());
        assert!(key.public().verify("call", &signed.replace("the body", "a body")).is_err());
        assert!(key.public().verify("call", "{}").is_err());
    }
}
