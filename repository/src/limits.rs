//! What an operation may take of its host: memory, threads, bandwidth.

/// More threads than this only cost memory.
const MAX_THREADS: usize = 8;
/// Below this the largest blobs would not fit beside each other.
const MIN_MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// The bounds of one open repository. Each operation keeps within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of buffers at most, beside the index; less than 64 MiB count as 64 MiB.
    pub memory: usize,
    /// Threads that compute, at most 8. Requests to the storage have threads of their own, as many.
    pub threads: usize,
    /// Bytes sent to the storage in a second, `None` for as many as it takes.
    pub upload_per_second: Option<u64>,
    /// Bytes read from the storage in a second, `None` for as many as it gives.
    pub download_per_second: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            memory: 112 * 1024 * 1024,
            threads: threads.clamp(1, MAX_THREADS),
            upload_per_second: None,
            download_per_second: None,
        }
    }
}

impl Limits {
    /// Bytes of buffers.
    pub(crate) fn memory(&self) -> usize {
        self.memory.max(MIN_MEMORY_BYTES)
    }

    /// Threads that compute.
    pub(crate) fn threads(&self) -> usize {
        self.threads.clamp(1, MAX_THREADS)
    }
}
