//! The torrent's download rate, remaining time and stalls.

use crate::geometry::BLOCK_LENGTH;
use crate::time::Instant;
use crate::torrent::Torrent;

impl Torrent {
    /// Whether it downloads now, for the selection or for viewers.
    pub(in crate::torrent) fn fetches(&self) -> bool {
        self.is_running() && self.lacks_something()
    }

    /// Once a tick: records whether any source could send something.
    pub(in crate::torrent) fn update_pace(&mut self, now: Instant) {
        if !self.fetches() {
            return self.account.pace.rest();
        }
        self.account.pace.expect(self.swarm.could_send(), now);
    }

    /// Seconds until all selected files are complete; `(wanted, verified)` are bytes.
    pub(in crate::torrent) fn eta_s(
        &self,
        (wanted, verified): (u64, u64),
        now: Instant,
    ) -> Option<u32> {
        if !self.fetches() || self.is_done() || self.is_stalled(now) {
            return None;
        }
        let begun = self
            .ledger
            .pieces()
            .begun()
            .filter(|&piece| !self.ledger.pieces().unneeded().get(piece.get()));
        let stored: u64 = begun
            .map(|piece| u64::from(self.ledger.pieces().stored_blocks(piece) * BLOCK_LENGTH))
            .sum();
        self.account.pace.time_for(wanted.saturating_sub(verified).saturating_sub(stored), now)
    }

    /// Whether the sources that could send have stopped.
    pub(in crate::torrent) fn is_stalled(&self, now: Instant) -> bool {
        self.fetches() && self.account.pace.is_stalled(now)
    }
}
