//! The stage of the story: two regions on loopback addresses, a name server, a webhook, a controller
//! and two agents. Everything is real and runs as its own process, apart from the webhook's receiver.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::estate::{DATABASE, Estate, NAME, Region, ZONE};
use crate::{
    Failure, app,
    bind::{Bind, Host},
    client::{Client, Target},
    ports,
    postgres::Postgres,
    programs::{Agent, Cli, Controller, program},
    scratch::Scratch,
    webhook::Webhook,
};

/// The password of the repository: a demo's.
const PASSWORD: &str = "a-password-of-the-demo\n";

/// Everything that stands on the stage. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct World {
    /// The command line of the operator.
    pub cli: Cli,
    /// The second person of the estate, at a machine of their own.
    pub second: Cli,
    /// The agent of the region that is lost.
    pub east: Agent,
    /// The agent of the region that takes over.
    pub west: Agent,
    /// The controller, in west.
    pub controller: Controller,
    /// The primary, in east; its process is the agent's.
    pub primary: Postgres,
    /// The synchronous standby, in west; its process is the agent's.
    pub standby: Postgres,
    /// The authoritative name server.
    pub bind: Bind,
    /// Where people are told.
    pub webhook: Webhook,
    /// What is declared.
    pub estate: Estate,
    /// The folder that holds it.
    pub folder: PathBuf,
    /// Where everything lies. Last: removed after all others have stopped.
    pub scratch: Scratch,
}

/// Addresses of the story.
fn at(net: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, net, 0, host)
}

impl World {
    /// Builds it: servers are prepared, the name server and the webhook run, the rest is started by
    /// the story.
    ///
    /// # Errors
    /// [`Failure`] when a package is missing or a server does not come up.
    pub async fn build() -> Result<Self, Failure> {
        let scratch = Scratch::new("story")?;
        let database = |net| -> Result<SocketAddr, Failure> {
            let address = IpAddr::V4(at(net, 10));
            Ok((address, ports::free(address)?).into())
        };
        let (primary, standby) = databases(&scratch, database(1)?, database(2)?).await?;
        // The client has one port for both regions: only the address moves.
        let port = ports::free_on_all(&[at(1, 20).into(), at(2, 20).into()])?;
        let dns = at(2, 53);
        let dns = SocketAddr::from((dns, ports::free(Ipv4Addr::LOCALHOST.into())?));
        let name = NAME.trim_end_matches(ZONE).trim_end_matches('.').to_owned();
        let records = [Host { name, address: at(1, 20), ttl: 1 }];
        let bind = Bind::primary(&scratch, ZONE, dns, &records, &[]).await?;
        let hook = IpAddr::V4(at(2, 30));
        let webhook = Webhook::start((hook, ports::free(hook)?).into()).await?;
        let control = IpAddr::V4(at(2, 5));
        let controller_at = SocketAddr::from((control, ports::free(control)?));
        let estate = Estate {
            east: region("east", &primary, (at(1, 20), port).into())?,
            west: region("west", &standby, (at(2, 20), port).into())?,
            controller: controller_at,
            dns: bind.address(),
            dns_key: bind.key_file().to_path_buf(),
            webhook: webhook.url(),
            repository: scratch.folder("repository")?.join("backups").display().to_string(),
            password: scratch.write_secret("repository-password", PASSWORD)?,
        };
        let folder = estate.write(&scratch)?;
        let controller = Controller::prepare(&scratch, controller_at, "")?;
        let agent = |region: &Region| {
            Agent::prepare(&scratch, &region.host(), controller_at, &estate.policy(region), "")
        };
        let (east, west) = (agent(&estate.east)?, agent(&estate.west)?);
        let (cli, second) = (Cli::new(&scratch, "operator")?, Cli::new(&scratch, "second")?);
        Ok(Self {
            cli,
            second,
            east,
            west,
            controller,
            primary,
            standby,
            bind,
            webhook,
            estate,
            folder,
            scratch,
        })
    }

    /// A client that begins to write through whatever the name server says.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be made.
    pub fn client(&self) -> Result<Client, Failure> {
        Client::start(Target {
            server: self.bind.address(),
            name: NAME.to_owned(),
            port: self.estate.east.app.port(),
            client: "customer".to_owned(),
        })
    }
}

/// A primary with its synchronous standby and the app's table, both stopped again: the agents run them.
async fn databases(
    scratch: &Scratch,
    east: SocketAddr,
    west: SocketAddr,
) -> Result<(Postgres, Postgres), Failure> {
    let (mut primary, mut standby) = Postgres::pair(scratch, east, west).await?;
    primary.execute(&format!("create database {DATABASE}")).await?;
    primary.execute_in(DATABASE, app::SCHEMA).await?;
    standby.stop().await;
    primary.stop().await;
    Ok((primary, standby))
}

fn region(name: &str, server: &Postgres, app: SocketAddr) -> Result<Region, Failure> {
    let program = program("demo-app")?.display().to_string();
    let words = ["--listen", &app.to_string(), "--database", &server.url(DATABASE), "--region", name];
    Ok(Region {
        name: name.to_owned(),
        database: server.address(),
        app,
        database_argv: server.plain_argv()?,
        database_user: server.account().map(|account| account.name.clone()),
        app_argv: std::iter::once(program).chain(words.map(str::to_owned)).collect(),
    })
}
