//! Connections of peers that must say something now and then.
//!
//! HTTP/2 pings a peer only once it speaks HTTP/2; one that finished the TLS handshake and then says nothing
//! would be kept for ever. So silence is measured below both: each live peer answers the pings of
//! [`super::serving`], and one that sends nothing for [`MAX_SILENCE`] is cut off, whatever it was about to say.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Longest time in which a peer sends nothing: a ping, the wait for its answer, and room for a busy peer.
pub const MAX_SILENCE: Duration = Duration::from_secs(30);

/// A connection that ends when its peer says nothing for too long.
pub struct Attentive {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
}

impl Attentive {
    /// From now on.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, deadline: Box::pin(tokio::time::sleep(MAX_SILENCE)) }
    }
}

impl AsyncRead for Attentive {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(read) => {
                self.deadline.as_mut().reset(Instant::now() + MAX_SILENCE);
                Poll::Ready(read)
            }
            Poll::Pending => self.deadline.as_mut().poll(context).map(|()| Err(silent())),
        }
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer said nothing for too long")
}

impl AsyncWrite for Attentive {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Attentive {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
