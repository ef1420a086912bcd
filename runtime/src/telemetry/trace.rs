//! W3C trace context: how a span on one host becomes the parent of a span on another.
//!
//! It travels in gRPC metadata, or as one text inside an order. Without export there is no context,
//! and all of this does nothing.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;
use tonic::metadata::{MetadataKey, MetadataMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";
/// Longest trace context that is looked at, in bytes. A `traceparent` has 55.
pub const MAX_TRACEPARENT_BYTES: usize = 128;

struct Out<'a>(&'a mut MetadataMap);

impl Injector for Out<'_> {
    fn set(&mut self, key: &str, value: String) {
        let key = MetadataKey::from_bytes(key.as_bytes());
        if let (Ok(key), Ok(value)) = (key, value.parse()) {
            self.0.insert(key, value);
        }
    }
}

struct In<'a>(&'a MetadataMap);

impl Extractor for In<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        // The propagator asks by key; nobody needs the list.
        Vec::new()
    }
}

/// Puts the current span's context into the metadata of a request.
pub fn inject(metadata: &mut MetadataMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Out(metadata));
}

/// Makes the sender's span the parent of `span`, which must not have been entered yet.
pub fn adopt_metadata(span: &Span, metadata: &MetadataMap) {
    set_parent(span, TraceContextPropagator::new().extract_with_context(&Context::new(), &In(metadata)));
}

/// The current span's context as one text (`traceparent`), to ride inside an order.
pub fn current() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes the span that a `traceparent` names the parent of `span`, which must not have been entered
/// yet. A text that is none does nothing.
pub fn adopt(span: &Span, traceparent: &str) {
    if traceparent.len() > MAX_TRACEPARENT_BYTES {
        return;
    }
    let carrier = HashMap::from([(TRACEPARENT.to_string(), traceparent.to_string())]);
    set_parent(span, TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier));
}

fn set_parent(span: &Span, context: Context) {
    if context.span().span_context().is_valid() {
        // It fails when there is no export: then there is nothing to adopt either.
        let _ = span.set_parent(context);
    }
}
