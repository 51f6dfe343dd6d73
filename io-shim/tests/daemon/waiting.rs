//! How long tests wait for something, and for nothing.

use std::time::Duration;

use tokio::time::timeout;

/// How long an expected event may take.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// How long nothing must happen before a test concludes that nothing will.
pub(crate) const QUIET: Duration = Duration::from_millis(150);
/// The key of every file that [`Brain::announce`] announces.
pub(crate) const KEY: &str = "key-of-the-film";

/// Waits for an expected event.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        let ended = timeout(SOON, future).await;
        ended.unwrap_or_else(|_| panic!("nothing happened at {caller}"))
    }
}
