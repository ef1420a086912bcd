//! What every test needs: a folder, a policy, a context, and work from JSON.

mod cluster;

use agent::jobs::Context;
use agent::policy::Policy;
pub use cluster::{Cluster, PROGRAMS};
use model::{Micros, Mode, Outcome, Progress, Work};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Longest wait of a test for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A folder that goes away with the test, open to the user that runs PostgreSQL.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Place { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// An executable script with its digest.
    pub fn script(&self, name: &str, content: &str) -> (PathBuf, String) {
        use sha2::Digest as _;
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (path, hex::encode(sha2::Sha256::digest(content.as_bytes())))
    }

    /// A context under a policy in JSON (which is YAML), and the lines that jobs say.
    pub fn context(&self, marker: &str, policy: Value) -> (Context, mpsc::Receiver<String>) {
        let (output, lines) = mpsc::channel(4096);
        let context = Context {
            state_dir: self.state(),
            policy: Arc::new(self.policy(policy)),
            leases: agent::lease::Leases::default(),
            cancel: CancellationToken::new(),
            progress: watch::channel(Progress::default()).0,
            output,
            guard: Arc::new(|| Ok(())),
            now: || Micros::from(jiff::Timestamp::now()),
            mode: Mode::Live,
            // Its place makes it unlike that of any test that runs beside.
            marker: format!("{marker}@{}", self.folder.path().display()),
        };
        (context, lines)
    }

    fn policy(&self, mut policy: Value) -> Policy {
        policy["version"] = json!(1);
        let path = self.path("policy.yaml");
        std::fs::write(&path, policy.to_string()).unwrap();
        Policy::load(&path).unwrap()
    }

    /// A repository of this place, as work names it.
    pub fn repository(&self) -> Value {
        let password = self.path("password");
        std::fs::write(&password, "correct horse\n").unwrap();
        json!({ "name": "local", "at": self.text("repository"), "password": { "file": password } })
    }
}

/// Everything of PostgreSQL and files that a test may touch.
pub fn all_jobs() -> Value {
    json!(["backup", "restore", "prove", "retain", "swap", "check", "service", "promote", "fence", "command"])
}

pub fn work(kind: &str, parameters: Value) -> Work {
    Work::read(kind, 1, parameters.to_string().as_bytes()).unwrap()
}

/// The typed output of a success.
pub fn output<T: DeserializeOwned>(outcome: Outcome) -> T {
    match outcome {
        Outcome::Succeeded { output } => serde_json::from_value(output).unwrap(),
        other => panic!("not a success: {other:#?}"),
    }
}

/// Polls until it is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The processes of this marker's work that run.
pub fn alive(context: &Context) -> Vec<agent::services::alive::Identity> {
    agent::services::alive::marked(&format!("{}={}", agent::jobs::child::MARKER, context.marker))
}

pub fn exists(path: &Path) -> bool {
    path.exists()
}
