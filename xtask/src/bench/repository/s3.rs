//! An S3 server: moto, from PyPI, in a virtual environment beside the peers. It holds everything in memory.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::files;
use crate::{Failure, bench::repository::process, newest_restic};

/// The bucket that every server has.
pub const BUCKET: &str = "backups";
/// Where all buckets are; any other region would have to be named when a bucket is made.
pub const REGION: &str = "us-east-1";

const PACKAGE: &str = "moto[server]==5.2.5";
const START_TIMEOUT: Duration = Duration::from_secs(60);
const START_INTERVAL: Duration = Duration::from_millis(50);

/// A running server with one empty bucket. It ends when it is dropped.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Started, and ready when this returns.
    pub fn start() -> Result<Self, Failure> {
        let program = ensure()?;
        let port = free_port()?;
        // It ends with us, also when nobody asks us before.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self { child: child.map_err(Failure::io("start moto"))?, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > START_TIMEOUT {
                let why = format!("it does not listen within {} s", START_TIMEOUT.as_secs());
                return Err(Failure::Output { program: "moto_server".to_owned(), why });
            }
            thread::sleep(START_INTERVAL);
        }
        put(&server.endpoint(), &format!("/{BUCKET}"), b"")?;
        Ok(server)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        endpoint(self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The address of a port on loopback.
pub fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Stores one object. The server checks no signatures, so a bare request is enough.
pub fn put(endpoint: &str, path: &str, body: &[u8]) -> Result<(), Failure> {
    let address = endpoint.trim_start_matches("http://");
    let answer = request(address, path, body).map_err(Failure::io(format!("put {path} at {endpoint}")))?;
    if answer.contains(" 200 ") {
        return Ok(());
    }
    Err(Failure::Output { program: format!("PUT {endpoint}{path}"), why: answer })
}

fn request(address: &str, path: &str, body: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn free_port() -> Result<u16, Failure> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(Failure::io("find a free port"))
}

/// The server's program, installed if it is not there.
pub fn ensure() -> Result<PathBuf, Failure> {
    let venv = newest_restic::peers()?.join("moto-venv");
    let (program, complete) = (venv.join("bin/moto_server"), venv.join("complete"));
    if !complete.exists() {
        eprintln!("installing {PACKAGE} from PyPI: once");
        files::remove(&venv)?;
        process::quiet(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        process::quiet(Command::new(venv.join("bin/pip")).args(["install", "-q", PACKAGE]))?;
        std::fs::write(&complete, PACKAGE).map_err(Failure::io(format!("write {}", complete.display())))?;
    }
    Ok(program)
}
