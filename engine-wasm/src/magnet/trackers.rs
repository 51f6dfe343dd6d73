//! A magnet link and what a person does with its trackers.

use super::Pending;
use crate::context::Context;
use crate::metainfo::Magnet;
use crate::view::Sentence;

impl Pending {
    /// Whether nobody has said yet whether its torrent is to be downloaded.
    pub(crate) fn set_undecided(&mut self, undecided: bool, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.undecided, undecided) != undecided {
            cx.changed();
        }
    }

    /// Has its trackers asked now: how many of them may be.
    ///
    /// # Errors
    /// None may be asked now; in plain words why.
    pub(crate) fn announce_now(&mut self, cx: &mut Context<'_>) -> Result<u32, Sentence> {
        if !self.is_seeking() {
            return Err(Sentence::NotAtWork);
        }
        let outcome = self.swarm.announce_now(cx.now);
        self.next_tick = cx.now;
        cx.changed();
        outcome
    }

    /// Trackers that a person added are asked, and those that were taken away are not. The link
    /// itself says so from now on.
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

    /// The link, without the peers that it names.
    pub(crate) fn magnet(&self) -> Magnet {
        Magnet { peers: Vec::new(), hosts: 0, ..self.link.clone() }
    }
}
