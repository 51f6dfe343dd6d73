//! Signals to stop: the first ends the program in order, the second at once.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};

/// Catches the signals that end this program, from its creation on.
#[derive(Debug)]
pub(crate) struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
    /// Set by the second signal.
    pub(crate) hurry: Arc<AtomicBool>,
}

impl Stop {
    /// Catches the signals.
    ///
    /// # Errors
    /// The operating system refuses the handlers.
    pub(crate) fn catch() -> Result<Self> {
        #[cfg(unix)]
        let signals = {
            use tokio::signal::unix::{SignalKind, signal};
            let catch = |kind| signal(kind).context("signals can't be caught");
            [
                catch(SignalKind::interrupt())?,
                catch(SignalKind::terminate())?,
                catch(SignalKind::hangup())?,
            ]
        };
        Ok(Self {
            #[cfg(unix)]
            signals,
            hurry: Arc::default(),
        })
    }

    /// Resolves with the next signal's exit status.
    #[cfg(unix)]
    pub(crate) async fn wanted(&mut self) -> u8 {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
            _ = hangup.recv() => 129,
        }
    }

    /// Resolves with the next signal's exit status.
    #[cfg(not(unix))]
    pub(crate) async fn wanted(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        130
    }

    /// Awaits `work`; a signal meanwhile ends everything at once.
    pub(crate) async fn unless_again<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        tokio::select! {
            done = &mut work => Some(done),
            _ = self.wanted() => {
                // Read when `work` is dropped together with the daemon.
                self.hurry.store(true, Ordering::Relaxed);
                None
            }
        }
    }
}
