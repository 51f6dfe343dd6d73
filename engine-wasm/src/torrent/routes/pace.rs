//! How fast a torrent downloads, how long the rest takes, and whether the peers stopped sending.

use crate::geometry::BLOCK_LENGTH;
use crate::time::Instant;
use crate::torrent::Torrent;

impl Torrent {
    /// Whether it fetches now: for its own sake or for viewers.
    pub(in crate::torrent) fn fetches(&self) -> bool {
        self.is_running() && self.lacks_something()
    }

    /// Once a tick: whether somebody could send something.
    pub(in crate::torrent) fn tend_pace(&mut self, now: Instant) {
        if !self.fetches() {
            return self.account.pace.rest();
        }
        self.account.pace.expect(self.swarm.could_send(), now);
    }

    /// When all that is wanted is there, seconds. `(wanted, verified)` are bytes.
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

    /// Whether those that could send have stopped doing so.
    pub(in crate::torrent) fn is_stalled(&self, now: Instant) -> bool {
        self.fetches() && self.account.pace.is_stalled(now)
    }
}
