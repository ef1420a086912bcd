//! Time and ids as handles, so that a test can set them.
//!
//! Two times: the wall clock, for people and for records; and the time since boot that also counts
//! suspend (CLOCK_BOOTTIME), for durations and leases. The second is void after a reboot, which the
//! boot id shows.

use model::{ApprovalId, Micros, RunId};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// The time, as a handle that is cheap to clone.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { boot_id: Arc<str> },
    Set(Arc<Mutex<Times>>),
}

#[derive(Clone)]
struct Times {
    now: Micros,
    since_boot: Duration,
    boot_id: Uuid,
}

impl Clock {
    /// The clocks of this host.
    pub fn system() -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Clock(Source::System { boot_id: boot_id.trim().into() })
    }

    /// A clock that stands still until its [`SetClock`] moves it.
    pub fn set(now: Micros) -> (Self, SetClock) {
        let times = Times { now, since_boot: Duration::from_secs(1000), boot_id: Uuid::from_u128(1) };
        let shared = Arc::new(Mutex::new(times));
        (Clock(Source::Set(shared.clone())), SetClock(shared))
    }

    /// Wall-clock time. May jump; never use it for a duration.
    pub fn now(&self) -> Micros {
        match &self.0 {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Source::Set(times) => lock(times).now,
        }
    }

    /// Time since this host booted, suspend included. Never jumps; compare only under one [`Clock::boot_id`].
    pub fn since_boot(&self) -> Duration {
        match &self.0 {
            Source::System { .. } => {
                let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                Duration::new(
                    u64::try_from(time.tv_sec).unwrap_or(0),
                    u32::try_from(time.tv_nsec).unwrap_or(0),
                )
            }
            Source::Set(times) => lock(times).since_boot,
        }
    }

    /// Which boot of this host it is, as text. Empty when the kernel does not say.
    pub fn boot_id(&self) -> String {
        match &self.0 {
            Source::System { boot_id } => boot_id.to_string(),
            Source::Set(times) => lock(times).boot_id.to_string(),
        }
    }
}

fn lock(times: &Mutex<Times>) -> std::sync::MutexGuard<'_, Times> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Moves a clock that was made by [`Clock::set`].
#[derive(Clone)]
pub struct SetClock(Arc<Mutex<Times>>);

impl SetClock {
    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut times = lock(&self.0);
        times.now = times.now.after(by);
        times.since_boot += by;
    }

    /// Sets the wall clock alone, as NTP or an operator would.
    pub fn step_to(&self, now: Micros) {
        lock(&self.0).now = now;
    }

    /// Boots: a new boot id, and time since boot begins again.
    pub fn reboot(&self) {
        let mut times = lock(&self.0);
        times.since_boot = Duration::ZERO;
        times.boot_id = Uuid::from_u128(times.boot_id.as_u128() + 1);
    }
}

/// Fresh ids, as a handle that is cheap to clone.
#[derive(Clone, Default)]
pub struct Ids(Option<Arc<Mutex<u128>>>);

impl Ids {
    /// UUID v7: sortable by when they were made.
    pub fn system() -> Self {
        Ids(None)
    }

    /// 1, 2, 3 … as ids, for tests.
    pub fn counted() -> Self {
        Ids(Some(Arc::new(Mutex::new(0))))
    }

    /// A fresh id.
    pub fn fresh(&self) -> Uuid {
        match &self.0 {
            None => Uuid::now_v7(),
            Some(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                *last += 1;
                Uuid::from_u128(*last)
            }
        }
    }

    /// A fresh id of a run.
    pub fn run(&self) -> RunId {
        RunId(self.fresh())
    }

    /// A fresh id of an approval.
    pub fn approval(&self) -> ApprovalId {
        ApprovalId(self.fresh())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_runs_and_knows_its_boot() {
        let clock = Clock::system();
        assert!(clock.now() > Micros(1_700_000_000_000_000));
        let first = clock.since_boot();
        assert!(first > Duration::ZERO && clock.since_boot() >= first);
        assert_eq!(clock.boot_id().len(), 36);
    }

    #[test]
    fn a_step_of_the_wall_clock_does_not_move_time_since_boot() {
        let (clock, hand) = Clock::set(Micros(5_000_000));
        let before = clock.since_boot();
        hand.step_to(Micros(0));
        assert_eq!((clock.now(), clock.since_boot()), (Micros(0), before));
        hand.advance(Duration::from_secs(2));
        assert_eq!((clock.now(), clock.since_boot()), (Micros(2_000_000), before + Duration::from_secs(2)));
        let boot = clock.boot_id();
        hand.reboot();
        assert_ne!(clock.boot_id(), boot);
        assert_eq!(clock.since_boot(), Duration::ZERO);
    }

    #[test]
    fn ids_sort_by_when_they_were_made() {
        let ids = Ids::system();
        let made: Vec<_> = (0..100).map(|_| ids.fresh()).collect();
        assert!(made.is_sorted());
        assert_eq!(Ids::counted().run().0, Uuid::from_u128(1));
    }
}
