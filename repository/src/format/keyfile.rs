//! A key file: the master key, sealed under a key that scrypt makes from a password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::envelope::{Cipher, KeyBytes};
use super::{Malformed, gojson};
use crate::password::Password;

/// What a wrong or hostile key file may cost at most when it is tried.
const MAX_KDF_MEMORY_BYTES: u64 = 1 << 30;
const MAX_KDF_WORK: u64 = 1 << 30;

/// The cost of scrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    /// Logarithm of N to base 2.
    pub log_n: u8,
    /// Block size.
    pub r: u32,
    /// Rounds.
    pub p: u32,
}

impl KdfParams {
    /// What restic finds on a usual server: 32 MiB and about half a second.
    pub const USUAL: Self = Self { log_n: 15, r: 8, p: 7 };
    /// For tests: no protection against guessing.
    pub const LIGHT: Self = Self { log_n: 10, r: 8, p: 1 };
}

impl Default for KdfParams {
    fn default() -> Self {
        Self::USUAL
    }
}

#[derive(Serialize, Deserialize)]
struct KeyFile {
    #[serde(with = "gojson::time")]
    created: Timestamp,
    #[serde(default)]
    username: String,
    #[serde(default)]
    hostname: String,
    kdf: String,
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
    #[serde(with = "gojson::bytes")]
    salt: Vec<u8>,
    #[serde(with = "gojson::bytes")]
    data: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct MasterKey {
    mac: Mac,
    encrypt: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
struct Mac {
    k: Zeroizing<String>,
    r: Zeroizing<String>,
}

/// A new master key. `r` of Poly1305 is masked as the format wants it.
pub(crate) fn generate_master() -> KeyBytes {
    let mut key = Zeroizing::new([0; 64]);
    rand::fill(&mut key[..]);
    for at in [3, 7, 11, 15] {
        key[48 + at] &= 15;
    }
    for at in [4, 8, 12] {
        key[48 + at] &= 252;
    }
    key
}

/// The bytes of a key file that wraps `master` with `password`.
pub(crate) fn wrap(
    master: &KeyBytes,
    password: &Password,
    kdf: KdfParams,
    who: (String, String),
    now: Timestamp,
) -> Result<Vec<u8>, Malformed> {
    let mut salt = vec![0; 64];
    rand::fill(&mut salt[..]);
    let n = 1_u64.checked_shl(u32::from(kdf.log_n)).ok_or_else(|| Malformed::new("scrypt N is too large"))?;
    let cipher = derive(password, &salt, n, kdf.r, kdf.p)?;
    let text = |range: std::ops::Range<usize>| Zeroizing::new(STANDARD.encode(&master[range]));
    let json = Zeroizing::new(gojson::encode(&MasterKey {
        encrypt: text(0..32),
        mac: Mac { k: text(32..48), r: text(48..64) },
    })?);
    let (hostname, username) = who;
    let file = KeyFile {
        created: now,
        username,
        hostname,
        kdf: "scrypt".to_owned(),
        n,
        r: kdf.r,
        p: kdf.p,
        salt,
        data: cipher.seal(&json),
    };
    gojson::encode(&file)
}

/// The master key of a key file; `None` when the password is not this key's.
pub(crate) fn unwrap(bytes: &[u8], password: &Password) -> Result<Option<KeyBytes>, Malformed> {
    let file: KeyFile = serde_json::from_slice(bytes).map_err(|e| Malformed::new(e.to_string()))?;
    if file.kdf != "scrypt" {
        return Err(Malformed::new(format!("its key derivation {:?} is unknown", file.kdf)));
    }
    let cipher = derive(password, &file.salt, file.n, file.r, file.p)?;
    let Ok(json) = cipher.open(&file.data) else {
        return Ok(None);
    };
    let json = Zeroizing::new(json);
    let master: MasterKey =
        serde_json::from_slice(&json).map_err(|_| Malformed::new("its master key is not understood"))?;
    let mut key: KeyBytes = Zeroizing::new([0; 64]);
    for (part, at) in [(&master.encrypt, 0..32), (&master.mac.k, 32..48), (&master.mac.r, 48..64)] {
        let bytes = Zeroizing::new(
            STANDARD.decode(part.as_bytes()).map_err(|_| Malformed::new("its master key is not base64"))?,
        );
        if bytes.len() != at.len() {
            return Err(Malformed::new("its master key has a wrong length"));
        }
        key[at].copy_from_slice(&bytes);
    }
    Ok(Some(key))
}

/// Who made a key file, and when: `(created, username, hostname)`.
pub(crate) fn describe(bytes: &[u8]) -> Result<(Timestamp, String, String), Malformed> {
    let file: KeyFile = serde_json::from_slice(bytes).map_err(|e| Malformed::new(e.to_string()))?;
    Ok((file.created, file.username, file.hostname))
}

fn derive(password: &Password, salt: &[u8], n: u64, r: u32, p: u32) -> Result<Cipher, Malformed> {
    let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
    let work = n.saturating_mul(u64::from(r)).saturating_mul(u64::from(p));
    if !n.is_power_of_two() || memory > MAX_KDF_MEMORY_BYTES || work > MAX_KDF_WORK {
        return Err(Malformed::new("its scrypt parameters are out of bounds"));
    }
    let log_n = u8::try_from(n.ilog2()).map_err(|_| Malformed::new("its scrypt N is out of bounds"))?;
    let params = scrypt::Params::new(log_n, r, p)
        .map_err(|_| Malformed::new("its scrypt parameters are out of bounds"))?;
    let mut key: KeyBytes = Zeroizing::new([0; 64]);
    scrypt::scrypt(password.bytes(), salt, &params, key.as_mut_slice())
        .map_err(|_| Malformed::new("scrypt failed"))?;
    Ok(Cipher::new(&key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_file_opens_with_its_password_only() {
        let master = generate_master();
        let password = Password::new("right");
        let file =
            wrap(&master, &password, KdfParams::LIGHT, ("h".into(), "u".into()), Timestamp::UNIX_EPOCH)
                .unwrap();
        assert_eq!(unwrap(&file, &password).unwrap().unwrap(), master);
        assert!(unwrap(&file, &Password::new("wrong")).unwrap().is_none());
    }

    #[test]
    fn a_hostile_key_file_costs_neither_memory_nor_time() {
        let password = Password::new("x");
        for (n, r, p) in [
            (1_u64 << 40, 8_u32, 1_u32),
            (1 << 15, 1 << 30, 1),
            (1 << 15, 8, 1 << 29),
            (3, 8, 1),
            (0, 0, 0),
            (1, 0, 0),
        ] {
            let file = format!(
                r#"{{"created":"2026-01-01T00:00:00Z","kdf":"scrypt","N":{n},"r":{r},"p":{p},"salt":"","data":""}}"#
            );
            assert!(unwrap(file.as_bytes(), &password).is_err(), "{n} {r} {p}");
        }
    }
}
