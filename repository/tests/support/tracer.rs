//! Harm at an exact system call of a process of ours: killed there, or told that the call failed.
//!
//! The process is traced with ptrace. Calls are counted over all of its threads, so that every call is some
//! number; a tool whose counters are each thread's own would never reach those of the slower threads. A call
//! is known with its path, so the storage's side and the other side are harmed one at a time.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::errno::Errno;
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What a traced process says when all its threads are there and it waits to be told to go on.
pub const READY: &str = "ready to be traced";
/// The longest path that is read from it.
const PATH_BYTES: usize = 4096;
const SYSCALL_ENTRY: u8 = 1;

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Does {
    /// Opens a file that is there.
    Open,
    /// Reads bytes, names or attributes.
    Read,
    /// Makes a file or folder.
    Make,
    /// Writes bytes, or sets a length.
    Write,
    /// Waits until something is on disk.
    Sync,
    /// Renames or links.
    Name,
    /// Removes.
    Remove,
    /// Sets owner, mode, times or attributes.
    Describe,
}

impl Does {
    /// Whether it changes something, or waits for a change.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::Read)
    }
}

/// A call that is about to be made.
#[derive(Debug)]
pub struct Call {
    pub does: Does,
    pub path: PathBuf,
}

/// What happens at the calls that count.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    /// Nothing: they are counted.
    None,
    /// The process is killed just before the call of this number, from 1.
    Kill(u64),
    /// The call of this number fails.
    FailOne(u64, Errno),
    /// The call of this number and all after it fail.
    FailFrom(u64, Errno),
}

impl Harm {
    fn fails(self, number: u64) -> Option<Errno> {
        match self {
            Self::FailOne(at, errno) if number == at => Some(errno),
            Self::FailFrom(at, errno) if number >= at => Some(errno),
            _ => None,
        }
    }
}

/// How a traced process ended.
#[derive(Debug)]
pub struct Ended {
    /// Calls that counted.
    pub calls: u64,
    /// Its exit code; none when it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub said: String,
}

/// Starts a process, which must say [`READY`] and then wait for a line, and does harm to it.
pub fn run(command: &mut Command, harm: Harm, counts: &dyn Fn(&Call) -> bool) -> Ended {
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    wait_ready(&mut output);
    let mut tracer = Tracer { leader: pid_of(&child), harm, counts, calls: 0, failing: Vec::new() };
    tracer.attach();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let code = tracer.follow();
    // Its end was seen there, so there is nothing more to wait for.
    let _ = child.wait();
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    Ended { calls: tracer.calls, code, said }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

fn wait_ready(output: &mut BufReader<ChildStdout>) {
    let mut line = String::new();
    while !line.contains(READY) {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the traced process ended before it was ready");
    }
}

struct Tracer<'a> {
    leader: Pid,
    harm: Harm,
    counts: &'a dyn Fn(&Call) -> bool,
    calls: u64,
    /// Threads whose call does not happen, and what they are told.
    failing: Vec<(Pid, Errno)>,
}

impl Tracer<'_> {
    /// All threads are waiting by now, so none is missed; those that they start are traced from birth.
    fn attach(&self) {
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE;
        for entry in std::fs::read_dir(format!("/proc/{}/task", self.leader)).unwrap() {
            let thread = entry.unwrap().file_name().to_string_lossy().parse().unwrap();
            ptrace::seize(Pid::from_raw(thread), options).expect("we may trace what we started");
            ptrace::interrupt(Pid::from_raw(thread)).unwrap();
        }
    }

    /// Until the process has ended. Gives its exit code.
    fn follow(&mut self) -> Option<i32> {
        // The group is the process's own, so no child of another test is waited for.
        let group = Pid::from_raw(-self.leader.as_raw());
        loop {
            let (thread, signal) = match waitpid(group, Some(WaitPidFlag::__WALL)).unwrap() {
                WaitStatus::Exited(pid, code) if pid == self.leader => return Some(code),
                WaitStatus::Signaled(pid, _, _) if pid == self.leader => return None,
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => continue,
                WaitStatus::PtraceSyscall(thread) => {
                    self.at_call(thread);
                    (thread, None)
                }
                WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
                WaitStatus::PtraceEvent(thread, _, _) => (thread, None),
                other => panic!("{other:?} was not expected"),
            };
            // A thread of a process that was just killed may be gone already.
            match ptrace::syscall(thread, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => panic!("going on: {e}"),
            }
        }
    }

    fn at_call(&mut self, thread: Pid) {
        let (Ok(info), Ok(mut registers)) = (ptrace::syscall_info(thread), ptrace::getregs(thread)) else {
            return;
        };
        if info.op != SYSCALL_ENTRY {
            if let Some(at) = self.failing.iter().position(|(failing, _)| *failing == thread) {
                let (_, errno) = self.failing.swap_remove(at);
                registers.rax = (-i64::from(errno as i32)).cast_unsigned();
                ptrace::setregs(thread, registers).unwrap();
            }
            return;
        }
        if !call(self.leader, &registers).is_some_and(|call| (self.counts)(&call)) {
            return;
        }
        self.calls += 1;
        if matches!(self.harm, Harm::Kill(at) if at == self.calls) {
            kill(self.leader, Signal::SIGKILL).unwrap();
        } else if let Some(errno) = self.harm.fails(self.calls) {
            // A call of no number does nothing; what it returns is set when it is over.
            registers.orig_rax = u64::MAX;
            ptrace::setregs(thread, registers).unwrap();
            self.failing.push((thread, errno));
        }
    }
}

/// Where a call has its path.
enum At {
    Descriptor(usize),
    Path(usize),
    /// Relative to a descriptor, which comes just before it.
    Beside(usize),
}

fn call(process: Pid, registers: &user_regs_struct) -> Option<Call> {
    let (does, at) = meaning(registers)?;
    let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
    let of_descriptor =
        |number: u64| std::fs::read_link(format!("/proc/{process}/fd/{}", number as i32)).unwrap_or_default();
    let path = match at {
        At::Descriptor(n) => of_descriptor(arguments[n]),
        At::Path(n) => read_path(process, arguments[n]),
        At::Beside(n) => of_descriptor(arguments[n - 1]).join(read_path(process, arguments[n])),
    };
    Some(Call { does, path })
}

/// What a call does, by its number; none for those that touch no file.
fn meaning(registers: &user_regs_struct) -> Option<(Does, At)> {
    let makes = |flags: u64| flags & libc::O_CREAT as u64 != 0;
    let opens = |flags: u64| if makes(flags) { Does::Make } else { Does::Open };
    Some(match registers.orig_rax.cast_signed() {
        libc::SYS_open => (opens(registers.rsi), At::Path(0)),
        libc::SYS_openat => (opens(registers.rdx), At::Beside(1)),
        libc::SYS_read | libc::SYS_pread64 | libc::SYS_readv | libc::SYS_preadv | libc::SYS_getdents64 => {
            (Does::Read, At::Descriptor(0))
        }
        libc::SYS_lgetxattr | libc::SYS_llistxattr | libc::SYS_getxattr | libc::SYS_listxattr => {
            (Does::Read, At::Path(0))
        }
        libc::SYS_readlink | libc::SYS_stat | libc::SYS_lstat => (Does::Read, At::Path(0)),
        libc::SYS_fstat => (Does::Read, At::Descriptor(0)),
        libc::SYS_newfstatat | libc::SYS_statx | libc::SYS_readlinkat => (Does::Read, At::Beside(1)),
        libc::SYS_mkdir | libc::SYS_mknod => (Does::Make, At::Path(0)),
        libc::SYS_mkdirat | libc::SYS_mknodat => (Does::Make, At::Beside(1)),
        libc::SYS_symlink => (Does::Make, At::Path(1)),
        libc::SYS_symlinkat => (Does::Make, At::Beside(2)),
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_pwritev => {
            (Does::Write, At::Descriptor(0))
        }
        libc::SYS_ftruncate | libc::SYS_fallocate => (Does::Write, At::Descriptor(0)),
        libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_syncfs => (Does::Sync, At::Descriptor(0)),
        libc::SYS_rename | libc::SYS_link => (Does::Name, At::Path(1)),
        libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat => (Does::Name, At::Beside(3)),
        libc::SYS_unlink | libc::SYS_rmdir => (Does::Remove, At::Path(0)),
        libc::SYS_unlinkat => (Does::Remove, At::Beside(1)),
        libc::SYS_chmod | libc::SYS_lchown | libc::SYS_chown | libc::SYS_lsetxattr | libc::SYS_setxattr => {
            (Does::Describe, At::Path(0))
        }
        libc::SYS_fchmod | libc::SYS_fchown | libc::SYS_fsetxattr => (Does::Describe, At::Descriptor(0)),
        libc::SYS_fchmodat | libc::SYS_fchownat | libc::SYS_utimensat => (Does::Describe, At::Beside(1)),
        _ => return None,
    })
}

/// Empty when there is none, as for a call that is about a descriptor itself.
fn read_path(process: Pid, address: u64) -> PathBuf {
    let mut bytes = vec![0; PATH_BYTES];
    let memory = File::open(format!("/proc/{process}/mem"));
    // The page after the path may not exist, so less than asked for is no error.
    let count = memory.and_then(|file| file.read_at(&mut bytes, address)).unwrap_or(0);
    let text = bytes[..count].split(|byte| *byte == 0).next().unwrap_or_default();
    Path::new(OsStr::from_bytes(text)).to_owned()
}
