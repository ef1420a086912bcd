//! Crash points: places at which a test kills the process as `kill -9` would, at the worst moment.
//!
//! Only builds with the feature `crash-points` (the tests') look at the variable; in all others a point
//! is nothing. `LIFEBOAT_CRASH_AT=after-commit` ends the process at the first pass,
//! `LIFEBOAT_CRASH_AT=after-commit:3` at the third.

/// Passes a point. May not return.
#[cfg(not(feature = "crash-points"))]
pub fn point(_name: &str) {}

/// Passes a point. May not return.
#[cfg(feature = "crash-points")]
pub fn point(name: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Ok(wanted) = std::env::var("LIFEBOAT_CRASH_AT") else { return };
    let (at, pass) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if at != name {
        return;
    }
    let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if passed == pass.parse().unwrap_or(1) {
        // No destructor, no flush: what is not on the disk is lost, as with kill -9.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}
