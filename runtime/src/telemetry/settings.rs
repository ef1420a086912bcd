//! The settings of telemetry, a section of every process' settings.

use crate::settings::Key;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One line an event, for people.
    #[default]
    Human,
    /// One JSON object an event.
    Json,
}

/// What a process tells and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Which events are logged: a level, or targets with levels.
    pub log: String,
    /// How they are written.
    pub format: LogFormat,
    /// OTLP gRPC endpoint of a collector: `http://127.0.0.1:4317`. None: no spans are exported.
    pub otlp: Option<String>,
    /// Where `/metrics` and `/healthz` are served over HTTP. None: nowhere.
    pub metrics: Option<SocketAddr>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { log: "info".to_string(), format: LogFormat::Human, otlp: None, metrics: None }
    }
}

/// The keys of this section, for the settings struct that holds it as `telemetry`.
pub fn keys() -> Vec<Key> {
    let keys = [
        Key::new(
            "log",
            "LIFEBOAT_LOG",
            "info",
            "Which events are logged on stderr: error, warn, info, debug, trace, or targets with levels:\n\
             info,agent=debug",
        ),
        Key::new("format", "LIFEBOAT_LOG_FORMAT", "human", "How they are written: human or json."),
        Key::new(
            "otlp",
            "LIFEBOAT_OTLP",
            "http://127.0.0.1:4317",
            "OTLP gRPC endpoint of a collector that takes spans. Not set: none are exported.",
        ),
        Key::new(
            "metrics",
            "LIFEBOAT_METRICS",
            "127.0.0.1:9464",
            "Address that serves /metrics and /healthz over HTTP. Not set: none. It needs no login, so keep\n\
             it on an inner address.",
        ),
    ];
    keys.into_iter().map(|key| key.within("telemetry")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::{Documented, assert_sample_is_current, sample};

    #[derive(Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Process {
        telemetry: Settings,
    }

    impl Documented for Process {
        const TITLE: &'static str = "Settings of a process";
        fn keys() -> Vec<Key> {
            keys()
        }
    }

    #[test]
    fn every_key_of_the_section_is_documented_with_an_example_that_is_accepted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), sample::<Process>()).unwrap();
        assert_sample_is_current::<Process>(file.path());
    }
}
