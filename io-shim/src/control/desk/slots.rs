//! Admitted viewers and their permits.
//!
//! Owns which viewers wait, which receive bytes, and which viewer loses its permit to a new one.
//! Must never know what is granted. Invariants: a viewer has at most one permit; only a viewer
//! whose client has stalled loses its permit, and then its connection closes.

use std::collections::HashMap;
use std::sync::Arc;

use shared_proto::FileId;
use tokio::time::Instant;

use super::activity::Activity;
use super::permits::Permits;
use super::terms::DeskConfig;

/// What a permit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To wait for more grants.
    Waiting,
    /// To receive a range that is granted in full.
    Sending,
}

/// All admitted viewers.
pub(super) struct Slots {
    next: u64,
    viewers: HashMap<u64, Viewer>,
    waiting: Permits,
    sending: Permits,
}

struct Viewer {
    file: FileId,
    activity: Option<Arc<Activity>>,
    permit: Option<Kind>,
}

impl Slots {
    pub(super) fn new(config: &DeskConfig) -> Self {
        Self {
            next: 0,
            viewers: HashMap::new(),
            waiting: Permits::new(config.max_waiting, config.max_waiting_per_file),
            sending: Permits::new(config.max_replies, config.max_replies_per_file),
        }
    }

    /// Number of viewers.
    pub(super) fn count(&self) -> usize {
        self.viewers.len()
    }

    pub(super) fn open(&mut self, file: &FileId, activity: Option<Arc<Activity>>) -> u64 {
        self.next += 1;
        self.viewers.insert(self.next, Viewer { file: file.clone(), activity, permit: None });
        self.next
    }

    pub(super) fn close(&mut self, number: u64) {
        self.take_back(number);
        self.viewers.remove(&number);
    }

    /// Gives a viewer a permit of this kind. A viewer keeps its permit of the other kind if there
    /// is none. Returns `false` when the viewer has no permit at all.
    pub(super) fn give_permit(&mut self, number: u64, kind: Kind) -> bool {
        let Some(viewer) = self.viewers.get(&number) else { return false };
        let (file, held) = (viewer.file.clone(), viewer.permit);
        if held == Some(kind) {
            return true;
        }
        let found = self.pool(kind).enter(&file) || (held.is_none() && self.make_room(&file, kind));
        if found {
            self.take_back(number);
            if let Some(viewer) = self.viewers.get_mut(&number) {
                viewer.permit = Some(kind);
            }
        }
        found || held.is_some()
    }

    /// Takes permits from stalled viewers until one is free for the file. The viewer that has been
    /// stalled for longest comes first.
    fn make_room(&mut self, file: &FileId, kind: Kind) -> bool {
        let now = Instant::now();
        let of_kind = self.viewers.iter().filter(|(_, viewer)| viewer.permit == Some(kind));
        let overdue = |(&number, viewer): (&u64, &Viewer)| {
            Some((viewer.activity.as_ref()?.overdue(now)?, number))
        };
        let mut stalled: Vec<_> = of_kind.filter_map(overdue).collect();
        stalled.sort_unstable();
        while let Some((_, number)) = stalled.pop() {
            self.take_back(number);
            if let Some(activity) =
                self.viewers.get(&number).and_then(|viewer| viewer.activity.as_ref())
            {
                activity.end();
            }
            if self.pool(kind).enter(file) {
                return true;
            }
        }
        false
    }

    fn take_back(&mut self, number: u64) {
        let Some(viewer) = self.viewers.get_mut(&number) else { return };
        if let Some(kind) = viewer.permit.take() {
            let file = viewer.file.clone();
            self.pool(kind).leave(&file);
        }
    }

    fn pool(&mut self, kind: Kind) -> &mut Permits {
        match kind {
            Kind::Waiting => &mut self.waiting,
            Kind::Sending => &mut self.sending,
        }
    }
}
