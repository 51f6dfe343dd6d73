//! The trackers of a magnet link, and how the user changes them.

use super::Pending;
use crate::context::Context;
use crate::metainfo::Magnet;
use crate::view::Sentence;

impl Pending {
    /// Sets whether the user has yet to decide about its torrent.
    pub(crate) fn set_undecided(&mut self, undecided: bool, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.undecided, undecided) != undecided {
            cx.changed();
        }
    }

    /// Announces to its trackers now; returns how many are asked.
    ///
    /// # Errors
    /// None may be asked now; the sentence says why.
    pub(crate) fn announce_now(&mut self, cx: &mut Context<'_>) -> Result<u32, Sentence> {
        if !self.is_seeking() {
            return Err(Sentence::NotAtWork);
        }
        let outcome = self.swarm.announce_now(cx.now);
        self.next_tick = cx.now;
        cx.changed();
        outcome
    }

    /// Follows the user's changes: asks added trackers, and drops removed ones from the link.
    pub(crate) fn follow_trackers(
        &mut self,
        added: &[String],
        removed: &[String],
        cx: &mut Context<'_>,
    ) {
        let before = self.link.trackers.clone();
        self.link.trackers.retain(|url| !removed.contains(url));
        let fresh = added.iter().filter(|url| !before.contains(url));
        self.link.trackers.extend(fresh.cloned());
        if self.link.trackers == before {
            return;
        }
        self.change_trackers(added, removed, cx);
        self.unsaved = true;
        self.next_tick = cx.now;
        cx.changed();
    }

    /// The link without its peers.
    pub(crate) fn magnet(&self) -> Magnet {
        Magnet { peers: Vec::new(), hosts: 0, ..self.link.clone() }
    }
}
