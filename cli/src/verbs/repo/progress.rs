//! How far an operation is, on stderr: on a terminal each second in one line, else a line every ten seconds.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use report::units;
use repository::Monitor;

const ON_TERMINAL: Duration = Duration::from_secs(1);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// Runs `work` and shows the monitor meanwhile.
pub fn during<T>(what: &str, monitor: &Arc<Monitor>, work: impl FnOnce() -> T) -> T {
    let done = Done::default();
    std::thread::scope(|scope| {
        scope.spawn(|| show(what, monitor, &done));
        let result = work();
        done.ended.store(true, Ordering::Release);
        done.wake.notify_all();
        result
    })
}

#[derive(Default)]
struct Done {
    ended: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

fn show(what: &str, monitor: &Monitor, done: &Done) {
    let is_terminal = std::io::stderr().is_terminal();
    let every = if is_terminal { ON_TERMINAL } else { ELSEWHERE };
    let began = Instant::now();
    let mut guard = done.lock.lock().unwrap_or_else(PoisonError::into_inner);
    let mut shown = false;
    loop {
        let next = done.wake.wait_timeout_while(guard, every, |()| !done.ended.load(Ordering::Acquire));
        guard = next.map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
        let mut stderr = std::io::stderr().lock();
        if done.ended.load(Ordering::Acquire) {
            if shown && is_terminal {
                let _ = write!(stderr, "\r\x1b[K");
            }
            return;
        }
        let line = line(what, monitor, began.elapsed());
        let _ = if is_terminal { write!(stderr, "\r\x1b[K{line}") } else { writeln!(stderr, "{line}") };
        let _ = stderr.flush();
        shown = true;
    }
}

fn line(what: &str, monitor: &Monitor, elapsed: Duration) -> String {
    let now = monitor.progress();
    let seconds = elapsed.as_secs().max(1);
    let mut line = format!("{what}: {}", units::bytes(now.bytes_done));
    if let Some(expected) = now.bytes_expected {
        line.push_str(&format!(" of {}", units::bytes(expected)));
    }
    if now.files_done > 0 {
        line.push_str(&format!(", {} files", now.files_done));
    }
    if now.bytes_stored > 0 {
        line.push_str(&format!(", {} stored", units::bytes(now.bytes_stored)));
    }
    line.push_str(&format!(", {}/s, {seconds} s", units::bytes(now.bytes_done / seconds)));
    line
}
