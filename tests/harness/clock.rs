//! Waiting for a condition, with a limit and a message.
//!
//! Scenarios never sleep for a guessed time: they look until the condition holds.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Longest wait for anything that a person would wait for.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How often to look at a condition.
const STEP: Duration = Duration::from_millis(50);

/// Calls `look` until it returns a value. `Ok(None)` means "not yet"; an error ends the wait.
///
/// # Errors
/// What `look` fails with, or the time ran out: the message then names `what`.
pub async fn until<T, F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = look().await? {
            return Ok(value);
        }
        if start.elapsed() > limit {
            bail!("waited {:.1} s for: {what}", limit.as_secs_f64());
        }
        tokio::time::sleep(STEP).await;
    }
}
