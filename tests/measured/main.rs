//! Tests that load or measure the whole machine.
//!
//! Cargo runs test binaries one after the other, so none runs beside this one. Within it, each test
//! waits for its [`turn`].

mod crowd;
mod limits;

use tokio::sync::{Mutex, MutexGuard};

/// Waits until no other test of this binary runs. The next test begins when the guard is dropped.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
