//! A storage that is used no faster than somebody wants.
//!
//! Each direction has its own clock: a transfer of so many bytes books the time that they may take, and
//! begins when all that was booked before is over. So the average keeps the bound however many threads
//! transfer, and no single transfer is slowed down in itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::{
    Kind, Lifecycle, Listed, Object, PackClass, Protected, RetentionMode, Storage, StorageError, Warmth,
};
use crate::id::Id;
use crate::limits::Limits;
use crate::sync::locked;

/// What one direction has booked.
struct Lane {
    bytes_per_second: Option<u64>,
    free_from: Mutex<Instant>,
}

impl Lane {
    fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second, free_from: Mutex::new(Instant::now()) }
    }

    /// Waits for its turn.
    fn pass(&self, bytes: usize) {
        let Some(rate) = self.bytes_per_second.filter(|rate| *rate > 0) else { return };
        let now = Instant::now();
        let mut free_from = locked(&self.free_from);
        let begin = (*free_from).max(now);
        let nanoseconds =
            u128::from(u64::try_from(bytes).unwrap_or(u64::MAX)) * 1_000_000_000 / u128::from(rate);
        *free_from = begin + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        drop(free_from);
        std::thread::sleep(begin - now);
    }
}

/// See the module.
pub(crate) struct Throttled {
    inner: Arc<dyn Storage>,
    up: Lane,
    down: Lane,
}

impl Throttled {
    /// The storage itself when there is no bound.
    pub(crate) fn over(inner: Arc<dyn Storage>, limits: Limits) -> Arc<dyn Storage> {
        if limits.upload_per_second.is_none() && limits.download_per_second.is_none() {
            return inner;
        }
        let (up, down) = (Lane::new(limits.upload_per_second), Lane::new(limits.download_per_second));
        Arc::new(Self { inner, up, down })
    }
}

impl Storage for Throttled {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn requests_at_once(&self) -> usize {
        self.inner.requests_at_once()
    }

    fn prepare(&self) -> Result<(), StorageError> {
        self.inner.prepare()
    }

    fn put(&self, object: Object, bytes: &[u8]) -> Result<(), StorageError> {
        // A lock is small, and must not wait behind packs: others would take it for stale.
        if !matches!(object, Object::Named(Kind::Lock, _)) {
            self.up.pass(bytes.len());
        }
        self.inner.put(object, bytes)
    }

    fn put_data(&self, pack: Id, bytes: &[u8], class: Option<PackClass>) -> Result<(), StorageError> {
        self.up.pass(bytes.len());
        self.inner.put_data(pack, bytes, class)
    }

    fn read_into(
        &self,
        object: Object,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        if !matches!(object, Object::Named(Kind::Lock, _)) {
            self.down.pass(length);
        }
        self.inner.read_into(object, offset, length, buffer)
    }

    fn stat(&self, object: Object) -> Result<Option<u64>, StorageError> {
        self.inner.stat(object)
    }

    fn list(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        self.inner.list(kind, each)
    }

    fn delete(&self, object: Object) -> Result<(), StorageError> {
        self.inner.delete(object)
    }

    fn recover(&self, object: Object, is_good: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, StorageError> {
        self.inner.recover(object, is_good)
    }

    fn overwritten(&self) -> Vec<Object> {
        self.inner.overwritten()
    }

    fn list_first_written(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        self.inner.list_first_written(kind, each)
    }

    fn protect(
        &self,
        object: Object,
        until: SystemTime,
        mode: RetentionMode,
        is_good: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Protected, StorageError> {
        self.inner.protect(object, until, mode, is_good)
    }

    fn thaw(&self, pack: Id, days: Option<u32>) -> Result<Warmth, StorageError> {
        self.inner.thaw(pack, days)
    }

    fn lifecycle(&self) -> Lifecycle {
        self.inner.lifecycle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_booked_takes_the_time_that_the_bound_says_whoever_transfers() {
        let lane = Lane::new(Some(1_000_000));
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| lane.pass(25_000));
            }
        });
        let booked = *locked(&lane.free_from) - began;
        assert!(booked >= Duration::from_millis(99), "{booked:?}");
        // The last one began when the three before it were over.
        assert!(began.elapsed() >= Duration::from_millis(74));
        Lane::new(None).pass(usize::MAX);
    }
}
