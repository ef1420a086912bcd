//! A job in a process of its own, within limits, and what it took.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The variable that names a child's job.
const JOB: &str = "LIFEBOAT_PLAN_CHILD";
/// Before what a child has measured.
const MARK: &str = "measured:";
/// When the check of one text is given up.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Address space of a child: it ends before the machine has no memory left.
const ADDRESSES: &str = "--as=1073741824";

/// What a child took.
pub struct Measured {
    /// Milliseconds of its job.
    pub ms: u128,
    /// The peak of its memory.
    pub mib: f64,
}

/// The job of this process, if it is a child.
pub fn job() -> Option<String> {
    std::env::var(JOB).ok()
}

/// Whether the long run was asked for.
pub fn full() -> bool {
    std::env::var_os("LIFEBOAT_FULL").is_some()
}

/// Does a job and tells the parent what it took.
pub fn measured(job: impl FnOnce()) {
    let begun = Instant::now();
    job();
    println!("\n{MARK} {} {}", begun.elapsed().as_millis(), peak_mib().expect("/proc says it"));
}

/// The largest resident set of this process.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

/// Does a job in a child; says why when it does not end well, or not in time.
pub fn spawn(name: &str, patience: Duration) -> Result<Measured, String> {
    let mut command = Command::new("prlimit");
    command.arg(ADDRESSES).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "the_corpus_is_checked_without_a_panic", "--nocapture", "--test-threads=1"]);
    command.env(JOB, name).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|error| format!("prlimit (util-linux) does not start: {error}"))?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > patience {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("not over after {patience:?}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (mut out, mut errors) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    let line = out.lines().find_map(|line| line.strip_prefix(MARK)).filter(|_| status.success());
    let Some(line) = line else {
        return Err(format!("{status}: {}", errors.chars().take(2_000).collect::<String>()));
    };
    let mut numbers = line.split_whitespace();
    let mut number = || numbers.next().unwrap().parse::<f64>().unwrap();
    let (ms, mib) = (number(), number());
    Ok(Measured { ms: ms as u128, mib })
}
