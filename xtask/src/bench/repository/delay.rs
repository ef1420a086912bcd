//! A proxy that answers later: what a server far away is like, on loopback.
//!
//! It knows as much of HTTP/1.1 as it must to see where a request begins: the head is held back for the
//! delay, the body and the answer stream through. So a client pays once for each request, also on a
//! connection that it keeps, and several connections wait side by side, as they do over a long line. What is
//! not imitated: the further round trips of a new connection, and the line's bandwidth.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::Failure;

/// The longest line of a head that is read.
const LINE_BYTES: u64 = 64 << 10;
/// Lines of a head at most.
const HEAD_LINES: usize = 200;

/// A running proxy. It accepts nothing any more when it is dropped.
pub struct Proxy {
    port: u16,
    stopped: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
}

impl Proxy {
    /// Before the server at `upstream` on loopback; each request waits for `delay`.
    pub fn start(upstream: u16, delay: Duration) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Failure::io("listen on loopback"))?;
        let port = listener.local_addr().map_err(Failure::io("listen on loopback"))?.port();
        let proxy = Self { port, stopped: Arc::default(), requests: Arc::default() };
        let (stopped, requests) = (Arc::clone(&proxy.stopped), Arc::clone(&proxy.requests));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let requests = Arc::clone(&requests);
                // A connection that breaks is the client's to notice.
                thread::spawn(move || drop(relay(&client, upstream, delay, &requests)));
            }
        });
        Ok(proxy)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Requests that it has seen.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the one that accepts.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn relay(client: &TcpStream, upstream: u16, delay: Duration, requests: &AtomicU64) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", upstream))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            // Either side may end the connection; the other one is told.
            drop(io::copy(&mut &server, &mut &*client));
            drop(client.shutdown(Shutdown::Both));
        });
        let ended = forward(&mut BufReader::new(client), &mut &server, delay, requests);
        drop(server.shutdown(Shutdown::Write));
        ended
    })
}

/// Passes requests on until the client sends no more.
fn forward(
    client: &mut impl BufRead,
    server: &mut impl Write,
    delay: Duration,
    requests: &AtomicU64,
) -> io::Result<()> {
    loop {
        let head = head(client)?;
        if head.is_empty() {
            return Ok(());
        }
        requests.fetch_add(1, Ordering::Relaxed);
        thread::sleep(delay);
        server.write_all(head.as_bytes())?;
        match body(&head) {
            Body::Bytes(bytes) => {
                io::copy(&mut client.take(bytes), server)?;
            }
            Body::Chunks => chunks(client, server)?,
        }
    }
}

enum Body {
    Bytes(u64),
    Chunks,
}

fn body(head: &str) -> Body {
    let mut bytes = 0;
    for line in head.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("transfer-encoding") && value.contains("chunked") {
            return Body::Chunks;
        }
        if name.eq_ignore_ascii_case("content-length") {
            bytes = value.trim().parse().unwrap_or_default();
        }
    }
    Body::Bytes(bytes)
}

/// The head of a request with its empty line; empty at the end of the connection.
fn head(client: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    for _ in 0..HEAD_LINES {
        let line = line(client)?;
        head.push_str(&line);
        if line.trim_end().is_empty() {
            return Ok(head);
        }
    }
    Err(io::Error::other("a head without an end"))
}

fn chunks(client: &mut impl BufRead, server: &mut impl Write) -> io::Result<()> {
    loop {
        let size = line(client)?;
        server.write_all(size.as_bytes())?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let bytes = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
        if bytes == 0 {
            return server.write_all(head(client)?.as_bytes());
        }
        // With the end of the line that follows the chunk.
        io::copy(&mut client.take(bytes + 2), server)?;
    }
}

fn line(client: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    client.take(LINE_BYTES).read_line(&mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn forwarded(text: &str) -> (String, u64) {
        let (mut sent, requests) = (Vec::new(), AtomicU64::new(0));
        forward(&mut text.as_bytes(), &mut sent, Duration::ZERO, &requests).unwrap();
        (String::from_utf8(sent).unwrap(), requests.into_inner())
    }

    #[test]
    fn requests_on_one_connection_are_told_apart_and_not_changed() {
        let text = "PUT /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET /\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
        assert_eq!(forwarded(text), (text.to_owned(), 2));
    }

    #[test]
    fn a_body_in_chunks_ends_with_its_last_one() {
        let text = "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3;x=y\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
        assert_eq!(forwarded(text), (text.to_owned(), 2));
    }

    #[test]
    fn answers_come_back_through_the_proxy() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let answering = thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let head = head(&mut BufReader::new(&stream)).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            head
        });
        let proxy = Proxy::start(port, Duration::from_millis(1)).unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(answering.join().unwrap(), "GET / HTTP/1.1\r\n\r\n");
        assert_eq!(proxy.requests(), 1);
    }
}
