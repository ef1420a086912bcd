//! The controller's settings: flag over environment over file over default.

use model::Name;
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
    /// Where it listens for gRPC.
    pub listen: SocketAddr,
    /// Names and addresses by which it is dialled.
    pub names: Vec<String>,
    /// How often an agent says that it lives.
    #[serde(with = "model::duration")]
    pub heartbeat: Duration,
    /// The hour, in UTC, in which every plan is previewed; 24 for never.
    pub preview_hour: u8,
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
            listen: SocketAddr::from(([0, 0, 0, 0], 7443)),
            names: Vec::new(),
            heartbeat: Duration::from_secs(2),
            preview_hour: 3,
            admin_token_file: false,
            drain: Duration::from_secs(10),
            telemetry: telemetry::Settings::default(),
        }
    }
}

/// Shortest and longest heartbeat that makes sense.
const HEARTBEATS: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60);

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
        flaws
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::settings::assert_sample_is_current;

    #[test]
    fn the_sample_explains_every_setting() {
        assert_sample_is_current::<Settings>("../deploy/controller.yaml".as_ref());
    }

    #[test]
    fn a_heartbeat_out_of_bounds_is_told() {
        let settings = Settings { heartbeat: Duration::from_secs(3600), ..Settings::default() };
        assert_eq!(settings.check().len(), 1);
    }
}
