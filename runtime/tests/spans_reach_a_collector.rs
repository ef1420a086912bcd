//! Spans go to a real OTLP receiver, and a trace context that rode in an order or in gRPC metadata
//! joins two spans.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use runtime::telemetry::{self, trace};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Receiver {
    fn spans(&self) -> Vec<Span> {
        let requests = self.0.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let found = spans.iter().find(|span| span.name == name).cloned();
        found.unwrap_or_else(|| panic!("no span {name} in {spans:?}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_context_joins_spans_of_two_hosts_in_a_collector() {
    let receiver = Receiver::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = TraceServiceServer::new(receiver.clone());
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let settings = telemetry::Settings { otlp: Some(endpoint), ..Default::default() };
    let telemetry = telemetry::start("lifeboat-test", &settings).unwrap();
    assert_eq!(
        telemetry::start("again", &settings).err().map(|e| e.to_string()[..6].to_string()).unwrap(),
        "LB5303"
    );

    assert_eq!(trace::current(), None, "there is no span yet");
    let mut metadata = MetadataMap::new();
    let order = tracing::info_span!("send").in_scope(|| {
        trace::inject(&mut metadata);
        trace::current().expect("a span that is exported has a context")
    });
    assert_eq!(order.len(), 55, "{order}");
    let job = tracing::info_span!("job");
    trace::adopt(&job, &order);
    drop(job.entered());
    let call = tracing::info_span!("call");
    trace::adopt_metadata(&call, &metadata);
    drop(call.entered());
    let stray = tracing::info_span!("stray");
    trace::adopt(&stray, "00-rubbish");
    drop(stray.entered());
    let tasks = runtime::Tasks::default();
    tasks.spawn("worker", runtime::Policy::WORKER, async {
        tracing::info_span!("in-task").in_scope(|| {});
        Ok::<_, std::convert::Infallible>(())
    });
    assert!(tasks.stop(Duration::from_secs(10)).await.is_empty());

    assert!(telemetry.stop(Duration::from_secs(10)).await, "all went out");
    let send = receiver.span("send");
    for name in ["job", "call"] {
        let span = receiver.span(name);
        assert_eq!((&span.trace_id, &span.parent_span_id), (&send.trace_id, &send.span_id), "{name}");
    }
    assert_ne!(receiver.span("stray").trace_id, send.trace_id);
    assert!(receiver.span("in-task").parent_span_id.is_empty(), "a task is no endless trace");
    assert!(!receiver.spans().iter().any(|span| span.name == "task"));
    let attributes = format!("{:?}", receiver.0.lock().unwrap()[0].resource_spans[0].resource);
    assert!(attributes.contains("lifeboat-test"), "{attributes}");
}
