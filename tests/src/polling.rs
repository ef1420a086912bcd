//! Waiting for a fact, with a bound and without a fixed sleep.

use std::time::{Duration, Instant};

use crate::Failure;

/// How long to rest between two looks.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` answers `Ok(value)`, at most `within`. `Err(text)` says what
/// was seen instead; the last of these texts stands in the failure.
///
/// A single look is cut off at the bound too, so a look that hangs cannot hang the test.
///
/// # Errors
/// [`Failure::TimedOut`] with `what` and the last thing seen.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + within;
    let mut last = String::from("nothing");
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = seen,
            Err(_) => last.push_str(" (the last look did not end)"),
        }
        if Instant::now() >= deadline {
            return Err(Failure::TimedOut { what: what.to_owned(), within, last });
        }
        tokio::time::sleep(PAUSE).await;
    }
}
