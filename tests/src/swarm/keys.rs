//! Certificates for many hosts, and their enrolment.

use crate::Failure;
use model::{HostName, Micros};
use runtime::tls::{Ca, Identity, Keys, Lifetime};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, sqlite::SqliteConnectOptions};
use std::{path::Path, time::Duration};
use uuid::Uuid;

/// How long the certificates live: longer than any measure.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// One agent's host, certificate and key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// Its host.
    pub host: String,
    /// Its certificate in PEM.
    pub certificate_pem: String,
    /// Its key in PEM.
    pub key_pem: String,
}

/// Makes a key and a certificate for each host, with the CA in a controller's data folder.
///
/// # Errors
/// [`Failure`] when the CA cannot be used, or a name is no host's.
pub fn make(data: &Path, hosts: &[String]) -> Result<Vec<Member>, Failure> {
    let read =
        |name: &str| std::fs::read_to_string(data.join(name)).map_err(Failure::io(format!("read {name}")));
    let wrong = |error: &dyn std::fmt::Display| Failure::Unexpected(error.to_string());
    let ca = Ca::load(&read("ca.pem")?, &read("ca.key")?).map_err(|error| wrong(&error))?;
    let lifetime = Lifetime { from: Micros::from(jiff::Timestamp::now()), length: LIFETIME };
    let one = |host: &String| {
        let keys = Keys::make().map_err(|error| wrong(&error))?;
        let identity = Identity::Agent(HostName::new(host).map_err(|error| wrong(&error.text))?);
        let request = keys.request().map_err(|error| wrong(&error))?;
        let issued = ca
            .sign(&request, &identity, &[], lifetime, Uuid::from_u128(rand::random()))
            .map_err(|error| wrong(&error))?;
        let key_pem = keys.pem().to_string();
        Ok(Member { host: host.clone(), certificate_pem: issued.certificate_pem, key_pem })
    };
    hosts.iter().map(one).collect()
}

/// Enters hosts as enrolled in the SQLite store of a controller, which must not run meanwhile.
///
/// # Errors
/// [`Failure`] when the store cannot be written.
pub async fn enrol(data: &Path, members: &[Member]) -> Result<(), Failure> {
    let file = data.join("lifeboat.sqlite");
    let failed = |source| Failure::Sql {
        server: file.display().to_string(),
        statement: "enter agents as enrolled".to_owned(),
        source,
    };
    let options = SqliteConnectOptions::new().filename(&file);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let mut transaction = connection.begin().await.map_err(failed)?;
    let now = Micros::from(jiff::Timestamp::now());
    for member in members {
        let fingerprint = controller::auth::caller::key_fingerprint_of_pem(&member.certificate_pem)
            .map_err(|error| Failure::Unexpected(error.to_string()))?;
        sqlx::query(
            "insert into agents (host, key_fingerprint, enrolled_at, renewed_at, expires_at, last_heard_at, \
             skew_us, epoch, assignment_version, version, facts) values ($1, $2, $3, $3, $4, 0, 0, 0, 0, '', '[]')",
        )
        .bind(&member.host)
        .bind(fingerprint)
        .bind(now.0)
        .bind(now.after(LIFETIME).0)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    connection.close().await.map_err(failed)
}
