//! This host's key and certificate: enrolment, and renewal at half life.
//!
//! The key is made here and never leaves the host. A certificate is renewed under the old one, for the
//! same key. One that has run out is renewed by the key alone, as long as the controller allows that; then the
//! host needs a new token.
//!
//! Each enrolment makes a key of its own, so that whoever holds a copy of the old one is out. The new key
//! waits beside the old one until the controller has signed for it: an enrolment that fails changes
//! nothing. Then the certificate is written, and the key takes its place. A crash between the two leaves
//! a certificate that fits the waiting key, which then takes its place when it is next needed.

use crate::rescue::Lookout;
use model::{HostName, Micros, Problem};
use proto::v1::{self, enrolment_client::EnrolmentClient};
use runtime::Explained as _;
use runtime::clock::Clock;
use runtime::fs::{PUBLIC, read_bounded, write_durable};
use runtime::tls::{self, Dial, JoinToken, Keys};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Largest file of an identity, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The key in use.
const KEY: &str = "key.pem";
/// The key of an enrolment that is under way.
const NEW_KEY: &str = "key.pem.new";
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
        let certificate = self.text("certificate.pem")?;
        let keys = self.keys(&certificate)?;
        Ok(Dial::controller(address, &self.text("ca.pem")?).with_identity(&certificate, &keys.pem()))
    }

    /// SHA-256 of the certificate of the CA that this host knows.
    pub fn ca_hash(&self) -> Result<String, Problem> {
        let der = tls::first_certificate(&self.text("ca.pem")?);
        Ok(der.map(|der| tls::certificate_hash(&der)).unwrap_or_default())
    }

    fn text(&self, name: &str) -> Result<String, Problem> {
        let bytes = read_bounded(&self.folder.join(name), MAX_BYTES).map_err(|error| {
            let mut problem = error.problem();
            problem.advice =
                "Enrol this host: on an operator's machine `lifeboat token create --host NAME`, here \
                              `lifeboat-agent enrol --token-file FILE`."
                    .to_string();
            problem
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The key of the certificate. One that waits and fits takes its place first.
    fn keys(&self, certificate: &str) -> Result<Keys, Problem> {
        if let Ok(new) = Keys::load(&self.folder.join(NEW_KEY))
            && new.fits(certificate)
        {
            self.take_up(&new)?;
        }
        Keys::load(&self.folder.join(KEY)).map_err(|error| error.problem())
    }

    fn take_up(&self, new: &Keys) -> Result<(), Problem> {
        new.store(&self.folder.join(KEY)).map_err(|error| error.problem())?;
        // It is in use now; a copy that stays is replaced by the next enrolment.
        let _ = std::fs::remove_file(self.folder.join(NEW_KEY));
        Ok(())
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
    let keys = Keys::make().map_err(|error| error.problem())?;
    keys.store(&files.folder.join(NEW_KEY)).map_err(|error| error.problem())?;
    let request = v1::EnrolRequest {
        token: token.text().to_string(),
        host: host.to_string(),
        csr_pem: keys.request().map_err(|error| error.problem())?,
        now_us: now.0,
    };
    let channel = tls::connect(&Dial::controller(address, &ca)).await.map_err(|error| error.problem())?;
    let answer = EnrolmentClient::new(channel).enrol(request).await;
    let certificate = answer.map_err(|status| proto::problem_of_status(&status))?.into_inner();
    files.keep(&certificate, now)?;
    files.take_up(&keys)
}

/// Renews the certificate at half its life, until told to stop. A failure is logged and tried again.
pub async fn renew(
    files: Files,
    host: HostName,
    controllers: Vec<String>,
    lookout: Lookout,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    loop {
        let now = clock.now();
        if let Some(life) = files.life()
            && now.since(life.from) * 2 >= life.until.since(life.from)
        {
            for address in lookout.anybody().iter().chain(&controllers) {
                let renewed = match now < life.until {
                    true => renew_once(&files, address, now).await,
                    false => recover_once(&files, &host, address, now).await,
                };
                match renewed {
                    Ok(()) => {
                        tracing::info!(%address, "certificate renewed");
                        break;
                    }
                    Err(problem) => {
                        tracing::warn!(%address, %problem, advice = problem.advice, "the certificate was not renewed");
                    }
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
    let keys = files.keys(&files.text("certificate.pem")?)?;
    let csr_pem = keys.request().map_err(|error| error.problem())?;
    let channel = tls::connect(&files.dial(address)?).await.map_err(|error| error.problem())?;
    let answer = EnrolmentClient::new(channel).renew(v1::RenewRequest { csr_pem }).await;
    let certificate = answer.map_err(|status| proto::problem_of_status(&status))?.into_inner();
    // An enrolment that came meanwhile is newer than this.
    match keys.fits(&files.text("certificate.pem")?) {
        true => files.keep(&certificate, now),
        false => Ok(()),
    }
}

/// By the key alone: the certificate has run out.
async fn recover_once(files: &Files, host: &HostName, address: &str, now: Micros) -> Result<(), Problem> {
    let keys = files.keys(&files.text("certificate.pem")?)?;
    let csr_pem = keys.request().map_err(|error| error.problem())?;
    let dial = Dial::controller(address, &files.text("ca.pem")?);
    let channel = tls::connect(&dial).await.map_err(|error| error.problem())?;
    let request = v1::RecoverRequest { host: host.to_string(), csr_pem };
    let answer = EnrolmentClient::new(channel).recover(request).await;
    let certificate = answer.map_err(|status| out(host, address, &proto::problem_of_status(&status)))?;
    match keys.fits(&files.text("certificate.pem")?) {
        true => files.keep(&certificate.into_inner(), now),
        false => Ok(()),
    }
}

fn out(host: &HostName, address: &str, why: &Problem) -> Problem {
    Problem::new(
        "LB2488",
        format!("this host's certificate has run out and is not renewed: {why}"),
        format!(
            "On an operator's machine: `lifeboat token create --host {host}`; here: `lifeboat-agent enrol --controller {address} --token-file FILE`."
        ),
    )
}

fn restrict(folder: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(|error| {
        Problem::new("LB2160", format!("cannot restrict {}", folder.display()), "Run it as root.")
            .caused_by(&error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use runtime::tls::{Ca, Identity, Lifetime};
    use uuid::Uuid;

    const NOW: Micros = Micros(1_800_000_000_000_000);

    struct Host {
        _folder: tempfile::TempDir,
        files: Files,
        ca: Ca,
    }

    impl Host {
        /// Enrolled with a key.
        fn enrolled(keys: &Keys) -> Host {
            let folder = tempfile::tempdir().unwrap();
            let files = Files::new(folder.path());
            std::fs::create_dir_all(&files.folder).unwrap();
            let host =
                Host { _folder: folder, files, ca: Ca::create("ca", NOW, Uuid::from_u128(1)).unwrap() };
            keys.store(&host.files.folder.join(KEY)).unwrap();
            host.sign_and_keep(keys);
            host
        }

        fn sign_and_keep(&self, keys: &Keys) {
            let lifetime = Lifetime { from: NOW, length: Duration::from_secs(3600) };
            let identity = Identity::Agent(HostName::new("h1").unwrap());
            let request = keys.request().unwrap();
            let issued = self.ca.sign(&request, &identity, &[], lifetime, Uuid::from_u128(2)).unwrap();
            let certificate = v1::Certificate {
                certificate_pem: issued.certificate_pem,
                ca_pem: self.ca.certificate_pem().to_string(),
                expires_us: issued.not_after.0,
            };
            self.files.keep(&certificate, NOW).unwrap();
        }

        fn key_in_use(&self) -> String {
            self.files.dial("127.0.0.1:1").unwrap().identity.unwrap().1.to_string()
        }
    }

    #[test]
    fn a_key_that_no_controller_signed_for_leaves_the_old_identity_working() {
        let old = Keys::make().unwrap();
        let host = Host::enrolled(&old);
        Keys::make().unwrap().store(&host.files.folder.join(NEW_KEY)).unwrap();
        assert_eq!(host.key_in_use(), old.pem().as_str());
    }

    #[test]
    fn a_crash_between_certificate_and_key_is_made_good() {
        let (old, new) = (Keys::make().unwrap(), Keys::make().unwrap());
        let host = Host::enrolled(&old);
        new.store(&host.files.folder.join(NEW_KEY)).unwrap();
        host.sign_and_keep(&new);
        assert_eq!(host.key_in_use(), new.pem().as_str());
        assert!(!host.files.folder.join(NEW_KEY).exists());
        assert_eq!(host.key_in_use(), new.pem().as_str(), "and it stays so");
    }

    #[tokio::test]
    async fn an_enrolment_that_fails_changes_nothing() {
        let old = Keys::make().unwrap();
        let host = Host::enrolled(&old);
        let before = host.files.dial("127.0.0.1:1").unwrap().identity.unwrap().0;
        let token = JoinToken::make(host.ca.hash()).text().to_string();
        let name = HostName::new("h1").unwrap();
        let failed = enrol(&host.files, &name, "127.0.0.1:1", &token, NOW).await;
        assert!(failed.is_err());
        assert_eq!(host.key_in_use(), old.pem().as_str());
        assert_eq!(host.files.dial("127.0.0.1:1").unwrap().identity.unwrap().0, before);
    }
}
