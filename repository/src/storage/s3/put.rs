//! Storing an object: in one request, or a large one in parts.
//!
//! Either way the object appears whole and only if no other has its name: the request, or the completion of
//! the parts, carries `If-None-Match: *`. Parts of an object that was not completed are not visible; they
//! are removed after a failure, and what a killed process leaves is for the bucket's rule
//! `AbortIncompleteMultipartUpload`. An answer that got lost makes the client ask again, and the second answer
//! says that the object exists or that the upload does not: what is there is then compared.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, ObjectLockMode, StorageClass,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::body::{Lender, lend};
use super::problem::Refusal;
use super::{Patience, S3Storage, again};
use crate::id::Id;
use crate::storage::{Object, PackClass, Problem, Storage, StorageError, accept_same};

/// Larger objects go up in parts,
const PARTS_ABOVE: usize = 16 * 1024 * 1024;
/// of this size (services want 5 MiB or more, the last one aside),
const PART_BYTES: usize = 8 * 1024 * 1024;
/// so many at once,
const PARTS_AT_ONCE: usize = 4;
/// and no more in all: the service's own bound.
const MAX_PARTS: usize = 10_000;

#[derive(Clone)]
struct Part {
    number: i32,
    from: usize,
    to: usize,
    sha256: String,
}

/// Where an object goes, and how.
#[derive(Clone)]
struct Target {
    client: Client,
    patience: Patience,
    bucket: String,
    key: String,
    class: Option<StorageClass>,
    /// Mode and end of its retention.
    lock: Option<(ObjectLockMode, DateTime)>,
}

impl S3Storage {
    /// With the SHA-256 of the bytes, where it is known.
    pub(super) fn put_as(
        &self,
        object: Object,
        bytes: &[u8],
        sha256: Option<Id>,
        class: Option<PackClass>,
    ) -> Result<(), StorageError> {
        self.refuse_among_deleted("storing", object)?;
        let target = Target {
            client: self.client.clone(),
            patience: self.patience,
            bucket: self.at.bucket.clone(),
            key: self.key(&object.path()),
            class: class.map(|class| StorageClass::from(class.name())),
            lock: self.lock_of(object),
        };
        let stored = if bytes.len() > PARTS_ABOVE {
            self.put_in_parts(object, bytes, target)
        } else {
            self.put_at_once(object, bytes, sha256, target)
        };
        match stored {
            Err(e) if e.problem == Problem::Exists && !self.has_checksum(object, bytes)? => {
                accept_same(self, object, bytes, e)
            }
            Err(e) if e.problem != Problem::Exists => Err(e),
            _ => Ok(()),
        }
    }

    /// Whether the service says that an object has the checksum of these bytes: it need not be read then,
    /// and in an archive class it could not be. One of parts has a checksum of another kind.
    fn has_checksum(&self, object: Object, bytes: &[u8]) -> Result<bool, StorageError> {
        let request = self.client.head_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        let request = request.checksum_mode(ChecksumMode::Enabled);
        let head = self.run("asking for", &object, send!(request))?;
        Ok(head.content_length().and_then(|length| usize::try_from(length).ok()) == Some(bytes.len())
            && head.checksum_sha256() == Some(STANDARD.encode(Sha256::digest(bytes)).as_str()))
    }

    fn put_at_once(
        &self,
        object: Object,
        bytes: &[u8],
        sha256: Option<Id>,
        target: Target,
    ) -> Result<(), StorageError> {
        let length = bytes.len();
        let sha256 = STANDARD.encode(sha256.unwrap_or_else(|| Id::of(bytes)).as_bytes());
        let answer = lend(self.runtime()?, bytes, |lender| async move {
            again(target.patience, || target.once(&lender, length, &sha256)).await
        });
        self.named("storing", &object, answer)
    }

    fn put_in_parts(&self, object: Object, bytes: &[u8], target: Target) -> Result<(), StorageError> {
        // Asked before megabytes are sent; the completion decides.
        if self.stat(object)?.is_some() {
            return Err(self.error("storing", &object, Problem::Exists, None));
        }
        let parts: Vec<Part> = (1..)
            .zip(bytes.chunks(PART_BYTES))
            .scan(0, |from, (number, part)| {
                let part = Part {
                    number,
                    from: *from,
                    to: *from + part.len(),
                    sha256: STANDARD.encode(Sha256::digest(part)),
                };
                *from = part.to;
                Some(part)
            })
            .collect();
        if parts.len() > MAX_PARTS {
            return Err(self.error("storing", &object, Problem::Failed, Some("it is too large")));
        }
        let answer = lend(self.runtime()?, bytes, |lender| target.in_parts(lender, parts));
        match self.named("storing", &object, answer) {
            // The upload is not there: completed by a request whose answer was lost, or removed by somebody.
            Err(e) if e.problem == Problem::Missing => Err(StorageError {
                problem: if self.stat(object)?.is_some() { Problem::Exists } else { Problem::Unavailable },
                ..e
            }),
            other => other,
        }
    }
}

impl Target {
    async fn once(&self, lender: &Lender, length: usize, sha256: &str) -> Result<(), Refusal> {
        let request = self.client.put_object().bucket(&self.bucket).key(&self.key);
        let (lock_mode, lock_until) = self.lock.clone().unzip();
        request
            .if_none_match("*")
            .set_storage_class(self.class.clone())
            .set_object_lock_mode(lock_mode)
            .set_object_lock_retain_until_date(lock_until)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(sha256)
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .body(lender.body(0, length))
            .send()
            .await?;
        Ok(())
    }

    async fn in_parts(self, lender: Lender, parts: Vec<Part>) -> Result<(), Refusal> {
        let begun = self.client.create_multipart_upload().bucket(&self.bucket).key(&self.key);
        let (lock_mode, lock_until) = self.lock.clone().unzip();
        let begun = begun
            .set_storage_class(self.class.clone())
            .set_object_lock_mode(lock_mode)
            .set_object_lock_retain_until_date(lock_until)
            .checksum_algorithm(ChecksumAlgorithm::Sha256);
        let begun = again(self.patience, send!(begun)).await?;
        let upload = begun.upload_id.unwrap_or_default();
        let done = match self.send(&upload, &lender, parts).await {
            Ok(sent) => self.complete(&upload, sent).await,
            Err(e) => Err(e),
        };
        if done.is_err() {
            let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(&self.key);
            if let Err(e) = abort.upload_id(&upload).send().await {
                tracing::debug!(key = self.key, error = %Refusal::from(e).cause, "parts may be left");
            }
        }
        done
    }

    /// Sends all parts; the first failure ends the others.
    async fn send(
        &self,
        upload: &str,
        lender: &Lender,
        parts: Vec<Part>,
    ) -> Result<Vec<CompletedPart>, Refusal> {
        let mut sent = Vec::with_capacity(parts.len());
        let mut running = JoinSet::new();
        let mut waiting = parts.into_iter();
        loop {
            while running.len() < PARTS_AT_ONCE
                && let Some(part) = waiting.next()
            {
                let (target, upload, lender) = (self.clone(), upload.to_owned(), lender.clone());
                running.spawn(async move {
                    again(target.patience, || target.part(&upload, &lender, &part)).await
                });
            }
            match running.join_next().await {
                Some(Ok(part)) => sent.push(part?),
                Some(Err(_)) => return Err(Refusal::new(Problem::Failed, "sending a part panicked")),
                None => break,
            }
        }
        sent.sort_unstable_by_key(|part| part.part_number());
        Ok(sent)
    }

    async fn part(&self, upload: &str, lender: &Lender, part: &Part) -> Result<CompletedPart, Refusal> {
        let length = part.to - part.from;
        let request = self.client.upload_part().bucket(&self.bucket).key(&self.key).upload_id(upload);
        let answer = request
            .part_number(part.number)
            .checksum_sha256(&part.sha256)
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .body(lender.body(part.from, part.to))
            .send()
            .await?;
        let done = CompletedPart::builder().part_number(part.number).checksum_sha256(&part.sha256);
        Ok(done.set_e_tag(answer.e_tag).build())
    }

    async fn complete(&self, upload: &str, parts: Vec<CompletedPart>) -> Result<(), Refusal> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(&self.key);
        let request = request.upload_id(upload).if_none_match("*").multipart_upload(parts);
        again(self.patience, send!(request)).await.map(drop)
    }
}
