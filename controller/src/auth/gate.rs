//! The one layer that every call passes: who calls, may they, is there room, and what is traced.
//!
//! The order matters. The certificate is read first (TLS has verified it), then the table of roles
//! decides, and only then is a place taken, so that nobody who may not call can use places up. A place
//! is held until the answer's head is sent; sessions and watches have places of their own, so that ten
//! thousand agents leave the calls of people alone. What anybody may call, without a certificate, has few
//! places of its own: whoever fills them keeps out those who enrol or log in, and nobody else.

use super::roles::{self, Row, Shape, Who};
use super::{AuthError, Caller};
use crate::estate::Estate;
use futures::future::{BoxFuture, FutureExt};
use runtime::telemetry::trace;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tower::{Layer, Service};
use tracing::Instrument;

/// Calls in flight at once.
pub const MAX_CALLS: usize = 512;
/// Streams that are being opened at once.
pub const MAX_OPENING: usize = 4096;

/// Calls in flight at once of what needs no certificate.
pub const MAX_ANYONE: usize = 32;

/// Puts a [`Gate`] before services.
#[derive(Clone)]
pub struct GateLayer {
    calls: Arc<Semaphore>,
    opening: Arc<Semaphore>,
    anyone: Arc<Semaphore>,
    estate: Estate,
}

impl GateLayer {
    /// A gate that asks the estate in force for people's roles.
    pub fn new(estate: Estate) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { calls: places(MAX_CALLS), opening: places(MAX_OPENING), anyone: places(MAX_ANYONE), estate }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner, layer: self.clone() }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Gate<S> {
    inner: S,
    layer: GateLayer,
}

type HttpRequest = http::Request<Body>;
type HttpResponse = http::Response<Body>;

impl<S> Service<HttpRequest> for Gate<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: HttpRequest) -> Self::Future {
        // The service that was polled ready must be the one that is called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let method = request.uri().path().to_string();
        let (caller, row) = match admit(&request, &method, &self.layer.estate) {
            Ok(admitted) => admitted,
            Err(error) => return refuse(&method, error),
        };
        let places = match (row.who, row.shape) {
            (Who::Anyone, _) => &self.layer.anyone,
            (_, Shape::Call) => &self.layer.calls,
            (_, Shape::Watch | Shape::Session) => &self.layer.opening,
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            return refuse(&method, AuthError::Busy);
        };
        let span = tracing::info_span!("rpc", method, %caller);
        if let Some(parent) = request.headers().get("traceparent").and_then(|text| text.to_str().ok()) {
            trace::adopt(&span, parent);
        }
        request.extensions_mut().insert(caller);
        metrics::counter!("lifeboat_rpc_calls_total", "method" => method).increment(1);
        let answer = async move {
            let _place = place;
            inner.call(request).await
        };
        answer.instrument(span).boxed()
    }
}

fn admit(request: &HttpRequest, method: &str, estate: &Estate) -> Result<(Caller, &'static Row), AuthError> {
    let connection = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let certificates = connection.and_then(TlsConnectInfo::peer_certs);
    let first = certificates.as_ref().and_then(|chain| chain.first());
    let caller = Caller::of_certificate(first.map(AsRef::as_ref))?;
    let row = roles::row(method);
    match row {
        Some(row) if row.who.admits(&caller) => {
            if row.who == Who::Operator {
                caller.person(estate)?.may_command().map_err(AuthError::NoRole)?;
            }
            Ok((caller, row))
        }
        Some(_) if caller.identity.is_none() => Err(AuthError::NoCertificate { method: method.to_string() }),
        Some(_) | None => {
            Err(AuthError::Denied { caller: caller.to_string(), method: method.chars().take(128).collect() })
        }
    }
}

fn refuse(method: &str, error: AuthError) -> BoxFuture<'static, Result<HttpResponse, Infallible>> {
    tracing::info!(method, %error, "call refused");
    metrics::counter!("lifeboat_rpc_refused_total").increment(1);
    let response = Status::from(error).into_http();
    async move { Ok(response) }.boxed()
}
