//! Control connections before their `hello`.
//!
//! Owns how many of them may exist. Must never know what they send. Invariant: a new connection
//! always gets a permit; if all are taken, the connection that has been silent for longest loses
//! its own.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

/// Most connections without a hello. One engine connects at a time; the rest allows for connections
/// that overlap.
const MOST: usize = 32;

/// The connections, the oldest first.
#[derive(Default)]
pub(crate) struct Unidentified {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    permits: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// The permit of one connection; released when dropped.
pub(crate) struct Permit {
    unidentified: Arc<Unidentified>,
    number: u64,
    /// Resolves when a new connection needs the permit.
    pub(crate) dismissed: oneshot::Receiver<()>,
}

impl Unidentified {
    /// Takes a permit, from the oldest connection if need be.
    pub(crate) fn enter(self: &Arc<Self>) -> Permit {
        let (dismiss, dismissed) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.permits.len() >= MOST
            && let Some((_, longest)) = waiting.permits.pop_front()
        {
            // That connection may have just ended by itself.
            let _ = longest.send(());
        }
        waiting.next += 1;
        let number = waiting.next;
        waiting.permits.push_back((number, dismiss));
        Permit { unidentified: Arc::clone(self), number, dismissed }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.unidentified.lock().permits.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silent_connection_makes_room_for_a_newcomer() {
        let unidentified = Arc::new(Unidentified::default());
        let mut permits: Vec<Permit> = (0..MOST).map(|_| unidentified.enter()).collect();
        drop(permits.remove(0));
        permits.push(unidentified.enter());
        let is_dismissed = |one: &mut Permit| one.dismissed.try_recv().is_ok();
        assert!(!permits.iter_mut().any(is_dismissed), "a permit was free");
        permits.push(unidentified.enter());
        assert_eq!(permits.iter_mut().position(is_dismissed), Some(0));
        assert_eq!(unidentified.lock().permits.len(), MOST);
    }

    #[test]
    fn a_connection_that_ends_gives_its_permit_back() {
        let unidentified = Arc::new(Unidentified::default());
        let mut permits: Vec<Permit> = (0..MOST).map(|_| unidentified.enter()).collect();
        permits.pop();
        assert_eq!(unidentified.lock().permits.len(), MOST - 1);
        permits.push(unidentified.enter());
        let is_dismissed = |one: &mut Permit| one.dismissed.try_recv().is_ok();
        assert!(!permits.iter_mut().any(is_dismissed), "a permit was free");
        drop(permits);
        assert!(unidentified.lock().permits.is_empty());
    }
}
