//! Who a certificate speaks for, as one URI in its subject alternative names.
//!
//! `lifeboat://agent/<host>` · `lifeboat://user/<name>?roles=a,b` · `lifeboat://controller/<name>`.
//! A certificate with none, with several, or with any other URI speaks for nobody.

use crate::Explained;
use model::{HostName, Name, UserName};
use x509_parser::extensions::GeneralName;

/// Most roles that one certificate carries.
pub const MAX_ROLES: usize = 64;

/// Who a peer is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The agent of a host.
    Agent(HostName),
    /// A person or machine that commands, and the roles it had when the certificate was signed.
    User {
        /// Its name.
        name: UserName,
        /// Its roles, in order.
        roles: Vec<Name>,
    },
    /// A controller.
    Controller(Name),
}

/// A certificate that speaks for nobody.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It could not be read.
    #[error("LB5411: the certificate cannot be read: {0}")]
    Unreadable(String),
    /// It has no URI, several, or is a CA's.
    #[error("LB5412: the certificate names nobody: {0}")]
    Nobody(&'static str),
    /// Its URI is not one of ours.
    #[error("LB5413: {uri:?} is not an identity")]
    BadUri {
        /// The URI.
        uri: String,
    },
}

impl Explained for IdentityError {
    fn advice(&self) -> &'static str {
        "use a certificate that was issued by a controller: enrol the host again, or `lifeboat login`"
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Identity::Agent(host) => write!(f, "agent {host}"),
            Identity::User { name, .. } => write!(f, "user {name}"),
            Identity::Controller(name) => write!(f, "controller {name}"),
        }
    }
}

impl Identity {
    /// The URI that stands in the certificate.
    pub fn uri(&self) -> String {
        match self {
            Identity::Agent(host) => format!("lifeboat://agent/{host}"),
            Identity::Controller(name) => format!("lifeboat://controller/{name}"),
            Identity::User { name, roles } if roles.is_empty() => format!("lifeboat://user/{name}"),
            Identity::User { name, roles } => {
                let roles: Vec<&str> = roles.iter().map(Name::as_str).collect();
                format!("lifeboat://user/{name}?roles={}", roles.join(","))
            }
        }
    }

    /// Reads a URI.
    pub fn from_uri(uri: &str) -> Result<Self, IdentityError> {
        let bad = || IdentityError::BadUri { uri: uri.chars().take(256).collect() };
        let rest = uri.strip_prefix("lifeboat://").ok_or_else(bad)?;
        let (kind, rest) = rest.split_once('/').ok_or_else(bad)?;
        match kind {
            "agent" => Ok(Identity::Agent(HostName::new(rest).map_err(|_| bad())?)),
            "controller" => Ok(Identity::Controller(Name::new(rest).map_err(|_| bad())?)),
            "user" => {
                let (name, roles) = match rest.split_once("?roles=") {
                    Some((name, roles)) => (name, roles.split(',').collect::<Vec<_>>()),
                    None => (rest, Vec::new()),
                };
                if roles.len() > MAX_ROLES {
                    return Err(bad());
                }
                let name = UserName::new(name).map_err(|_| bad())?;
                let roles = roles.into_iter().map(Name::new).collect::<Result<_, _>>().map_err(|_| bad())?;
                Ok(Identity::User { name, roles })
            }
            _ => Err(bad()),
        }
    }

    /// Reads who a certificate (DER) speaks for. Whether it is signed and valid is TLS' business.
    pub fn from_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        let (rest, certificate) = x509_parser::parse_x509_certificate(der)
            .map_err(|error| IdentityError::Unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(IdentityError::Unreadable("something follows it".to_string()));
        }
        if certificate.is_ca() {
            return Err(IdentityError::Nobody("it is a CA's"));
        }
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| IdentityError::Unreadable(error.to_string()))?
            .map(|names| names.value.general_names.as_slice())
            .unwrap_or_default();
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (Some(uri), None) => Self::from_uri(uri),
            (None, _) => Err(IdentityError::Nobody("it has no URI")),
            (Some(_), Some(_)) => Err(IdentityError::Nobody("it has several URIs")),
        }
    }
}
