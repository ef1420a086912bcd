//! The agents' sessions.

use super::Services;
use crate::agents::handle::Outgoing;
use crate::agents::{SessionHandle, session};
use crate::auth::Caller;
use futures::StreamExt as _;
use futures::stream::Map;
use proto::v1;
use proto::v1::agent_link_server::AgentLink;
use runtime::Policy;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Numbers sessions of this process.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(1);

#[tonic::async_trait]
impl AgentLink for Services {
    type ConnectStream = Map<ReceiverStream<Box<Outgoing>>, fn(Box<Outgoing>) -> Outgoing>;

    async fn connect(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let caller = Caller::of(&request);
        let host = session::host_of(&caller)?;
        let number = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
        let (handle, outgoing) = SessionHandle::new(number, self.app.stopping.child_token());
        let (app, inbound) = (self.app.clone(), request.into_inner());
        self.app.tasks.spawn(format!("session {host}"), Policy::BACKGROUND, async move {
            session::run(app, caller, handle, inbound).await;
            Ok::<_, Infallible>(())
        });
        let unboxed: fn(Box<Outgoing>) -> Outgoing = |outgoing| *outgoing;
        Ok(Response::new(ReceiverStream::new(outgoing).map(unboxed)))
    }
}
