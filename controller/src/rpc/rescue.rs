//! What an agent hears that looks for a rescue.

use super::Services;
use crate::agents::session::host_of;
use crate::auth::Caller;
use model::Epoch;
use proto::v1;
use proto::v1::rescue_server::Rescue as Service;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Service for Services {
    async fn call(&self, request: Request<v1::CallRequest>) -> Result<Response<v1::CallResponse>, Status> {
        let host = host_of(&Caller::of(&request))?;
        let seen = request.into_inner().highest_epoch.map(Epoch::try_from).transpose()?;
        let Some(rescue) = &self.app.rescue else { return Ok(Response::new(v1::CallResponse::default())) };
        rescue.judge(&self.app, &host, seen);
        Ok(Response::new(v1::CallResponse { signed: rescue.call().to_string() }))
    }
}
