//! Reading the policy file: who may have written it, its shape, and every mistake in it at once.

use super::{Policy, Script, ServiceRule, SourceRule};
use model::{Problem, Work};
use serde::Deserialize;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Largest policy file that is read.
pub const MAX_POLICY_BYTES: u64 = 1024 * 1024;

/// Why a policy file is not used. The agent then refuses all work.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("LB2190: cannot read the policy file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It can be read, and must not be used: every reason.
    #[error("LB2191: the policy file {} is not usable: {}", path.display(), faults.join("; "))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// All that is wrong with it.
        faults: Vec<String>,
    },
}

impl From<PolicyError> for Problem {
    fn from(error: PolicyError) -> Problem {
        let (code, advice) = match &error {
            PolicyError::Read { .. } => {
                ("LB2190", "Install a policy file; the shipped agent-policy.yaml explains each line.")
            }
            PolicyError::Unusable { .. } => ("LB2191", "Mend what is named, then restart the agent."),
        };
        let message = error.to_string();
        let message = message.split_once(": ").map_or(message.clone(), |(_, rest)| rest.to_string());
        let problem = Problem::new(code, message, advice);
        match std::error::Error::source(&error) {
            Some(cause) => problem.caused_by(cause),
            None => problem,
        }
    }
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PolicyFile {
    version: u32,
    #[serde(default)]
    jobs: Vec<String>,
    #[serde(default)]
    services: Vec<ServiceRule>,
    #[serde(default)]
    sources: Vec<SourceRule>,
    #[serde(default)]
    repositories: Vec<String>,
    #[serde(default)]
    endpoints: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    check_hosts: Vec<String>,
    #[serde(default)]
    scripts: Vec<Script>,
    #[serde(default)]
    programs: Vec<PathBuf>,
    #[serde(default)]
    extends: Vec<String>,
}

/// Reads, judges ownership and parses. Permissions are taken from the opened file, so nobody can
/// exchange it between the look and the reading.
pub(super) fn load(path: &Path) -> Result<Policy, PolicyError> {
    let read_error = |cause| PolicyError::Read { path: path.to_path_buf(), cause };
    let file = std::fs::File::open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    let mut faults = Vec::new();
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != own {
        faults.push(format!("it belongs to user {}, not to root", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        faults.push(format!(
            "its mode {:04o} lets others write it: chmod go-w {}",
            metadata.mode() & 0o7777,
            path.display()
        ));
    }
    let mut text = String::new();
    file.take(MAX_POLICY_BYTES + 1).read_to_string(&mut text).map_err(read_error)?;
    if text.len() as u64 > MAX_POLICY_BYTES {
        faults.push(format!("it is larger than {MAX_POLICY_BYTES} bytes"));
    }
    match parse(&text, path) {
        Ok(policy) if faults.is_empty() => Ok(policy),
        Ok(_) => Err(PolicyError::Unusable { path: path.to_path_buf(), faults }),
        Err(more) => {
            faults.extend(more);
            Err(PolicyError::Unusable { path: path.to_path_buf(), faults })
        }
    }
}

/// Parses the text of a policy. Pure. `path` only appears in advice.
pub(super) fn parse(text: &str, path: &Path) -> Result<Policy, Vec<String>> {
    let file: PolicyFile = serde_saphyr::from_str(text).map_err(|error| vec![error.to_string()])?;
    let mut faults = Vec::new();
    if file.version != 1 {
        faults.push(format!("version {} is not known (known: 1)", file.version));
    }
    for job in &file.jobs {
        if !Work::KINDS.iter().any(|(kind, _)| kind == job) {
            faults.push(format!("jobs: {job} is not a job kind"));
        }
    }
    for rule in &file.services {
        service_faults(rule, &mut faults);
    }
    for rule in &file.sources {
        source_faults(rule, &mut faults);
    }
    for script in &file.scripts {
        absolute("scripts", &script.path, &mut faults);
        let digits = script.sha256.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
        if script.sha256.len() != 64 || !digits {
            faults.push(format!(
                "scripts: {} needs a sha256 of 64 lower-case hex digits",
                script.path.display()
            ));
        }
    }
    for place in &file.repositories {
        if !place.contains("://") {
            absolute("repositories", Path::new(place), &mut faults);
        }
    }
    for secret in &file.secrets {
        if !secret.starts_with("env:") {
            absolute("secrets", Path::new(secret), &mut faults);
        }
    }
    for folder in &file.programs {
        absolute("programs", folder, &mut faults);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Policy {
        path: path.to_path_buf(),
        jobs: file.jobs.into_iter().collect(),
        services: file.services,
        sources: file.sources,
        repositories: file.repositories,
        endpoints: file.endpoints,
        secrets: file.secrets,
        check_hosts: file.check_hosts,
        scripts: file.scripts,
        programs: file.programs,
        extends: file.extends,
    })
}

fn absolute(what: &str, path: &Path, faults: &mut Vec<String>) {
    if !super::under(path, Path::new("/")) {
        faults.push(format!("{what}: {} is not an absolute path without ..", path.display()));
    }
}

fn service_faults(rule: &ServiceRule, faults: &mut Vec<String>) {
    let name = &rule.name;
    let managers = [rule.systemd.is_some(), rule.container.is_some(), rule.process.is_some()];
    if managers.iter().filter(|one| **one).count() != 1 {
        faults.push(format!("services: {name} needs exactly one of systemd, container, process"));
    }
    if let Some(program) = &rule.process {
        absolute("services", program, faults);
    } else if rule.args.is_some() || rule.user.is_some() || !rule.environment.is_empty() {
        faults.push(format!("services: {name}: args, user and environment belong to a process"));
    }
}

fn source_faults(rule: &SourceRule, faults: &mut Vec<String>) {
    let name = &rule.name;
    match rule.kind.as_str() {
        "postgres" => {
            if !rule.paths.is_empty() {
                faults.push(format!("sources: {name}: paths belong to a source of kind files"));
            }
            if let Some(data) = &rule.data {
                absolute("sources", data, faults);
            }
        }
        "files" => {
            let server = rule.data.is_some() || !rule.follows.is_empty();
            if server || !rule.databases.is_empty() || !rule.servers.is_empty() {
                faults.push(format!(
                    "sources: {name}: databases, servers, data and follows belong to a source of kind postgres"
                ));
            }
            for path in &rule.paths {
                absolute("sources", path, faults);
            }
            for path in &rule.into {
                absolute("sources", Path::new(path), faults);
            }
        }
        other => faults.push(format!("sources: {name}: {other} is not a kind of source (postgres, files)")),
    }
}
