//! What one sync of the disk takes, and how many a process makes.

use crate::Failure;
use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Syncs that are timed.
const TIMED: usize = 200;
/// Bytes that each of them makes durable: a few records.
const BYTES: usize = 1024;
/// How long strace gets to attach.
const ATTACH: Duration = Duration::from_millis(700);

/// The median time of an append that is made durable, in seconds.
pub(super) fn seconds(path: &Path) -> Result<f64, Failure> {
    let failed = || Failure::io(format!("write to {}", path.display()));
    let mut file = File::options().create(true).append(true).open(path).map_err(failed())?;
    let mut took = Vec::with_capacity(TIMED);
    for _ in 0..TIMED {
        file.write_all(&[b'x'; BYTES]).map_err(failed())?;
        let begun = Instant::now();
        file.sync_data().map_err(failed())?;
        took.push(begun.elapsed().as_secs_f64());
    }
    Ok(super::median(took))
}

/// Counts the syncs of some processes while it lives.
pub(super) struct Counter {
    strace: Child,
    log: std::path::PathBuf,
}

impl Counter {
    /// Attaches strace. None where there is none, or it may not.
    pub(super) async fn attach(pids: &[u32], log: &Path) -> Option<Counter> {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o"]).arg(log);
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let strace = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let mut counter = Counter { strace, log: log.to_path_buf() };
        tokio::time::sleep(ATTACH).await;
        matches!(counter.strace.try_wait(), Ok(None)).then_some(counter)
    }

    /// Lets the processes go, and says how often they synced.
    pub(super) fn count(mut self) -> usize {
        let pid = i32::try_from(self.strace.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It detaches and ends at this signal; one that is gone already has written all.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.strace.wait();
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        // A call that another thread interrupted stands on two lines.
        text.lines().filter(|line| line.contains("sync") && !line.contains("resumed>")).count()
    }
}
