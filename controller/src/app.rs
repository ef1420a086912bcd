//! The controller put together: what every part holds, and the order in which it starts.
//!
//! Order. The folder's lock comes first, so that a second controller ends before it touches anything.
//! Then the store, then the next epoch: from here on whoever led before can append nothing. Only then
//! are open runs taken up and agents let in.

use crate::agents::Fleet;
use crate::auth::{AuthError, Authority, login};
use crate::estate::Estate;
use crate::runs::{RunError, Runs};
use crate::settings::Settings;
use crate::standing::Standing;
use crate::store::{Store, StoreError};
use crate::{loops, rpc};
use model::{Epoch, Name};
use runtime::fs::{FileError, PRIVATE, write_durable};
use runtime::telemetry::endpoint;
use runtime::{Clock, Explained, Ids, Policy, Tasks};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The admin token's file in the data folder, when the settings ask for one.
pub const ADMIN_TOKEN_FILE: &str = "admin-token-once";

/// What every part of a controller holds.
pub struct App {
    /// Who this controller is.
    pub name: Name,
    /// Journals, runs, agents, estates.
    pub store: Store,
    /// Our authority.
    pub epoch: Epoch,
    /// The time.
    pub clock: Clock,
    /// Fresh ids.
    pub ids: Ids,
    /// Whoever runs named tasks.
    pub tasks: Tasks,
    /// Cancelled when the process stops.
    pub stopping: CancellationToken,
    /// Signs certificates.
    pub authority: Authority,
    /// What is known of each host.
    pub fleet: Fleet,
    /// Open runs.
    pub runs: Runs,
    /// The estate in force.
    pub estate: Estate,
    /// Whether we may command.
    pub standing: Standing,
}

/// A controller that runs.
pub struct Started {
    /// Where it listens for gRPC.
    pub address: SocketAddr,
    /// Where it serves metrics and health, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// The admin token, at the first start alone.
    pub admin_token: Option<String>,
    /// Its parts.
    pub app: Arc<App>,
}

/// Why a controller does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made.
    #[error("LB1130: the data folder {} cannot be made", folder.display())]
    Folder {
        /// The folder.
        folder: std::path::PathBuf,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The CA.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The admin token's file.
    #[error("LB1131: the admin token cannot be written")]
    Token(#[source] FileError),
    /// Runs cannot be listed.
    #[error(transparent)]
    Runs(#[from] RunError),
    /// The address cannot be listened at.
    #[error("LB1132: cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The server's TLS cannot be set up.
    #[error("LB1133: the server's TLS cannot be set up")]
    Tls(#[source] tonic::transport::Error),
    /// Reflection cannot be set up.
    #[error("LB1134: the services' description cannot be served")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The metrics endpoint.
    #[error("LB1135: metrics cannot be served at {address}: {why}")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// Why not.
        why: String,
    },
    /// The name in the settings.
    #[error("LB1136: {0:?} is not a name")]
    Name(String),
}

impl StartError {
    /// The chain and the advice, for stderr.
    pub fn explain(&self) -> String {
        let problem = match self {
            StartError::Store(error) => error.problem(),
            StartError::Runs(error) => error.problem(),
            StartError::Auth(error) => error.problem(),
            other => other.problem(),
        };
        format!("{problem}\n  advice: {}", problem.advice)
    }
}

impl Explained for StartError {
    fn advice(&self) -> &'static str {
        match self {
            StartError::Folder { .. } | StartError::Token(_) => "Check the path and who may write there.",
            StartError::Listen { .. } | StartError::Metrics { .. } => {
                "Is the port free, and is the address one of this host?"
            }
            StartError::Tls(_) | StartError::Reflection(_) => "This is a defect: report it with the log.",
            StartError::Name(_) => "Use letters, digits, '.', '_' and '-'.",
            StartError::Store(_) | StartError::Auth(_) | StartError::Runs(_) => {
                "Look at the data folder and its disk."
            }
        }
    }
}

/// Starts a controller: everything that it does runs as tasks of `tasks`.
pub async fn start(settings: &Settings, tasks: &Tasks) -> Result<Started, StartError> {
    let (clock, ids) = (Clock::system(), Ids::system());
    let name = Name::new(&settings.name).map_err(|error| StartError::Name(error.text))?;
    make_folder(settings)?;
    let (store, writer) = Store::open(&settings.data, name.as_str()).await?;
    let stopping = tasks.token();
    let stop_writing = stopping.clone();
    tasks.spawn("store writer", Policy::VITAL, async move {
        writer.run_until(stop_writing).await;
        Ok::<_, Infallible>(())
    });
    let seen = store.leadership().await?;
    let claim = crate::store::leadership::Claim {
        name: name.to_string(),
        holder: ids.fresh(),
        place: store.place(&clock.boot_id()).unwrap_or_default(),
        length: std::time::Duration::from_secs(5),
    };
    let epoch = store.lead(claim, &seen, clock.now()).await?;
    let authority = Authority::open(&settings.data, name.as_str(), clock.now(), ids.fresh())?;
    let admin_token = login::first_admin_token(&authority, &store, clock.now()).await?;
    if let (true, Some(token)) = (settings.admin_token_file, &admin_token) {
        let path = settings.data.join(ADMIN_TOKEN_FILE);
        write_durable(&path, format!("{token}\n").as_bytes(), PRIVATE).map_err(StartError::Token)?;
    }
    let app = Arc::new(App {
        estate: Estate::load(&store).await?,
        fleet: Fleet::new(clock.clone(), settings.heartbeat),
        runs: Runs::default(),
        standing: Standing::default(),
        tasks: tasks.clone(),
        name,
        store,
        epoch,
        clock,
        ids,
        stopping,
        authority,
    });
    app.runs.bind(&app);
    let open = app.runs.open_all().await?;
    let address = rpc::serve(&app, settings).await?;
    let metrics = serve_metrics(&app, settings).await?;
    loops::start(&app);
    tracing::info!(%address, epoch = epoch.number, open_runs = open, "controller started");
    Ok(Started { address, metrics, admin_token, app })
}

/// The data folder holds the CA's key: for this user alone.
fn make_folder(settings: &Settings) -> Result<(), StartError> {
    let folder = settings.data.clone();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| StartError::Folder { folder, error })
}

async fn serve_metrics(app: &Arc<App>, settings: &Settings) -> Result<Option<SocketAddr>, StartError> {
    let Some(address) = settings.telemetry.metrics else { return Ok(None) };
    let standing = app.standing.clone();
    let health = Arc::new(move || match standing.lost() {
        None => Ok(()),
        Some(problem) => Err(problem.to_string()),
    });
    let bound = endpoint::serve(&app.tasks, address, health).await;
    bound.map(Some).map_err(|error| StartError::Metrics { address, why: error.to_string() })
}

impl App {
    /// Looks at an error of the store for what it says about our standing.
    pub fn judge(&self, error: &StoreError) {
        if let StoreError::EpochOver { .. } = error {
            self.standing.lose(error.problem());
        }
    }
}
