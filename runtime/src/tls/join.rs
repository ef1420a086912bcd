//! The text that an operator carries to a new host or person: a one-time secret and the CA's hash.
//!
//! `lb1_<base64url of 32 bytes>_<hex SHA-256 of the CA's certificate>`. The controller stores only
//! the SHA-256 of the secret; 256 random bits need no slow hash.

use crate::Explained;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const PREFIX: &str = "lb1_";
/// Length of the secret, in bytes.
pub const SECRET_BYTES: usize = 32;
/// Longest token text that is looked at, in bytes.
pub const MAX_TEXT_BYTES: usize = 256;

/// A text that is not a token. Never holds the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("LB5431: this is not a token: it is `lb1_`, 43 characters, `_`, and 64 hex digits")]
pub struct InvalidToken;

impl Explained for InvalidToken {
    fn advice(&self) -> &'static str {
        "copy the whole token, or make a new one with `lifeboat token create`"
    }
}

/// A one-time secret with the hash of the CA to trust.
#[derive(Clone)]
pub struct JoinToken {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    ca_hash: String,
}

impl std::fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinToken").field("ca_hash", &self.ca_hash).finish_non_exhaustive()
    }
}

impl JoinToken {
    /// Makes a token of the system's randomness. `ca_hash` is [`super::Ca::hash`].
    pub fn make(ca_hash: &str) -> Self {
        Self { secret: Zeroizing::new(rand::random()), ca_hash: ca_hash.to_string() }
    }

    /// Reads a token text.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidToken);
        }
        let rest = text.strip_prefix(PREFIX).ok_or(InvalidToken)?;
        // The secret's alphabet has '_' too; the hash has not.
        let (secret, ca_hash) = rest.rsplit_once('_').ok_or(InvalidToken)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).map_err(|_| InvalidToken)?);
        let secret =
            Zeroizing::new(<[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).map_err(|_| InvalidToken)?);
        let hash = hex::decode(ca_hash).map_err(|_| InvalidToken)?;
        if hash.len() != 32 {
            return Err(InvalidToken);
        }
        Ok(Self { secret, ca_hash: hex::encode(hash) })
    }

    /// The text to hand over. It is a secret.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}_{}", URL_SAFE_NO_PAD.encode(*self.secret), self.ca_hash))
    }

    /// SHA-256 of the CA's certificate in lower-case hex.
    pub fn ca_hash(&self) -> &str {
        &self.ca_hash
    }

    /// What is stored of it: the SHA-256 of the secret in hex. Looking a token up by this hash tells
    /// an attacker nothing about the secret.
    pub fn stored(&self) -> String {
        hex::encode(Sha256::digest(*self.secret))
    }

    /// Whether this is the token whose hash was stored, in constant time.
    pub fn matches(&self, stored: &str) -> bool {
        self.stored().as_bytes().ct_eq(stored.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_round_trip_through_their_text() {
        let hash = "ab".repeat(32);
        for _ in 0..200 {
            let token = JoinToken::make(&hash);
            let read = JoinToken::parse(&format!(" {}\n", *token.text())).unwrap();
            assert_eq!((read.stored(), read.ca_hash()), (token.stored(), hash.as_str()));
            assert!(read.matches(&token.stored()));
            assert!(!read.matches(&JoinToken::make(&hash).stored()));
        }
    }

    #[test]
    fn a_secret_does_not_show_in_debug_or_in_what_is_stored() {
        let token = JoinToken::make(&"ab".repeat(32));
        let secret = token.text()[4..47].to_string();
        assert!(!format!("{token:?}").contains(&secret) && !token.stored().contains(&secret));
    }

    #[test]
    fn a_damaged_text_is_no_token() {
        let text = JoinToken::make(&"ab".repeat(32)).text().to_string();
        let wrong = [
            String::new(),
            "lb1_".into(),
            text.replacen("lb1", "lb2", 1),
            text[..text.len() - 1].into(),
            format!("{text}0"),
            text.replacen("_abab", "_xyab", 1),
            "lb1_".repeat(100),
        ];
        for text in wrong {
            assert_eq!(JoinToken::parse(&text).unwrap_err(), InvalidToken, "{text}");
        }
    }
}
