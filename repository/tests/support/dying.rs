//! A storage that dies: after some writes nothing works any more, as for a process that was killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use repository::Storage;
use repository::storage::{Kind, Listed, Object, Problem, StorageError};

pub struct Dying {
    inner: Arc<dyn Storage>,
    /// Writes and removals that still succeed.
    left: AtomicI64,
}

impl Dying {
    pub fn after(inner: Arc<dyn Storage>, writes: i64) -> Arc<Self> {
        Arc::new(Self { inner, left: AtomicI64::new(writes) })
    }

    pub fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    fn dead(&self, op: &'static str) -> StorageError {
        StorageError {
            op,
            object: "anything".to_owned(),
            place: self.inner.describe(),
            problem: Problem::Failed,
            source: Some("killed".into()),
        }
    }

    fn reading(&self) -> Result<(), StorageError> {
        if self.is_dead() { Err(self.dead("reading")) } else { Ok(()) }
    }

    fn writing(&self) -> Result<(), StorageError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.left.store(-1, Ordering::SeqCst);
            return Err(self.dead("writing"));
        }
        Ok(())
    }
}

impl Storage for Dying {
    fn describe(&self) -> String {
        self.inner.describe()
    }
    fn prepare(&self) -> Result<(), StorageError> {
        self.inner.prepare()
    }
    fn put(&self, object: Object, bytes: &[u8]) -> Result<(), StorageError> {
        self.writing()?;
        self.inner.put(object, bytes)
    }
    fn read_into(
        &self,
        object: Object,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        self.reading()?;
        self.inner.read_into(object, offset, length, buffer)
    }
    fn stat(&self, object: Object) -> Result<Option<u64>, StorageError> {
        self.reading()?;
        self.inner.stat(object)
    }
    fn list(&self, kind: Kind, each: &mut dyn FnMut(Listed)) -> Result<(), StorageError> {
        self.reading()?;
        self.inner.list(kind, each)
    }
    fn delete(&self, object: Object) -> Result<(), StorageError> {
        self.writing()?;
        self.inner.delete(object)
    }
}
