//! A viewer's admission, given up when it is dropped.

use std::sync::Arc;

use shared_proto::FileId;

use super::activity::Activity;
use super::table::Desk;
use super::terms::Refusal;

/// An admitted viewer. Dropping the slot ends the admission.
pub(crate) struct Slot {
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

impl Desk {
    /// Admits a viewer of the file over this connection. The viewer gets a permit once the engine
    /// has said whether the viewer has to wait.
    pub(crate) fn admit(
        self: &Arc<Self>,
        file: &FileId,
        activity: Option<Arc<Activity>>,
    ) -> Result<Slot, Refusal> {
        let mut inner = self.lock();
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        let number = inner.slots.open(file, activity);
        drop(inner);
        Ok(Slot::new(Arc::clone(self), number))
    }
}
