//! What is to happen in a simulation: in the order of time, and of being said where times are
//! equal.

use std::collections::BTreeMap;

use crate::time::Instant;

/// Events to come.
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
    /// This happens then.
    pub(super) fn put(&mut self, at: Instant, event: E) {
        self.said += 1;
        self.events.insert((at, self.said), event);
    }

    /// What happens next, if it happens by then.
    pub(super) fn next_by(&mut self, until: Instant) -> Option<(Instant, E)> {
        let first = self.events.first_entry()?;
        (first.key().0 <= until).then(|| (first.key().0, first.remove()))
    }

    /// Events that are not to happen when they were to.
    pub(super) fn take(&mut self, mut is_it: impl FnMut(&E) -> bool) -> Vec<E> {
        let keys: Vec<_> =
            self.events.iter().filter(|(_, event)| is_it(event)).map(|(&key, _)| key).collect();
        keys.into_iter().filter_map(|key| self.events.remove(&key)).collect()
    }

    /// What is not to be kept does not happen.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&E) -> bool) {
        self.events.retain(|_, event| keep(event));
    }
}
