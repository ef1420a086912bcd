//! The controller's settings: flag over environment over file over default.

use crate::app::StartError;
use crate::store::database::{Database, Server};
use model::{Name, SecretRef};
use runtime::offline::PublicKey;
use runtime::secret::{self, SecretBytes};
use runtime::settings::{Documented, Key};
use runtime::telemetry;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Who this controller is.
    pub name: String,
    /// Where its store, CA and keys are.
    pub data: PathBuf,
    /// URL of a PostgreSQL that several controllers share. Empty: SQLite in the data folder.
    pub database: String,
    /// Where the password of that database is.
    pub database_password: Option<SecretRef>,
    /// Whether that database needs no synchronous standby.
    pub database_without_standby: bool,
    /// How long a leadership lasts without a renewal.
    #[serde(with = "model::duration")]
    pub leadership: Duration,
    /// Where it listens for gRPC.
    pub listen: SocketAddr,
    /// Names and addresses by which it is dialled.
    pub names: Vec<String>,
    /// How often an agent says that it lives.
    #[serde(with = "model::duration")]
    pub heartbeat: Duration,
    /// The hour, in UTC, in which every plan is previewed; 24 for never.
    pub preview_hour: u8,
    /// Public half of the operators' offline key; empty for none.
    pub offline_key: String,
    /// Folder that rescue bundles are written to; empty for none.
    pub bundle_to: PathBuf,
    /// How many of them are kept.
    pub bundle_keep: usize,
    /// Where agents look for a rescue, `host:port`.
    pub rescue_at: Vec<String>,
    /// Agents outside the lost regions that must have the record of what cannot be taken back.
    pub witnesses: usize,
    /// Also write the first admin token to a file of the data folder.
    pub admin_token_file: bool,
    /// How long a stop may take.
    #[serde(with = "model::duration")]
    pub drain: Duration,
    /// Logs, traces and metrics.
    pub telemetry: telemetry::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "main".to_string(),
            data: PathBuf::from("/var/lib/lifeboat/controller"),
            database: String::new(),
            database_password: None,
            database_without_standby: false,
            leadership: Duration::from_secs(5),
            listen: SocketAddr::from(([0, 0, 0, 0], 7443)),
            names: Vec::new(),
            heartbeat: Duration::from_secs(2),
            preview_hour: 3,
            offline_key: String::new(),
            bundle_to: PathBuf::new(),
            bundle_keep: 30,
            rescue_at: Vec::new(),
            witnesses: 1,
            admin_token_file: false,
            drain: Duration::from_secs(10),
            telemetry: telemetry::Settings::default(),
        }
    }
}

/// Shortest and longest heartbeat that makes sense.
const HEARTBEATS: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60);

/// Shortest and longest leadership that makes sense.
const LEADERSHIPS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// Fewest and most bundles that make sense.
const BUNDLES: std::ops::RangeInclusive<usize> = 2..=10_000;

/// Most witnesses that may be asked for.
const MAX_WITNESSES: usize = 8;

impl Documented for Settings {
    const TITLE: &'static str = "Settings of lifeboat-controller";

    fn keys() -> Vec<Key> {
        let mut keys = vec![
            Key::new("name", "LIFEBOAT_NAME", "main", "Who this controller is, in logs and to agents."),
            Key::new(
                "data",
                "LIFEBOAT_DATA",
                "/var/lib/lifeboat/controller",
                "Folder of the store, the CA and its key. Made when it is missing, for this user alone.",
            ),
            Key::new(
                "database",
                "LIFEBOAT_DATABASE",
                "postgres://lifeboat@db.example/lifeboat?sslmode=verify-full",
                "A PostgreSQL that several controllers share, without its password. Not set: SQLite in the data\nfolder, for one controller.",
            ),
            Key::new(
                "database-password",
                "",
                "{ file: /etc/lifeboat/database-password }",
                "Where its password is: { file: PATH } or { env: NAME }. Not set: none.",
            ),
            Key::new(
                "database-without-standby",
                "LIFEBOAT_DATABASE_WITHOUT_STANDBY",
                "false",
                "Start although that database has no synchronous standby: when its disk is lost, the journal is.",
            ),
            Key::new(
                "leadership",
                "LIFEBOAT_LEADERSHIP",
                "5s",
                "With a shared database: how long a leader leads without a renewal, and so how long it takes until\nanother takes over; 1s to 60s. The same for all controllers.",
            ),
            Key::new(
                "listen",
                "LIFEBOAT_LISTEN",
                "0.0.0.0:7443",
                "Address and port for agents and people (gRPC over mTLS).",
            ),
            Key::new(
                "names",
                "",
                "[]",
                "More names and addresses in the server's certificate. Lifeboat's own agent and CLI need none.",
            ),
            Key::new(
                "heartbeat",
                "LIFEBOAT_HEARTBEAT",
                "2s",
                "How often each agent says that it lives; 50ms to 60s. Three missed ones count as silence.",
            ),
            Key::new(
                "preview-hour",
                "LIFEBOAT_PREVIEW_HOUR",
                "3",
                "The hour, in UTC, in which every host is asked whether it would do its part of each plan; 24 for never.",
            ),
            Key::new(
                "offline-key",
                "LIFEBOAT_OFFLINE_KEY",
                "lifeboat-offline-1.…",
                "Public half of the operators' offline key, as `lifeboat rescue key` printed it. Not set: no rescue is\npossible when all controllers and their database are gone.",
            ),
            Key::new(
                "bundle-to",
                "LIFEBOAT_BUNDLE_TO",
                "/mnt/elsewhere/lifeboat",
                "Folder that rescue bundles are written to: a mount of another machine, in another region. Made when\nit is missing.",
            ),
            Key::new("bundle-keep", "", "30", "How many bundles are kept; 2 to 10000."),
            Key::new(
                "rescue-at",
                "",
                "[office.example:7443]",
                "Where a rescue may be started: agents ask there when no controller has answered for 30 s. Without\nit they find one only by a file on their host or beside their backups.",
            ),
            Key::new(
                "witnesses",
                "",
                "1",
                "With an offline key: how many agents outside the lost regions must have the journal on their disks\nbefore a fence, promotion, swap or cut-over is begun; 0 to 8.",
            ),
            Key::new(
                "admin-token-file",
                "LIFEBOAT_ADMIN_TOKEN_FILE",
                "false",
                "At the first start, also write the admin token to admin-token-once in the data folder (mode 0600).",
            ),
            Key::new("drain", "LIFEBOAT_DRAIN", "10s", "How long a stop may take before tasks are cut off."),
        ];
        keys.extend(telemetry::keys());
        keys
    }

    fn check(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        if let Err(error) = Name::new(&self.name) {
            flaws.push(format!("name: {error}"));
        }
        if !HEARTBEATS.contains(&self.heartbeat) {
            flaws.push("heartbeat: must be between 50ms and 60s".to_string());
        }
        if self.preview_hour > crate::loops::preview::NEVER {
            flaws.push("preview-hour: must be between 0 and 23, or 24 for never".to_string());
        }
        if !LEADERSHIPS.contains(&self.leadership) {
            flaws.push("leadership: must be between 1s and 60s".to_string());
        }
        if !self.offline_key.is_empty() && self.offline_key().is_none() {
            flaws.push("offline-key: is not what `lifeboat rescue key` printed".to_string());
        }
        if !BUNDLES.contains(&self.bundle_keep) {
            flaws.push("bundle-keep: must be between 2 and 10000".to_string());
        }
        if self.witnesses > MAX_WITNESSES {
            flaws.push("witnesses: must be between 0 and 8".to_string());
        }
        if let Some(flaw) = self.flaw_of_database() {
            flaws.push(format!("database: {flaw}"));
        }
        flaws
    }
}

impl Settings {
    /// The operators' key, if one is set.
    pub fn offline_key(&self) -> Option<PublicKey> {
        self.offline_key.parse().ok()
    }

    fn flaw_of_database(&self) -> Option<&'static str> {
        if self.database.is_empty() {
            return None;
        }
        if !["postgres://", "postgresql://"].iter().any(|scheme| self.database.starts_with(scheme)) {
            return Some("must begin with postgres://");
        }
        match Server::new(&self.database, None, true, self.leadership) {
            Ok(server) if server.has_password() => {
                Some("must hold no password: name its file or variable as `database-password`")
            }
            Ok(_) => None,
            Err(_) => Some("is not a URL"),
        }
    }

    /// The database that the store lies in, its password read.
    pub fn database(&self) -> Result<Database, StartError> {
        if self.database.is_empty() {
            return Ok(Database::in_folder(&self.data));
        }
        let secret = self.database_password.as_ref().map(secret::resolve).transpose();
        let secret = secret.map_err(StartError::Password)?;
        let password =
            secret.as_ref().map(SecretBytes::expose_text).transpose().map_err(StartError::Password)?;
        let server = Server::new(&self.database, password, self.database_without_standby, self.leadership)?;
        Ok(Database::Postgres(server))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use runtime::settings::{Sources, assert_sample_is_current, load};

    #[test]
    fn the_sample_explains_every_setting() {
        assert_sample_is_current::<Settings>("../deploy/controller.yaml".as_ref());
    }

    #[test]
    fn the_sample_of_a_shared_database_is_read() {
        let file = Some(PathBuf::from("../deploy/controller-shared.yaml"));
        let settings: Settings = load(&Sources { file, env: &|_| None, flags: Vec::new() }).unwrap();
        assert!(settings.database_password.is_some() && !settings.database_without_standby);
        assert!(matches!(settings.database(), Err(StartError::Password(_))), "its file is not here");
        let settings = Settings { database_password: None, ..settings };
        assert_eq!(settings.database().unwrap().to_string(), "postgres://journal.example/lifeboat");
    }

    #[test]
    fn a_database_is_a_url_without_a_password() {
        let flaws = |database: &str| {
            let settings = Settings { database: database.to_string(), ..Settings::default() };
            settings.check().join(" ")
        };
        assert_eq!(flaws("postgres://lifeboat@db.example/lifeboat?sslmode=verify-full"), "");
        assert!(flaws("postgres://lifeboat:hunter2@db.example/lifeboat").contains("no password"));
        assert!(!flaws("postgres://lifeboat:hunter2@db.example/lifeboat").contains("hunter2"));
        assert!(flaws("mysql://db.example/lifeboat").contains("postgres://"));
    }

    #[test]
    fn a_heartbeat_out_of_bounds_is_told() {
        let settings = Settings { heartbeat: Duration::from_secs(3600), ..Settings::default() };
        assert_eq!(settings.check().len(), 1);
    }
}
