//! Modes of files: the format stores Go's `fs.FileMode` bits, the kernel speaks `st_mode`.

const GO_DIR: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_DEVICE: u32 = 1 << 26;
const GO_FIFO: u32 = 1 << 25;
const GO_SOCKET: u32 = 1 << 24;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_CHAR_DEVICE: u32 = 1 << 21;
const GO_STICKY: u32 = 1 << 20;
const GO_IRREGULAR: u32 = 1 << 19;

const S_IFMT: u32 = 0o170_000;

/// Go's bits for a kernel mode.
pub(crate) fn from_unix(mode: u32) -> u32 {
    let kind = match mode & S_IFMT {
        0o040_000 => GO_DIR,
        0o120_000 => GO_SYMLINK,
        0o060_000 => GO_DEVICE,
        0o020_000 => GO_DEVICE | GO_CHAR_DEVICE,
        0o010_000 => GO_FIFO,
        0o140_000 => GO_SOCKET,
        0o100_000 => 0,
        _ => GO_IRREGULAR,
    };
    let bit = |unix: u32, go: u32| if mode & unix == 0 { 0 } else { go };
    mode & 0o777 | kind | bit(0o4000, GO_SETUID) | bit(0o2000, GO_SETGID) | bit(0o1000, GO_STICKY)
}

/// The twelve permission bits of the kernel for Go's bits.
pub(crate) fn permissions(go: u32) -> u32 {
    let bit = |go_bit: u32, unix: u32| if go & go_bit == 0 { 0 } else { unix };
    go & 0o777 | bit(GO_SETUID, 0o4000) | bit(GO_SETGID, 0o2000) | bit(GO_STICKY, 0o1000)
}

/// Go's bits of a folder with these permissions.
pub(crate) fn folder(permissions: u32) -> u32 {
    GO_DIR | permissions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_go_s_and_come_back() {
        assert_eq!(from_unix(0o100_644), 0o644);
        assert_eq!(from_unix(0o041_777), GO_DIR | GO_STICKY | 0o777);
        assert_eq!(from_unix(0o104_755), GO_SETUID | 0o755);
        assert_eq!(from_unix(0o020_600), GO_DEVICE | GO_CHAR_DEVICE | 0o600);
        for bits in 0..0o10000 {
            assert_eq!(permissions(from_unix(0o100_000 | bits)), bits);
        }
    }
}
