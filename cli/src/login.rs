//! The login: where the controller is, and who we are there. Kept in a folder of this user alone.

use crate::failure::Failure;
use model::{Micros, UserName};
use proto::v1::{self, enrolment_client::EnrolmentClient, runs_client::RunsClient};
use runtime::fs::{PRIVATE, PUBLIC, read_bounded, write_durable};
use runtime::lifecycle::Exit;
use runtime::tls::{self, Dial, JoinToken, Keys};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tonic::Code;
use tonic::transport::Channel;

/// Largest file of a login, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// A certificate is renewed when less than this share of its life is left.
const RENEW_AT: u32 = 2;

/// The code of a controller that cannot be connected to.
const UNREACHABLE: &str = "LB5453";

/// What a controller says that does not lead, or not yet.
const WAITS: [&str; 2] = ["LB1225", "LB1226"];
/// How long a leader is looked for while another controller waits to take over, and how often.
const LEADER_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

/// What a login is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Profile {
    /// `host:port` of each controller, with commas between them.
    pub address: String,
    /// Who.
    pub user: UserName,
    /// When the certificate was made out.
    pub from: Micros,
    /// Until when it is good.
    pub until: Micros,
}

/// The folder of a login.
#[derive(Debug, Clone)]
pub struct Login {
    folder: PathBuf,
}

impl Login {
    /// In the given folder, or in the user's own.
    pub fn in_folder(folder: Option<PathBuf>) -> Result<Login, Failure> {
        let own = || {
            let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
            config
                .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
                .map(|config| config.join("lifeboat"))
        };
        let folder = folder.or_else(own).ok_or_else(|| {
            Failure::usage(
                "LB4003",
                "no folder for the login is known",
                "Set LIFEBOAT_CONFIG to a folder of yours.",
            )
        })?;
        Ok(Login { folder })
    }

    /// Gets a certificate for a key that is made here.
    pub async fn make(
        &self,
        address: &str,
        user: &str,
        token: &str,
        now: Micros,
    ) -> Result<Profile, Failure> {
        let user = UserName::new(user)
            .map_err(|error| Failure::usage("LB4004", error.to_string(), "Give another --user."))?;
        let token = JoinToken::parse(token.trim()).map_err(explained(Exit::Usage))?;
        private_folder(&self.folder)?;
        let keys = Keys::make().map_err(explained(Exit::No))?;
        let request = v1::LoginRequest {
            token: token.text().to_string(),
            user: user.to_string(),
            csr_pem: keys.request().map_err(explained(Exit::No))?,
        };
        let mut told = None;
        for one in addresses(address) {
            match let_in(one, token.ca_hash(), request.clone()).await {
                Ok(certificate) => {
                    keys.store(&self.folder.join("key.pem")).map_err(explained(Exit::No))?;
                    let until = Micros(certificate.expires_us);
                    let profile = Profile { address: address.to_string(), user, from: now, until };
                    self.keep(&profile, &certificate)?;
                    return Ok(profile);
                }
                Err(failure) => told = worth_telling(told, failure),
            }
        }
        Err(told.unwrap_or_else(no_address))
    }

    /// A channel as the user who logged in, and who that is. Renews the certificate at half its life.
    pub async fn connect(&self, now: Micros) -> Result<(Channel, Profile), Failure> {
        let profile: Profile = serde_json::from_str(&self.text("profile.json")?).map_err(|error| {
            Failure::usage(
                "LB4005",
                format!("the login cannot be read: {error}"),
                "Log in again: `lifeboat login ADDRESS`.",
            )
        })?;
        if now >= profile.until {
            return Err(Failure {
                problem: model::Problem::new(
                    "LB4006",
                    format!("the login of {} ran out at {}", profile.user, profile.until),
                    format!("Log in again: `lifeboat login {}`.", profile.address),
                ),
                exit: Exit::Refused,
            });
        }
        let keys = Keys::load(&self.folder.join("key.pem")).map_err(explained(Exit::Usage))?;
        let (ca, certificate) = (self.text("ca.pem")?, self.text("certificate.pem")?);
        let began = Instant::now();
        loop {
            let mut told = None;
            for address in addresses(&profile.address) {
                let dial = Dial::controller(address, &ca).with_identity(&certificate, &keys.pem());
                match leader(&dial, address != profile.address).await {
                    Ok(channel) => {
                        if now.since(profile.from) * RENEW_AT >= profile.until.since(profile.from) {
                            self.renew(channel.clone(), &keys, &profile, now).await;
                        }
                        return Ok((channel, Profile { address: address.to_string(), ..profile }));
                    }
                    Err(failure) => told = worth_telling(told, failure),
                }
            }
            let failure = told.unwrap_or_else(no_address);
            let waits = WAITS.contains(&failure.problem.code.as_str());
            if !waits || began.elapsed() > LEADER_WITHIN {
                return Err(failure);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A renewal that fails is no reason to fail the command: the certificate is still good.
    async fn renew(&self, channel: Channel, keys: &Keys, profile: &Profile, now: Micros) {
        let Ok(csr_pem) = keys.request() else { return };
        if let Ok(answer) = EnrolmentClient::new(channel).renew(v1::RenewRequest { csr_pem }).await {
            let certificate = answer.into_inner();
            let profile = Profile { from: now, until: Micros(certificate.expires_us), ..profile.clone() };
            let _ = self.keep(&profile, &certificate);
        }
    }

    fn keep(&self, profile: &Profile, certificate: &v1::Certificate) -> Result<(), Failure> {
        let write = |name: &str, bytes: &[u8], mode| {
            write_durable(&self.folder.join(name), bytes, mode).map_err(explained(Exit::No))
        };
        write("ca.pem", certificate.ca_pem.as_bytes(), PUBLIC)?;
        write("certificate.pem", certificate.certificate_pem.as_bytes(), PUBLIC)?;
        write("profile.json", &serde_json::to_vec_pretty(profile).unwrap_or_default(), PRIVATE)
    }

    fn text(&self, name: &str) -> Result<String, Failure> {
        let path = self.folder.join(name);
        let bytes = read_bounded(&path, MAX_BYTES).map_err(|error| Failure {
            problem: model::Problem::new(
                "LB4001",
                "you are not logged in",
                "Log in: `lifeboat login ADDRESS`, with the admin token that the controller printed at its first start.",
            )
            .caused_by(&error),
            exit: Exit::Refused,
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The addresses of a list.
fn addresses(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|address| !address.is_empty())
}

/// Gets a certificate at one address.
async fn let_in(address: &str, ca_hash: &str, request: v1::LoginRequest) -> Result<v1::Certificate, Failure> {
    let ca = tls::pin::fetch(address, ca_hash).await.map_err(explained(Exit::Refused))?;
    let channel = tls::connect(&Dial::controller(address, &ca)).await.map_err(explained(Exit::No))?;
    Ok(EnrolmentClient::new(channel).login(request).await?.into_inner())
}

/// A channel to a controller. One of several is asked something small: one that waits says so.
async fn leader(dial: &Dial, of_several: bool) -> Result<Channel, Failure> {
    let channel = tls::connect(dial).await.map_err(explained(Exit::No))?;
    if of_several {
        let asked = v1::ListRunsRequest { open_only: true, limit: 1 };
        let answer = RunsClient::new(channel.clone()).list(asked).await;
        if let Err(status) = answer
            && status.code() == Code::Unavailable
        {
            return Err(status.into());
        }
    }
    Ok(channel)
}

/// Of what several controllers say, that of one that answered is worth more than that none did.
fn worth_telling(before: Option<Failure>, failure: Failure) -> Option<Failure> {
    match before {
        Some(before) if failure.problem.code == UNREACHABLE => Some(before),
        _ => Some(failure),
    }
}

fn no_address() -> Failure {
    Failure::usage("LB4007", "no address of a controller is given", "Log in: `lifeboat login HOST:PORT`.")
}

fn private_folder(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(folder).map_err(|error| Failure::file("make", folder, &error))?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
        .map_err(|error| Failure::file("restrict", folder, &error))
}

/// An explained error as a failure.
pub fn explained<E: runtime::Explained>(exit: Exit) -> impl FnOnce(E) -> Failure {
    move |error| Failure { problem: error.problem(), exit }
}
