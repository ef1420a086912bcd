//! DNS messages over TCP (RFC 7766): one connection, some requests, their answers.
//!
//! Always TCP, for three reasons. A UDP client sends a request again when the answer is late, and a
//! repeated update would have to be told apart from someone else's. A UDP answer can be forged by
//! whoever guesses an id and a port. And an answer is never cut short.

use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Most requests on one connection; a name needs five, the types beside it nine.
const MAX_REQUESTS: usize = 16;

/// Sends all requests at once and gives their answers in whatever order they come. Answers are at
/// most 64 KiB each, by their framing. No time-out: the caller drops the future.
pub async fn exchange(server: SocketAddr, requests: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    if requests.len() > MAX_REQUESTS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many requests on one connection"));
    }
    let mut frames = Vec::new();
    for request in requests {
        let length = u16::try_from(request.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "request longer than 64 KiB"))?;
        frames.extend_from_slice(&length.to_be_bytes());
        frames.extend_from_slice(request);
    }
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&frames).await?;
    let mut answers = Vec::with_capacity(requests.len());
    for _ in requests {
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        answers.push(answer);
    }
    Ok(answers)
}
