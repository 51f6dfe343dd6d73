//! Viewers that are let in, and the places that they have.
//!
//! Owns which viewers wait, which are sent to, and which one loses its place to a newcomer. Must
//! never know what is granted. Invariants: a viewer has one place or none; only a viewer whose
//! client has stalled loses a place, and then its connection ends.

use std::collections::HashMap;
use std::sync::Arc;

use shared_proto::FileId;
use tokio::time::Instant;

use super::places::Places;
use super::{Desk, DeskConfig};
use crate::http::connections::Activity;

/// What a viewer has a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To wait for more grants.
    Waiting,
    /// To be sent what is granted, which is all.
    Sending,
}

/// A viewer that was let in; it leaves when this is dropped.
pub struct Slot {
    desk: Arc<Desk>,
    number: u64,
}

impl Slot {
    pub(super) fn new(desk: Arc<Desk>, number: u64) -> Self {
        Self { desk, number }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.desk.release(self.number);
    }
}

/// All viewers.
pub(super) struct Slots {
    next: u64,
    viewers: HashMap<u64, Viewer>,
    waiting: Places,
    sending: Places,
}

struct Viewer {
    file: FileId,
    activity: Option<Arc<Activity>>,
    place: Option<Kind>,
}

impl Slots {
    pub(super) fn new(config: &DeskConfig) -> Self {
        Self {
            next: 0,
            viewers: HashMap::new(),
            waiting: Places::new(config.max_waiting, config.max_waiting_per_file),
            sending: Places::new(config.max_replies, config.max_replies_per_file),
        }
    }

    /// How many viewers there are.
    pub(super) fn count(&self) -> usize {
        self.viewers.len()
    }

    pub(super) fn open(&mut self, file: &FileId, activity: Option<Arc<Activity>>) -> u64 {
        self.next += 1;
        self.viewers.insert(self.next, Viewer { file: file.clone(), activity, place: None });
        self.next
    }

    pub(super) fn close(&mut self, number: u64) {
        self.give_back(number);
        self.viewers.remove(&number);
    }

    /// Gives a viewer a place of this kind; `false` when there is none and it had none. A viewer
    /// that has a place of the other kind keeps it where it can't change.
    pub(super) fn place(&mut self, number: u64, kind: Kind) -> bool {
        let Some(viewer) = self.viewers.get(&number) else { return false };
        let (file, held) = (viewer.file.clone(), viewer.place);
        if held == Some(kind) {
            return true;
        }
        let found =
            self.places(kind).enter(&file) || (held.is_none() && self.make_room(&file, kind));
        if found {
            self.give_back(number);
            if let Some(viewer) = self.viewers.get_mut(&number) {
                viewer.place = Some(kind);
            }
        }
        found || held.is_some()
    }

    /// Takes places from stalled viewers, the longest stalled first, until there is one for a
    /// viewer of this file.
    fn make_room(&mut self, file: &FileId, kind: Kind) -> bool {
        let now = Instant::now();
        let of_kind = self.viewers.iter().filter(|(_, viewer)| viewer.place == Some(kind));
        let overdue = |(&number, viewer): (&u64, &Viewer)| {
            Some((viewer.activity.as_ref()?.overdue(now)?, number))
        };
        let mut stalled: Vec<_> = of_kind.filter_map(overdue).collect();
        stalled.sort_unstable();
        while let Some((_, number)) = stalled.pop() {
            self.give_back(number);
            if let Some(activity) =
                self.viewers.get(&number).and_then(|viewer| viewer.activity.as_ref())
            {
                activity.end();
            }
            if self.places(kind).enter(file) {
                return true;
            }
        }
        false
    }

    fn give_back(&mut self, number: u64) {
        let Some(viewer) = self.viewers.get_mut(&number) else { return };
        if let Some(kind) = viewer.place.take() {
            let file = viewer.file.clone();
            self.places(kind).leave(&file);
        }
    }

    fn places(&mut self, kind: Kind) -> &mut Places {
        match kind {
            Kind::Waiting => &mut self.waiting,
            Kind::Sending => &mut self.sending,
        }
    }
}
