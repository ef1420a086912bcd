//! A real BIND, authoritative for one zone that may be changed with a TSIG key; optionally with a
//! secondary that follows it by NOTIFY and zone transfer.
//!
//! BIND listens only on addresses that an interface has by name: `127.2.0.53` works for other
//! servers because all of 127/8 is local, but BIND needs it added to `lo`. [`Loopback`] does that
//! when we are root and takes it away again; without root use 127.0.0.1 and several ports.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::Engine;
use rustix::process::Signal;

use crate::{
    Failure,
    polling::until,
    process::{Process, Spec},
    resolve,
    scratch::Scratch,
};

/// The name of the TSIG key; its algorithm is HMAC-SHA256.
pub const KEY_NAME: &str = "lifeboat";
/// The bound of starting a server or following a change.
const SETUP: Duration = Duration::from_secs(20);
/// How long a server may take to stop in good order.
const GRACE: Duration = Duration::from_secs(5);
/// Where Debian keeps the server; its folder is not in every user's PATH.
const NAMED: [&str; 2] = ["/usr/sbin/named", "/usr/local/sbin/named"];

/// A further address of the loopback interface, taken away when dropped.
#[derive(Debug)]
pub struct Loopback {
    address: Ipv4Addr,
    added: bool,
}

impl Loopback {
    /// Gives `lo` the address. Nothing is done for 127.0.0.1; an address that is there already
    /// (another test's) stays there afterwards.
    ///
    /// # Errors
    /// [`Failure`] when we may not, or `ip` is not installed.
    pub async fn add(address: Ipv4Addr, log: PathBuf) -> Result<Self, Failure> {
        if address == Ipv4Addr::LOCALHOST || has(address) {
            return Ok(Self { address, added: false });
        }
        let argv = ["ip", "address", "add", &format!("{address}/32"), "dev", "lo"];
        let added = Spec::new("ip address add", log, argv).run(GRACE).await;
        match added {
            Ok(()) => Ok(Self { address, added: true }),
            // Somebody else was faster.
            Err(_) if has(address) => Ok(Self { address, added: false }),
            Err(failure) => Err(failure),
        }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        if self.added {
            let address = format!("{}/32", self.address);
            // It is gone already when somebody else took it away.
            let _ = std::process::Command::new("ip").args(["address", "del", &address, "dev", "lo"]).output();
        }
    }
}

/// Whether an interface carries this very address (and not only its network).
fn has(address: Ipv4Addr) -> bool {
    let listed = std::process::Command::new("ip").args(["-4", "-o", "address", "show", "dev", "lo"]).output();
    let wanted = format!(" {address}/");
    listed.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&wanted))
}

/// A name server, started and stopped here.
#[derive(Debug)]
pub struct Bind {
    name: String,
    address: SocketAddr,
    zone: String,
    settings: PathBuf,
    key: PathBuf,
    log: PathBuf,
    process: Option<Process>,
    loopback: Option<Loopback>,
}

/// One A record of the zone at its beginning.
#[derive(Debug, Clone)]
pub struct Host {
    /// The name below the zone, as `app`.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Time to live, in seconds.
    pub ttl: u32,
}

impl Bind {
    /// Prepares a primary for `zone` on `address` with these records, and starts it. `secondaries`
    /// are told of each change and may copy the zone.
    ///
    /// # Errors
    /// [`Failure`] when BIND is not installed or does not come up.
    pub async fn primary(
        scratch: &Scratch,
        zone: &str,
        address: SocketAddr,
        hosts: &[Host],
        secondaries: &[SocketAddr],
    ) -> Result<Self, Failure> {
        let (secret, key) = new_key(scratch)?;
        let folder = scratch.folder("bind-primary")?;
        let zone_file = folder.join("zone.db");
        let told: String = secondaries.iter().map(|at| format!("{} port {}; ", at.ip(), at.port())).collect();
        let stanza = format!(
            "zone \"{zone}\" {{ type primary; file \"{file}\"; allow-update {{ key {KEY_NAME}; }};
  allow-transfer {{ 127.0.0.0/8; }}; notify explicit; also-notify {{ {told}}}; }};\n",
            file = zone_file.display(),
        );
        std::fs::write(&zone_file, zone_text(zone, hosts)).map_err(Failure::io("write the zone"))?;
        let settings = settings(&folder, address, &secret, &stanza);
        let mut server = Self::describe(scratch, "primary", zone, address, &settings, key)?;
        server.start().await?;
        Ok(server)
    }

    /// Prepares a secondary of `primary` on `address`, starts it and waits until it has the zone.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up or gets no zone.
    pub async fn secondary(scratch: &Scratch, primary: &Self, address: SocketAddr) -> Result<Self, Failure> {
        let folder = scratch.folder("bind-secondary")?;
        let secret = std::fs::read_to_string(&primary.key).map_err(Failure::io("read the TSIG key"))?;
        let stanza = format!(
            "zone \"{zone}\" {{ type secondary; file \"{file}\"; primaries {{ {ip} port {port}; }};
  allow-notify {{ 127.0.0.0/8; }}; }};\n",
            zone = primary.zone,
            file = folder.join("zone.db").display(),
            ip = primary.address.ip(),
            port = primary.address.port(),
        );
        let settings = settings(&folder, address, &secret, &stanza);
        let mut server =
            Self::describe(scratch, "secondary", &primary.zone, address, &settings, primary.key.clone())?;
        server.start().await?;
        Ok(server)
    }

    fn describe(
        scratch: &Scratch,
        name: &str,
        zone: &str,
        address: SocketAddr,
        settings: &str,
        key: PathBuf,
    ) -> Result<Self, Failure> {
        Ok(Self {
            name: name.to_owned(),
            address,
            zone: zone.to_owned(),
            settings: scratch.write_secret(&format!("bind-{name}/named.conf"), settings)?,
            key,
            log: scratch.log(&format!("bind-{name}")),
            process: None,
            loopback: None,
        })
    }

    /// Starts it (again) and waits until it answers for its zone.
    ///
    /// # Errors
    /// [`Failure`] with its log when it does not come up.
    pub async fn start(&mut self) -> Result<(), Failure> {
        if let (IpAddr::V4(address), None) = (self.address.ip(), &self.loopback) {
            self.loopback = Some(Loopback::add(address, self.log.clone()).await?);
        }
        let program = NAMED.iter().find(|path| Path::new(path).exists());
        let program = program.ok_or_else(|| Failure::Missing { program: "BIND's named".to_owned() })?;
        let settings = self.settings.display().to_string();
        let argv = [*program, "-g", "-n", "1", "-c", &settings];
        let mut process = Spec::new(&format!("named {}", self.name), self.log.clone(), argv).start()?;
        let answer = until("an answer of BIND", SETUP, || async {
            let texts = resolve::addresses(self.address, &format!("ns.{}", self.zone)).await;
            texts.map_err(|failure| failure.chain())
        })
        .await;
        process.alive()?;
        self.process = Some(process);
        answer.map(drop)
    }

    /// Stops it; its zone and journal stay for the next start.
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::TERM, GRACE).await;
        }
    }

    /// Freezes it: it holds its ports and answers nothing, until [`Bind::thaw`].
    pub fn freeze(&self) {
        if let Some(process) = &self.process {
            process.freeze();
        }
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        if let Some(process) = &self.process {
            process.thaw();
        }
    }

    /// Where it answers, over UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its zone, without a final dot.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The TSIG key file, in the `key "name" { algorithm …; secret …; };` form that
    /// `tsig-keygen` writes.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key
    }

    /// The addresses it gives for a name right now.
    ///
    /// # Errors
    /// [`Failure::Resolve`].
    pub async fn addresses(&self, name: &str) -> Result<Vec<Ipv4Addr>, Failure> {
        resolve::addresses(self.address, name).await.map(|answer| answer.addresses)
    }
}

/// A fresh TSIG secret: its clause for named.conf and the key file that clients read.
fn new_key(scratch: &Scratch) -> Result<(String, PathBuf), Failure> {
    let bytes: [u8; 32] = rand::random();
    let secret = base64::engine::general_purpose::STANDARD.encode(bytes);
    let clause = format!("key \"{KEY_NAME}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n");
    let file = scratch.write_secret("tsig.key", &clause)?;
    Ok((clause, file))
}

fn settings(folder: &Path, address: SocketAddr, key: &str, zone: &str) -> String {
    let (ip, port, folder) = (address.ip(), address.port(), folder.display());
    format!(
        "{key}options {{
  directory \"{folder}\"; pid-file none; session-keyfile none; lock-file none;
  listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};
  query-source address {ip}; notify-source {ip}; transfer-source {ip};
  recursion no; dnssec-validation no; allow-query {{ 127.0.0.0/8; }}; minimal-responses yes;
  notify-delay 0; serial-query-rate 1000; min-refresh-time 1; min-retry-time 1;
}};
controls {{}};
{zone}"
    )
}

fn zone_text(zone: &str, hosts: &[Host]) -> String {
    let mut text = format!(
        "$ORIGIN {zone}.\n$TTL 5\n@ IN SOA ns hostmaster 1 2 1 3600 1\n@ IN NS ns\nns IN A 127.0.0.1\n"
    );
    for host in hosts {
        text.push_str(&format!("{} {} IN A {}\n", host.name, host.ttl, host.address));
    }
    text
}
