//! Peers that speak HTTP/2 to do harm, without any certificate: the controller cuts them off, stays small,
//! and goes on answering everybody else.

use crate::world::{Plans, SOON, World};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::polling::until;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// What a flood may cost in memory, in bytes.
const MAX_GROWTH: u64 = 64 << 20;
/// Frames that a flood sends at most; a server that takes them all has failed.
const MANY: u32 = 400_000;
/// Longest that a peer who says nothing is kept, with room for a busy machine.
const PATIENCE: Duration = Duration::from_secs(45);

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// `POST https / x`, in HPACK.
const REQUEST: &[u8] = &[0x83, 0x87, 0x84, 0x41, 0x01, b'x'];

/// Blocking connections to one controller, from threads that may block.
#[derive(Clone)]
struct Attacker {
    address: std::net::SocketAddr,
    config: Arc<ClientConfig>,
}

impl Attacker {
    fn of(world: &World) -> Attacker {
        let ca = std::fs::read(world.controller.data().join("ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Attacker { address: world.controller.address(), config: Arc::new(config) }
    }

    fn tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        tcp
    }

    /// TLS is up, and nothing was said yet.
    fn tls(&self) -> Tls {
        let name = ServerName::from(self.address.ip());
        let connection = ClientConnection::new(self.config.clone(), name).unwrap();
        let mut stream = StreamOwned::new(connection, self.tcp());
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        stream
    }

    /// HTTP/2 is up.
    fn http2(&self) -> Tls {
        let mut stream = self.tls();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
        stream.flush().unwrap();
        stream
    }
}

/// Reads until the server hangs up; gives how long that took, or nothing when it did not.
fn hung_up(mut stream: impl Read) -> Option<Duration> {
    let begun = Instant::now();
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Some(begun.elapsed()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
            Err(_) => return Some(begun.elapsed()),
        }
        if begun.elapsed() > PATIENCE {
            return None;
        }
    }
}

/// Sends frames until the server hangs up; gives how many it took.
fn flood(mut stream: Tls, next: impl Fn(u32) -> Vec<u8>) -> u32 {
    for number in 0..MANY {
        if stream.write_all(&next(number)).is_err() {
            return number;
        }
    }
    MANY
}

fn memory(world: &World) -> u64 {
    let path = format!("/proc/{}/status", world.controller.process_id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Somebody who means well is answered, now.
async fn answers(world: &World) {
    until("an answer to somebody else", SOON, async || {
        world.say(&["status", "--output", "json"]).await.json().map_err(|error| error.chain())
    })
    .await
    .unwrap();
}

/// One kind of flood, and what holds for each of them.
async fn cut_off(name: &str, attack: impl Fn(Attacker) -> u32 + Send + 'static) {
    let world = Plans::new(name).start().await;
    let attacker = Attacker::of(&world);
    let before = memory(&world);
    let attacked = tokio::task::spawn_blocking(move || attack(attacker));
    answers(&world).await;
    let taken = attacked.await.unwrap();
    assert!(taken < MANY, "all {MANY} frames were taken");
    answers(&world).await;
    let grown = memory(&world).saturating_sub(before);
    assert!(grown < MAX_GROWTH, "{grown} bytes more than before");
}

#[tokio::test]
async fn fault_40_streams_that_are_opened_and_reset_at_once_end_the_connection() {
    cut_off("fault-40-resets", |attacker| {
        flood(attacker.http2(), |number| {
            let stream = 2 * number + 1;
            let mut frames = frame(HEADERS, 0x4, stream, REQUEST);
            frames.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
            frames
        })
    })
    .await;
}

#[tokio::test]
async fn fault_40_headers_without_end_end_the_connection() {
    cut_off("fault-40-headers", |attacker| {
        let mut stream = attacker.http2();
        stream.write_all(&frame(HEADERS, 0, 1, REQUEST)).unwrap();
        // A literal header with a name and a value of their own, never indexed.
        let mut header = vec![0x10, 0x01, b'a', 0x7f, 0xe1, 0x06];
        header.extend(vec![b'b'; 992]);
        flood(stream, move |_| frame(CONTINUATION, 0, 1, &header))
    })
    .await;
}

#[tokio::test]
async fn fault_40_peers_that_say_nothing_are_not_kept() {
    let world = Plans::new("fault-40-silence").start().await;
    let attacker = Attacker::of(&world);
    let silent: Vec<_> = (0..60)
        .map(|number| {
            let attacker = attacker.clone();
            tokio::task::spawn_blocking(move || match number % 3 {
                0 => hung_up(attacker.tcp()),
                1 => hung_up(attacker.tls()),
                _ => hung_up(attacker.http2()),
            })
        })
        .collect();
    answers(&world).await;
    for (number, one) in silent.into_iter().enumerate() {
        let kind = ["before TLS", "before HTTP/2", "before a request"][number % 3];
        assert!(one.await.unwrap().is_some(), "a peer that said nothing {kind} was kept");
    }
}
