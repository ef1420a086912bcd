//! Free ports that stay ours.
//!
//! Tests run as many processes at once. A port found by binding to port 0 is free only until
//! somebody else binds, and lies in the range from which the kernel serves outgoing connections.
//! So ports are taken from below that range, and each is reserved by a locked file that this
//! process holds open until it ends: two test processes never get the same one.

use std::{
    fs::File,
    net::{IpAddr, TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use crate::Failure;

/// First port handed out; well-known services live below.
const FIRST: u16 = 15_000;
/// One past the last; the kernel's outgoing range begins at 32768.
const END: u16 = 32_000;
/// How many candidates are tried before giving up.
const TRIES: usize = 2_000;

/// The reservations of this process: locks that live as long as it does.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A TCP and UDP port that nobody listens on at `address` and that no other test gets.
///
/// # Errors
/// [`Failure`] when the folder of reservations cannot be made or no port is free.
pub fn free(address: IpAddr) -> Result<u16, Failure> {
    free_on_all(&[address])
}

/// The same port, free on every one of `addresses`: two regions that differ only by address.
///
/// # Errors
/// As [`free`].
pub fn free_on_all(addresses: &[IpAddr]) -> Result<u16, Failure> {
    let folder = reservations()?;
    for _ in 0..TRIES {
        let port = rand::random_range(FIRST..END);
        let path = folder.join(port.to_string());
        let Ok(file) = File::options().write(true).create(true).truncate(false).open(&path) else {
            continue;
        };
        if file.try_lock().is_err() || !addresses.iter().all(|address| unused(*address, port)) {
            continue;
        }
        HELD.lock().unwrap_or_else(PoisonError::into_inner).push(file);
        return Ok(port);
    }
    Err(Failure::Unexpected(format!("no free port on {addresses:?} after {TRIES} tries")))
}

fn unused(address: IpAddr, port: u16) -> bool {
    TcpListener::bind((address, port)).is_ok() && UdpSocket::bind((address, port)).is_ok()
}

/// The folder of lock files, open to every user of this machine.
fn reservations() -> Result<PathBuf, Failure> {
    let folder = std::env::temp_dir().join("lifeboat-ports");
    if !folder.is_dir() {
        std::fs::create_dir_all(&folder).map_err(Failure::io(format!("create {}", folder.display())))?;
        // Another user's test may have made it meanwhile; then its mode is already right.
        let _ = std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o1777));
    }
    Ok(folder)
}
