//! How hosts and people get certificates.

use super::Services;
use crate::app::App;
use crate::auth::authority::Signed;
use crate::auth::enrol::{Enrolment, enrol};
use crate::auth::recover::recover;
use crate::auth::{AuthError, Caller, login, renew, token};
use model::{HostName, Micros, UserName};
use proto::v1;
use proto::v1::enrolment_server::Enrolment as Service;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// Longest signing request, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

fn host(text: String) -> Result<HostName, AuthError> {
    HostName::new(text).map_err(|error| AuthError::BadName(error.text.chars().take(64).collect()))
}

/// Somebody whom the estate in force names.
fn known(app: &App, person: String) -> Result<UserName, AuthError> {
    let name = UserName::new(&person).map_err(|_| AuthError::BadName(person.chars().take(64).collect()))?;
    match app.estate.get() {
        Some(in_force) if in_force.checked.knows(&name) => Ok(name),
        Some(_) | None => Err(AuthError::UnknownPerson { person }),
    }
}

fn sized(csr: &str) -> Result<(), Status> {
    match csr.len() {
        0..=MAX_REQUEST_BYTES => Ok(()),
        bytes => {
            let why = format!("{bytes} bytes");
            Err(proto::Malformed::Invalid { field: "csr_pem", why }.into())
        }
    }
}

impl Services {
    fn certificate(&self, signed: Signed) -> Response<v1::Certificate> {
        Response::new(v1::Certificate {
            certificate_pem: signed.certificate_pem,
            ca_pem: self.app.authority.ca_pem().to_string(),
            expires_us: signed.expires.0,
        })
    }
}

#[tonic::async_trait]
impl Service for Services {
    async fn enrol(&self, request: Request<v1::EnrolRequest>) -> Result<Response<v1::Certificate>, Status> {
        let v1::EnrolRequest { token, host: name, csr_pem, now_us } = request.into_inner();
        sized(&csr_pem)?;
        let (app, host) = (&self.app, host(name)?);
        let enrolment =
            Enrolment { token: &token, host: &host, request_pem: &csr_pem, clock: Micros(now_us) };
        let signed = enrol(&app.authority, &app.store, enrolment, app.clock.now(), app.ids.fresh()).await?;
        tracing::info!(%host, "agent enrolled");
        app.bundles.wanted();
        // Whoever holds the older key has no business here any more. A session that is just opening is
        // caught by its own look at the enrolment after it was entered.
        if let Some(older) = app.fleet.session(&host) {
            older.end(AuthError::Replaced { host }.into());
        }
        Ok(self.certificate(signed))
    }

    async fn login(&self, request: Request<v1::LoginRequest>) -> Result<Response<v1::Certificate>, Status> {
        let v1::LoginRequest { token, user, csr_pem } = request.into_inner();
        sized(&csr_pem)?;
        let (app, now, serial) = (&self.app, self.app.clock.now(), self.app.ids.fresh());
        let signed = login::login(&app.authority, &app.store, &token, &user, &csr_pem, now, serial).await?;
        tracing::info!(user, "logged in");
        Ok(self.certificate(signed))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::Certificate>, Status> {
        let caller = Caller::of(&request);
        let v1::RenewRequest { csr_pem } = request.into_inner();
        sized(&csr_pem)?;
        let (app, now, serial) = (&self.app, self.app.clock.now(), self.app.ids.fresh());
        // Whom the estate does not name any more keeps what they have for hours, not for days.
        if let (Ok(person), false) = (caller.user(), caller.is_admin()) {
            known(app, person.to_string())?;
        }
        let signed = renew::renew(&app.authority, &app.store, &caller, &csr_pem, now, serial).await?;
        Ok(self.certificate(signed))
    }

    async fn recover(
        &self,
        request: Request<v1::RecoverRequest>,
    ) -> Result<Response<v1::Certificate>, Status> {
        let v1::RecoverRequest { host: name, csr_pem } = request.into_inner();
        sized(&csr_pem)?;
        let (app, host) = (&self.app, host(name)?);
        let (now, serial) = (app.clock.now(), app.ids.fresh());
        let signed = recover(&app.authority, &app.store, &host, &csr_pem, now, serial).await?;
        tracing::warn!(%host, "the certificate had run out and was renewed by its key");
        Ok(self.certificate(signed))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let caller = Caller::of(&request);
        let v1::CreateTokenRequest { host: name, lives_ms, user } = request.into_inner();
        let (app, by, now) = (&self.app, caller.user()?.as_str(), self.app.clock.now());
        let life = (lives_ms > 0).then(|| Duration::from_millis(lives_ms));
        let (token, expires) = match (name.is_empty(), user.is_empty()) {
            (false, true) => {
                let host = host(name)?;
                tracing::info!(%host, by, "enrolment token made");
                token::create(&app.authority, &app.store, &host, by, life, now).await?
            }
            (true, false) => {
                let person = known(app, user)?;
                tracing::info!(%person, by, "token of a person made");
                token::create_for_person(&app.authority, &app.store, &person, by, life, now).await?
            }
            (true, true) | (false, false) => return Err(AuthError::Either.into()),
        };
        Ok(Response::new(v1::CreateTokenResponse { token, expires_us: expires.0 }))
    }
}
