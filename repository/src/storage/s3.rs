//! A repository in an S3 bucket, or in anything that speaks S3.
//!
//! Writes are conditional (`If-None-Match: *`), so nobody replaces an object by accident. A retry of a
//! write whose answer got lost then meets its own object: what is there is read and compared, and the
//! same bytes are a success. Reads are checked for their length; the content is checked by whoever
//! decrypts it. The client is asynchronous, this crate is not: a small runtime of its own carries the
//! requests, and the calling thread waits. It may be called from any thread.

use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{Kind, Listed, Object, Problem, S3Location, Storage, StorageError};
use crate::error::{Error, Result};

/// Where the endpoint is taken from when it is not given.
const ENDPOINT_VARIABLE: &str = "LIFEBOAT_S3_ENDPOINT";
/// What services without regions call theirs.
const DEFAULT_REGION: &str = "us-east-1";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a byte for so long a request is given up and tried again.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// A whole operation with all its retries: 32 MiB at 50 kB/s still fit.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15 * 60);
const ATTEMPTS: u32 = 6;
const MAX_BACKOFF: Duration = Duration::from_secs(20);
/// A thousand million objects.
const MAX_PAGES: usize = 1_000_000;

/// Given credentials. The secret never shows itself.
#[derive(Clone)]
pub struct S3Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// For temporary credentials.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// How to reach the bucket. Everything has a default from the environment (`LIFEBOAT_S3_ENDPOINT`,
/// `AWS_*`), the profile files, or the instance.
#[derive(Clone, Debug, Default)]
pub struct S3Options {
    /// The service's address, when it is not Amazon's. Makes requests path style.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile of the AWS configuration files.
    pub profile: Option<String>,
    /// Credentials, when they are given and not looked up.
    pub credentials: Option<S3Credentials>,
}

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

async fn client(options: S3Options) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    // Back-off with jitter between attempts is the client's own.
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(MAX_BACKOFF);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries);
    let endpoint =
        options.endpoint.or_else(|| std::env::var(ENDPOINT_VARIABLE).ok()).filter(|e| !e.is_empty());
    if let Some(endpoint) = &endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(region) = options.region {
        loader = loader.region(Region::new(region));
    }
    if let Some(profile) = options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(given) = options.credentials {
        let key = Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            given.session_token,
            None,
            "lifeboat",
        );
        loader = loader.credentials_provider(key);
    }
    let shared = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&shared)
        .force_path_style(endpoint.is_some() || shared.endpoint_url().is_some())
        // We send SHA-256 ourselves; other services stumble over the client's own trailers.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if shared.region().is_none() {
        config = config.region(Region::new(DEFAULT_REGION));
    }
    Client::from_conf(config.build())
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

fn problem<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Problem {
    let Some(response) = error.raw_response() else {
        // Not one answer: the network, a time-out, or credentials that cannot be found.
        return match error {
            SdkError::ConstructionFailure(_) => Problem::Denied,
            _ => Problem::Unavailable,
        };
    };
    match (response.status().as_u16(), error.code().unwrap_or_default()) {
        (_, "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage") | (507, _) => Problem::Full,
        // Not an object that is missing, so not damage.
        (_, "NoSuchBucket") => Problem::Failed,
        (404, _) => Problem::Missing,
        (401 | 403, _) => Problem::Denied,
        (412, _) => Problem::Exists,
        (416, _) => Problem::Short,
        (408 | 409 | 429 | 500..=599, _) => Problem::Unavailable,
        _ => Problem::Failed,
    }
}

impl Storage for S3Storage {
    fn describe(&self) -> String {
        super::Location::S3(self.at.clone()).to_string()
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
