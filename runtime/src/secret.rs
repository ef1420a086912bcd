//! Secrets: where a reference points, its bytes are fetched when they are needed and forgotten after.

use crate::Explained;
use crate::fs::{FileError, read_bounded};
use model::SecretRef;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// Largest secret, in bytes. A key or password is far smaller; whatever is larger is the wrong file.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// The bytes of a secret: never printed, wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes bytes as a secret.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Do not keep, print or log them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, when it is UTF-8.
    pub fn expose_text(&self) -> Result<&str, SecretError> {
        std::str::from_utf8(&self.0).map_err(|_| SecretError::NotText)
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretBytes(hidden)")
    }
}

/// A secret could not be had. Never holds any part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("LB5101: cannot read the secret from {reference}")]
    File {
        /// The reference.
        reference: SecretRef,
        /// Why not.
        #[source]
        source: FileError,
    },
    /// The environment variable is not set.
    #[error("LB5102: the secret's {reference} is not set")]
    NotSet {
        /// The reference.
        reference: SecretRef,
    },
    /// There is nothing in it.
    #[error("LB5103: the secret in {reference} is empty")]
    Empty {
        /// The reference.
        reference: SecretRef,
    },
    /// It is larger than any secret.
    #[error("LB5104: the secret in {reference} is larger than {MAX_SECRET_BYTES} bytes")]
    TooLarge {
        /// The reference.
        reference: SecretRef,
    },
    /// Text was needed, but the bytes are not UTF-8.
    #[error("LB5105: the secret is not text in UTF-8")]
    NotText,
}

impl Explained for SecretError {
    fn advice(&self) -> &'static str {
        match self {
            SecretError::File { .. } => "check the path, and that this process may read the file",
            SecretError::NotSet { .. } => {
                "set the variable in the unit or container that starts this process"
            }
            SecretError::Empty { .. } => "write the secret into it",
            SecretError::TooLarge { .. } => "check that the right file is named",
            SecretError::NotText => "store the secret as text in UTF-8",
        }
    }
}

/// Secrets that were handed over when this process began, for files that this machine does not have.
static HANDED_OVER: OnceLock<HashMap<SecretRef, SecretBytes>> = OnceLock::new();

/// Hands secrets over to this process, once, before it resolves any: a rescue brings those of a machine that is
/// gone. A file that is here wins.
pub fn hand_over(secrets: HashMap<SecretRef, SecretBytes>) {
    // A second call changes nothing.
    let _ = HANDED_OVER.set(secrets);
}

/// Fetches a secret. One line break at the end of a file is not part of it. A file that others can
/// read is used, with a warning. Blocks on the disk.
pub fn resolve(reference: &SecretRef) -> Result<SecretBytes, SecretError> {
    let reference = reference.clone();
    let secret = match &reference {
        SecretRef::File(path) => match from_file(path, &reference) {
            Err(SecretError::File { source, .. }) if source.is_missing() => {
                let handed = HANDED_OVER.get().and_then(|secrets| secrets.get(&reference)).cloned();
                handed.ok_or(SecretError::File { reference: reference.clone(), source })?
            }
            read => read?,
        },
        SecretRef::Env(name) => from_env(name, &reference)?,
    };
    if secret.0.len() > MAX_SECRET_BYTES {
        return Err(SecretError::TooLarge { reference });
    }
    if secret.0.is_empty() {
        return Err(SecretError::Empty { reference });
    }
    Ok(secret)
}

fn from_file(path: &Path, reference: &SecretRef) -> Result<SecretBytes, SecretError> {
    let mut bytes = match read_bounded(path, MAX_SECRET_BYTES) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(FileError::TooLarge { .. }) => {
            return Err(SecretError::TooLarge { reference: reference.clone() });
        }
        Err(source) => return Err(SecretError::File { reference: reference.clone(), source }),
    };
    if open_to_others(path) {
        tracing::warn!(path = %path.display(), "others can read this secret; set its mode to 0600");
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(SecretBytes(bytes))
}

/// Whether everybody on this host can read the file. (A group may be the service's own.)
pub fn open_to_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.mode() & 0o004 != 0)
}

fn from_env(name: &str, reference: &SecretRef) -> Result<SecretBytes, SecretError> {
    use std::os::unix::ffi::OsStringExt;
    match std::env::var_os(name) {
        Some(value) => Ok(SecretBytes::new(value.into_vec())),
        None => Err(SecretError::NotSet { reference: reference.clone() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fs::{PRIVATE, PUBLIC, write_durable};

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, SecretRef) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write_durable(&path, content, mode).unwrap();
        (folder, SecretRef::File(path))
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_the_secret() {
        let (_folder, reference) = file(b"open sesame\n", PRIVATE);
        assert_eq!(resolve(&reference).unwrap().expose_text().unwrap(), "open sesame");
        let (_folder, reference) = file(b"two\n\n", PRIVATE);
        assert_eq!(resolve(&reference).unwrap().expose(), b"two\n");
    }

    #[test]
    fn a_secret_is_never_printed() {
        let (_folder, reference) = file(b"sesame", PRIVATE);
        assert!(!format!("{:?}", resolve(&reference).unwrap()).contains("sesame"));
    }

    #[test]
    fn missing_empty_and_oversized_secrets_are_refused_by_code() {
        let code = |reference: &SecretRef| resolve(reference).unwrap_err().code();
        assert_eq!(code(&SecretRef::File("/nonexistent/x".into())), "LB5101");
        assert_eq!(code(&SecretRef::Env("LIFEBOAT_TEST_NOT_SET".into())), "LB5102");
        let (_folder, empty) = file(b"\n", PRIVATE);
        assert_eq!(code(&empty), "LB5103");
        let (_folder, large) = file(&vec![b'x'; MAX_SECRET_BYTES + 1], PRIVATE);
        assert_eq!(code(&large), "LB5104");
        let (_folder, binary) = file(&[0xff, 0xfe], PRIVATE);
        assert_eq!(resolve(&binary).unwrap().expose_text().unwrap_err().code(), "LB5105");
    }

    #[test]
    fn a_file_that_everybody_can_read_is_noticed() {
        let (_a, SecretRef::File(open)) = file(b"x", PUBLIC) else { unreachable!() };
        let (_b, SecretRef::File(closed)) = file(b"x", PRIVATE) else { unreachable!() };
        assert!(open_to_others(&open) && !open_to_others(&closed));
    }
}
