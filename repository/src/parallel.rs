//! The same work on many things by several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::sync::locked;

/// Does `work` on each item, by so many threads at most. The results are in the order of the items; after
/// the first error nothing more is begun.
pub(crate) fn each<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let (done, error) = (Mutex::new(Vec::with_capacity(items.len())), Mutex::new(None::<Error>));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number).filter(|_| locked(&error).is_none()) else { return };
                    match work(item) {
                        Ok(result) => locked(&done).push((number, result)),
                        Err(e) => drop(locked(&error).get_or_insert(e)),
                    }
                }
            });
        }
    });
    if let Some(error) = locked(&error).take() {
        return Err(error);
    }
    let mut done = std::mem::take(&mut *locked(&done));
    done.sort_unstable_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn results_keep_the_order_and_an_error_ends_it() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(each(4, &items, |n| Ok(n * 2)).unwrap(), (0..200).step_by(2).collect::<Vec<_>>());
        assert!(each::<usize, ()>(4, &[], |_| Err(Error::Cancelled)).unwrap().is_empty());
        let begun = AtomicUsize::new(0);
        let failed = each(1, &items, |n| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *n == 3 { Err(Error::Cancelled) } else { Ok(()) }
        });
        assert!(failed.is_err());
        assert_eq!(begun.into_inner(), 4);
    }
}
