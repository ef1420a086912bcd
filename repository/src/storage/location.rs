//! Where a repository is, as a person writes it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A repository's place: an absolute path, or `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder of this host.
    Folder(PathBuf),
    /// A bucket, below a prefix.
    S3(S3Location),
}

/// A bucket and a prefix in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket's name.
    pub bucket: String,
    /// The prefix without slashes at its ends; may be empty.
    pub prefix: String,
}

impl Location {
    /// Understands an absolute path or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason| Error::Location { text: text.to_owned(), reason };
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err(refuse("the bucket is missing"));
            }
            let prefix = prefix.trim_matches('/');
            if prefix.split('/').any(|part| part == ".." || part == ".") {
                return Err(refuse("the prefix has a part that is . or .."));
            }
            return Ok(Self::S3(S3Location { bucket: bucket.to_owned(), prefix: prefix.to_owned() }));
        }
        if text.contains("://") {
            return Err(refuse("only s3:// is known"));
        }
        let path = PathBuf::from(text);
        if !path.is_absolute() {
            return Err(refuse("a folder must be given as an absolute path"));
        }
        Ok(Self::Folder(path))
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::S3(at) if at.prefix.is_empty() => write!(f, "s3://{}", at.bucket),
            Self::S3(at) => write!(f, "s3://{}/{}", at.bucket, at.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_location_reads_back_as_it_is_shown() {
        for text in ["/srv/backup", "s3://b", "s3://b/eu/west"] {
            assert_eq!(Location::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Location::parse("s3://b/eu/").unwrap().to_string(), "s3://b/eu");
    }

    #[test]
    fn what_is_neither_an_absolute_path_nor_s3_is_refused() {
        for text in ["backup", "./x", "s3://", "s3:///x", "s3://b/../c", "http://x/y", ""] {
            assert_eq!(Location::parse(text).unwrap_err().code(), "LB3010", "{text}");
        }
    }
}
