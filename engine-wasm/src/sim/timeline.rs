//! The queue of future events, by time, then by order of insertion.

use std::collections::BTreeMap;

use crate::time::Instant;

/// Future events.
pub(super) struct Timeline<E> {
    events: BTreeMap<(Instant, u64), E>,
    said: u64,
}

impl<E> Default for Timeline<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), said: 0 }
    }
}

impl<E> Timeline<E> {
    /// Adds an event.
    pub(super) fn put(&mut self, at: Instant, event: E) {
        self.said += 1;
        self.events.insert((at, self.said), event);
    }

    /// Removes and returns the next event up to a time.
    pub(super) fn next_by(&mut self, until: Instant) -> Option<(Instant, E)> {
        let first = self.events.first_entry()?;
        (first.key().0 <= until).then(|| (first.key().0, first.remove()))
    }

    /// Removes and returns the events that `is_it` accepts.
    pub(super) fn take(&mut self, mut is_it: impl FnMut(&E) -> bool) -> Vec<E> {
        let keys: Vec<_> =
            self.events.iter().filter(|(_, event)| is_it(event)).map(|(&key, _)| key).collect();
        keys.into_iter().filter_map(|key| self.events.remove(&key)).collect()
    }

    /// Removes events for which `keep` is false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&E) -> bool) {
        self.events.retain(|_, event| keep(event));
    }
}
