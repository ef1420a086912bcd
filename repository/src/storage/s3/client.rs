//! The client of an S3 service: how it is reached, how long it may take, how often it tries.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::tls;

use crate::storage::{PackClass, Retention};

/// Where the endpoint is taken from when it is not given.
const ENDPOINT_VARIABLE: &str = "LIFEBOAT_S3_ENDPOINT";
/// What services without regions call theirs.
const DEFAULT_REGION: &str = "us-east-1";

/// Without a byte for so long a request is given up and tried again.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A whole operation with all its retries: 32 MiB at 50 kB/s still fit.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15 * 60);
const ATTEMPTS: u32 = 6;
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(20);

/// How long the service may take, and how often it is asked. Only tests have a reason to change it.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the first byte of an answer.
    pub read: Duration,
    /// For an operation with all its attempts.
    pub operation: Duration,
    /// How often something is tried in all.
    pub attempts: u32,
    /// About the first pause between attempts; each is twice the one before,
    pub first_backoff: Duration,
    /// and no longer than this.
    pub max_backoff: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: CONNECT_TIMEOUT,
            read: READ_TIMEOUT,
            operation: OPERATION_TIMEOUT,
            attempts: ATTEMPTS,
            first_backoff: FIRST_BACKOFF,
            max_backoff: MAX_BACKOFF,
        }
    }
}

impl Patience {
    /// The pause after so many attempts, with a jitter that keeps clients apart.
    pub(super) fn pause(&self, attempts: u32) -> Duration {
        let longest = self.first_backoff.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        longest.min(self.max_backoff).mul_f64(rand::random_range(0.5..=1.0))
    }
}

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
    /// Every object that is written, locks aside, cannot be removed for so long. The bucket needs Object Lock.
    pub retention: Option<Retention>,
    /// Looks through delete markers, in a bucket with versions: what was deleted is read as if it were there.
    /// Nothing is written then, locks aside.
    pub see_deleted: bool,
    /// The class of packs of data; none is the service's standard. See [`PackClass`].
    pub pack_class: Option<PackClass>,
    /// How long it may take.
    pub patience: Patience,
}

/// A client for these options.
pub(super) async fn client(options: S3Options) -> Client {
    let patience = options.patience;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(patience.connect)
        .read_timeout(patience.read)
        .operation_timeout(patience.operation)
        .build();
    // Back-off with jitter between attempts is the client's own.
    let retries = RetryConfig::standard()
        .with_max_attempts(patience.attempts)
        .with_initial_backoff(patience.first_backoff)
        .with_max_backoff(patience.max_backoff);
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
