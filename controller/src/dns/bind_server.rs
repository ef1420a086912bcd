//! Real BIND for tests: a primary and a secondary on free ports of the loopback address, one zone.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Bounds, Zone, open_with};
use model::nouns::ZoneSpec;
use model::{Name, SecretRef};
use runtime::Backoff;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The zone that both serve.
pub const ZONE: &str = "example.test";
/// Secret of the key that may update.
pub const SECRET: &str = "bGlmZWJvYXQtdGVzdC1zZWNyZXQtMTIzNDU2Nzg5MA==";
/// Secret of a key that the servers know but that may not update.
pub const READER_SECRET: &str = "cmVhZGVyLXNlY3JldC1yZWFkZXItc2VjcmV0LTEyMzQ=";

const START_BOUND: Duration = Duration::from_secs(20);

/// Time-outs short enough for tests that wait for them.
pub const QUICK: Bounds = Bounds {
    exchange: Duration::from_millis(500),
    retries: Backoff {
        first: Duration::from_millis(50),
        longest: Duration::from_millis(100),
        tries: Some(2),
    },
    verify: Duration::from_secs(10),
};

/// A key file in BIND's form.
pub fn key_file(name: &str, secret: &str) -> String {
    key_file_of("hmac-sha256", name, secret)
}

/// The same with another algorithm.
pub fn key_file_of(algorithm: &str, name: &str, secret: &str) -> String {
    format!("key \"{name}\" {{\n\talgorithm {algorithm};\n\tsecret \"{secret}\";\n}};\n")
}

/// One `named`, stopped when dropped.
pub struct Bind {
    conf: PathBuf,
    pub port: u16,
    child: Option<Child>,
}

impl Bind {
    fn new(folder: &Path, port: u16, options: &str, zone: &str) -> Self {
        let directory = folder.display();
        let (key, reader) = (key_file("lifeboat", SECRET), key_file("reader", READER_SECRET));
        let strong = key_file_of("hmac-sha512", "strong", SECRET);
        let conf = format!(
            "{key}{reader}{strong}options {{ directory \"{directory}\"; pid-file none; lock-file none; \
             session-keyfile \"{directory}/session.key\"; listen-on port {port} {{ 127.0.0.1; }}; \
             listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify-delay 0; serial-query-rate 1000; \
             allow-transfer {{ key lifeboat; }}; notify explicit; {options} }};\n\
             controls {{ }};\nzone \"{ZONE}\" {{ {zone} }};\n"
        );
        let path = folder.join("named.conf");
        fs::write(&path, conf).unwrap();
        Self { conf: path, port, child: None }
    }

    /// Starts it and waits until it answers for the zone.
    pub fn start(&mut self) {
        let log = fs::File::create(self.conf.with_extension("log")).unwrap();
        let mut command = Command::new("named");
        command.args(["-g", "-n", "1", "-c"]).arg(&self.conf).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("named is installed (package bind9)"));
        let start = Instant::now();
        while self.dig(ZONE, "SOA").is_empty() {
            if start.elapsed() > START_BOUND {
                let log = fs::read_to_string(self.conf.with_extension("log")).unwrap_or_default();
                panic!("named did not start:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Stops it at once.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends `STOP` (it hangs) or `CONT` (it goes on).
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// What `dig` reads here, one record a line.
    pub fn dig(&self, name: &str, kind: &str) -> String {
        let port = self.port.to_string();
        let dig = Command::new("dig")
            .args(["+short", "+tcp", "+time=1", "+tries=1", "@127.0.0.1", "-p", &port, name, kind])
            .output()
            .expect("dig is installed (package bind9-dnsutils)");
        let text = String::from_utf8_lossy(&dig.stdout).into_owned();
        if text.starts_with(';') { String::new() } else { text.trim().to_string() }
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A primary and, if asked for, a secondary.
pub struct Bed {
    pub primary: Bind,
    pub secondary: Option<Bind>,
    folder: tempfile::TempDir,
}

impl Bed {
    /// The primary alone.
    pub fn one() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port, other] = free_ports();
        let home = folder.path().join("primary");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("zone"), ZONE_FILE).unwrap();
        let mut primary = Bind::new(
            &home,
            port,
            &format!("also-notify {{ 127.0.0.1 port {other}; }};"),
            "type primary; file \"zone\"; allow-update { key lifeboat; key strong; };",
        );
        primary.start();
        fs::write(folder.path().join("key"), key_file("lifeboat", SECRET)).unwrap();
        let home = folder.path().join("secondary");
        fs::create_dir(&home).unwrap();
        let zone = format!(
            "type secondary; primaries {{ 127.0.0.1 port {port} key lifeboat; }}; \
             allow-notify {{ 127.0.0.0/8; }}; file \"zone\"; masterfile-format text;"
        );
        let secondary = Some(Bind::new(&home, other, "", &zone));
        Self { primary, secondary, folder }
    }

    /// Both.
    pub fn two() -> Self {
        let mut bed = Self::one();
        bed.secondary.as_mut().unwrap().start();
        bed
    }

    pub fn secondary(&self) -> &Bind {
        self.secondary.as_ref().unwrap()
    }

    /// The zone with the primary as its only server.
    pub fn zone(&self) -> Zone {
        zone_at(&[self.primary.port], &key_file("lifeboat", SECRET))
    }

    /// The zone with both servers.
    pub fn zone_of_two(&self) -> Zone {
        zone_at(&[self.primary.port, self.secondary().port], &key_file("lifeboat", SECRET))
    }

    /// Somebody else's hands: lines for `nsupdate`.
    pub fn by_hand(&self, lines: &str) {
        let script = format!("server 127.0.0.1 {}\nzone {ZONE}\n{lines}\nsend\n", self.primary.port);
        let mut nsupdate = Command::new("nsupdate")
            .arg("-k")
            .arg(self.folder.path().join("key"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("nsupdate is installed (package bind9-dnsutils)");
        nsupdate.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(nsupdate.wait().unwrap().success());
    }
}

/// A zone at these ports, the primary first, with the quick bounds.
pub fn zone_at(ports: &[u16], key: &str) -> Zone {
    open_with(&spec(ZONE, ports), key.as_bytes(), QUICK).unwrap()
}

/// A zone as an estate declares it.
pub fn spec(zone: &str, ports: &[u16]) -> ZoneSpec {
    ZoneSpec {
        name: Name::new("test-zone").unwrap(),
        kind: "rfc2136".to_string(),
        zone: zone.to_string(),
        servers: ports.iter().map(|port| format!("127.0.0.1:{port}")).collect(),
        key: SecretRef::File("/nowhere".into()),
    }
}

const ZONE_FILE: &str = "$TTL 5
@ IN SOA ns1.example.test. h.example.test. 1 60 10 3600 5
@ IN NS ns1
ns1 A 127.0.0.1
old A 192.0.2.1
old A 192.0.2.2
";

/// Ports that are free for TCP and UDP; held together, so that they differ.
fn free_ports() -> [u16; 2] {
    let hold = || loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
            return (port, tcp, udp);
        }
    };
    let (first, second) = (hold(), hold());
    [first.0, second.0]
}
