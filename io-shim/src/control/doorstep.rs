//! Control connections that have not yet said who they are.
//!
//! Owns how many of them there may be. Must never know what they say. Invariant: a newcomer always
//! gets a place; the connection that has been silent for longest loses its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Silent connections at once. There is one engine; the rest is room for those that come while it
/// goes.
const MOST: usize = 32;

/// The connections, the one that came first in front.
#[derive(Default)]
pub(crate) struct Doorstep {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    places: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// A place of one connection; given back when dropped.
pub(crate) struct Standing {
    doorstep: Arc<Doorstep>,
    number: u64,
    /// Resolves when a newcomer needs the place.
    pub(crate) dismissed: oneshot::Receiver<()>,
}

impl Doorstep {
    /// Takes a place.
    pub(crate) fn enter(self: &Arc<Self>) -> Standing {
        let (dismiss, dismissed) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.places.len() >= MOST
            && let Some((_, longest)) = waiting.places.pop_front()
        {
            // It may have ended by itself just now.
            let _ = longest.send(());
        }
        waiting.next += 1;
        let number = waiting.next;
        waiting.places.push_back((number, dismiss));
        Standing { doorstep: Arc::clone(self), number, dismissed }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.doorstep.lock().places.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silent_connection_makes_room_for_a_newcomer() {
        let doorstep = Arc::new(Doorstep::default());
        let mut standing: Vec<Standing> = (0..MOST).map(|_| doorstep.enter()).collect();
        drop(standing.remove(0));
        standing.push(doorstep.enter());
        let is_dismissed = |one: &mut Standing| one.dismissed.try_recv().is_ok();
        assert!(!standing.iter_mut().any(is_dismissed), "a place was free");
        standing.push(doorstep.enter());
        assert_eq!(standing.iter_mut().position(is_dismissed), Some(0));
        assert_eq!(doorstep.lock().places.len(), MOST);
    }
}
