//! A repository in an S3 bucket, or in anything that speaks S3.
//!
//! Writes are conditional (`If-None-Match: *`), so nobody replaces an object by accident. A retry of a
//! write whose answer got lost then meets its own object: what is there is read and compared, and the
//! same bytes are a success. Reads are checked for their length; the content is checked by whoever
//! decrypts it. The client is asynchronous, this crate is not: a small runtime of its own carries the
//! requests, and the calling thread waits. It may be called from any thread.

mod client;
mod problem;

use std::future::Future;
use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub use client::{S3Credentials, S3Options};
use sha2::{Digest, Sha256};

use self::client::client;
use self::problem::problem;
use super::{Kind, Listed, Object, Problem, S3Location, Storage, StorageError};
use crate::error::{Error, Result};

/// A thousand million objects.
const MAX_PAGES: usize = 1_000_000;

/// A bucket and a prefix in it.
pub struct S3Storage {
    client: Client,
    at: S3Location,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for S3Storage {
    fn drop(&mut self) {
        // A runtime must not be awaited where it is dropped inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type ApiResult<T, E> = std::result::Result<T, SdkError<E, HttpResponse>>;

impl S3Storage {
    /// Sets up a client. The bucket must exist.
    ///
    /// # Errors
    /// When no runtime can be started.
    pub fn open(at: &S3Location, options: &S3Options) -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("repository-s3").enable_all().build();
        let runtime = runtime.map_err(Error::local("starting threads for", "the S3 client"))?;
        let client = wait(&runtime, client(options.clone()))
            .ok_or(Error::Internal("the S3 client's runtime stopped"))?;
        Ok(Self { client, at: at.clone(), runtime: Some(runtime) })
    }

    fn key(&self, path: &str) -> String {
        if self.at.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.at.prefix) }
    }

    /// Runs a request, and names it when it fails.
    fn run<T, E, F>(&self, op: &'static str, object: &dyn ToString, request: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = ApiResult<T, E>> + Send + 'static,
    {
        let answer = self.runtime.as_ref().and_then(|runtime| wait(runtime, request));
        match answer {
            Some(Ok(value)) => Ok(value),
            Some(Err(e)) => {
                Err(self.error(op, object, problem(&e), Some(&DisplayErrorContext(&e).to_string())))
            }
            None => Err(self.error(op, object, Problem::Failed, Some("the S3 client's runtime stopped"))),
        }
    }

    fn error(
        &self,
        op: &'static str,
        object: &dyn ToString,
        problem: Problem,
        cause: Option<&str>,
    ) -> StorageError {
        StorageError {
            op,
            object: object.to_string(),
            place: self.describe(),
            problem,
            source: cause.map(|text| text.to_owned().into()),
        }
    }

    fn put_once(&self, object: Object, bytes: &[u8]) -> Result<(), StorageError> {
        let request = self.client.put_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        let request = request
            .if_none_match("*")
            .checksum_sha256(STANDARD.encode(Sha256::digest(bytes)))
            .content_length(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
            .body(ByteStream::from(bytes.to_vec()));
        self.run("storing", &object, async move { request.send().await.map(drop) })
    }
}

/// Runs a future on the runtime while this thread waits; `None` when the runtime stopped.
fn wait<T: Send + 'static>(
    runtime: &tokio::runtime::Runtime,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    runtime.spawn(async move {
        let _ = sender.send(future.await);
    });
    receiver.recv().ok()
}

impl Storage for S3Storage {
    fn describe(&self) -> String {
        super::Location::S3(self.at.clone()).to_string()
    }

    fn requests_at_once(&self) -> usize {
        8
    }

    fn prepare(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn put(&self, object: Object, bytes: &[u8]) -> Result<(), StorageError> {
        match self.put_once(object, bytes) {
            Err(e) if e.problem == Problem::Exists => super::accept_same(self, object, bytes, e),
            other => other,
        }
    }

    fn read(&self, object: Object, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
        let short = || self.error("reading", &object, Problem::Short, None);
        if length == 0 {
            // There is no empty range in HTTP.
            return match self.stat(object)? {
                Some(size) if size >= offset => Ok(Vec::new()),
                Some(_) => Err(short()),
                None => Err(self.error("reading", &object, Problem::Missing, None)),
            };
        }
        let last = offset.saturating_add(length as u64).saturating_sub(1);
        let request = self.client.get_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        let request = request.range(format!("bytes={offset}-{last}"));
        let answer = self.run("reading", &object, async move {
            let mut answer = request.send().await?;
            // Sized by what was asked for, not by what the other side says.
            let mut bytes = Vec::with_capacity(length);
            let mut failure = None;
            while bytes.len() <= length {
                match answer.body.try_next().await {
                    Ok(Some(part)) => bytes.extend_from_slice(&part),
                    Ok(None) => break,
                    Err(e) => {
                        failure = Some(e.to_string());
                        break;
                    }
                }
            }
            Ok::<_, SdkError<aws_sdk_s3::operation::get_object::GetObjectError, HttpResponse>>((
                bytes, failure,
            ))
        })?;
        match answer {
            (_, Some(cause)) => Err(self.error("reading", &object, Problem::Unavailable, Some(&cause))),
            (bytes, None) if bytes.len() == length => Ok(bytes),
            (bytes, None) if bytes.len() < length => Err(short()),
            _ => Err(self.error(
                "reading",
                &object,
                Problem::Failed,
                Some("it answered with more than asked for"),
            )),
        }
    }

    fn stat(&self, object: Object) -> Result<Option<u64>, StorageError> {
        let request = self.client.head_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        match self.run("asking for", &object, async move { request.send().await }) {
            Ok(head) => Ok(Some(head.content_length().and_then(|l| u64::try_from(l).ok()).unwrap_or(0))),
            Err(e) if e.problem == Problem::Missing => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn list(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        let folder = format!("{}/", kind.folder());
        let prefix = self.key(&folder);
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let request = self.client.list_objects_v2().bucket(&self.at.bucket).prefix(&prefix);
            let request = request.set_continuation_token(token.take());
            let page = self.run("listing", &folder, async move { request.send().await })?;
            for object in page.contents() {
                let written = object.last_modified().and_then(|t| SystemTime::try_from(*t).ok());
                let size = object.size().and_then(|s| u64::try_from(s).ok()).unwrap_or(0);
                let key = object.key().unwrap_or_default();
                let id = key.rsplit('/').next().and_then(|name| name.parse().ok());
                // Other names are not ours.
                if let Some(id) = id.filter(|id| self.key(&Object::Named(kind, *id).path()) == key) {
                    each(Listed { id, size, written });
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(());
            }
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Err(self.error("listing", &folder, Problem::Failed, Some("the listing does not end")))
    }

    fn delete(&self, object: Object) -> Result<(), StorageError> {
        let request = self.client.delete_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        match self.run("removing", &object, async move { request.send().await.map(drop) }) {
            Err(e) if e.problem == Problem::Missing => Ok(()),
            other => other,
        }
    }
}
