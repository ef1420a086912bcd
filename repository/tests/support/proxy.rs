//! A real HTTP proxy before an S3 server. A rule says for each request what happens to it on the way.
//!
//! One request a connection: every answer says `Connection: close`, so that a connection cut by a rule
//! harms no other request. The server must check no signatures, as moto does not: the host is another.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// More than any part or pack of a test.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// What a rule decides by.
#[derive(Clone, Debug)]
pub struct RequestHead {
    pub method: String,
    /// As sent: `/bucket/key`.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// From 1, counted since the rule was set.
    pub number: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Pass,
    /// Never reaches the server: a status with the error code of an S3 service.
    Refuse(u16, &'static str),
    Delay(Duration),
    /// No answer until the client goes away. Never reaches the server.
    Stall,
    /// Half of the answer's body, under the whole one's length.
    ShortBody,
    /// One bit of the answer's body is another.
    WrongContent,
    /// The connection is cut before the request reaches the server.
    ResetBefore,
    /// The request takes effect, its answer is lost.
    ResetAfter,
    /// What the first such request since the proxy began was answered: a listing of long ago.
    Stale,
    /// The request reaches the server twice; the second answer is the client's.
    Duplicate,
}

type Rule = Arc<dyn Fn(&RequestHead) -> Action + Send + Sync>;

struct Shared {
    server: SocketAddr,
    rule: Mutex<Rule>,
    seen: Mutex<Vec<RequestHead>>,
    first: Mutex<BTreeMap<String, Vec<u8>>>,
    is_over: AtomicBool,
}

/// A running proxy. It ends when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    listener: Option<JoinHandle<()>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the one who accepts.
        let _ = TcpStream::connect(self.address);
        let _ = self.listener.take().unwrap().join();
    }
}

impl Proxy {
    /// Passes everything on to the server at this endpoint (`http://127.0.0.1:PORT`) until a rule is set.
    pub fn before(endpoint: &str) -> Self {
        let server = endpoint.trim_start_matches("http://").parse().unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            rule: Mutex::new(Arc::new(|_| Action::Pass)),
            seen: Mutex::default(),
            first: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let listener = std::thread::spawn(move || {
            for stream in socket.incoming() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&accepting)) else { continue };
                std::thread::spawn(move || shared.serve(&stream));
            }
        });
        Self { shared, address, listener: Some(listener) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on; numbers begin at 1 again and what was seen is forgotten.
    pub fn rule(&self, rule: impl Fn(&RequestHead) -> Action + Send + Sync + 'static) {
        let mut current = self.shared.rule.lock().unwrap();
        self.shared.seen.lock().unwrap().clear();
        *current = Arc::new(rule);
    }

    /// The requests since the rule was set, also those that never reached the server.
    pub fn seen(&self) -> Vec<RequestHead> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    /// Errors end the connection: what the client makes of that is the client's matter.
    fn serve(&self, client: &TcpStream) {
        let mut reader = BufReader::new(client);
        if let Some((mut head, lines)) = read_head(&mut reader) {
            let Some(body) = read_body(&mut reader, client, &head) else { return };
            let action = self.decide(&mut head);
            let _ = self.act(action, client, &head, &forwarded(&lines, &body));
        }
        let _ = client.shutdown(Shutdown::Write);
    }

    fn decide(&self, head: &mut RequestHead) -> Action {
        let rule = self.rule.lock().unwrap();
        let mut seen = self.seen.lock().unwrap();
        head.number = seen.len() + 1;
        seen.push(head.clone());
        rule(head)
    }

    fn act(
        &self,
        action: Action,
        mut client: &TcpStream,
        head: &RequestHead,
        request: &[u8],
    ) -> std::io::Result<()> {
        let answer = match action {
            Action::Refuse(status, code) => refusal(status, code, head.method == "HEAD"),
            Action::Stall => return client.read_to_end(&mut Vec::new()).map(drop),
            Action::ResetBefore => return client.shutdown(Shutdown::Both),
            Action::ResetAfter => {
                self.forward(request)?;
                return client.shutdown(Shutdown::Both);
            }
            Action::Delay(time) => {
                std::thread::sleep(time);
                self.forward(request)?
            }
            Action::Duplicate => {
                self.forward(request)?;
                self.forward(request)?
            }
            Action::Stale => {
                let target = format!("{}?{}", head.path, head.query);
                let fresh = self.forward(request)?;
                self.first.lock().unwrap().entry(target).or_insert(fresh).clone()
            }
            Action::ShortBody => shortened(self.forward(request)?),
            Action::WrongContent => flipped(self.forward(request)?),
            Action::Pass => self.forward(request)?,
        };
        client.write_all(&answer)
    }

    /// The server's whole answer: it closes the connection after it, since it was asked to.
    fn forward(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.server)?;
        server.write_all(request)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// The head, and its lines as they came.
fn read_head(reader: &mut impl BufRead) -> Option<(RequestHead, Vec<String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut words = lines.first()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let pairs = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
    let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some((RequestHead { method, path, query, headers, number: 0 }, lines))
}

fn read_body(reader: &mut impl Read, mut client: &TcpStream, head: &RequestHead) -> Option<Vec<u8>> {
    assert!(!head.headers.contains_key("transfer-encoding"), "clients of this proxy say how much they send");
    if head.headers.get("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length = head.headers.get("content-length").map_or(0, |value| value.parse().unwrap());
    assert!(length <= MAX_BODY, "{length} bytes");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// The request for the server, which is to close the connection after its answer.
fn forwarded(lines: &[String], body: &[u8]) -> Vec<u8> {
    let is_hop = |line: &String| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        name == "connection" || name == "expect"
    };
    let kept: String = lines.iter().filter(|line| !is_hop(line)).map(|line| format!("{line}\r\n")).collect();
    [kept.as_bytes(), b"Connection: close\r\n\r\n", body].concat()
}

fn refusal(status: u16, code: &str, is_head: bool) -> Vec<u8> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a rule</Message></Error>");
    let head = format!(
        "HTTP/1.1 {status} Refused\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if is_head { head.into_bytes() } else { (head + &body).into_bytes() }
}

/// Where the body of an answer begins.
fn body_of(answer: &[u8]) -> usize {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4)
}

fn shortened(mut answer: Vec<u8>) -> Vec<u8> {
    let body = body_of(&answer);
    answer.truncate(body + (answer.len() - body) / 2);
    answer
}

fn flipped(mut answer: Vec<u8>) -> Vec<u8> {
    let body = body_of(&answer);
    let middle = body + (answer.len() - body) / 2;
    if let Some(byte) = answer.get_mut(middle) {
        *byte ^= 1;
    }
    answer
}
