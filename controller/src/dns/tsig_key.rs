//! The TSIG key of a zone (RFC 8945), read from a key file in BIND's form, as `tsig-keygen` writes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, TSigner};
use std::fmt;
use std::str::FromStr;

/// Largest key file, in bytes. A real one has about 100.
const MAX_FILE_BYTES: usize = 4096;
/// Shortest secret that is accepted, in bytes.
const MIN_SECRET_BYTES: usize = 16;
/// How far the clocks of controller and server may differ, in seconds (RFC 8945, section 10).
const FUDGE_SECONDS: u16 = 300;

/// A key with its name. Its secret is never shown.
#[derive(Clone)]
pub struct TsigKey {
    name: String,
    signer: TSigner,
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsigKey").field("name", &self.name).field("secret", &"hidden").finish()
    }
}

impl TsigKey {
    /// Reads `key "name" { algorithm hmac-sha256; secret "base64"; };`. Algorithms: hmac-sha256 and
    /// hmac-sha512. The error says what is wrong and quotes nothing.
    pub fn from_file(content: &[u8]) -> Result<Self, &'static str> {
        if content.len() > MAX_FILE_BYTES {
            return Err("the key file is larger than 4 KiB");
        }
        let text = std::str::from_utf8(content).map_err(|_| "the key file is not text")?;
        let words = words(text)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ["key", name, "{", body @ .., "}", ";"] = words.as_slice() else {
            return Err(
                "the key file does not have BIND's form `key \"name\" { algorithm …; secret \"…\"; };`",
            );
        };
        let (mut algorithm, mut secret) = (None, None);
        for statement in body.split(|word| *word == ";").filter(|statement| !statement.is_empty()) {
            match statement {
                ["algorithm", value] => algorithm = Some(*value),
                ["secret", value] => secret = Some(*value),
                _ => return Err("the key file has something else than an algorithm and a secret"),
            }
        }
        let algorithm = match algorithm.map(str::to_ascii_lowercase).as_deref() {
            Some("hmac-sha256") => TsigAlgorithm::HmacSha256,
            Some("hmac-sha512") => TsigAlgorithm::HmacSha512,
            Some(_) => return Err("the key's algorithm is not hmac-sha256 or hmac-sha512"),
            None => return Err("the key file names no algorithm"),
        };
        let secret = secret.ok_or("the key file has no secret")?;
        let secret = STANDARD.decode(secret).map_err(|_| "the key's secret is not base64")?;
        if secret.len() < MIN_SECRET_BYTES {
            return Err("the key's secret is shorter than 16 bytes");
        }
        let dns_name = Name::from_str(name).map_err(|_| "the key's name is not a DNS name")?;
        let signer = TSigner::new(secret, algorithm, dns_name, FUDGE_SECONDS)
            .map_err(|_| "the key's algorithm is not supported")?;
        Ok(Self { name: (*name).to_string(), signer })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What signs with it.
    pub(super) fn signer(&self) -> &TSigner {
        &self.signer
    }
}

/// Words, quoted texts and the signs `{`, `}`, `;` of a file in BIND's form, comments left out.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let used = if rest.starts_with("//") || first == '#' {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").ok_or("a comment in the key file does not end")? + 2
        } else if "{};".contains(first) {
            words.push(first.to_string());
            1
        } else if first == '"' {
            let end = rest[1..].find('"').ok_or("a quoted text in the key file does not end")?;
            words.push(rest[1..=end].to_string());
            end + 2
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
            words.push(rest[..end].to_string());
            end
        };
        rest = rest[used..].trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtMTIz";

    #[test]
    fn a_key_as_tsig_keygen_writes_it_is_read_and_its_secret_is_hidden() {
        let file =
            format!("# mine\nkey \"lifeboat\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n");
        let key = TsigKey::from_file(file.as_bytes()).unwrap();
        assert_eq!(key.name(), "lifeboat");
        assert_eq!(key.signer().key(), b"secret-secret-secret-123");
        assert!(!format!("{key:?}").contains("secret-secret") && !format!("{key:?}").contains(SECRET));
        let other = format!("key k{{secret {SECRET};/* x */algorithm HMAC-SHA512;}}; // end");
        assert_eq!(
            *TsigKey::from_file(other.as_bytes()).unwrap().signer().algorithm(),
            TsigAlgorithm::HmacSha512
        );
    }

    #[test]
    fn what_is_wrong_with_a_key_file_is_said_without_quoting_it() {
        let bad = [
            String::new(),
            format!("{SECRET}\n"),
            format!("key k {{ algorithm hmac-md5; secret {SECRET}; }};"),
            format!("key k {{ secret {SECRET}; }};"),
            "key k { algorithm hmac-sha256; };".to_string(),
            "key k { algorithm hmac-sha256; secret c2hvcnQ=; };".to_string(),
            format!("key k {{ algorithm hmac-sha256; secret \"{SECRET}; }};"),
            "x".repeat(MAX_FILE_BYTES + 1),
        ];
        for file in bad {
            let why = TsigKey::from_file(file.as_bytes()).unwrap_err();
            assert!(!why.contains(SECRET), "{why}");
        }
    }
}
