//! Crash points: places at which a test kills the process as `kill -9` would, at the worst moment.
//!
//! Only builds with the feature `crash-points` (the tests') look at the variables; in all others a point
//! is nothing.
//!
//! - `LIFEBOAT_CRASH_AT=after-commit` ends the process at the first pass, `LIFEBOAT_CRASH_AT=after-commit:3`
//!   at the third. A point that is passed for many things (a step, an event) also has a name for each of
//!   them, `after-end/promote`, with passes of its own.
//! - `LIFEBOAT_CRASH_RECORD=path` appends a line `name:pass` to a file at each pass, in their order: what a
//!   sweep then kills at, one after another.

use std::fmt::Display;

/// Passes a point. May not return.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn point(_place: &str) {}

/// Passes a point that has a name for each thing that it is passed for. May not return.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn point_of(_place: &str, _of: impl Display) {}

/// Passes a point. May not return.
#[cfg(feature = "crash-points")]
pub fn point(place: &str) {
    armed::pass(place, None);
}

/// Passes a point that has a name for each thing that it is passed for. May not return.
#[cfg(feature = "crash-points")]
pub fn point_of(place: &str, of: impl Display) {
    armed::pass(place, Some(&of));
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::collections::BTreeMap;
    use std::fmt::Display;
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// Names that are counted at most: more than any test's process passes.
    const MAX_NAMES: usize = 100_000;

    /// What the environment asks, and how often each name was passed.
    struct Watch {
        at: Option<(String, u64)>,
        record: Option<File>,
        passes: BTreeMap<String, u64>,
    }

    impl Watch {
        fn from_environment() -> Option<Mutex<Self>> {
            let at = std::env::var("LIFEBOAT_CRASH_AT").ok().map(|wanted| match wanted.rsplit_once(':') {
                Some((name, pass)) => (name.to_string(), pass.parse().unwrap_or(1)),
                None => (wanted, 1),
            });
            let record = std::env::var_os("LIFEBOAT_CRASH_RECORD").and_then(|path| {
                // Without its file a record is empty, and whoever wanted it sees that.
                File::options().create(true).append(true).open(path).ok()
            });
            let watched = at.is_some() || record.is_some();
            watched.then(|| Mutex::new(Self { at, record, passes: BTreeMap::new() }))
        }

        fn count(&mut self, name: &str) -> u64 {
            if self.passes.len() >= MAX_NAMES && !self.passes.contains_key(name) {
                return 0;
            }
            let passed = self.passes.entry(name.to_string()).or_default();
            *passed += 1;
            *passed
        }

        fn is_wanted(&mut self, name: &str) -> bool {
            let pass = self.count(name);
            self.at.as_ref().is_some_and(|(at, wanted)| at == name && *wanted == pass)
        }
    }

    pub(super) fn pass(place: &str, of: Option<&dyn Display>) {
        static WATCH: OnceLock<Option<Mutex<Watch>>> = OnceLock::new();
        let Some(watch) = WATCH.get_or_init(Watch::from_environment) else { return };
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        let name = of.map_or_else(|| place.to_string(), |of| format!("{place}/{of}"));
        let by_place = of.is_some() && watch.is_wanted(place);
        if watch.is_wanted(&name) || by_place {
            // No destructor, no flush: what is not on the disk is lost, as with kill -9.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort();
        }
        let pass = watch.passes.get(&name).copied().unwrap_or_default();
        if let Some(file) = &mut watch.record {
            // A line that cannot be written is missed by whoever reads the record.
            let _ = file.write_all(format!("{name}:{pass}\n").as_bytes());
        }
    }
}
