//! A link that can be cut, held and slowed: a small TCP proxy between two real programs.
//!
//! - *cut*: new connections are closed at once and open ones are dropped, as by a reset;
//! - *held*: connections stay open and nothing passes in one or both directions, which is what a
//!   partition looks like; when it heals, what was held is delivered, as TCP does;
//! - *slow*: at most so many bytes a second in each direction.
//!
//! A byte that was read from one side is kept until it may pass or the link is cut, so a heal never
//! leaves a stream with a hole in it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::Failure;

/// The largest piece that passes at once, in bytes.
const PIECE: usize = 16 * 1024;
/// How often a slow link lets a piece pass.
const BEAT: Duration = Duration::from_millis(50);

/// What may pass right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Open,
    /// Nothing, and connections are dropped.
    Cut,
    /// Connections stay open; what flows from the side that dials is held, the other way passes.
    HoldOutward,
    /// Connections stay open; what flows to the side that dials is held, the other way passes.
    HoldInward,
    /// Connections stay open and nothing passes.
    Hold,
    /// So many bytes a second each way.
    Slow(u32),
}

/// Which way bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From who dials to who listens.
    Outward,
    /// Back.
    Inward,
}

/// A running proxy; it stops when dropped, and its connections with it.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Link {
    /// Listens on a port of its own and passes everything on to `upstream`.
    ///
    /// # Errors
    /// [`Failure::Io`] when it cannot listen.
    pub async fn to(upstream: SocketAddr) -> Result<Self, Failure> {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(here).await.map_err(Failure::io("listen for a link"))?;
        let address = listener.local_addr().map_err(Failure::io("read the link's address"))?;
        let (state, seen) = watch::channel(State::Open);
        let task = tokio::spawn(accept(listener, upstream, seen));
        Ok(Self { address, state, task })
    }

    /// Where to dial instead of the upstream.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what may pass, for open connections too.
    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, seen: watch::Receiver<State>) {
    let mut open = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        while open.try_join_next().is_some() {}
        if *seen.borrow() != State::Cut {
            open.spawn(join(near, upstream, seen.clone()));
        }
    }
}

/// One connection, until either side closes it or the link is cut.
async fn join(near: TcpStream, upstream: SocketAddr, seen: watch::Receiver<State>) {
    let both = async {
        // A held link accepts, as a kernel does before anyone looks, and reaches nobody.
        pass(&mut seen.clone(), Way::Outward, 0).await;
        let Ok(far) = TcpStream::connect(upstream).await else { return };
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        tokio::join!(
            pump(near_read, far_write, seen.clone(), Way::Outward),
            pump(far_read, near_write, seen.clone(), Way::Inward),
        );
    };
    let mut cut = seen.clone();
    tokio::select! {
        () = both => {}
        // An error means that the link itself is gone.
        _ = cut.wait_for(|state| *state == State::Cut) => {}
    }
}

async fn pump<From, To>(mut from: From, mut to: To, mut seen: watch::Receiver<State>, way: Way)
where
    From: AsyncRead + Unpin,
    To: AsyncWrite + Unpin,
{
    let mut piece = vec![0; PIECE];
    loop {
        let now = *seen.borrow();
        let room = room(now);
        let Ok(length) = from.read(&mut piece[..room]).await else { break };
        pass(&mut seen, way, length).await;
        if length == 0 || to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
    // The other way may still have something to say.
    let _ = to.shutdown().await;
}

/// How much to read at once.
fn room(state: State) -> usize {
    match state {
        State::Slow(rate) => (usize::try_from(rate).unwrap_or(PIECE) / 20).clamp(1, PIECE),
        State::Open | State::Cut | State::HoldOutward | State::HoldInward | State::Hold => PIECE,
    }
}

/// Waits until `length` bytes may pass this way.
async fn pass(seen: &mut watch::Receiver<State>, way: Way, length: usize) {
    let held = |state: &State| match state {
        State::Hold => true,
        State::HoldOutward => way == Way::Outward,
        State::HoldInward => way == Way::Inward,
        State::Open | State::Cut | State::Slow(_) => false,
    };
    // An error means that the link itself is gone.
    let _ = seen.wait_for(|state| !held(state)).await;
    let now = *seen.borrow();
    if matches!(now, State::Slow(_)) && length > 0 {
        tokio::time::sleep(BEAT).await;
    }
}
