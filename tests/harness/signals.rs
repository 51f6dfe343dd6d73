//! Signals that ask this process to end.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for Ctrl+C, SIGTERM or SIGHUP. Returns the exit status that a shell expects.
///
/// # Panics
/// Outside a Tokio runtime that handles signals.
pub async fn asked_to_end() -> u8 {
    let mut interrupt = signal(SignalKind::interrupt()).expect("the runtime handles signals");
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime handles signals");
    let mut hangup = signal(SignalKind::hangup()).expect("the runtime handles signals");
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
        _ = hangup.recv() => 129,
    }
}
