//! The one loop: deadlines first, then whoever asks.

use crate::group;
use crate::keep::{self, Folder};
use crate::{note, say};
use model::Name;
use model::lease::{Answer, Ask, Duty, MAX_DUTIES, Watch};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// Who may be connected at once; the oldest gives way.
const MAX_CLIENTS: usize = 8;
/// Longest line that is read.
const MAX_LINE: usize = 16 * 1024;
/// How often a group that is being ended is looked at.
const LOOK: Duration = Duration::from_millis(5);

struct Client {
    stream: UnixStream,
    line: Vec<u8>,
}

/// Everything that the watchdog has.
pub struct Desk {
    folder: Folder,
    watch: Watch,
    reset_by: Option<PathBuf>,
    listener: UnixListener,
    timer: OwnedFd,
    clients: Vec<Client>,
    /// Those of which it was told that their time to end is over.
    late: BTreeSet<Name>,
}

fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

impl Desk {
    /// Goes on with what an earlier life held, and listens.
    pub fn open(folder: Folder, reset_by: Option<PathBuf>) -> std::io::Result<Desk> {
        let watch = folder.load().map_err(std::io::Error::other)?;
        let path = folder.socket();
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let (clients, late) = (Vec::new(), BTreeSet::new());
        Ok(Desk { folder, watch, reset_by, listener, timer, clients, late })
    }

    /// Goes once through all that a deadline needs, with a group that is not there: so the pages of it are in
    /// memory, and locked, before the disk that holds them hangs.
    pub fn rehearse(&mut self) -> std::io::Result<()> {
        let name = Name::new("rehearsal").map_err(std::io::Error::other)?;
        let now = since_boot();
        let duty = self.folder.duty_of(name, now + Duration::from_secs(1));
        let ask = serde_json::to_vec(&Ask::Arm(duty.clone()))?;
        let _ask: Ask = serde_json::from_slice(&ask)?;
        let mut watch = Watch::new(&duty.boot);
        watch.arm(duty.clone(), now).map_err(std::io::Error::other)?;
        keep::open(&duty)?;
        for duty in watch.due(now + Duration::from_secs(2)) {
            keep::close(&duty);
            group::end(&duty.cgroup);
            watch.ended(&duty.source);
        }
        if !group::is_empty(&duty.cgroup) {
            return Err(std::io::Error::other("a group that is not there is not empty"));
        }
        let answer = Answer { refused: None, duties: watch.duties() };
        note(&format!("the watchdog is ready: it guards {} of {MAX_DUTIES}", self.watch.duties().len()));
        self.folder.save(&self.watch).map(|()| drop(serde_json::to_vec(&answer)))
    }

    /// Until it is killed.
    pub fn serve(&mut self) -> std::io::Result<Infallible> {
        loop {
            self.end_what_is_due();
            self.wait()?;
            self.end_what_is_due();
            self.accept()?;
            self.hear();
        }
    }

    fn end_what_is_due(&mut self) {
        let now = since_boot();
        let due = self.watch.due(now);
        for duty in &due {
            keep::close(duty);
            group::end(&duty.cgroup);
        }
        for duty in &due {
            let late = now.saturating_sub(Duration::from_micros(duty.deadline_us));
            say(
                "LB2453",
                format!(
                    "the lease of {} ran out, and its server is ended {late:?} after the deadline",
                    duty.source
                ),
                "Nothing, when the controllers are out of reach or the agent does not run: it goes on when the lease is granted again.",
            );
        }
        let mut changed = !due.is_empty();
        for (duty, over) in self.watch.ending(now) {
            if group::is_empty(&duty.cgroup) {
                self.watch.ended(&duty.source);
                self.late.remove(&duty.source);
                changed = true;
                let took = since_boot().saturating_sub(Duration::from_micros(duty.deadline_us));
                note(&format!("{}: nothing is left of its server {took:?} after the deadline", duty.source));
            } else {
                group::end(&duty.cgroup);
                if over && self.late.insert(duty.source.clone()) {
                    self.too_late(&duty);
                }
            }
        }
        if changed && let Err(error) = self.folder.save(&self.watch) {
            say(
                "LB2444",
                format!("the deadlines cannot be written down: {error}"),
                "Free memory: the folder lies below /run. A restart of the watchdog would lose them.",
            );
        }
    }

    /// Processes are left after their stop time: they hang in the kernel, or somebody brings them back.
    fn too_late(&self, duty: &Duty) {
        let source = &duty.source;
        say(
            "LB2454",
            format!("processes of {source} are left after the stop time, in {}", duty.cgroup.display()),
            "They hang in the kernel, usually on storage, and are frozen. Reset or power off the host before another is promoted.",
        );
        let Some(trigger) = &self.reset_by else { return };
        say("LB2455", "this host is reset, because a server did not end", "Nothing: --reset-by asks for it.");
        if let Err(error) = std::fs::write(trigger, "b") {
            say(
                "LB2445",
                format!("{} cannot be written: {error}", trigger.display()),
                "The host is not reset: power it off.",
            );
        }
    }

    fn wait(&mut self) -> std::io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let next = self.watch.next().map_or(zero, timespec);
        let setting = Itimerspec { it_interval: zero, it_value: next };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &setting)?;
        let look = timespec(LOOK);
        let limit = (!self.watch.ending(since_boot()).is_empty()).then_some(&look);
        let mut ready =
            vec![PollFd::new(&self.timer, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
        ready.extend(self.clients.iter().map(|client| PollFd::new(&client.stream, PollFlags::IN)));
        match poll(&mut ready, limit) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn accept(&mut self) -> std::io::Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                if self.clients.len() >= MAX_CLIENTS {
                    self.clients.remove(0);
                }
                self.clients.push(Client { stream, line: Vec::new() });
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            // Nobody was taken; who wanted to come tries again.
            Err(_) => Ok(()),
        }
    }

    /// Answers each whole line. Whoever says too much, or does not read, is let go.
    fn hear(&mut self) {
        let mut clients = std::mem::take(&mut self.clients);
        clients.retain_mut(|client| self.hear_one(client).is_ok());
        self.clients = clients;
    }

    fn hear_one(&mut self, client: &mut Client) -> std::io::Result<()> {
        let mut piece = [0; 4096];
        loop {
            match client.stream.read(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => client.line.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            while let Some(end) = client.line.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = client.line.drain(..=end).collect();
                let refused = match serde_json::from_slice(&line) {
                    Ok(ask) => self.asked(ask).err(),
                    Err(error) => Some(error.to_string()),
                };
                let answer = Answer { refused, duties: self.watch.duties() };
                let mut text = serde_json::to_vec(&answer)?;
                text.push(b'\n');
                client.stream.write_all(&text)?;
            }
            if client.line.len() > MAX_LINE {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }

    fn asked(&mut self, ask: Ask) -> Result<(), String> {
        let told = |error: std::io::Error| format!("it cannot be written down: {error}");
        match ask {
            Ask::Look => Ok(()),
            Ask::Arm(duty) => {
                group::check(&duty.cgroup)?;
                let mut next = self.watch.clone();
                next.arm(duty.clone(), since_boot())?;
                self.folder.save(&next).map_err(told)?;
                self.watch = next;
                keep::open(&duty).map_err(told)
            }
            Ask::Disarm { source } => {
                let mut next = self.watch.clone();
                if let Some(duty) = next.disarm(&source)? {
                    keep::close(&duty);
                }
                self.folder.save(&next).map_err(told)?;
                self.watch = next;
                Ok(())
            }
        }
    }
}
