//! Connections of peers that must say something now and then.
//!
//! HTTP/2 pings a peer only once it speaks HTTP/2; one that finished the TLS handshake and then says nothing
//! would be kept for ever. So silence is measured below both: each live peer answers the pings of
//! [`super::serving`], and one that sends nothing for [`MAX_SILENCE`] is cut off, whatever it was about to say.
//!
//! A TLS handshake is the dearest thing that a peer may ask of us. When ten thousand agents come back at once,
//! only [`MAX_HANDSHAKES`] are under way; the others wait in the order in which they came, so that what a run
//! needs is not behind all of them. A peer takes a place with its first byte, not by connecting, and gives it
//! back when its handshake is over, or after [`HANDSHAKE_PLACE`]: who says nothing keeps nobody out. One that has
//! waited for [`MAX_WAIT`] has given up by itself, and is dropped before it costs anything.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::PollSemaphore;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// TLS handshakes that are under way at once. Each takes about half a millisecond of a core, so that a task that
/// is ready waits some ten milliseconds behind them; and with an answer that takes a tenth of a second on its way
/// they are still a thousand in a second.
pub const MAX_HANDSHAKES: usize = 128;
/// How long a peer keeps its place with a handshake that does not end.
pub const HANDSHAKE_PLACE: Duration = Duration::from_secs(1);
/// How long a peer waits for a place: agents and people give a connection five seconds.
pub const MAX_WAIT: Duration = Duration::from_secs(5);

/// Places for handshakes. Cheap to clone.
#[derive(Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    wait: Duration,
}

impl Places {
    /// So many, and how long a peer waits for one.
    pub fn new(places: usize, wait: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(places)), wait }
    }
}

/// How far a connection is.
enum Stage {
    /// Nothing came.
    Silent,
    /// It waits for a place.
    Waiting(PollSemaphore),
    /// It has one, until its handshake is over.
    Handshake(Mutex<Option<OwnedSemaphorePermit>>),
    /// Its time for a handshake is over; it may still come to an end.
    Open,
}

/// Longest time in which a peer sends nothing: a ping, the wait for its answer, and room for a busy peer.
pub const MAX_SILENCE: Duration = Duration::from_secs(30);

/// A connection that waits for its turn, and ends when its peer says nothing for too long.
pub struct Attentive {
    stream: TcpStream,
    places: Places,
    stage: Stage,
    deadline: Pin<Box<Sleep>>,
}

impl Attentive {
    /// From now on.
    pub fn new(stream: TcpStream, places: Places) -> Self {
        Self { stream, places, stage: Stage::Silent, deadline: Box::pin(tokio::time::sleep(MAX_SILENCE)) }
    }

    fn set_deadline(&mut self, within: Duration) {
        self.deadline.as_mut().reset(Instant::now() + within);
    }

    /// Ready once the first bytes may be read.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.stage {
                Stage::Silent => {
                    match self.stream.poll_read_ready(context) {
                        Poll::Pending => return self.deadline.as_mut().poll(context).map(|()| Err(silent())),
                        Poll::Ready(came) => came?,
                    }
                    self.stage = Stage::Waiting(PollSemaphore::new(self.places.free.clone()));
                    self.set_deadline(self.places.wait);
                }
                Stage::Waiting(places) => {
                    let Poll::Ready(place) = places.poll_acquire(context) else {
                        ready!(self.deadline.as_mut().poll(context));
                        metrics::counter!("lifeboat_handshakes_refused_total").increment(1);
                        return Poll::Ready(Err(too_many()));
                    };
                    self.stage = Stage::Handshake(Mutex::new(place));
                    self.set_deadline(HANDSHAKE_PLACE);
                }
                Stage::Handshake(_) | Stage::Open => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncRead for Attentive {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_turn(context))?;
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            if matches!(this.stage, Stage::Open) {
                this.set_deadline(MAX_SILENCE);
            }
            return Poll::Ready(read);
        }
        ready!(this.deadline.as_mut().poll(context));
        if matches!(this.stage, Stage::Open) {
            return Poll::Ready(Err(silent()));
        }
        // The stream has noted already whom to wake.
        this.stage = Stage::Open;
        this.set_deadline(MAX_SILENCE);
        this.deadline.as_mut().poll(context).map(|()| Err(silent()))
    }
}

fn too_many() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "too many peers came at once")
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

    /// The server asks this once, when the handshake is over.
    fn connect_info(&self) -> TcpConnectInfo {
        if let Stage::Handshake(place) = &self.stage {
            drop(place.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Longer than any machine takes for what is expected to happen.
    const SOON: Duration = Duration::from_secs(20);
    /// How long is waited for what must not happen.
    const A_MOMENT: Duration = Duration::from_millis(100);

    async fn pair(listener: &TcpListener, places: &Places) -> (TcpStream, Attentive) {
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (peer, Attentive::new(listener.accept().await.unwrap().0, places.clone()))
    }

    async fn byte(connection: &mut Attentive) -> io::Result<u8> {
        connection.read_u8().await
    }

    #[tokio::test]
    async fn fault_38_only_so_many_handshakes_are_under_way_and_silent_peers_take_no_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let places = Places::new(1, SOON);
        let (_silent, mut never) = pair(&listener, &places).await;
        let silent = tokio::spawn(async move { byte(&mut never).await.map_err(|error| error.kind()) });
        tokio::time::sleep(A_MOMENT).await;
        let (mut first, mut ours) = pair(&listener, &places).await;
        let (mut second, mut theirs) = pair(&listener, &places).await;
        first.write_u8(1).await.unwrap();
        second.write_u8(2).await.unwrap();
        assert_eq!(tokio::time::timeout(SOON, byte(&mut ours)).await.unwrap().unwrap(), 1);
        assert!(tokio::time::timeout(A_MOMENT, byte(&mut theirs)).await.is_err(), "there was one place");
        ours.connect_info();
        assert_eq!(tokio::time::timeout(SOON, byte(&mut theirs)).await.unwrap().unwrap(), 2);
        assert!(!silent.is_finished(), "it was not cut off for the sake of others");
        drop(theirs);
        assert_eq!(places.free.available_permits(), 1, "who goes gives its place back");
    }

    #[tokio::test]
    async fn fault_38_a_handshake_that_does_not_end_gives_its_place_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let places = Places::new(1, SOON);
        let (mut slow, mut ours) = pair(&listener, &places).await;
        let (mut other, mut theirs) = pair(&listener, &places).await;
        slow.write_u8(1).await.unwrap();
        other.write_u8(2).await.unwrap();
        assert_eq!(byte(&mut ours).await.unwrap(), 1);
        let hangs = tokio::spawn(async move { byte(&mut ours).await.map_err(|error| error.kind()) });
        assert_eq!(tokio::time::timeout(SOON, byte(&mut theirs)).await.unwrap().unwrap(), 2);
        slow.write_u8(3).await.unwrap();
        assert_eq!(tokio::time::timeout(SOON, hangs).await.unwrap().unwrap(), Ok(3), "it may still end");
    }

    #[tokio::test]
    async fn fault_38_who_waits_for_too_long_is_dropped_before_it_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let places = Places::new(0, A_MOMENT);
        let (mut peer, mut ours) = pair(&listener, &places).await;
        peer.write_u8(1).await.unwrap();
        let refused = byte(&mut ours).await.unwrap_err();
        assert_eq!(refused.to_string(), "too many peers came at once");
    }
}
