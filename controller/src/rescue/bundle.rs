//! The rescue bundle: one file that has what a controller needs to begin again, but for the runs.
//!
//! Its body is signed by the CA, whose certificate lies in it. Whoever changes a bundle does not have that key;
//! whoever makes up a whole one has another CA, to which no agent listens. The CA's key lies in it sealed to the
//! operators' offline key.

use crate::store::agents::AgentRow;
use crate::store::estates::EstateVersion;
use crate::store::leases::{LeaseRow, LeaseRows};
use model::{Head, HostName, Micros, Name, Problem};
use runtime::Explained as _;
use runtime::fs::read_bounded;
use runtime::tls::ca::verify_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a bundle's file is called, before its time and epoch.
pub const PREFIX: &str = "lifeboat-bundle-";
/// How it ends.
pub const SUFFIX: &str = ".json";
/// Largest bundle, in bytes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// As what the body is signed.
const WHAT: &str = "rescue bundle";
/// The format that this program writes.
const FORMAT: u32 = 1;
/// Bundles of a folder that are looked at.
const MAX_FILES: usize = 10_000;

/// A bundle's file.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    lifeboat_rescue_bundle: u32,
    signature: String,
    body: String,
}

/// What a bundle says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// When it was made.
    pub made_at: Micros,
    /// By which controller.
    pub controller: Name,
    /// By which version of the program.
    pub version: String,
    /// The epoch in force.
    pub epoch: u64,
    /// Public half of the offline key to which secrets are sealed.
    pub offline_key: String,
    /// The CA's certificate.
    pub ca_pem: String,
    /// SHA-256 of it.
    pub ca_hash: String,
    /// The CA's key, sealed.
    pub sealed_ca_key: String,
    /// Secrets of the controller's machine that the estate names (DNS keys, tokens of channels): JSON of path and
    /// hex, sealed; empty for none.
    #[serde(default)]
    pub sealed_secrets: String,
    /// The estate in force, plans and all.
    pub estate: Option<KeptEstate>,
    /// Digest of each plan, by name.
    pub plans: BTreeMap<String, String>,
    /// Who is enrolled.
    pub agents: Vec<KeptAgent>,
    /// To whom leases were given.
    pub leases: Vec<KeptLease>,
    /// The end of each open run's journal.
    pub heads: Vec<Head>,
}

/// An estate as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptEstate {
    /// Its number.
    pub version: u64,
    /// Its digest.
    pub digest: String,
    /// Text of each file, by path.
    pub files: BTreeMap<String, String>,
}

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAgent {
    /// Its host.
    pub host: HostName,
    /// SHA-256 of its public key.
    pub key_fingerprint: String,
    /// When it enrolled.
    pub enrolled_at: Micros,
    /// End of its newest certificate.
    pub expires_at: Micros,
}

/// A member of a leased source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLease {
    /// The source.
    pub source: Name,
    /// The member.
    pub host: HostName,
    /// What was durable of it.
    pub row: model::lease::Row,
    /// The run that closed it; empty when none did.
    pub closed_by: String,
}

impl KeptEstate {
    /// From the store.
    pub fn of(estate: EstateVersion) -> Self {
        let files = estate.files.into_iter().map(|file| (file.path, file.text)).collect();
        KeptEstate { version: estate.version, digest: estate.digest, files }
    }
}

/// Agents as a bundle keeps them. A row that names no host is left out.
pub fn agents(rows: &[AgentRow]) -> Vec<KeptAgent> {
    let kept = |row: &AgentRow| {
        Some(KeptAgent {
            host: HostName::new(&row.host).ok()?,
            key_fingerprint: row.key_fingerprint.clone(),
            enrolled_at: row.enrolled_at,
            expires_at: row.expires_at,
        })
    };
    rows.iter().filter(|row| !row.locked).filter_map(kept).collect()
}

/// Leases as a bundle keeps them.
pub fn leases(rows: LeaseRows) -> Vec<KeptLease> {
    let members = |(source, members): (Name, BTreeMap<HostName, LeaseRow>)| {
        members.into_iter().map(move |(host, kept)| KeptLease {
            source: source.clone(),
            host,
            row: kept.row,
            closed_by: kept.closed_by,
        })
    };
    rows.into_iter().flat_map(members).collect()
}

/// The file's text of a body, signed by its CA.
pub fn write(
    body: &Body,
    sign: impl FnOnce(&str, &str) -> Result<String, Problem>,
) -> Result<String, Problem> {
    let text = serde_json::to_string(body).unwrap_or_default();
    let file = File { lifeboat_rescue_bundle: FORMAT, signature: sign(WHAT, &text)?, body: text };
    Ok(serde_json::to_string(&file).unwrap_or_default())
}

/// Reads and checks a bundle. A folder means the newest in it.
pub fn read(path: &Path) -> Result<Body, Problem> {
    let path = if path.is_dir() { newest(path)? } else { path.to_path_buf() };
    let unreadable = |why: String| {
        Problem::new(
            "LB1242",
            format!("{} is no rescue bundle that can be read: {why}", path.display()),
            "Take another: they are called lifeboat-bundle-…json, and the controllers' settings say where they are kept (`bundle-to`).",
        )
    };
    let bytes = read_bounded(&path, MAX_BYTES).map_err(|error| unreadable(error.problem().to_string()))?;
    let file: File = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    if file.lifeboat_rescue_bundle != FORMAT {
        let why = format!("its format is {}, and this program reads {FORMAT}", file.lifeboat_rescue_bundle);
        return Err(unreadable(why));
    }
    let body: Body = serde_json::from_str(&file.body).map_err(|error| unreadable(error.to_string()))?;
    let own = runtime::tls::first_certificate(&body.ca_pem)
        .is_some_and(|der| runtime::tls::certificate_hash(&der) == body.ca_hash);
    if !own || !verify_text(&body.ca_pem, WHAT, &file.body, &file.signature) {
        return Err(Problem::new(
            "LB1243",
            format!("{} is forged or damaged: its CA did not sign it", path.display()),
            "Do not use it. Take another one, and find out who could write there.",
        ));
    }
    Ok(body)
}

/// The newest bundle of a folder, by the time in its name.
fn newest(folder: &Path) -> Result<PathBuf, Problem> {
    let none = || {
        Problem::new(
            "LB1242",
            format!("there is no rescue bundle in {}", folder.display()),
            "Name the folder that the controllers' settings have as `bundle-to`, or one bundle.",
        )
    };
    list(folder).pop().ok_or_else(none)
}

/// The bundles of a folder, oldest first.
pub fn list(folder: &Path) -> Vec<PathBuf> {
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(PREFIX) && name.ends_with(SUFFIX)
    };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_FILES);
    let mut found: Vec<PathBuf> = files.map(|entry| entry.path()).filter(ours).collect();
    found.sort();
    found
}

/// The name of a bundle's file: they sort by time.
pub fn name(made_at: Micros, epoch: u64) -> String {
    format!("{PREFIX}{:020}-{epoch}{SUFFIX}", made_at.0)
}

/// Refuses a bundle that is too old, unless told.
pub fn check_age(body: &Body, now: Micros, max: Duration) -> Result<(), Problem> {
    let age = now.since(body.made_at);
    if age <= max {
        return Ok(());
    }
    let hours = |length: Duration| length.as_secs() / 3600;
    Err(Problem::new(
        "LB1244",
        format!("the bundle was made {}, {} hours ago: more than {}", body.made_at, hours(age), hours(max)),
        "Look for a newer one. If there is none, and its estate is still right: say --max-age with a longer time.",
    ))
}
