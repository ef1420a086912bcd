//! An S3 server: s3s-fs, from the Rust crate registry. It keeps objects as files, checks signatures, and costs
//! less of the processors than servers written for tests, which it shares with what is measured.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::files;
use crate::{Failure, cargo, newest_restic};

/// The bucket that every server has.
pub const BUCKET: &str = "backups";
/// Where all buckets are.
pub const REGION: &str = "us-east-1";
/// Who may use it.
pub const ACCESS_KEY: &str = "key";
/// What proves it.
pub const SECRET_KEY: &str = "secret";

const CRATE: &str = "s3s-fs";
const VERSION: &str = "0.14.1";
const START_TIMEOUT: Duration = Duration::from_secs(60);
const START_INTERVAL: Duration = Duration::from_millis(50);

/// A running server with one empty bucket. It ends, and its objects go, when it is dropped.
pub struct Server {
    child: Child,
    port: u16,
    root: PathBuf,
}

impl Server {
    /// Started, with its objects below `scratch`, and ready when this returns.
    pub fn start(scratch: &Path) -> Result<Self, Failure> {
        let program = ensure()?;
        let (port, root) = (free_port()?, scratch.join("work/s3"));
        files::remove(&root)?;
        files::make(&root.join(BUCKET))?;
        // It ends with us, also when nobody asks us before.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).arg(&root).env("RUST_LOG", "off");
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self { child: child.map_err(Failure::io("start s3s-fs"))?, port, root };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > START_TIMEOUT {
                let why = format!("it does not listen within {} s", START_TIMEOUT.as_secs());
                return Err(Failure::Output { program: CRATE.to_owned(), why });
            }
            thread::sleep(START_INTERVAL);
        }
        Ok(server)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps the objects below a prefix, as files.
    pub fn folder(&self, prefix: &str) -> PathBuf {
        self.root.join(BUCKET).join(prefix)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        drop(self.child.kill());
        drop(self.child.wait());
        // What stays is removed by the next one.
        drop(files::remove(&self.root));
    }
}

/// The address of a port on loopback.
pub fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn free_port() -> Result<u16, Failure> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(Failure::io("find a free port"))
}

/// The server's program, built if it is not there.
pub fn ensure() -> Result<PathBuf, Failure> {
    cargo::installed(&newest_restic::peers()?, CRATE, VERSION, &["--features", "binary"], CRATE)
}
