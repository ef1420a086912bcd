//! An S3 server for tests: moto, from PyPI, in a virtual environment below the target folder.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use repository::storage::{Patience, S3Credentials, S3Options};
use repository::{Location, Storage, StorageOptions, storage};

const PACKAGE: &str = "moto[server]==5.2.5";
/// The bucket with Object Lock.
pub const LOCKED: &str = "locked";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running server with one empty bucket. It ends when it is dropped.
pub struct Moto {
    server: Child,
    port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The server's program; installed once, by whichever test comes first.
fn installed() -> PathBuf {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&home).unwrap();
    let lock = File::create(home.join("moto.lock")).unwrap();
    lock.lock().unwrap();
    let venv = home.join("moto-venv");
    let (program, complete) = (venv.join("bin/moto_server"), venv.join("complete"));
    if !complete.exists() {
        let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        run(Command::new(venv.join("bin/pip")).args(["install", "-q", PACKAGE]));
        File::create(&complete).unwrap();
    }
    program
}

impl Moto {
    pub fn start() -> Self {
        let program = installed();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Self { server: command.spawn().unwrap(), port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < START_TIMEOUT, "moto does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        server.make_bucket("backups", "");
        server
    }

    /// A bucket that keeps versions, and holds them as long as their retention says.
    pub fn make_locked_bucket(&self) {
        self.make_bucket(LOCKED, "x-amz-bucket-object-lock-enabled: true\r\n");
    }

    /// The repository below a prefix of that bucket.
    pub fn locked(&self, prefix: &str, s3: S3Options) -> std::sync::Arc<dyn Storage> {
        let location = Location::parse(&format!("s3://{LOCKED}/{prefix}")).unwrap();
        storage::open(&location, &StorageOptions { s3 }).unwrap()
    }

    /// A bare HTTP request is enough: this server checks no signatures.
    fn make_bucket(&self, name: &str, headers: &str) {
        self.request_with("PUT", &format!("/{name}"), headers, "");
    }

    /// A request that must succeed; gives the head and the body of the answer.
    pub fn request(&self, method: &str, target: &str, body: &str) -> String {
        self.request_with(method, target, "", body)
    }

    fn request_with(&self, method: &str, target: &str, headers: &str, body: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        answer
    }

    /// The class of every object below a prefix, by key.
    pub fn classes(&self, prefix: &str) -> Vec<(String, String)> {
        let text = self.request("GET", &format!("/backups?list-type=2&prefix={prefix}"), "");
        let field = |object: &str, name: &str| {
            let rest = object.split_once(&format!("<{name}>")).unwrap().1;
            rest.split_once('<').unwrap().0.to_owned()
        };
        let objects = text.split("<Contents>").skip(1);
        objects.map(|object| (field(object, "Key"), field(object, "StorageClass"))).collect()
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn storage(&self, prefix: &str) -> std::sync::Arc<dyn Storage> {
        self.storage_at(&self.endpoint(), prefix)
    }

    /// The same bucket by way of another endpoint, a proxy's.
    pub fn storage_at(&self, endpoint: &str, prefix: &str) -> std::sync::Arc<dyn Storage> {
        self.storage_with(S3Options { endpoint: Some(endpoint.to_owned()), ..self.options() }, prefix)
    }

    /// The same with little patience, for faults that last.
    pub fn hasty_at(&self, endpoint: &str, prefix: &str) -> std::sync::Arc<dyn Storage> {
        let patience = Patience {
            connect: Duration::from_secs(2),
            read: Duration::from_millis(1500),
            operation: Duration::from_secs(30),
            attempts: 3,
            first_backoff: Duration::from_millis(1),
            max_backoff: Duration::from_millis(5),
        };
        let options = S3Options { endpoint: Some(endpoint.to_owned()), patience, ..self.options() };
        self.storage_with(options, prefix)
    }

    pub fn storage_with(&self, s3: S3Options, prefix: &str) -> std::sync::Arc<dyn Storage> {
        let location = Location::parse(&format!("s3://backups/{prefix}")).unwrap();
        storage::open(&location, &StorageOptions { s3 }).unwrap()
    }

    /// What reaches this server.
    pub fn options(&self) -> S3Options {
        let credentials =
            S3Credentials { access_key_id: "k".into(), secret_access_key: "s".into(), session_token: None };
        S3Options { endpoint: Some(self.endpoint()), credentials: Some(credentials), ..S3Options::default() }
    }
}
