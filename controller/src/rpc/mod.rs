//! The gRPC services, one file a method group, all behind one stack: TLS, gate, limits.

pub mod audit;
pub mod backups;
pub mod commands;
pub mod enrolment;
pub mod estate;
pub mod fleet;
pub mod incoming;
pub mod link;
pub mod rescue;
pub mod runs;
pub mod serving;
pub mod show;
pub mod start;
pub mod status;
pub mod watch;

use crate::app::{App, StartError};
use crate::auth::gate::GateLayer;
use crate::settings::Settings;
use proto::MAX_MESSAGE_BYTES;
use proto::v1::agent_link_server::AgentLinkServer;
use proto::v1::audit_server::AuditServer;
use proto::v1::backups_server::BackupsServer;
use proto::v1::enrolment_server::EnrolmentServer;
use proto::v1::estate_server::EstateServer;
use proto::v1::fleet_server::FleetServer;
use proto::v1::rescue_server::RescueServer;
use proto::v1::runs_server::RunsServer;
use runtime::Policy;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower::layer::util::{Identity, Stack};

/// Longest call with one answer.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Calls in flight on one connection.
pub const MAX_CALLS_PER_CONNECTION: usize = 64;
/// How long clients may take to go when the process stops.
const PARTING: Duration = Duration::from_secs(1);
/// Largest request to enrol or log in, in bytes: a signing request fits, and nobody vouches for it yet.
const MAX_ENROLMENT_BYTES: usize = 64 * 1024;

/// A service of the app.
#[derive(Clone)]
pub struct Services {
    pub(crate) app: Arc<App>,
}

/// Binds the address of the settings.
pub fn listen(settings: &Settings) -> Result<TcpListener, StartError> {
    let listen = |error| StartError::Listen { address: settings.listen, error };
    let listener = TcpListener::bind(settings.listen).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    Ok(listener)
}

/// Serves until the process stops. Gives the address.
pub async fn serve(
    app: &Arc<App>,
    settings: &Settings,
    listener: TcpListener,
) -> Result<SocketAddr, StartError> {
    let listen = |error| StartError::Listen { address: settings.listen, error };
    let incoming = serving::incoming(&listener).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let keys = app.authority.server_keys(&app.name, &settings.names, app.clock.now(), app.ids.fresh())?;
    let router = router(app, serving::server(&keys, MAX_CALLS_PER_CONNECTION)?).await?;
    let stop = app.stopping.clone();
    app.tasks.spawn("grpc", Policy::VITAL, async move {
        let serving = router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        serving::until(serving, stop, PARTING).await
    });
    Ok(address)
}

async fn router(app: &Arc<App>, server: Server) -> Result<Router<Stack<GateLayer, Identity>>, StartError> {
    let services = Services { app: app.clone() };
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<RunsServer<Services>>().await;
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(StartError::Reflection)?;
    let mut server = server.timeout(DEADLINE).layer(GateLayer::new(app.estate.clone()));
    macro_rules! limited {
        ($service:ident) => {
            $service::new(services.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES)
        };
    }
    Ok(server
        .add_service(limited!(EnrolmentServer).max_decoding_message_size(MAX_ENROLMENT_BYTES))
        .add_service(limited!(AgentLinkServer))
        .add_service(limited!(EstateServer))
        .add_service(limited!(RunsServer))
        .add_service(limited!(AuditServer))
        .add_service(limited!(BackupsServer))
        .add_service(limited!(FleetServer))
        .add_service(limited!(RescueServer))
        .add_service(health_service)
        .add_service(reflection))
}
