//! The agent's settings file.

use runtime::settings::{Documented, Key};
use runtime::telemetry;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The agent's settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Name of this host in the estate.
    pub host: String,
    /// Controllers, `host:port`, dialled in this order.
    pub controllers: Vec<String>,
    /// Folder of durable state: key, certificate, spool, assignment.
    pub state: PathBuf,
    /// The policy file.
    pub policy: PathBuf,
    /// Folder that it shares with the watchdog.
    pub run: PathBuf,
    /// Where other members of a leased source ask for more time; nowhere when absent.
    pub listen: Option<SocketAddr>,
    /// How long no controller must have answered before a rescue is looked for.
    #[serde(with = "model::duration")]
    pub rescue_after: Duration,
    /// Logs, spans, metrics.
    pub telemetry: telemetry::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            host: String::new(),
            controllers: Vec::new(),
            state: PathBuf::from("/var/lib/lifeboat-agent"),
            policy: PathBuf::from("/etc/lifeboat/agent-policy.yaml"),
            run: PathBuf::from("/run/lifeboat"),
            listen: None,
            rescue_after: Duration::from_secs(30),
            telemetry: telemetry::Settings::default(),
        }
    }
}

impl Documented for Settings {
    const TITLE: &'static str = "Settings of a Lifeboat agent";

    fn keys() -> Vec<Key> {
        let mut keys = vec![
            Key::new(
                "host",
                "LIFEBOAT_HOST",
                "db-1",
                "Name of this host in the estate. The certificate is made out to it.",
            ),
            Key::new(
                "controllers",
                "LIFEBOAT_CONTROLLERS",
                "[controller.example:7443]",
                "Controllers as host:port, dialled in this order. The agent opens no port of its own but `listen`.",
            ),
            Key::new(
                "state",
                "LIFEBOAT_STATE",
                "/var/lib/lifeboat-agent",
                "Folder of durable state: key, certificate, spool, assignment. Must survive a reboot.",
            ),
            Key::new(
                "policy",
                "LIFEBOAT_POLICY",
                "/etc/lifeboat/agent-policy.yaml",
                "What may ever be asked of this host. Owned by root and writable by nobody else.",
            ),
            Key::new(
                "run",
                "LIFEBOAT_RUN",
                "/run/lifeboat",
                "Folder that it shares with the watchdog: its socket, and permits of leased servers. Must not survive a reboot.",
            ),
            Key::new(
                "listen",
                "LIFEBOAT_LISTEN",
                "0.0.0.0:7445",
                "Address at which members of a leased source on other hosts ask this one for more time when no controller answers. Not set: no port is open. Both sides show their certificate; the policy lists the sources under `extends`.",
            ),
            Key::new(
                "rescue-after",
                "LIFEBOAT_RESCUE_AFTER",
                "30s",
                "How long no controller must have answered before the agent looks for a rescue; at least 1s.",
            ),
        ];
        keys.extend(telemetry::keys());
        keys
    }

    fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Err(error) = model::HostName::new(self.host.clone()) {
            wrong.push(format!("host: {error}"));
        }
        if self.controllers.is_empty() {
            wrong.push("controllers: name at least one controller as host:port".to_string());
        }
        if self.rescue_after < Duration::from_secs(1) {
            wrong.push("rescue-after: at least 1s".to_string());
        }
        if [&self.state, &self.policy, &self.run].into_iter().any(|path| !path.is_absolute()) {
            wrong.push("state, policy and run must be absolute paths".to_string());
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::settings::assert_sample_is_current;

    #[test]
    fn the_sample_explains_every_setting() {
        assert_sample_is_current::<Settings>("../deploy/agent.yaml".as_ref());
    }
}
