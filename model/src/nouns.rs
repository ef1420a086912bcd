//! The checked nouns of an estate, as they travel inside work: complete, so that an agent needs no
//! estate to understand an order, and pinned, so that an edit of the estate cannot change a live run.

use crate::{HostName, Name, SecretRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A service and what manages it on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Its name in the estate.
    pub name: Name,
    /// How it is started and stopped on this host.
    pub manager: Manager,
}

/// What manages a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Manager {
    /// A systemd unit, over D-Bus.
    Systemd {
        /// Unit name with its suffix, `postgresql@15-main.service`.
        unit: String,
    },
    /// One Docker container, over the engine's API.
    Container {
        /// Name or id.
        container: String,
    },
    /// A process that the agent starts and supervises itself, for hosts that have neither. It outlives the agent.
    Process(ProcessSpec),
}

/// A supervised process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Program and arguments. Never a shell line.
    pub argv: Vec<String>,
    /// The user that it runs as; the agent's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Environment added to a minimal one. No secrets: they stand in files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Signal that asks it to stop: `TERM`, `INT`, `QUIT`. After the grace its process group is killed.
    #[serde(default = "ProcessSpec::default_stop_signal")]
    pub stop_signal: String,
    /// How long it may take to stop before its process group is killed.
    #[serde(with = "crate::duration", default = "ProcessSpec::default_stop_grace")]
    pub stop_grace: Duration,
}

impl ProcessSpec {
    /// `TERM`.
    pub fn default_stop_signal() -> String {
        "TERM".to_string()
    }

    /// Ten seconds.
    pub fn default_stop_grace() -> Duration {
        Duration::from_secs(10)
    }
}

/// A source on one of its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Its name in the estate.
    pub name: Name,
    /// What it is.
    #[serde(flatten)]
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)] // few exist at a time, and a box would only stand in every pattern
pub enum SourceKind {
    /// One database of a PostgreSQL server.
    Postgres(PostgresSpec),
    /// A tree of files.
    Files(FilesSpec),
}

impl SourceKind {
    /// The word used in estates and policies.
    pub fn as_str(&self) -> &'static str {
        match self {
            SourceKind::Postgres(_) => "postgres",
            SourceKind::Files(_) => "files",
        }
    }
}

/// How to reach one PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresSpec {
    /// Host name, address, or the folder of a unix socket.
    #[serde(default = "PostgresSpec::default_address")]
    pub address: String,
    /// TCP port.
    #[serde(default = "PostgresSpec::default_port")]
    pub port: u16,
    /// The database to protect.
    pub database: String,
    /// The role to connect as; needs `pg_promote` rights for a promotion and CREATEDB for a restore.
    #[serde(default = "PostgresSpec::default_user")]
    pub user: String,
    /// Its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// The folder with pg_dump, pg_restore and psql; found in PATH and under /usr/lib/postgresql when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programs: Option<PathBuf>,
    /// The service that runs the server on this member; a fence stops and masks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServiceSpec>,
    /// How this member follows another one.
    #[serde(default, skip_serializing_if = "Follow::is_usual")]
    pub follow: Follow,
}

/// How one member of a PostgreSQL source follows another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Follow {
    /// Its name among the standbys (`application_name`); the host's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The role that it follows as, with the right REPLICATION; the source's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// That role's password, on this member's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

impl Follow {
    /// Nothing of it was said.
    pub fn is_usual(&self) -> bool {
        *self == Follow::default()
    }
}

impl PostgresSpec {
    /// 127.0.0.1.
    pub fn default_address() -> String {
        "127.0.0.1".to_string()
    }

    /// 5432.
    pub fn default_port() -> u16 {
        5432
    }

    /// `postgres`.
    pub fn default_user() -> String {
        "postgres".to_string()
    }
}

/// A tree of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesSpec {
    /// Absolute paths of what is backed up.
    pub paths: Vec<PathBuf>,
    /// Glob patterns of what is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    /// Stay on the file system of each path.
    #[serde(default)]
    pub one_file_system: bool,
    /// Keep a snapshot although some files could not be read; it is then marked incomplete.
    #[serde(default)]
    pub keep_incomplete: bool,
}

/// Where backups live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositorySpec {
    /// Its name in the estate.
    pub name: Name,
    /// An absolute path, or `s3://bucket/prefix`.
    pub at: String,
    /// Its password, on the agent's host.
    pub password: SecretRef,
    /// S3 endpoint, for servers other than AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// S3 region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_region: Option<String>,
    /// A file with S3 credentials in the AWS shared-credentials form; the usual AWS chain when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretRef>,
    /// The S3 class of packs of data, `STANDARD_IA`; the service's standard when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<StorageClass>,
    /// How long the storage itself refuses to remove what is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
}

/// An S3 class whose objects can be read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StorageClass {
    /// Read often.
    Standard,
    /// Read seldom; reading costs.
    StandardIa,
    /// The same in one zone only.
    OnezoneIa,
    /// The service decides.
    IntelligentTiering,
    /// An archive that can be read at once.
    GlacierIr,
}

/// How long a storage refuses to remove an object, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectLock {
    /// Who may end it before its time.
    pub mode: LockMode,
    /// From the moment of writing.
    pub days: u32,
}

/// Who may end an object lock before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockMode {
    /// Whoever has a special right.
    Governance,
    /// Nobody.
    Compliance,
}

/// Which point of a source is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// The newest complete snapshot.
    #[default]
    Latest,
    /// One snapshot, by id or a prefix of it with at least 8 digits.
    Snapshot(String),
    /// The newest snapshot that is not later than this time.
    NotAfter(crate::Micros),
}

/// A named question with its expected answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSpec {
    /// Its name in the estate.
    pub name: Name,
    /// The question.
    #[serde(flatten)]
    pub question: Question,
    /// How long the whole answer may take.
    #[serde(with = "crate::duration", default = "CheckSpec::default_within")]
    pub within: Duration,
}

impl CheckSpec {
    /// Five seconds.
    pub fn default_within() -> Duration {
        Duration::from_secs(5)
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// Can a TCP connection be made?
    Tcp {
        /// `address:port`.
        address: String,
    },
    /// Does an HTTP request answer as expected?
    Http {
        /// The URL.
        url: String,
        /// Expected status.
        status: u16,
        /// A text that the body must contain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Headers that the answer must have, with their values: what tells the right server from another one.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// What does a query say? One row, one column.
    Sql {
        /// Where it is asked.
        source: Box<SourceSpec>,
        /// One statement, run read-only.
        statement: String,
        /// What the answer must be.
        expect: Expected,
    },
    /// Does a script that the agent's policy lists exit with 0?
    Command {
        /// The script and its arguments.
        script: PathBuf,
        /// Arguments.
        #[serde(default)]
        args: Vec<String>,
        /// The SHA-256 that whoever wrote the check meant; a policy that lists another one refuses it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// Is there room on the file system of a path?
    Disk {
        /// The path.
        path: PathBuf,
        /// Free bytes that are enough.
        free_bytes: u64,
    },
}

impl Question {
    /// The word used in estates.
    pub fn as_str(&self) -> &'static str {
        match self {
            Question::Tcp { .. } => "tcp",
            Question::Http { .. } => "http",
            Question::Sql { .. } => "sql",
            Question::Command { .. } => "command",
            Question::Disk { .. } => "disk",
        }
    }
}

/// What an SQL answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// A number that is not lower.
    AtLeast(i64),
    /// Exactly this text.
    Equals(String),
}

/// A DNS record set with its value in each region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSpec {
    /// Its name in the estate.
    pub name: Name,
    /// The fully qualified name in DNS.
    pub fqdn: String,
    /// Time to live of the record set.
    #[serde(with = "crate::duration")]
    pub ttl: Duration,
    /// Addresses in each region; never empty.
    pub values: BTreeMap<Name, Vec<IpAddr>>,
    /// Where it is served.
    pub zone: ZoneSpec,
}

/// A DNS zone and who serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneSpec {
    /// Its name in the estate.
    pub name: Name,
    /// Provider kind, `rfc2136`.
    pub kind: String,
    /// The zone's name in DNS.
    pub zone: String,
    /// Every authoritative server, `address` or `address:port`; the first takes updates.
    pub servers: Vec<String>,
    /// The TSIG key file in BIND's form, on the controller's host.
    pub key: SecretRef,
}

/// Where people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSpec {
    /// Its name in the estate.
    pub name: Name,
    /// Provider kind, `webhook`.
    pub kind: String,
    /// Where messages are sent.
    pub url: String,
    /// Sent as `Authorization: Bearer …`; on the controller's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
}

/// Recovery objectives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objectives {
    /// How long recovery may take.
    #[serde(with = "crate::duration::option", default)]
    pub rto: Option<Duration>,
    /// How much data, in time, may be lost.
    #[serde(with = "crate::duration::option", default)]
    pub rpo: Option<Duration>,
}

/// What a member of a PostgreSQL source says about itself with each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFacts {
    /// The source.
    pub source: Name,
    /// The host.
    pub host: HostName,
    /// `primary`, `standby` or `down`.
    pub role: String,
    /// Position written (primary) or received and flushed (standby), as a byte number; 0 when unknown.
    pub lsn: u64,
    /// On a primary: standbys that must acknowledge a commit, empty when none must.
    #[serde(default)]
    pub sync_standbys: Vec<String>,
    /// What went wrong while asking, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// When it said so, where that was earlier than its host was last heard: it is down since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<crate::Micros>,
}
