//! What may ever be asked of this host: the root-owned policy file.
//!
//! Everything that is not listed is denied. A controller, even a stolen one, can make an agent do
//! nothing but what this file names; so whatever decides *what code runs*, *which data is touched* and
//! *where data or passwords go* is judged here: job kinds, services with the program that they run,
//! sources with their server, repositories, secrets, scripts by SHA-256, and hosts that checks ask.
//! `permits` is pure: it reads no file and no clock.

mod file;
mod rules;

pub use file::{MAX_POLICY_BYTES, PolicyError};
use model::jobs::Peer;
use model::nouns::{CheckSpec, Manager, PostgresSpec, ProcessSpec, Question, RepositorySpec, ServiceSpec};
use model::nouns::{SourceKind, SourceSpec};
use model::{Name, Problem, SecretRef, Work};
pub use rules::{Script, ServiceRule, SourceRule};
use rules::{is_local, under, url_host};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where PostgreSQL's client programs of the distribution live; always allowed as `programs`.
pub const POSTGRES_PROGRAMS: &str = "/usr/lib/postgresql";

/// The policy of one host. The default denies everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Where it was read, for advice.
    pub(crate) path: PathBuf,
    /// Job kinds.
    pub(crate) jobs: BTreeSet<String>,
    /// Services and what manages them.
    pub(crate) services: Vec<ServiceRule>,
    /// Sources and what belongs to them.
    pub(crate) sources: Vec<SourceRule>,
    /// Location prefixes.
    pub(crate) repositories: Vec<String>,
    /// S3 servers other than AWS that backups may be sent to, as URLs.
    pub(crate) endpoints: Vec<String>,
    /// Folders and files of secrets, or `env:NAME`.
    pub(crate) secrets: Vec<String>,
    /// Hosts, or `host:port`, that tcp and http checks may ask.
    pub(crate) check_hosts: Vec<String>,
    /// Scripts by path and digest.
    pub(crate) scripts: Vec<Script>,
    /// Folders from which PostgreSQL's programs may be taken besides the distribution's.
    pub(crate) programs: Vec<PathBuf>,
    /// Leased sources whose primary on another host may ask this one for more time.
    pub(crate) extends: Vec<String>,
}

/// One thing that is not allowed, and the line that would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Denied {
    code: &'static str,
    what: String,
    line: String,
}

impl Policy {
    /// Reads and checks the policy file. Says every error at once; see [`PolicyError`].
    pub fn load(path: &Path) -> Result<Policy, PolicyError> {
        file::load(path)
    }

    /// May this source be asked how it is? Judged like work: an assignment is no way around the policy.
    pub fn permits_source(&self, source: &SourceSpec) -> Result<(), Problem> {
        let mut denied = Vec::new();
        self.judge_source(source, &mut denied);
        self.verdict(&denied)
    }

    /// Is this work allowed? The problem (LB2180 to LB2188) names everything that is not, and the lines to add.
    pub fn permits(&self, work: &Work) -> Result<(), Problem> {
        let mut denied = Vec::new();
        self.judge(work, &mut denied);
        self.verdict(&denied)
    }

    fn verdict(&self, denied: &[Denied]) -> Result<(), Problem> {
        let Some(first) = denied.first() else { return Ok(()) };
        let whats: Vec<&str> = denied.iter().map(|one| one.what.as_str()).collect();
        let lines: Vec<&str> = denied.iter().map(|one| one.line.as_str()).collect();
        let file = if self.path.as_os_str().is_empty() {
            "the policy file".into()
        } else {
            self.path.display().to_string()
        };
        Err(Problem::new(
            first.code,
            format!("the policy of this host does not allow {}", whats.join("; nor ")),
            format!("If it is wanted, let root add to {file} on this host: {}", lines.join(" ; ")),
        ))
    }

    /// May the primary of this source, on another host, ask here for more time?
    pub fn permits_extension(&self, source: &Name) -> Result<(), Problem> {
        if self.extends.iter().any(|name| name == source.as_str()) {
            return Ok(());
        }
        self.verdict(&[Denied {
            code: "LB2467",
            what: format!("extensions of the lease of {source}"),
            line: format!("extends: [{source}]"),
        }])
    }

    /// The digest that the policy lists for a script.
    pub fn script(&self, path: &Path) -> Option<&Script> {
        self.scripts.iter().find(|script| script.path == path)
    }

    /// The folders in which copies of a source of files may be made.
    pub fn copy_folders(&self, source: &SourceSpec) -> Vec<&Path> {
        let rules = self
            .sources
            .iter()
            .filter(|rule| rule.name == source.name.as_str() && rule.kind == source.kind.as_str());
        rules.flat_map(|rule| &rule.into).map(Path::new).collect()
    }

    /// The data folder of a source's server.
    pub fn data_folder(&self, source: &SourceSpec) -> Option<&Path> {
        self.sources.iter().find(|rule| rule.name == source.name.as_str())?.data.as_deref()
    }

    fn judge(&self, work: &Work, denied: &mut Vec<Denied>) {
        if !self.jobs.contains(work.kind()) {
            denied.push(Denied {
                code: "LB2180",
                what: format!("jobs of kind {}", work.kind()),
                line: format!("jobs: [{}]", work.kind()),
            });
        }
        match work {
            Work::Backup(work) => {
                self.judge_source(&work.source, denied);
                self.judge_repository(&work.repository, denied);
            }
            Work::Restore(work) => {
                self.judge_source(&work.source, denied);
                self.judge_target(&work.source, &work.into, denied);
                self.judge_repository(&work.repository, denied);
            }
            Work::Prove(work) => {
                self.judge_source(&work.source, denied);
                self.judge_repository(&work.repository, denied);
                for check in &work.checks {
                    self.judge_check(check, denied);
                }
            }
            Work::Retain(work) => {
                self.judge_source(&work.source, denied);
                self.judge_repository(&work.repository, denied);
            }
            Work::Swap(work) => {
                self.judge_source(&work.source, denied);
                self.judge_target(&work.source, &work.copy, denied);
            }
            Work::Check(work) => self.judge_check(&work.check, denied),
            Work::Service(work) => self.judge_service(&work.service, denied),
            Work::Promote(work) => self.judge_source(&work.source, denied),
            Work::Fence(work) => self.judge_fence(&work.source, denied),
            Work::Rejoin(work) => {
                self.judge_fence(&work.source, denied);
                self.judge_follow(&work.source, &work.others, denied);
                if self.data_folder(&work.source).is_none() {
                    denied.push(source_denied(&work.source, "data: (the server's data folder)"));
                }
            }
            Work::Unfence(work) => {
                self.judge_fence(&work.source, denied);
                self.judge_follow(&work.source, &work.others, denied);
            }
            Work::Command(work) => self.judge_script(&work.script, work.sha256.as_deref(), denied),
        }
    }

    fn judge_source(&self, source: &SourceSpec, denied: &mut Vec<Denied>) {
        let kind = source.kind.as_str();
        let rule = self.sources.iter().find(|rule| rule.name == source.name.as_str() && rule.kind == kind);
        let own = SourceRule::default();
        let found = rule.unwrap_or(&own);
        match &source.kind {
            SourceKind::Postgres(spec) => self.judge_postgres(source, spec, found, denied),
            SourceKind::Files(spec) => {
                let outside: Vec<String> = spec
                    .paths
                    .iter()
                    .filter(|path| !found.paths.iter().any(|root| under(path, root)))
                    .map(|path| path.display().to_string())
                    .collect();
                if rule.is_none() || !outside.is_empty() {
                    denied.push(source_denied(source, &format!("paths: [{}]", outside.join(", "))));
                }
            }
        }
    }

    fn judge_postgres(
        &self,
        source: &SourceSpec,
        spec: &PostgresSpec,
        rule: &SourceRule,
        denied: &mut Vec<Denied>,
    ) {
        if !rule.databases.contains(&spec.database) {
            denied.push(source_denied(source, &format!("databases: [{}]", spec.database)));
        }
        let server = format!("{}:{}", spec.address, spec.port);
        let listed = rule.servers.iter().any(|one| *one == server || *one == spec.address);
        let own = rule.servers.is_empty() && is_local(&spec.address);
        if !listed && !own {
            denied.push(source_denied(source, &format!("servers: [\"{server}\"]")));
        }
        if let Some(password) = &spec.password {
            self.judge_secret(password, denied);
        }
        if let Some(programs) = &spec.programs {
            let distribution = Path::new(POSTGRES_PROGRAMS);
            if !under(programs, distribution) && !self.programs.contains(programs) {
                denied.push(Denied {
                    code: "LB2187",
                    what: format!("programs from {}", programs.display()),
                    line: format!("programs: [{}]", programs.display()),
                });
            }
        }
    }

    /// A copy may only be made, or put in place, under a name that belongs to the source.
    fn judge_target(&self, source: &SourceSpec, target: &str, denied: &mut Vec<Denied>) {
        let rule = self.sources.iter().find(|rule| rule.name == source.name.as_str());
        let allowed = match (&source.kind, rule) {
            (SourceKind::Postgres(spec), Some(rule)) => {
                let own = target.strip_prefix(&spec.database).is_some_and(|rest| rest.starts_with('_'));
                own || rule.into.iter().any(|prefix| target.starts_with(prefix.as_str()))
            }
            (SourceKind::Files(_), Some(rule)) => {
                rule.into.iter().any(|root| under(Path::new(target), Path::new(root)))
            }
            (_, None) => false,
        };
        if !allowed {
            denied.push(source_denied(source, &format!("into: [{target}]")));
        }
    }

    fn judge_fence(&self, source: &SourceSpec, denied: &mut Vec<Denied>) {
        self.judge_source(source, denied);
        if let SourceKind::Postgres(PostgresSpec { server: Some(server), .. }) = &source.kind {
            self.judge_service(server, denied);
        }
    }

    /// Other members get this host's password, and what they send becomes its data.
    fn judge_follow(&self, source: &SourceSpec, others: &[Peer], denied: &mut Vec<Denied>) {
        let rule = self.sources.iter().find(|rule| rule.name == source.name.as_str());
        let listed = |peer: &&Peer| {
            let place = format!("{}:{}", peer.address, peer.port);
            rule.is_some_and(|rule| rule.follows.iter().any(|one| *one == place || *one == peer.address))
        };
        let unlisted: Vec<String> = others
            .iter()
            .filter(|peer| !listed(peer))
            .map(|peer| format!("\"{}:{}\"", peer.address, peer.port))
            .collect();
        if !unlisted.is_empty() {
            denied.push(source_denied(source, &format!("follows: [{}]", unlisted.join(", "))));
        }
        if let SourceKind::Postgres(PostgresSpec { follow, .. }) = &source.kind
            && let Some(password) = &follow.password
        {
            self.judge_secret(password, denied);
        }
    }

    fn judge_repository(&self, repository: &RepositorySpec, denied: &mut Vec<Denied>) {
        let listed = self.repositories.iter().any(|prefix| {
            if repository.at.contains("://") {
                let rest = repository.at.strip_prefix(prefix.trim_end_matches('/'));
                let climbs = repository.at.split('/').any(|part| part == "..");
                !climbs && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            } else {
                under(Path::new(&repository.at), Path::new(prefix))
            }
        });
        if !listed {
            denied.push(Denied {
                code: "LB2183",
                what: format!("the repository at {}", repository.at),
                line: format!("repositories: [\"{}\"]", repository.at),
            });
        }
        // The location is only a name within its server: another endpoint is another place.
        let other = repository.endpoint.as_ref().filter(|endpoint| !self.endpoints.contains(endpoint));
        if let Some(endpoint) = other {
            denied.push(Denied {
                code: "LB2183",
                what: format!("repositories at the S3 server {endpoint}"),
                line: format!("endpoints: [\"{endpoint}\"]"),
            });
        }
        self.judge_secret(&repository.password, denied);
        if let Some(credentials) = &repository.credentials {
            self.judge_secret(credentials, denied);
        }
    }

    fn judge_secret(&self, secret: &SecretRef, denied: &mut Vec<Denied>) {
        let (allowed, line) = match secret {
            SecretRef::File(path) => (
                self.secrets.iter().any(|root| root.starts_with('/') && under(path, Path::new(root))),
                path.display().to_string(),
            ),
            SecretRef::Env(name) => {
                (self.secrets.iter().any(|one| one.strip_prefix("env:") == Some(name)), format!("env:{name}"))
            }
        };
        if !allowed {
            denied.push(Denied {
                code: "LB2186",
                what: format!("the secret in {secret}"),
                line: format!("secrets: [\"{line}\"]"),
            });
        }
    }

    fn judge_service(&self, service: &ServiceSpec, denied: &mut Vec<Denied>) {
        let rule = self.services.iter().find(|rule| rule.name == service.name.as_str());
        let mut deny = |what: String, line: String| denied.push(Denied { code: "LB2181", what, line });
        let name = &service.name;
        match &service.manager {
            Manager::Systemd { unit } => {
                if rule.and_then(|rule| rule.systemd.as_ref()) != Some(unit) {
                    deny(
                        format!("service {name} as unit {unit}"),
                        format!("services: [{{ name: {name}, systemd: {unit} }}]"),
                    );
                }
            }
            Manager::Container { container } => {
                if rule.and_then(|rule| rule.container.as_ref()) != Some(container) {
                    deny(
                        format!("service {name} as container {container}"),
                        format!("services: [{{ name: {name}, container: {container} }}]"),
                    );
                }
            }
            Manager::Process(process) => {
                if let Some((what, line)) = process_denied(name.as_str(), process, rule) {
                    deny(what, line);
                }
            }
        }
    }

    fn judge_check(&self, check: &CheckSpec, denied: &mut Vec<Denied>) {
        match &check.question {
            Question::Tcp { address } => self.judge_host(address, denied),
            Question::Http { url, .. } => match url_host(url) {
                Some(host) => self.judge_host(&host, denied),
                None => self.judge_host(url, denied),
            },
            Question::Sql { source, .. } => self.judge_source(source, denied),
            Question::Command { script, sha256, .. } => {
                self.judge_script(script, sha256.as_deref(), denied);
            }
            // Free space of a path is no secret, and asking changes nothing.
            Question::Disk { .. } => {}
        }
    }

    fn judge_host(&self, address: &str, denied: &mut Vec<Denied>) {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        if !self.check_hosts.iter().any(|one| one == address || one == host) {
            denied.push(Denied {
                code: "LB2184",
                what: format!("checks of {address}"),
                line: format!("check-hosts: [\"{address}\"]"),
            });
        }
    }

    /// A script must be listed, and with the digest that the plan means, where it says one.
    fn judge_script(&self, script: &Path, meant: Option<&str>, denied: &mut Vec<Denied>) {
        let path = script.display();
        match (self.script(script), meant) {
            (None, _) => denied.push(Denied {
                code: "LB2185",
                what: format!("the script {path}"),
                line: format!("scripts: [{{ path: {path}, sha256: (what `sha256sum {path}` prints) }}]"),
            }),
            (Some(listed), Some(meant)) if !listed.sha256.eq_ignore_ascii_case(meant) => {
                denied.push(Denied {
                    code: "LB2185",
                    what: format!(
                        "the script {path} with the SHA-256 {meant}: the policy lists another content"
                    ),
                    line: format!("scripts: [{{ path: {path}, sha256: {meant} }}]"),
                })
            }
            (Some(_), _) => {}
        }
    }
}

fn source_denied(source: &SourceSpec, lacks: &str) -> Denied {
    let kind = source.kind.as_str();
    let name = &source.name;
    Denied {
        code: "LB2182",
        what: format!("source {name} of kind {kind} with {lacks}"),
        line: format!("sources: [{{ name: {name}, kind: {kind}, {lacks} }}]"),
    }
}

/// Judges what a process would run, as whom, and with which environment.
fn process_denied(name: &str, spec: &ProcessSpec, rule: Option<&ServiceRule>) -> Option<(String, String)> {
    let program = spec.argv.first().map_or("", String::as_str);
    let line = |more: &str| Some(format!("services: [{{ name: {name}, process: {program}{more} }}]"));
    let no = |what: String, line: Option<String>| line.map(|line| (what, line));
    let Some(rule) = rule.filter(|rule| rule.process.as_deref() == Some(Path::new(program))) else {
        return no(format!("service {name} as process {program}"), line(""));
    };
    if let Some(args) = &rule.args
        && args.as_slice() != spec.argv.get(1..).unwrap_or_default()
    {
        return no(format!("service {name} with the arguments {:?}", &spec.argv[1..]), line(", args: […]"));
    }
    if let Some(user) = &spec.user
        && rule.user.as_ref() != Some(user)
    {
        return no(format!("service {name} as user {user}"), line(&format!(", user: {user}")));
    }
    if spec.user.is_none() && rule.user.is_some() {
        return no(format!("service {name} as the agent's own user"), line(" (without `user`)"));
    }
    let unlisted: Vec<&str> =
        spec.environment.keys().filter(|key| !rule.environment.contains(key)).map(String::as_str).collect();
    if !unlisted.is_empty() {
        let keys = unlisted.join(", ");
        return no(
            format!("service {name} with the environment {keys}"),
            line(&format!(", environment: [{keys}]")),
        );
    }
    None
}

#[cfg(test)]
mod tests;
