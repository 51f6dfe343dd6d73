//! The web seeds of a torrent: opens the files of a run, and records the blocks that arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use crate::context::Context;
use crate::geometry::{Block, PieceIndex};
use crate::pick::piece_map::PieceState;
use crate::source::{Source, WebSeedId};
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::swarm::Demand;
use crate::torrent::swarm::web_seeds::{Came, Ended, Fetched, Plan, RunId};

/// Timeout for a silent server, in milliseconds.
const TIMEOUT_MS: u32 = 60_000;

impl Torrent {
    /// The URLs among `urls` that would be new web seeds of this torrent. None if it is private.
    pub(crate) fn new_web_seeds(&self, urls: &[String]) -> Vec<String> {
        if self.content.meta.private { Vec::new() } else { self.swarm.web_seeds().new_urls(urls) }
    }

    /// Adds the web seeds of a repeated addition, unless the torrent is private.
    pub(crate) fn follow_web_seeds(&mut self, urls: &[String], cx: &mut Context<'_>) {
        if !self.content.meta.private && self.swarm.web_seeds_mut().add(urls) {
            self.fetch.invalidate();
            self.next_tick = cx.now;
        }
    }

    /// The settings allow or forbid web seeds.
    pub(in crate::torrent) fn allow_web_seeds(&mut self, allowed: bool, cx: &mut Context<'_>) {
        let ended = self.swarm.web_seeds_mut().allow(allowed);
        self.runs_ended(ended, cx);
        self.fetch.invalidate();
    }

    /// Starts runs at every web seed that has room.
    pub(in crate::torrent) fn ask_web_seeds(&mut self, cx: &mut Context<'_>) {
        if self.life.status != Status::Running || !self.lacks_something() {
            return;
        }
        for seed in self.swarm.web_seeds().with_room(cx.now) {
            while self.swarm.web_seeds().has_room(seed) && self.begin_run(seed, cx) {}
        }
    }

    /// Starts a run. False if there is nothing to request, or if the files of the first block can't
    /// be opened now.
    fn begin_run(&mut self, seed: WebSeedId, cx: &mut Context<'_>) -> bool {
        let may_duplicate = self.may_duplicate();
        let (pieces, suspects) = self.ledger.for_requests();
        let (picker, availability) = self.fetch.for_requests();
        let mut demand = Demand {
            geometry: &self.content.geometry,
            picker,
            pieces,
            suspects,
            availability,
            may_duplicate,
        };
        let Some(blocks) = self.swarm.next_run(seed, &mut demand, cx.now) else { return false };
        let geometry = Arc::clone(&self.content.geometry);
        let mut plan = Plan::new(seed);
        for block in blocks {
            let Some(on_disk) = self.spans_to_fill(block, cx) else { break };
            if !self.ledger.pieces().is_free(block) {
                self.fetch.count_duplicate(geometry.block_range(block).1);
            }
            self.scheduler().begin(block, Source::WebSeed(seed));
            for file in plan.push(block, &geometry, on_disk) {
                self.will_write(file, cx);
            }
        }
        if plan.is_empty() {
            return false;
        }
        let (run, group) = (self.swarm.web_seeds_mut().new_run(), self.group());
        let mut fetches = BTreeMap::new();
        for fetch in self.swarm.web_seeds().fetches(&plan) {
            let op = self.ask(Op::Web(run), cx, |op| IoCommand::HttpFetch {
                op,
                url: fetch.url,
                offset: fetch.offset.get(),
                spans: fetch.spans,
                group,
                timeout_ms: TIMEOUT_MS,
            });
            fetches.insert(op, fetch.file);
        }
        if let Some(came) = self.swarm.web_seeds_mut().begin(run, plan, fetches, cx.now) {
            self.run_came(came, cx);
        }
        true
    }

    /// A run has ended.
    pub(in crate::torrent) fn fetched(
        &mut self,
        run: RunId,
        op: OpId,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        match self.swarm.web_seeds_mut().fetched(run, op, result, cx.now) {
            Fetched::Waiting => {}
            Fetched::Came(came) => self.run_came(came, cx),
            Fetched::DiskFailed(error) => self.fail_for(&error, cx),
            Fetched::Failed(ended, failure) => {
                let torrent = self.content.meta.info_hash;
                tracing::info!(%torrent, ?failure, "a web seed failed");
                self.runs_ended(vec![ended], cx);
            }
        }
    }

    fn run_came(&mut self, Came { source, sender, blocks }: Came, cx: &mut Context<'_>) {
        for block in blocks {
            self.block_came(block, source, sender, cx);
        }
        self.fetch.invalidate();
    }

    /// Runs ended early: their missing blocks may be requested again.
    pub(in crate::torrent) fn runs_ended(&mut self, ended: Vec<Ended>, cx: &mut Context<'_>) {
        for Ended { source, blocks, fetches } in ended {
            for op in fetches {
                cx.order(IoCommand::Cancel { op });
            }
            self.ledger.release(source);
            self.scheduler().take_back(source, &blocks);
            self.fetch.invalidate();
        }
    }

    /// Ends the runs outside these pieces. A viewer jumped, and nobody waits for the other pieces.
    pub(in crate::torrent) fn end_runs_outside(
        &mut self,
        awaited: &BTreeSet<PieceIndex>,
        cx: &mut Context<'_>,
    ) {
        let is_stray =
            |blocks: &[Block]| blocks.iter().all(|block| !awaited.contains(&block.piece()));
        let ended = self.swarm.web_seeds_mut().end_runs(is_stray);
        self.runs_ended(ended, cx);
    }

    /// Ends the runs without needed pieces. `wanted` are those of viewers, and selected pieces
    /// count too.
    pub(in crate::torrent) fn end_unwanted_runs(
        &mut self,
        wanted: &BTreeSet<PieceIndex>,
        cx: &mut Context<'_>,
    ) {
        let fetch = &self.fetch;
        let is_unwanted = |piece: PieceIndex| !wanted.contains(&piece) && !fetch.is_wanted(piece);
        let is_stray = |blocks: &[Block]| blocks.iter().all(|block| is_unwanted(block.piece()));
        let ended = self.swarm.web_seeds_mut().end_runs(is_stray);
        self.runs_ended(ended, cx);
    }

    /// Ends the runs into these pieces.
    pub(in crate::torrent) fn end_runs_into(
        &mut self,
        pieces: &BTreeSet<PieceIndex>,
        cx: &mut Context<'_>,
    ) {
        let touches = |blocks: &[Block]| blocks.iter().any(|block| pieces.contains(&block.piece()));
        let ended = self.swarm.web_seeds_mut().end_runs(touches);
        self.runs_ended(ended, cx);
    }

    /// Ends all runs, because the torrent stops.
    pub(in crate::torrent) fn end_runs(&mut self, cx: &mut Context<'_>) {
        let ended = self.swarm.web_seeds_mut().end_runs(|_| true);
        self.runs_ended(ended, cx);
    }

    /// Whether one more block may be requested twice.
    pub(in crate::torrent) fn may_duplicate(&self) -> bool {
        self.fetch.may_duplicate(self.account.downloaded())
    }

    /// Whether a piece is missing and may come from a web seed.
    pub(in crate::torrent) fn is_on_web(&self, piece: PieceIndex) -> bool {
        self.swarm.web_seeds().is_hopeful()
            && self.ledger.pieces().state(piece) != PieceState::Unchecked
    }
}
