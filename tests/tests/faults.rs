//! The parts that make bad days: a link that is cut, held or slowed, and a disk that is full.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tests::{
    link::{Link, State},
    scratch::Scratch,
    small_disk::SmallDisk,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const BOUND: Duration = Duration::from_secs(20);
/// Long enough to see that nothing comes, short enough to wait for.
const QUIET: Duration = Duration::from_millis(150);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(BOUND, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

#[tokio::test]
async fn a_held_link_delivers_what_it_held_once_it_heals() {
    let link = Link::to(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    stream.write_all(b"one").await.unwrap();
    assert_eq!(read(&mut stream, 3).await, b"one");
    for state in [State::Hold, State::HoldOutward, State::HoldInward] {
        link.set(state);
        stream.write_all(b"two").await.unwrap();
        let mut byte = [0];
        assert!(timeout(QUIET, stream.read_exact(&mut byte)).await.is_err(), "{state:?}");
        link.set(State::Open);
        assert_eq!(read(&mut stream, 3).await, b"two");
    }
}

#[tokio::test]
async fn a_cut_link_drops_open_connections_and_refuses_new_ones() {
    let link = Link::to(echo().await).await.unwrap();
    let mut open = TcpStream::connect(link.address()).await.unwrap();
    open.write_all(b"one").await.unwrap();
    assert_eq!(read(&mut open, 3).await, b"one");
    link.set(State::Cut);
    let mut byte = [0];
    assert!(!matches!(timeout(BOUND, open.read(&mut byte)).await.unwrap(), Ok(1..)));
    let mut new = TcpStream::connect(link.address()).await.unwrap();
    assert!(!matches!(timeout(BOUND, new.read(&mut byte)).await.unwrap(), Ok(1..)));
    link.set(State::Open);
    let mut again = TcpStream::connect(link.address()).await.unwrap();
    again.write_all(b"two").await.unwrap();
    assert_eq!(read(&mut again, 3).await, b"two");
}

#[tokio::test]
async fn a_slow_link_takes_its_time() {
    let link = Link::to(echo().await).await.unwrap();
    link.set(State::Slow(20_000));
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    let began = Instant::now();
    stream.write_all(&[7; 10_000]).await.unwrap();
    assert_eq!(read(&mut stream, 10_000).await, [7; 10_000]);
    assert!(began.elapsed() > Duration::from_millis(300), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_small_disk_is_full_and_then_has_room_again() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: nothing can be mounted here");
        return;
    }
    let scratch = Scratch::new("disk").unwrap();
    let disk = SmallDisk::mount(&scratch, "small", 64).await.unwrap();
    let file = disk.path().join("file");
    let full = std::fs::write(&file, vec![1; 128 * 1024]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    disk.resize(&scratch, 256).await.unwrap();
    std::fs::write(&file, vec![1; 128 * 1024]).unwrap();
    let path = disk.path().to_path_buf();
    drop(disk);
    assert!(!path.join("file").exists(), "still mounted");
}
