//! A repository in an S3 bucket, or in anything that speaks S3.
//!
//! Writes are conditional (`If-None-Match: *`), so nobody replaces an object by accident. A retry of a
//! write whose answer got lost then meets its own object: what is there is read and compared, and the
//! same bytes are a success. Reads are checked for their length; the content is checked by whoever
//! decrypts it. The client is asynchronous, this crate is not: a small runtime of its own carries the
//! requests, and the calling thread waits. It may be called from any thread.

/// A request that can be sent more than once.
macro_rules! send {
    ($request:expr) => {{
        let request = $request;
        move || {
            let sent = request.clone().send();
            async move { sent.await.map_err($crate::storage::s3::problem::Refusal::from) }
        }
    }};
}

mod body;
mod client;
mod cold;
mod lifecycle;
mod problem;
mod put;
mod retention;
mod versions;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_sdk_s3::Client;
pub use client::{Patience, S3Credentials, S3Options};
use tokio::runtime::Runtime;

use self::body::lend;
use self::client::client;
use self::problem::Refusal;
use self::versions::Known;
use super::{
    Kind, Lifecycle, Listed, Object, PackClass, Problem, Protected, Retention, RetentionMode, S3Location,
    Storage, StorageError, Warmth,
};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::sync::locked;

/// A thousand million objects.
const MAX_PAGES: usize = 1_000_000;

/// A bucket and a prefix in it.
pub struct S3Storage {
    client: Client,
    at: S3Location,
    known: Known,
    retention: Option<Retention>,
    patience: Patience,
    pack_class: Option<PackClass>,
    runtime: Option<Runtime>,
}

impl Drop for S3Storage {
    fn drop(&mut self) {
        // A runtime must not be awaited where it is dropped inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl S3Storage {
    /// Sets up a client. The bucket must exist.
    ///
    /// # Errors
    /// When no runtime can be started, or the class is one that cannot be read at once.
    pub fn open(at: &S3Location, options: &S3Options) -> Result<Self> {
        if let Some(class) = options.pack_class.filter(|class| class.is_cold()) {
            return Err(Error::Invalid(format!(
                "packs in {class} cannot be read without thawing, so only an archive repository has them"
            )));
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("repository-s3").enable_all().build();
        let runtime = runtime.map_err(Error::local("starting threads for", "the S3 client"))?;
        let wanted = options.clone();
        let client = lend(&runtime, &[], |_| client(wanted));
        Ok(Self {
            client: client.ok_or(Error::Internal("the S3 client's runtime stopped"))?,
            at: at.clone(),
            known: Known::new(options.see_deleted),
            retention: options.retention,
            patience: options.patience,
            pack_class: options.pack_class,
            runtime: Some(runtime),
        })
    }

    fn key(&self, path: &str) -> String {
        if self.at.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.at.prefix) }
    }

    fn runtime(&self) -> Result<&Runtime, StorageError> {
        let stopped =
            || self.error("asking", &"the service", Problem::Failed, Some("the S3 client's runtime stopped"));
        self.runtime.as_ref().ok_or_else(stopped)
    }

    /// Runs a request, again where the client does not, and names it when it fails.
    fn run<T, F>(
        &self,
        op: &'static str,
        object: &dyn ToString,
        request: impl Fn() -> F + Send + 'static,
    ) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let patience = self.patience;
        let answer = lend(self.runtime()?, &[], |_| async move { again(patience, request).await });
        self.named(op, object, answer)
    }

    fn named<T>(
        &self,
        op: &'static str,
        object: &dyn ToString,
        answer: Option<Result<T, Refusal>>,
    ) -> Result<T, StorageError> {
        match answer {
            Some(Ok(value)) => Ok(value),
            Some(Err(refusal)) => Err(self.error(op, object, refusal.problem, Some(&refusal.cause))),
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

    /// Some bytes of a version, or of the latest one.
    fn read_version(
        &self,
        object: Object,
        version: Option<String>,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        let short = || self.error("reading", &object, Problem::Short, None);
        if length == 0 {
            buffer.clear();
            // There is no empty range in HTTP.
            return match self.stat(object)? {
                Some(size) if size >= offset => Ok(()),
                Some(_) => Err(short()),
                None => Err(self.error("reading", &object, Problem::Missing, None)),
            };
        }
        let last = offset.saturating_add(length as u64).saturating_sub(1);
        let request = self.client.get_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        let request = request.set_version_id(version).range(format!("bytes={offset}-{last}"));
        // The caller's memory is used again; only an attempt after a broken one takes memory of its own.
        let lent = Arc::new(Mutex::new(std::mem::take(buffer)));
        *buffer = self.run("reading", &object, move || {
            let (request, lent) = (request.clone(), Arc::clone(&lent));
            async move {
                let mut answer = request.send().await?;
                let mut bytes = std::mem::take(&mut *locked(&lent));
                bytes.clear();
                // Sized by what was asked for, not by what the other side says.
                bytes.reserve(length);
                while bytes.len() <= length {
                    match answer.body.try_next().await {
                        Ok(Some(part)) => bytes.extend_from_slice(&part),
                        Ok(None) => break,
                        Err(e) => return Err(Refusal::broken(&e)),
                    }
                }
                Ok(bytes)
            }
        })?;
        match buffer.len() {
            got if got == length => Ok(()),
            got if got < length => Err(short()),
            _ => Err(self.error(
                "reading",
                &object,
                Problem::Failed,
                Some("it answered with more than asked for"),
            )),
        }
    }

    /// Whether an object that is not there was deleted, and is seen from now on.
    fn is_hidden(&self, object: Object, problem: Problem) -> Result<bool, StorageError> {
        Ok(problem == Problem::Missing && self.known.sees_deleted(object) && self.find_deleted(object)?)
    }

    /// Who looks through deletions sees a repository that is no more; nothing is written to that one.
    fn refuse_among_deleted(&self, op: &'static str, object: Object) -> Result<(), StorageError> {
        if self.known.sees_deleted(object) {
            let cause = "deleted objects are seen here, so it can only be read";
            return Err(self.error(op, &object, Problem::Denied, Some(cause)));
        }
        Ok(())
    }
}

/// Tries again what was damaged on its way. Statuses that say "later" are tried again by the client.
async fn again<T, F>(patience: Patience, request: impl Fn() -> F) -> Result<T, Refusal>
where
    F: Future<Output = Result<T, Refusal>>,
{
    let mut attempts = 1;
    loop {
        match request().await {
            Err(refusal) if refusal.is_in_transit && attempts < patience.attempts => {
                tokio::time::sleep(patience.pause(attempts)).await;
                attempts += 1;
            }
            other => return other,
        }
    }
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
        self.put_as(object, bytes, None, None)
    }

    fn put_data(&self, pack: Id, bytes: &[u8], class: Option<PackClass>) -> Result<(), StorageError> {
        // A pack's name is the SHA-256 of what it holds.
        self.put_as(Object::Named(Kind::Pack, pack), bytes, Some(pack), class.or(self.pack_class))
    }

    fn read_into(
        &self,
        object: Object,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        match self.read_version(object, self.known.version(object), offset, length, buffer) {
            Err(e) if self.is_hidden(object, e.problem)? => {
                self.read_version(object, self.known.version(object), offset, length, buffer)
            }
            other => other,
        }
    }

    fn stat(&self, object: Object) -> Result<Option<u64>, StorageError> {
        if let Some(size) = self.known.size(object) {
            return Ok(Some(size));
        }
        let request = self.client.head_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        match self.run("asking for", &object, send!(request)) {
            Ok(head) => Ok(Some(head.content_length().and_then(|l| u64::try_from(l).ok()).unwrap_or(0))),
            Err(e) if self.is_hidden(object, e.problem)? => Ok(self.known.size(object)),
            Err(e) if e.problem == Problem::Missing => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn list(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        let folder = format!("{}/", kind.folder());
        let prefix = self.key(&folder);
        let mut each = |listed| each(self.known.amend(kind, listed));
        if self.known.sees_deleted(Object::Named(kind, Id::of(b""))) {
            return self.list_deleted(kind, &mut each);
        }
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let request = self.client.list_objects_v2().bucket(&self.at.bucket).prefix(&prefix);
            let request = request.set_continuation_token(token.take());
            let page = self.run("listing", &folder, send!(request))?;
            for object in page.contents() {
                let written = object.last_modified().and_then(|t| SystemTime::try_from(*t).ok());
                let size = object.size().and_then(|s| u64::try_from(s).ok()).unwrap_or(0);
                // Other names are not ours.
                if let Some(id) = self.id_of(kind, object.key().unwrap_or_default()) {
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
        self.refuse_among_deleted("removing", object)?;
        let request = self.client.delete_object().bucket(&self.at.bucket).key(self.key(&object.path()));
        match self.run("removing", &object, send!(request)).map(drop) {
            Err(e) if e.problem == Problem::Missing => Ok(()),
            other => other,
        }
    }

    fn recover(&self, object: Object, is_good: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, StorageError> {
        self.look_for_good(object, is_good)
    }

    fn overwritten(&self) -> Vec<Object> {
        self.known.overwritten()
    }

    fn list_first_written(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        let mut each = |listed: Listed| {
            let of_chosen = self.known.amend(kind, listed);
            each(Listed { size: of_chosen.size, ..listed });
        };
        match self.list_first(kind, &mut each) {
            // A service without versions. One that denies them is an error: somebody may rewrite times.
            Err(e) if e.problem == Problem::Failed => self.list(kind, &mut each),
            other => other,
        }
    }

    fn protect(
        &self,
        object: Object,
        until: SystemTime,
        mode: RetentionMode,
        is_good: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Protected, StorageError> {
        self.extend(object, until, mode, is_good)
    }

    fn thaw(&self, pack: Id, days: Option<u32>) -> Result<Warmth, StorageError> {
        self.thaw_pack(pack, days)
    }

    fn lifecycle(&self) -> Lifecycle {
        self.rules()
    }
}
