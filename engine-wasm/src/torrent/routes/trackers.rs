//! A torrent and what a person does with its trackers; and the magnet link by which others find it.

use bytes::Bytes;

use crate::context::Context;
use crate::engine::ranges;
use crate::geometry::FileIndex;
use crate::metainfo::Magnet;
use crate::metainfo::magnet::MAX_RANGES;
use crate::torrent::Torrent;
use crate::view::Sentence;

impl Torrent {
    /// Has its trackers asked now: how many of them may be.
    ///
    /// # Errors
    /// None may be asked now; in plain words why.
    pub(crate) fn announce_now(&mut self, cx: &mut Context<'_>) -> Result<u32, Sentence> {
        if !(self.is_running() || self.awaits_hashes()) {
            return Err(Sentence::NotAtWork);
        }
        let outcome = self.swarm.trackers.announce_now(cx.now);
        self.announce_to_trackers(cx);
        cx.changed();
        outcome
    }

    /// Trackers that a person added are asked, unless it is private (BEP 27), and those that were
    /// taken away are not.
    pub(crate) fn follow_trackers(
        &mut self,
        added: &[String],
        removed: &[String],
        cx: &mut Context<'_>,
    ) {
        if added.is_empty() && removed.is_empty() {
            return;
        }
        let params = self.announce_params(cx);
        self.swarm.trackers.remove(removed, &params, cx);
        if !self.content.meta.private {
            self.swarm
                .trackers
                .add_by_hand(added.iter().map(|url| vec![url.clone()]).collect(), cx);
        }
        self.next_tick = cx.now;
        cx.changed();
    }

    /// Whether only its own trackers may name peers.
    pub(crate) fn is_private(&self) -> bool {
        self.content.meta.private
    }

    /// Its name, safe to show as text.
    pub(crate) fn name(&self) -> &str {
        &self.content.meta.name
    }

    /// Its `.torrent` file, as it came or as it was made of a magnet link.
    pub(crate) fn source(&self) -> Bytes {
        self.record.source().clone()
    }

    /// A link by which others can add it. The trackers of a private torrent hold keys of this
    /// person alone, so they are left out.
    pub(crate) fn magnet(&self) -> Magnet {
        let mut link = Magnet::new(self.content.meta.identity());
        link.name = Some(self.content.meta.name.clone());
        if !self.content.meta.private {
            link.trackers = self.swarm.trackers.urls();
            link.web_seeds.clone_from(&self.content.meta.web_seeds);
            let merged = self
                .swarm
                .web
                .urls()
                .filter(|url| !self.content.meta.web_seeds.iter().any(|own| own == url));
            link.web_seeds.extend(merged.map(str::to_owned));
        }
        let all = (0..self.file_count()).filter(|&file| self.has_file(file));
        let wanted = all.clone().filter(|&file| self.selection.is_wanted(FileIndex(file)));
        // All of them is what a link without a choice means.
        if wanted.clone().count() < all.count() {
            link.files = ranges(wanted);
            link.files.truncate(MAX_RANGES);
        }
        link
    }
}
