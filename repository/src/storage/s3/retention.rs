//! Object Lock: how long a version cannot be removed, set when it is written and extended later.
//!
//! A retention belongs to a version, so extending it by name would protect whatever somebody wrote over the
//! object. The version is picked first: by the SHA-256 that the service keeps beside it, which it computed
//! itself when the object was sent, or where it keeps none by reading it.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumMode, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::S3Storage;
use super::versions::MAX_VERSION_BYTES;
use crate::storage::{Kind, Object, Problem, Protected, RetentionMode, StorageError};

/// What the service says about one version.
struct Head {
    version: Option<String>,
    size: u64,
    sha256: Option<String>,
    until: Option<SystemTime>,
    mode: Option<RetentionMode>,
}

impl From<RetentionMode> for ObjectLockMode {
    fn from(mode: RetentionMode) -> Self {
        match mode {
            RetentionMode::Governance => Self::Governance,
            RetentionMode::Compliance => Self::Compliance,
        }
    }
}

impl From<RetentionMode> for ObjectLockRetentionMode {
    fn from(mode: RetentionMode) -> Self {
        match mode {
            RetentionMode::Governance => Self::Governance,
            RetentionMode::Compliance => Self::Compliance,
        }
    }
}

impl S3Storage {
    /// Mode and end of the retention that a new object gets. Locks must go when their holder ends.
    pub(super) fn lock_of(&self, object: Object) -> Option<(ObjectLockMode, DateTime)> {
        let retention = self.retention.filter(|_| !matches!(object, Object::Named(Kind::Lock, _)))?;
        Some((retention.mode.into(), DateTime::from(SystemTime::now() + retention.length())))
    }

    /// See [`crate::Storage::protect`].
    pub(super) fn extend(
        &self,
        object: Object,
        until: SystemTime,
        mode: RetentionMode,
        is_good: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Protected, StorageError> {
        let mut head = self.head(object)?;
        let is_first_good = match &head {
            Some(head) => self.fits(object, head, is_good)?,
            None => false,
        };
        if !is_first_good {
            if !self.look_for_good(object, is_good)? {
                return Ok(Protected::NothingGood);
            }
            head = self.head(object)?;
        }
        let Some(head) = head else { return Ok(Protected::NothingGood) };
        let until = whole_seconds(until);
        if head.until >= Some(until) && head.mode >= Some(mode) {
            return Ok(Protected::Enough);
        }
        let (until, mode) =
            (head.until.map_or(until, |t| t.max(until)), head.mode.map_or(mode, |m| m.max(mode)));
        let retention = ObjectLockRetention::builder().mode(mode.into()).retain_until_date(until.into());
        let request =
            self.client.put_object_retention().bucket(&self.at.bucket).key(self.key(&object.path()));
        let request = request.set_version_id(head.version).retention(retention.build());
        self.run("locking", &object, send!(request))?;
        Ok(Protected::Extended)
    }

    /// The version that is read now; `None` when there is none.
    fn head(&self, object: Object) -> Result<Option<Head>, StorageError> {
        let version = self.known.version(object);
        let request = self.client.head_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        let request = request.set_version_id(version.clone()).checksum_mode(ChecksumMode::Enabled);
        let head = match self.run("asking for", &object, send!(request)) {
            Ok(head) => head,
            Err(e) if e.problem == Problem::Missing => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(Some(Head {
            version: version.or_else(|| head.version_id().map(str::to_owned)),
            size: head.content_length().and_then(|l| u64::try_from(l).ok()).unwrap_or(0),
            sha256: head.checksum_sha256().map(str::to_owned),
            until: head.object_lock_retain_until_date().and_then(|t| SystemTime::try_from(*t).ok()),
            mode: head.object_lock_mode().map(|mode| match mode {
                ObjectLockMode::Compliance => RetentionMode::Compliance,
                _ => RetentionMode::Governance,
            }),
        }))
    }

    fn fits(
        &self,
        object: Object,
        head: &Head,
        is_good: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, StorageError> {
        // Of an upload in parts it is another kind of sum, and never equal.
        if let (Object::Named(_, id), Some(sum)) = (object, &head.sha256)
            && *sum == STANDARD.encode(id.as_bytes())
        {
            return Ok(true);
        }
        let length = usize::try_from(head.size).unwrap_or(usize::MAX);
        if length == 0 || head.size > MAX_VERSION_BYTES {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        match self.read_version(object, head.version.clone(), 0, length, &mut bytes) {
            Ok(()) => Ok(is_good(&bytes)),
            Err(e) if matches!(e.problem, Problem::Missing | Problem::Short) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// The service keeps no fractions, and would never be found to have enough.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
