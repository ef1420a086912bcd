//! The rules of a policy file and how texts are matched against them.

use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

/// A service that may be started and stopped, with exactly one manager.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRule {
    /// Its name in the estate.
    pub name: String,
    /// The systemd unit.
    #[serde(default)]
    pub systemd: Option<String>,
    /// The Docker container.
    #[serde(default)]
    pub container: Option<String>,
    /// The absolute path of the program: the first word of its argv.
    #[serde(default)]
    pub process: Option<PathBuf>,
    /// Exactly these arguments; any when absent.
    #[serde(default)]
    pub args: Option<Vec<String>>,
    /// The user that it runs as; the agent's own when absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Names of environment variables that an estate may set.
    #[serde(default)]
    pub environment: Vec<String>,
}

/// A source that may be backed up, restored, promoted, fenced, and asked by SQL checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRule {
    /// Its name in the estate.
    pub name: String,
    /// `postgres` or `files`.
    pub kind: String,
    /// Databases (postgres).
    #[serde(default)]
    pub databases: Vec<String>,
    /// Servers, `address` or `address:port` (postgres); only this host's own when empty.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Folders below which everything may be read (files).
    #[serde(default)]
    pub paths: Vec<PathBuf>,
    /// Where copies may be made: folders (files), or name prefixes besides `<database>_` (postgres).
    #[serde(default)]
    pub into: Vec<String>,
    /// The data folder of its server, which `rejoin` may replace (postgres).
    #[serde(default)]
    pub data: Option<PathBuf>,
    /// Other members, `address` or `address:port`, that may be asked and followed (postgres).
    #[serde(default)]
    pub follows: Vec<String>,
}

/// A script that may be run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Its absolute path.
    pub path: PathBuf,
    /// SHA-256 of its content in lower-case hex.
    pub sha256: String,
}

/// Is `path` the same as `root` or below it? Compared part by part; a path with `..` is below nothing.
pub(super) fn under(path: &Path, root: &Path) -> bool {
    let plain = |path: &Path| {
        path.is_absolute()
            && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
    };
    plain(path) && plain(root) && path.starts_with(root)
}

/// Is this an address of this host: loopback or a unix socket's folder?
pub(super) fn is_local(address: &str) -> bool {
    address.starts_with('/')
        || address == "localhost"
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `host:port` of a URL, the port being the scheme's own when the URL has none.
pub(super) fn url_host(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}
