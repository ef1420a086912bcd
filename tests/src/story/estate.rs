//! The estate of the story as a folder of YAML, and the policies of its two hosts: what a team would
//! keep in git, with the addresses, ports and paths of this machine filled in.

use std::{net::SocketAddr, path::PathBuf};

use crate::{Failure, scratch::Scratch};

/// The source's name, its database and the service that runs it.
pub const SOURCE: &str = "app-db";
/// The database that the app writes to.
pub const DATABASE: &str = "app";
/// The zone that BIND serves.
pub const ZONE: &str = "demo.test";
/// The app's name in it.
pub const NAME: &str = "app.demo.test";

/// One region of the story: one host with a database server and an app.
#[derive(Debug, Clone)]
pub struct Region {
    /// `east` or `west`.
    pub name: String,
    /// Where its PostgreSQL listens.
    pub database: SocketAddr,
    /// Where its app listens.
    pub app: SocketAddr,
    /// The command line of its PostgreSQL.
    pub database_argv: Vec<String>,
    /// The user that PostgreSQL runs as, when not ourselves.
    pub database_user: Option<String>,
    /// The command line of its app.
    pub app_argv: Vec<String>,
}

impl Region {
    /// The name of its host.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}-1", self.name)
    }
}

/// All that the estate names.
#[derive(Debug, Clone)]
pub struct Estate {
    /// The region that is lost.
    pub east: Region,
    /// The region that takes over.
    pub west: Region,
    /// The controller.
    pub controller: SocketAddr,
    /// The authoritative name server.
    pub dns: SocketAddr,
    /// Its TSIG key file.
    pub dns_key: PathBuf,
    /// The webhook.
    pub webhook: String,
    /// The repository: a folder, or `s3://…`.
    pub repository: String,
    /// The file with its password.
    pub password: PathBuf,
}

impl Estate {
    /// Writes the estate and its plans to a folder of the scratch and gives its path.
    ///
    /// # Errors
    /// [`Failure::Io`] when it cannot be written.
    pub fn write(&self, scratch: &Scratch) -> Result<PathBuf, Failure> {
        let folder = scratch.folder("estate")?;
        scratch.write("estate/estate.yaml", &self.text())?;
        scratch.write("estate/bring-up.yaml", BRING_UP)?;
        scratch.write("estate/region-failover.yaml", REGION_FAILOVER)?;
        scratch.write("estate/region-return.yaml", REGION_RETURN)?;
        Ok(folder)
    }

    /// The estate's text.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { east, west, controller, dns, webhook, repository, .. } = self;
        let (dns_key, password) = (self.dns_key.display(), self.password.display());
        let service = |region: &Region, argv: &[String], user: Option<&str>| {
            let user = user.map(|user| format!(", user: {user}")).unwrap_or_default();
            format!("{}: {{ run: {}{user}, stop-signal: INT }}", region.host(), flow(argv))
        };
        let database =
            |region: &Region| service(region, &region.database_argv, region.database_user.as_deref());
        let app = |region: &Region| service(region, &region.app_argv, None);
        let member = |region: &Region| {
            format!(
                "{}: {{ address: {}, port: {} }}",
                region.host(),
                region.database.ip(),
                region.database.port()
            )
        };
        let health = |region: &Region| format!("{}: \"http://{}/health\"", region.host(), region.app);
        format!(
            "# Two regions, one database with a synchronous standby, one app.
regions: {{ east: {{}}, west: {{}} }}
hosts:
  {east_host}: {{ region: east }}
  {west_host}: {{ region: west }}
controllers:
  main: {{ region: west, at: \"{controller}\" }}

services:
  postgres:
    kind: process
    hosts:
      {}
      {}
  app:
    kind: process
    needs: [{SOURCE}]
    hosts:
      {}
      {}

sources:
  {SOURCE}:
    kind: postgres
    database: {DATABASE}
    user: postgres
    server: postgres
    writers: [app]
    objectives: {{ rto: 2h }}
    members:
      {}
      {}

checks:
  app-health:
    of: app
    monitor: false      # the app runs in one region at a time: asked by plans, not all the time
    within: 5s
    http:
      status: 200
      urls:
        {}
        {}
  rows-present: {{ of: {SOURCE}, every: 2s, sql: select count(*) from writes, at-least: 1 }}

repositories:
  # For S3 change this line: at: s3://bucket/prefix
  local: {{ at: \"{repository}\", region: west, password: {{ file: \"{password}\" }} }}

dns:
  demo-zone: {{ kind: rfc2136, zone: {ZONE}, servers: [\"{dns}\"], key: {{ file: \"{dns_key}\" }} }}
records:
  app: {{ name: {NAME}, in: demo-zone, ttl: 1s, values: {{ east: [{}], west: [{}] }} }}

channels:
  ops: {{ kind: webhook, url: \"{webhook}\" }}
roles:
  incident-commander: {{ primary: admin, backup: second }}
",
            database(east),
            database(west),
            app(east),
            app(west),
            member(east),
            member(west),
            health(east),
            health(west),
            east.app.ip(),
            west.app.ip(),
            east_host = east.host(),
            west_host = west.host(),
        )
    }

    /// What the host of `region` may ever be asked: exactly what the story needs.
    #[must_use]
    pub fn policy(&self, region: &Region) -> String {
        let rule = |name: &str, argv: &[String], user: Option<&str>| {
            let (program, arguments) =
                argv.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
            let user = user.map(|user| format!(", user: {user}")).unwrap_or_default();
            format!("  - {{ name: {name}, process: \"{program}\", args: {}{user} }}\n", flow(arguments))
        };
        format!(
            "# Everything that is not listed is refused.
version: 1
jobs: [backup, restore, prove, retain, check, service, promote, fence]
services:
{postgres}{app}sources:
  - {{ name: {SOURCE}, kind: postgres, databases: [{DATABASE}] }}
repositories: [\"{repository}\"]
secrets: [\"{password}\"]
check-hosts: [\"{health}\"]
",
            postgres = rule("postgres", &region.database_argv, region.database_user.as_deref()),
            app = rule("app", &region.app_argv, None),
            repository = self.repository,
            password = self.password.display(),
            health = region.app,
        )
    }
}

/// A list of words in YAML's flow form, each quoted.
fn flow(words: &[String]) -> String {
    let quoted: Vec<String> =
        words.iter().map(|word| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("[{}]", quoted.join(", "))
}

/// Starts the primary, its standby, and the app where the primary is.
const BRING_UP: &str = "\
plan: bring-up
title: Start the databases and the app of east
steps:
  primary: { start: { services: [postgres], region: east } }
  standby: { after: primary, start: { services: [postgres], region: west } }
  app:     { after: standby, start: { services: [app], region: east } }
  verify:  { after: app, check: { region: east, checks: [app-health], retries: 40, pause: 250ms } }
";

/// The failover itself.
const REGION_FAILOVER: &str = include_str!("../../../deploy/examples/region-failover/region-failover.yaml");

/// The way back.
const REGION_RETURN: &str = include_str!("../../../deploy/examples/region-failover/region-return.yaml");
