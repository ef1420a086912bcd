//! The controller put together: what every part holds, and the order in which it starts.
//!
//! Order. The folder's lock comes first, so that a second controller ends before it touches anything.
//! Then the store and the CA. Then the leadership, for which a controller that shares its database may
//! wait: from the next epoch on whoever led before can append nothing. Only then are open runs taken up
//! and agents let in.

use crate::agents::Fleet;
use crate::auth::authority::CA_FILE;
use crate::auth::{AuthError, Authority, login};
use crate::estate::Estate;
use crate::leading::{self, Candidate, Leading, win};
use crate::leases::Leases;
use crate::rescue::{Bundles, Copies, Rescue};
use crate::runs::{RunError, Runs};
use crate::settings::Settings;
use crate::standing::Standing;
use crate::store::{Store, StoreError};
use crate::{loops, rpc};
use model::{Epoch, Micros, Name};
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
    /// Until when we have it.
    pub leading: Leading,
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
    /// When this process began.
    pub started_at: Micros,
    /// The hour of the nightly previews, in UTC.
    pub preview_hour: u8,
    /// What is remembered of plans that begin by themselves.
    pub triggers: crate::loops::trigger::Triggers,
    /// Who may let a leased server accept writes.
    pub leases: Leases,
    /// Rescue bundles.
    pub bundles: Bundles,
    /// Who has copies of the journals of live runs.
    pub copies: Copies,
    /// Where agents look for a rescue.
    pub rescue_at: Vec<String>,
    /// The rescue that this controller is, if it is one.
    pub rescue: Option<Rescue>,
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
    /// Other controllers have a CA, and we have none.
    #[error("LB1228: the controllers of this database have a CA, and {} has none", folder.display())]
    NoCa {
        /// Our data folder.
        folder: std::path::PathBuf,
    },
    /// Other controllers have another CA.
    #[error("LB1229: the CA in {} is {ours}, and that of this database's controllers is {theirs}", folder.display())]
    OtherCa {
        /// Our data folder.
        folder: std::path::PathBuf,
        /// SHA-256 of our CA's certificate.
        ours: String,
        /// SHA-256 of theirs.
        theirs: String,
    },
    /// The password of the database.
    #[error("LB1230: the password of the database cannot be read")]
    Password(#[source] runtime::secret::SecretError),
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
            StartError::NoCa { .. } | StartError::OtherCa { .. } => {
                "Copy ca.pem and ca.key from the data folder of the first controller to this one, readable by this user alone, and start again."
            }
            StartError::Password(_) => "Check the file or variable that `database-password` names.",
            StartError::Name(_) => "Use letters, digits, '.', '_' and '-'.",
            StartError::Store(_) | StartError::Auth(_) | StartError::Runs(_) => {
                "Look at the data folder and its disk."
            }
        }
    }
}

/// Starts a controller: everything that it does runs as tasks of `tasks`. With a shared database it waits
/// until it leads; None when the process stops before.
pub async fn start(settings: &Settings, tasks: &Tasks) -> Result<Option<Started>, StartError> {
    let (clock, ids) = (Clock::system(), Ids::system());
    let name = Name::new(&settings.name).map_err(|error| StartError::Name(error.text))?;
    make_folder(settings)?;
    let database = settings.database()?;
    let (store, writer) = Store::open_in(&settings.data, name.as_str(), database).await?;
    let stopping = tasks.token();
    let stop_writing = stopping.clone();
    tasks.spawn("store writer", Policy::VITAL, async move {
        writer.run_until(stop_writing).await;
        Ok::<_, Infallible>(())
    });
    let authority = authority(settings, &store, &clock, &ids).await?;
    let (standing, listener) = (Standing::default(), rpc::listen(settings)?);
    let metrics = serve_metrics(tasks, &standing, settings).await?;
    let candidate = Candidate {
        settings,
        name: &name,
        store: &store,
        authority: &authority,
        listener: &listener,
        clock: &clock,
        ids: &ids,
        tasks,
    };
    let Some((epoch, leading)) = win(&candidate).await? else { return Ok(None) };
    store.first_checkpoints(clock.now()).await?;
    let admin_token = login::first_admin_token(&authority, &store, clock.now()).await?;
    if let (true, Some(token)) = (settings.admin_token_file, &admin_token) {
        let path = settings.data.join(ADMIN_TOKEN_FILE);
        write_durable(&path, format!("{token}\n").as_bytes(), PRIVATE).map_err(StartError::Token)?;
    }
    let leases = Leases::load(&store, epoch, &clock, clock.since_boot()).await?;
    let rescue = Rescue::load(&store, &settings.data, epoch).await?;
    let app = Arc::new(App {
        leases,
        bundles: Bundles::new(settings),
        copies: Copies::new(settings),
        rescue_at: settings.rescue_at.clone(),
        rescue,
        estate: Estate::load(&store).await?,
        fleet: Fleet::new(clock.clone(), settings.heartbeat),
        runs: Runs::default(),
        standing,
        started_at: clock.now(),
        preview_hour: settings.preview_hour,
        triggers: Default::default(),
        tasks: tasks.clone(),
        name,
        store,
        epoch,
        leading,
        clock,
        ids,
        stopping,
        authority,
    });
    if app.store.is_shared() {
        leading::keep(&app, settings.leadership);
    }
    app.runs.bind(&app);
    let open = match &app.rescue {
        Some(rescue) if rescue.is_collecting() => {
            crate::rescue::collect::wait(&app);
            0
        }
        Some(_) | None => take_up(&app).await?,
    };
    let address = rpc::serve(&app, settings, listener).await?;
    loops::start(&app);
    tracing::info!(%address, epoch = epoch.number, open_runs = open, "controller started");
    Ok(Some(Started { address, metrics, admin_token, app }))
}

/// Takes up every open run. Gives how many.
pub(crate) async fn take_up(app: &Arc<App>) -> Result<usize, RunError> {
    let open = app.runs.open_all().await?;
    if let Err(error) = app.leases.settle(app).await {
        tracing::warn!(%error, "a run that fenced could not be looked at: its member stays closed");
    }
    Ok(open)
}

/// The data folder holds the CA's key: for this user alone.
fn make_folder(settings: &Settings) -> Result<(), StartError> {
    let folder = settings.data.clone();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| StartError::Folder { folder, error })
}

/// The CA. Controllers that share a database sign with the same one: the first writes down which it is, and
/// the others have a copy of it in their folders.
async fn authority(
    settings: &Settings,
    store: &Store,
    clock: &Clock,
    ids: &Ids,
) -> Result<Authority, StartError> {
    let folder = settings.data.clone();
    let open = || Authority::open(&settings.data, &settings.name, clock.now(), ids.fresh());
    if !store.is_shared() {
        return Ok(open()?);
    }
    if store.ca_hash().await?.is_some() && !folder.join(CA_FILE).exists() {
        return Err(StartError::NoCa { folder });
    }
    let authority = open()?;
    let (ours, theirs) = (authority.ca_hash(), store.keep_ca_hash(authority.ca_hash()).await?);
    match ours == theirs {
        true => Ok(authority),
        false => Err(StartError::OtherCa { folder, ours: ours.to_string(), theirs }),
    }
}

async fn serve_metrics(
    tasks: &Tasks,
    standing: &Standing,
    settings: &Settings,
) -> Result<Option<SocketAddr>, StartError> {
    let Some(address) = settings.telemetry.metrics else { return Ok(None) };
    let standing = standing.clone();
    let health = Arc::new(move || match standing.lost() {
        None => Ok(()),
        Some(problem) => Err(problem.to_string()),
    });
    let bound = endpoint::serve(tasks, address, health).await;
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
