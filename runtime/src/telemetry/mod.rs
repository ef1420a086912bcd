//! What a process tells about itself: logs on stderr, spans to a collector, metrics to Prometheus.
//!
//! Telling never gets in the way of doing: spans wait in a bounded queue that drops when it is full,
//! a collector that is away costs nothing but the spans, and the flush at the end has a deadline.

pub mod endpoint;
pub mod metrics;
mod settings;
pub mod trace;

pub use settings::{LogFormat, Settings, keys};

use crate::Explained;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use std::time::Duration;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Spans that wait for export; more are dropped.
pub const MAX_QUEUED_SPANS: usize = 4096;
/// Spans in one export.
pub const MAX_BATCH_SPANS: usize = 512;
/// How often spans are exported.
pub const EXPORT_EVERY: Duration = Duration::from_secs(2);
/// Longest single export.
pub const EXPORT_WITHIN: Duration = Duration::from_secs(5);

/// Libraries that work for the exporter itself: their spans would beget spans. And the span of a
/// task, which lives as long as the process: all that the task does would be one endless trace.
const NOT_EXPORTED: [&str; 7] =
    ["h2", "hyper", "hyper_util", "tonic", "tower", "opentelemetry", "runtime::tasks"];

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be read.
    #[error("LB5301: {filter:?} is not a log filter: {why}")]
    Filter {
        /// The filter.
        filter: String,
        /// Why not.
        why: String,
    },
    /// The collector's address cannot be used.
    #[error("LB5302: {endpoint:?} is not a collector's address: {why}")]
    Endpoint {
        /// The address.
        endpoint: String,
        /// Why not.
        why: String,
    },
    /// The process has telemetry already.
    #[error("LB5303: telemetry is set up already")]
    Twice,
    /// The address for metrics cannot be listened on.
    #[error("LB5304: cannot listen on {address} for metrics")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

impl Explained for TelemetryError {
    fn advice(&self) -> &'static str {
        match self {
            TelemetryError::Filter { .. } => "write a level (info) or targets with levels (info,agent=debug)",
            TelemetryError::Endpoint { .. } => "write http://host:4317, the OTLP gRPC port of a collector",
            TelemetryError::Twice => "report it: this is a mistake in the program",
            TelemetryError::Listen { .. } => "choose a free address, or stop what listens there",
        }
    }
}

/// The telemetry of this process. Call [`Telemetry::stop`] at the end, or the last spans are lost.
#[must_use]
#[derive(Debug, Default)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Sets up logs, and the export of spans when a collector is configured. Once a process, inside the
/// tokio runtime. `service` is the name under which spans appear (`lifeboat-controller`).
pub fn start(service: &'static str, settings: &Settings) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| TelemetryError::Filter { filter: settings.log.clone(), why: error.to_string() })?;
    // Colours are for terminals: a file or a journal would keep them as escape codes.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let stderr = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let logs = match settings.format {
        LogFormat::Human => stderr.with_target(false).boxed(),
        LogFormat::Json => stderr.json().boxed(),
    };
    let provider = settings.otlp.as_deref().map(|endpoint| provider(service, endpoint)).transpose()?;
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer(service)).with_filter(exported())
    });
    tracing_subscriber::registry()
        .with(spans)
        .with(logs.with_filter(filter))
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    Ok(Telemetry { provider })
}

fn exported() -> Targets {
    let all = Targets::new().with_default(LevelFilter::INFO);
    all.with_targets(NOT_EXPORTED.map(|target| (target, LevelFilter::OFF)))
}

fn provider(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let bad = |why: String| TelemetryError::Endpoint { endpoint: endpoint.to_string(), why };
    if !endpoint.starts_with("http://") {
        return Err(bad("it does not begin with http://".to_string()));
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_WITHIN)
        .build()
        .map_err(|error| bad(error.to_string()))?;
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(MAX_QUEUED_SPANS)
        .with_max_export_batch_size(MAX_BATCH_SPANS)
        .with_scheduled_delay(EXPORT_EVERY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batch).build();
    let resource = Resource::builder().with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource).build())
}

impl Telemetry {
    /// Exports what is left, for at most this long. Says whether all of it went out.
    pub async fn stop(self, deadline: Duration) -> bool {
        let Some(provider) = self.provider else { return true };
        // The provider blocks its caller until its own thread is done.
        let flush = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(deadline).is_ok());
        matches!(tokio::time::timeout(deadline, flush).await, Ok(Ok(true)))
    }
}
