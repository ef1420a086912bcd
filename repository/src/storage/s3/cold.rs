//! Packs in archive classes: how cold they are, and asking for them.

use aws_sdk_s3::types::{GlacierJobParameters, RestoreRequest, Tier};

use super::S3Storage;
use crate::id::Id;
use crate::storage::{Kind, Object, PackClass, Problem, StorageError, Warmth};

impl S3Storage {
    pub(super) fn thaw_pack(&self, pack: Id, days: Option<u32>) -> Result<Warmth, StorageError> {
        let object = Object::Named(Kind::Pack, pack);
        let key = self.key(&object.path());
        let head = self.client.head_object().bucket(&self.at.bucket).key(&key);
        let head = self.run("asking for", &object, send!(head))?;
        let class = head.storage_class().and_then(|class| class.as_str().parse::<PackClass>().ok());
        if !class.is_some_and(PackClass::is_cold) {
            return Ok(Warmth::Ready);
        }
        match head.restore() {
            Some(state) if state.contains("ongoing-request=\"true\"") => return Ok(Warmth::Thawing),
            Some(_) => return Ok(Warmth::Ready),
            None => {}
        }
        let Some(days) = days.and_then(|days| i32::try_from(days).ok()) else {
            return Ok(Warmth::Cold);
        };
        let failed = |e: aws_sdk_s3::error::BuildError| {
            self.error("thawing", &object, Problem::Failed, Some(&e.to_string()))
        };
        let job = GlacierJobParameters::builder().tier(Tier::Standard).build().map_err(failed)?;
        let wanted = RestoreRequest::builder().days(days).glacier_job_parameters(job).build();
        let request = self.client.restore_object().bucket(&self.at.bucket).key(&key).restore_request(wanted);
        match self.run("thawing", &object, send!(request)) {
            // Exists: somebody asked a moment ago.
            Err(e) if e.problem != Problem::Exists => Err(e),
            _ => Ok(Warmth::Thawing),
        }
    }
}
