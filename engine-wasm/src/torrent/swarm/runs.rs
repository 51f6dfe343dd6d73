//! Chooses which blocks to request from which web seed.

use std::collections::BTreeSet;

use super::state::Swarm;
use super::web_seeds::WebSeeds;
use crate::geometry::{Block, Geometry, PieceIndex};
use crate::limits;
use crate::pick::availability::Availability;
use crate::pick::picker::Picker;
use crate::pick::piece_map::PieceMap;
use crate::pick::suspects::Suspects;
use crate::source::{Source, WebSeedId};
use crate::time::Instant;

/// The needs from which a run is chosen.
pub(in crate::torrent) struct Demand<'a> {
    pub(in crate::torrent) geometry: &'a Geometry,
    /// What viewers need.
    pub(in crate::torrent) picker: &'a Picker,
    pub(in crate::torrent) pieces: &'a mut PieceMap,
    pub(in crate::torrent) suspects: &'a Suspects,
    /// The selected pieces, by rarity.
    pub(in crate::torrent) availability: &'a Availability,
    /// Whether one more block may be requested twice.
    pub(in crate::torrent) may_duplicate: bool,
}

impl Swarm {
    /// The web seeds.
    pub(in crate::torrent) fn web_seeds(&self) -> &WebSeeds {
        &self.web
    }

    /// The web seeds, mutable.
    pub(in crate::torrent) fn web_seeds_mut(&mut self) -> &mut WebSeeds {
        &mut self.web
    }

    /// The next run for a web seed: first what viewers need, then begun pieces, then the rarest
    /// pieces.
    pub(in crate::torrent) fn next_run(
        &self,
        seed: WebSeedId,
        demand: &mut Demand<'_>,
        now: Instant,
    ) -> Option<Vec<Block>> {
        let wants = demand.picker.wants();
        let wanted: BTreeSet<PieceIndex> = wants.iter().map(|want| want.piece).collect();
        for want in wants {
            let late = want.awaited && demand.may_duplicate;
            let run =
                self.run_from(seed, want.piece, late, |piece| wanted.contains(&piece), demand, now);
            if run.is_some() {
                return run;
            }
        }
        let selected = demand.availability;
        let begun: Vec<PieceIndex> = demand
            .pieces
            .begun()
            .filter(|piece| selected.is_wanted(*piece))
            .take(limits::RAREST_SCAN)
            .collect();
        let rarest = selected.idle().take(limits::RAREST_SCAN);
        begun.into_iter().chain(rarest).find_map(|piece| {
            self.run_from(seed, piece, false, |piece| selected.is_wanted(piece), demand, now)
        })
    }

    /// Returns the free blocks from the first of a piece on. The run continues into the selected
    /// pieces that follow.
    ///
    /// With `late` the run may start with a block that other sources owe too long.
    fn run_from(
        &self,
        seed: WebSeedId,
        piece: PieceIndex,
        late: bool,
        is_meant: impl Fn(PieceIndex) -> bool,
        demand: &mut Demand<'_>,
        now: Instant,
    ) -> Option<Vec<Block>> {
        let most = self.web.seed(seed)?.run_bytes(demand.picker.is_watched(now));
        let first = match demand.pieces.first_free(piece) {
            Some(first) => first,
            None if late => self.late_block(seed, piece, demand, now)?,
            None => return None,
        };
        let geometry = demand.geometry;
        let (mut blocks, mut bytes, mut files) = (Vec::new(), 0, BTreeSet::new());
        let mut next = Some(first);
        while let Some(block) = next
            && bytes < most
            && (block == first || (demand.pieces.is_free(block) && is_meant(block.piece())))
            && demand.suspects.may_ask(block.piece(), Source::WebSeed(seed))
            && self.web.has(seed, block, geometry, &mut files)
        {
            bytes += u64::from(geometry.block_range(block).1);
            blocks.push(block);
            next = geometry.block_after(block);
        }
        (!blocks.is_empty()).then_some(blocks)
    }

    /// A block of a piece that every source asked for it owes too long.
    fn late_block(
        &self,
        seed: WebSeedId,
        piece: PieceIndex,
        demand: &Demand<'_>,
        now: Instant,
    ) -> Option<Block> {
        let bytes = u64::from(demand.geometry.piece_length().min(64 << 10));
        let eta = self.web.seed(seed)?.expected(bytes);
        let mut asked = demand.pieces.asked(piece);
        let late = asked.find(|(block, holders)| {
            let is_late = |holder: &Source| match holder {
                Source::Peer(conn) => self.peers.get(conn).is_some_and(|peer| {
                    peer.overdue(*block, now) > peer.slack()
                        || peer.remaining(*block, now) > 2 * eta
                }),
                Source::WebSeed(_) => false,
            };
            holders.len() < 2 && holders.iter().all(is_late)
        });
        late.map(|(block, _)| block)
    }
}

#[cfg(test)]
mod tests;
