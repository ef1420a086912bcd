//! This host's key and certificate: enrolment, and renewal at half life.
//!
//! The key is made here and never leaves the host. A certificate is renewed under the old one, for the
//! same key; only when it has run out does the host need a new token.

use model::{HostName, Micros, Problem};
use proto::v1::{self, enrolment_client::EnrolmentClient};
use runtime::Explained as _;
use runtime::clock::Clock;
use runtime::fs::{PRIVATE, PUBLIC, read_bounded, write_durable};
use runtime::tls::{self, Dial, JoinToken, Keys};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Largest file of an identity, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// How often the certificate's age is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// The files of an identity.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
}

/// The lifetime of the certificate, kept beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Life {
    from: Micros,
    until: Micros,
}

impl Files {
    /// In the agent's state folder.
    pub fn new(state: &Path) -> Files {
        Files { folder: state.join("identity") }
    }

    /// How to dial a controller as this host.
    pub fn dial(&self, address: &str) -> Result<Dial, Problem> {
        let text = |name: &str| -> Result<String, Problem> {
            let bytes = read_bounded(&self.folder.join(name), MAX_BYTES).map_err(|error| {
                let mut problem = error.problem();
                problem.advice =
                    "Enrol this host: on an operator's machine `lifeboat token create --host NAME`, here \
                                  `lifeboat-agent enrol --token-file FILE`."
                        .to_string();
                problem
            })?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let keys = Keys::load(&self.folder.join("key.pem")).map_err(|error| error.problem())?;
        Ok(Dial::controller(address, &text("ca.pem")?).with_identity(&text("certificate.pem")?, &keys.pem()))
    }

    fn keep(&self, certificate: &v1::Certificate, now: Micros) -> Result<(), Problem> {
        let life = Life { from: now, until: Micros(certificate.expires_us) };
        let life = serde_json::to_vec(&life).unwrap_or_default();
        let write = |name: &str, bytes: &[u8]| {
            write_durable(&self.folder.join(name), bytes, PUBLIC).map_err(|error| error.problem())
        };
        write("ca.pem", certificate.ca_pem.as_bytes())?;
        write("certificate.pem", certificate.certificate_pem.as_bytes())?;
        write("life.json", &life)
    }

    fn life(&self) -> Option<Life> {
        let bytes = read_bounded(&self.folder.join("life.json"), MAX_BYTES).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// Enrols this host: pins the CA by the token's hash, sends a request for the key made here.
pub async fn enrol(
    files: &Files,
    host: &HostName,
    address: &str,
    token: &str,
    now: Micros,
) -> Result<(), Problem> {
    let token = JoinToken::parse(token.trim()).map_err(|error| error.problem())?;
    let ca = tls::pin::fetch(address, token.ca_hash()).await.map_err(|error| error.problem())?;
    std::fs::create_dir_all(&files.folder).map_err(|error| {
        Problem::new("LB2160", format!("cannot make {}", files.folder.display()), "Run it as root.")
            .caused_by(&error)
    })?;
    restrict(&files.folder)?;
    let keys = Keys::load_or_make(&files.folder.join("key.pem")).map_err(|error| error.problem())?;
    let request = v1::EnrolRequest {
        token: token.text().to_string(),
        host: host.to_string(),
        csr_pem: keys.request().map_err(|error| error.problem())?,
        now_us: now.0,
    };
    let channel = tls::connect(&Dial::controller(address, &ca)).await.map_err(|error| error.problem())?;
    let answer = EnrolmentClient::new(channel).enrol(request).await;
    let certificate = answer.map_err(|status| proto::problem_of_status(&status))?.into_inner();
    files.keep(&certificate, now)
}

/// Renews the certificate at half its life, until told to stop. A failure is logged and tried again.
pub async fn renew(
    files: Files,
    controllers: Vec<String>,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    loop {
        if let Some(life) = files.life()
            && clock.now().since(life.from) * 2 >= life.until.since(life.from)
        {
            for address in &controllers {
                match renew_once(&files, address, clock.now()).await {
                    Ok(()) => {
                        tracing::info!(%address, "certificate renewed");
                        break;
                    }
                    Err(problem) => tracing::warn!(%address, %problem, "the certificate was not renewed"),
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

async fn renew_once(files: &Files, address: &str, now: Micros) -> Result<(), Problem> {
    let keys = Keys::load(&files.folder.join("key.pem")).map_err(|error| error.problem())?;
    let csr_pem = keys.request().map_err(|error| error.problem())?;
    let channel = tls::connect(&files.dial(address)?).await.map_err(|error| error.problem())?;
    let answer = EnrolmentClient::new(channel).renew(v1::RenewRequest { csr_pem }).await;
    let certificate = answer.map_err(|status| proto::problem_of_status(&status))?.into_inner();
    files.keep(&certificate, now)
}

fn restrict(folder: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    debug_assert_eq!(PRIVATE & 0o077, 0);
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(|error| {
        Problem::new("LB2160", format!("cannot restrict {}", folder.display()), "Run it as root.")
            .caused_by(&error)
    })
}
