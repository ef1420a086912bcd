//! The one port that an agent opens, and only when it is told to: members of a leased source ask here for more
//! time when no controller answers them.
//!
//! One question and one answer a connection, each with its length before it. Both sides show the certificate of
//! their agent; see `runtime::tls::members` for which are accepted.

use super::{Deps, Leases};
use model::{HostName, Name, Problem};
use proto::MAX_EXTEND_BYTES;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections that are served at once; more wait to be taken.
const MAX_CONNECTIONS: usize = 16;
/// How long one may take in all.
const LIMIT: Duration = Duration::from_secs(5);
/// Pause after a connection could not be taken, as when there are no more open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens it.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|error| {
        Problem::new(
            "LB2464",
            format!("cannot listen at {address} for other members"),
            "Set `listen` to an address of this host and a port that is free, or leave it out.",
        )
        .caused_by(&error)
    })
}

/// Answers until told to stop.
pub async fn serve(
    leases: Leases,
    deps: Deps,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let turns = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let next = async {
            let turn = turns.clone().acquire_owned().await;
            (turn, listener.accept().await)
        };
        let (turn, taken) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => return Ok(()),
        };
        match taken {
            Ok((tcp, from)) => {
                let (leases, deps) = (leases.clone(), deps.clone());
                tokio::spawn(async move {
                    let _turn = turn;
                    match tokio::time::timeout(LIMIT, answer(&leases, &deps, tcp)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!(%from, %error, "a member was not answered"),
                        Err(_) => tracing::debug!(%from, "a member took too long"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of another member could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn answer(leases: &Leases, deps: &Deps, tcp: TcpStream) -> std::io::Result<()> {
    let members = deps.members(leases.known_members()).map_err(std::io::Error::other)?;
    let (from, mut stream) = members.accept(tcp).await?;
    let question = read(&mut stream).await?;
    let (source, ask) = proto::extend_of(&question).map_err(std::io::Error::other)?;
    let given = deps.policy.permits_extension(&source).and_then(|()| leases.extend(&source, &from, &ask));
    match &given {
        Ok(length) => tracing::info!(%source, %from, ?length, "extended the lease of another member"),
        Err(problem) => {
            tracing::warn!(%source, %from, %problem, "the lease of another member is not extended")
        }
    }
    write(&mut stream, &proto::extended_to_wire(given.as_ref().copied())).await?;
    stream.shutdown().await
}

/// Asks a member: how long it gives, counted from when it was asked.
pub(super) async fn ask(
    deps: &Deps,
    keys: BTreeMap<HostName, Option<String>>,
    (host, address): (&HostName, &str),
    (source, ask): (&Name, &model::lease::Extend),
) -> Result<Duration, Problem> {
    let asked = async {
        let members = deps.members(keys).map_err(std::io::Error::other)?;
        let mut stream = members.dial(host, address).await?;
        write(&mut stream, &proto::extend_to_wire(source, ask)).await?;
        proto::extended_of(&read(&mut stream).await?).map_err(std::io::Error::other)
    };
    let unreached = || {
        Problem::new(
            "LB2462",
            format!("{host} cannot be asked at {address} to extend the lease of {source}"),
            "An extension takes the word of every member. Is its agent running, with `listen` set, and the way to it open?",
        )
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(unreached().caused_by(&error)),
        Err(late) => Err(unreached().caused_by(&late)),
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > MAX_EXTEND_BYTES {
        return Err(std::io::Error::other(format!("{length} bytes, more than {MAX_EXTEND_BYTES}")));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    stream.write_u32(length).await?;
    stream.write_all(bytes).await?;
    stream.flush().await
}
