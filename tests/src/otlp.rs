//! A receiver of OpenTelemetry traces over gRPC: it keeps every span, to ask whether one trace
//! really goes from the command line to the job.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value},
};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::{Failure, polling::until};

/// Spans kept at most; further ones are dropped.
const SPANS: usize = 100_000;

/// One span, in the words that tests ask in.
#[derive(Debug, Clone)]
pub struct Span {
    /// The process that made it (`service.name`).
    pub service: String,
    /// Its name.
    pub name: String,
    /// The trace it belongs to, in hex.
    pub trace: String,
    /// Its own id, in hex.
    pub id: String,
    /// The id of the span above it, empty at the root.
    pub parent: String,
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<Span>>>);

/// A running receiver; it stops when dropped.
#[derive(Debug)]
pub struct Otlp {
    address: SocketAddr,
    spans: Spans,
    task: JoinHandle<()>,
}

impl Otlp {
    /// Listens on `address`; port 0 takes any.
    ///
    /// # Errors
    /// [`Failure::Io`] when the address is taken.
    pub async fn start(address: SocketAddr) -> Result<Self, Failure> {
        let what = format!("listen on {address}");
        let listener = tokio::net::TcpListener::bind(address).await.map_err(Failure::io(what))?;
        let address = listener.local_addr().map_err(Failure::io("read the receiver's address"))?;
        let spans = Spans::default();
        let service = TraceServiceServer::new(spans.clone());
        let serving =
            Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        let task = tokio::spawn(async move {
            // It ends only with its listener.
            let _ = serving.await;
        });
        Ok(Self { address, spans, task })
    }

    /// The endpoint to send traces to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans until now.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().clone()
    }

    /// Waits until all spans so far satisfy `wanted`.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] with the names of the spans that came.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&[Span]) -> bool,
    ) -> Result<Vec<Span>, Failure> {
        until(what, within, || async {
            let spans = self.spans();
            if wanted(&spans) {
                return Ok(spans);
            }
            let names: Vec<String> =
                spans.iter().map(|span| format!("{}/{}", span.service, span.name)).collect();
            Err(names.join(", "))
        })
        .await
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Spans {
    fn lock(&self) -> MutexGuard<'_, Vec<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.lock();
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = words(&attributes).remove("service.name").unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            for span in spans {
                if kept.len() >= SPANS {
                    break;
                }
                kept.push(Span {
                    service: service.clone(),
                    name: span.name,
                    trace: hex::encode(&span.trace_id),
                    id: hex::encode(&span.span_id),
                    parent: hex::encode(&span.parent_span_id),
                    attributes: words(&span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn words(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|pair| (pair.key.clone(), word(pair.value.as_ref()))).collect()
}

fn word(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
