//! A torrent and its web seeds: runs of missing blocks are fetched over HTTP into their places, and
//! verified like any others.
//!
//! A *run* is consecutive blocks that one seed is asked for at once, in one fetch for each file
//! that they touch. To the ledger a seed is a connection like a peer's, so blocks that a run covers
//! are asked of nobody else but where a viewer waits too long, and what it gave counts as given by
//! it. Invariant: no fetch is under way into a block that is being hashed: whoever stores a block
//! of a run first cancels the run.

use crate::torrent::swarm::web_seeds::Run;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{ConnId, FileRef, IoCommand, OpId, Span};

use crate::context::Context;
use crate::discover::web_seed::{Failure, WebSeed, host_of};
use crate::geometry::{Block, BlockIndex, FileIndex, PieceIndex};
use crate::limits;
use crate::pick::piece_map::PieceState;
use crate::time::Instant;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;

/// Runs of one seed at once: while one comes the next is on its way there.
const RUNS: usize = 2;
/// Fetches of one run: a torrent of tiny files is better fetched from peers.
const FETCHES: usize = 16;
/// A fetch whose server lets us wait for longer is given up, milliseconds.
const TIMEOUT_MS: u32 = 60_000;

impl Torrent {
    /// The URLs among `urls` that this torrent would take as further web seeds: none if it is
    /// private.
    pub(crate) fn new_web_seeds(&self, urls: &[String]) -> Vec<String> {
        if self.content.meta.private { Vec::new() } else { self.swarm.web.new_urls(urls) }
    }

    /// Takes the web seeds that the torrent named when it was added again, unless it is private.
    pub(crate) fn follow_web_seeds(&mut self, urls: &[String], cx: &mut Context<'_>) {
        let fresh = self.new_web_seeds(urls);
        if !fresh.is_empty() {
            self.swarm.web.fresh.extend(fresh);
            self.fetch.invalidate();
            self.next_tick = cx.now;
        }
    }

    /// A person wants web servers asked, or none of them.
    pub(in crate::torrent) fn allow_web(&mut self, allowed: bool, cx: &mut Context<'_>) {
        if self.swarm.web.allowed && !allowed {
            self.end_runs(cx);
        }
        self.swarm.web.allowed = allowed;
        self.fetch.invalidate();
    }

    /// Asks every web seed that has time.
    pub(in crate::torrent) fn fill_web(&mut self, cx: &mut Context<'_>) {
        if self.life.status != Status::Running || !self.lacks_something() || !self.swarm.web.allowed
        {
            return;
        }
        for url in std::mem::take(&mut self.swarm.web.fresh) {
            let host = host_of(&url);
            let at =
                self.swarm.web.hosts.iter().position(|known| *known == host).unwrap_or_else(|| {
                    self.swarm.web.hosts.push(host);
                    self.swarm.web.hosts.len() - 1
                });
            // It belongs to no torrent's connections: nothing comes by it.
            let conn = cx.new_number();
            self.swarm
                .web
                .seeds
                .insert(conn, WebSeed::new(url, u16::try_from(at + 1).unwrap_or(u16::MAX)));
        }
        let usable: Vec<ConnId> = self
            .swarm
            .web
            .seeds
            .iter()
            .filter(|(_, seed)| seed.is_usable(cx.now))
            .map(|(&conn, _)| conn)
            .collect();
        for conn in usable {
            while self.swarm.web.runs.values().filter(|run| run.conn == conn).count() < RUNS {
                let Some(blocks) = self.choose_run(conn, cx.now) else { break };
                if !self.begin_run(conn, blocks, cx) {
                    break;
                }
            }
        }
    }

    /// What a web seed is to be asked for: first what viewers need, then what is begun, then what
    /// nobody else has.
    fn choose_run(&mut self, conn: ConnId, now: Instant) -> Option<Vec<Block>> {
        let wanted: Vec<(PieceIndex, bool)> =
            self.fetch.wants().iter().map(|want| (want.piece, want.awaited)).collect();
        let pieces: BTreeSet<PieceIndex> = wanted.iter().map(|(piece, _)| *piece).collect();
        for &(piece, awaited) in &wanted {
            let late = awaited && self.may_duplicate();
            let run = self.run_from(conn, piece, late, |_, piece| pieces.contains(&piece), now);
            if run.is_some() {
                return run;
            }
        }
        let is_wanted = |piece: &PieceIndex| self.fetch.is_wanted(*piece);
        let begun: Vec<PieceIndex> =
            self.ledger.pieces().begun().filter(is_wanted).take(limits::RAREST_SCAN).collect();
        let idle: Vec<PieceIndex> = self.fetch.rarest().take(limits::RAREST_SCAN).collect();
        let meant = |torrent: &Self, piece| torrent.fetch.is_wanted(piece);
        begun
            .into_iter()
            .chain(idle)
            .find_map(|piece| self.run_from(conn, piece, false, meant, now))
    }

    /// Free blocks from the first of a piece on, into those pieces that follow and are meant. With
    /// `late` also blocks that others are late with.
    fn run_from(
        &mut self,
        conn: ConnId,
        piece: PieceIndex,
        late: bool,
        is_meant: impl Fn(&Self, PieceIndex) -> bool,
        now: Instant,
    ) -> Option<Vec<Block>> {
        let most = self.swarm.web.seeds.get(&conn)?.run_bytes(self.fetch.is_watched(now));
        let first = match self.ledger.for_requests().0.first_free(piece) {
            Some(first) => first,
            None if late => self.late_block(conn, piece, now)?,
            None => return None,
        };
        let (mut blocks, mut bytes, mut files) = (Vec::new(), 0, BTreeSet::new());
        let mut next = Some(first);
        while let Some(block) = next
            && bytes < most
            && (block == first
                || (self.ledger.pieces().is_free(block) && is_meant(self, block.piece)))
            && self.ledger.suspects().may_ask(block.piece, conn)
            && self.web_has(conn, block, &mut files)
        {
            bytes += u64::from(self.content.geometry.block_range(block).1);
            blocks.push(block);
            next = self.block_after(block);
        }
        (!blocks.is_empty()).then_some(blocks)
    }

    /// A block at the cursor that everybody who was asked for it is late with.
    fn late_block(&self, conn: ConnId, piece: PieceIndex, now: Instant) -> Option<Block> {
        let eta = self
            .swarm
            .web
            .seeds
            .get(&conn)?
            .expected(u64::from(self.content.geometry.piece_length().min(64 << 10)));
        let mut asked = self.ledger.pieces().asked(piece);
        let late = asked.find(|(block, holders)| {
            let is_late = |holder: &ConnId| {
                self.swarm.peers().get(holder).is_some_and(|peer| {
                    peer.overdue(*block, now) > peer.slack()
                        || peer.remaining(*block, now) > 2 * eta
                })
            };
            holders.len() < 2 && holders.iter().all(is_late)
        });
        late.map(|(block, _)| block)
    }

    /// Whether a seed has all files of a block, and asking for them would not take too many
    /// fetches.
    fn web_has(&self, conn: ConnId, block: Block, files: &mut BTreeSet<FileIndex>) -> bool {
        let Some(seed) = self.swarm.web.seeds.get(&conn) else { return false };
        let spans = self.content.geometry.block_spans(block);
        let real = spans
            .map(|span| span.file)
            .filter(|file| !self.content.meta.files[file.as_usize()].padding);
        let own: BTreeSet<FileIndex> = real.collect();
        let all = files.union(&own).count();
        let is_there = all <= FETCHES && own.iter().all(|file| seed.has(*file));
        if is_there {
            files.extend(own);
        }
        is_there
    }

    fn block_after(&self, block: Block) -> Option<Block> {
        let next = BlockIndex(block.index.0 + 1);
        let follows = |piece: u32| {
            self.content.geometry.block(self.content.geometry.piece(piece)?, BlockIndex(0))
        };
        self.content.geometry.block(block.piece, next).or_else(|| follows(block.piece.0 + 1))
    }

    /// False when the files of its first block can't be open now.
    fn begin_run(&mut self, conn: ConnId, mut blocks: Vec<Block>, cx: &mut Context<'_>) -> bool {
        let number = self.swarm.web.next;
        self.swarm.web.next += 1;
        let mut bytes = 0;
        // One stretch for each file: where it begins in it, and its spans on disk.
        let mut stretches: Vec<(FileIndex, u64, Vec<Span>)> = Vec::new();
        for at in 0..blocks.len() {
            let block = blocks[at];
            let (begin, length) = self.content.geometry.block_range(block);
            let Some(on_disk) = self.spans_to_fill(block, cx) else {
                blocks.truncate(at);
                break;
            };
            bytes += u64::from(length);
            if !self.ledger.pieces().is_free(block) {
                self.fetch.count_duplicate(length);
            }
            self.scheduler().begin(block, conn);
            let geometry = std::sync::Arc::clone(&self.content.geometry);
            for (span, on_disk) in geometry.file_spans(block.piece, begin, length).zip(on_disk) {
                // Padding is on no server, and nowhere else.
                if on_disk.file == FileRef::ZEROS {
                    continue;
                }
                self.will_write(span.file, cx);
                match stretches.last_mut().filter(|(last, ..)| *last == span.file) {
                    Some((.., spans)) => spans.push(on_disk),
                    None => stretches.push((span.file, span.offset, vec![on_disk])),
                }
            }
        }
        if blocks.is_empty() {
            return false;
        }
        let mut fetches = BTreeMap::new();
        for (file, offset, spans) in stretches {
            let url = self.swarm.web.seeds.get(&conn).map(WebSeed::url);
            let url = url
                .and_then(|base| self.swarm.web.layout.as_ref()?.url(base, file))
                .unwrap_or_default();
            let (spans, group) = (joined(spans), self.group());
            let op = self.ask(Op::Web(number), cx, |op| IoCommand::HttpFetch {
                op,
                url,
                offset,
                spans,
                group,
                timeout_ms: TIMEOUT_MS,
            });
            fetches.insert(op, file);
        }
        let nothing_to_fetch = fetches.is_empty();
        self.swarm.web.runs.insert(number, Run { conn, blocks, bytes, began: cx.now, fetches });
        if nothing_to_fetch {
            self.run_came(number, cx);
        }
        true
    }

    /// A fetch of a run ended.
    pub(in crate::torrent) fn fetched(
        &mut self,
        number: u64,
        op: OpId,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(run) = self.swarm.web.runs.get_mut(&number) else { return };
        let Some(file) = run.fetches.remove(&op) else { return };
        let failure = match result {
            Ok(OpOutput::Http { status: 200 | 206, .. }) if run.fetches.is_empty() => {
                return self.run_came(number, cx);
            }
            Ok(OpOutput::Http { status: 200 | 206, .. }) => return,
            Ok(OpOutput::Http { status, .. }) => Failure::Status(status),
            // The disk failed, and not the server.
            Err(error) if matches!(error.kind, OpErrorKind::Full | OpErrorKind::Denied) => {
                return self.fail_for(&error, cx);
            }
            Ok(_) | Err(_) => Failure::Broken,
        };
        let conn = run.conn;
        self.end_run(number, cx);
        if let Some(seed) = self.swarm.web.seeds.get_mut(&conn) {
            tracing::info!(torrent = %self.content.meta.info_hash, ?failure, "a web seed failed");
            seed.failed(file, failure, cx.now);
            if self.content.meta.files.len() == 1 && !seed.has(file) {
                seed.give_up();
            }
        }
    }

    /// All of a run is on disk.
    fn run_came(&mut self, number: u64, cx: &mut Context<'_>) {
        let Some(run) = self.swarm.web.runs.remove(&number) else { return };
        let Some(seed) = self.swarm.web.seeds.get_mut(&run.conn) else { return };
        let identity = seed.identity();
        seed.succeeded(run.bytes, cx.now.saturating_since(run.began));
        for block in run.blocks {
            let (_, length) = self.content.geometry.block_range(block);
            self.block_came(block, run.conn, identity, length, cx);
        }
        self.fetch.invalidate();
    }

    /// A run ends before all of it came: its fetches are cancelled, its blocks are free again.
    fn end_run(&mut self, number: u64, cx: &mut Context<'_>) {
        let Some(run) = self.swarm.web.runs.remove(&number) else { return };
        for op in run.fetches.into_keys() {
            cx.order(IoCommand::Cancel { op });
        }
        self.ledger.release(run.conn);
        self.scheduler().take_back(run.conn, &run.blocks);
        self.fetch.invalidate();
    }

    /// Somebody else stored a block that a web seed may be writing. False when it is none of a web
    /// seed.
    pub(in crate::torrent) fn disarm_web(
        &mut self,
        conn: ConnId,
        block: Block,
        cx: &mut Context<'_>,
    ) -> bool {
        if let Some(number) = self.swarm.web.run_of(conn, block) {
            self.end_run(number, cx);
        }
        self.swarm.web.seeds.contains_key(&conn)
    }

    /// After a jump: runs that nobody waits for are taken back.
    pub(in crate::torrent) fn drop_runs_nobody_awaits(
        &mut self,
        awaited: &BTreeSet<PieceIndex>,
        cx: &mut Context<'_>,
    ) {
        let is_stray = |run: &Run| run.blocks.iter().all(|block| !awaited.contains(&block.piece));
        let stray: Vec<u64> = self
            .swarm
            .web
            .runs
            .iter()
            .filter(|(_, run)| is_stray(run))
            .map(|(&number, _)| number)
            .collect();
        stray.into_iter().for_each(|number| self.end_run(number, cx));
    }

    /// Runs into pieces that are wanted neither by viewers, which want these, nor by the selection
    /// are taken back.
    pub(in crate::torrent) fn drop_runs_nobody_wants(
        &mut self,
        wanted: &BTreeSet<PieceIndex>,
        cx: &mut Context<'_>,
    ) {
        let is_stray =
            |block: &Block| !wanted.contains(&block.piece) && !self.fetch.is_wanted(block.piece);
        let stray = self.swarm.web.runs.iter().filter(|(_, run)| run.blocks.iter().all(is_stray));
        let stray: Vec<u64> = stray.map(|(&number, _)| number).collect();
        stray.into_iter().for_each(|number| self.end_run(number, cx));
    }

    /// Nobody may write to these pieces any more.
    pub(in crate::torrent) fn end_runs_into(
        &mut self,
        pieces: &BTreeSet<PieceIndex>,
        cx: &mut Context<'_>,
    ) {
        let touches = |run: &Run| run.blocks.iter().any(|block| pieces.contains(&block.piece));
        let all: Vec<u64> = self
            .swarm
            .web
            .runs
            .iter()
            .filter(|(_, run)| touches(run))
            .map(|(&number, _)| number)
            .collect();
        all.into_iter().for_each(|number| self.end_run(number, cx));
    }

    /// The torrent stops.
    pub(in crate::torrent) fn end_runs(&mut self, cx: &mut Context<'_>) {
        let all: Vec<u64> = self.swarm.web.runs.keys().copied().collect();
        all.into_iter().for_each(|number| self.end_run(number, cx));
    }

    /// A host gave corrupt data: its seeds are not asked again. False when the address is none of a
    /// web seed.
    pub(in crate::torrent) fn ban_web(
        &mut self,
        identity: SocketAddr,
        cx: &mut Context<'_>,
    ) -> bool {
        let of_host =
            self.swarm.web.seeds.iter_mut().filter(|(_, seed)| seed.identity() == identity);
        let conns: Vec<ConnId> = of_host.map(|(&conn, seed)| (conn, seed.give_up()).0).collect();
        let is_theirs = |run: &Run| conns.contains(&run.conn);
        let runs: Vec<u64> = self
            .swarm
            .web
            .runs
            .iter()
            .filter(|(_, run)| is_theirs(run))
            .map(|(&at, _)| at)
            .collect();
        runs.into_iter().for_each(|number| self.end_run(number, cx));
        !conns.is_empty()
    }

    /// Whether one more block may be asked for twice.
    pub(in crate::torrent) fn may_duplicate(&self) -> bool {
        self.fetch.may_duplicate(self.account.downloaded())
    }

    /// Whether a piece is missing and comes from the web if it comes at all.
    pub(in crate::torrent) fn is_on_web(&self, piece: PieceIndex) -> bool {
        self.swarm.web.is_hopeful() && self.ledger.pieces().state(piece) != PieceState::Unchecked
    }
}

/// Spans that follow each other in one file become one.
fn joined(spans: Vec<Span>) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for span in spans {
        match all
            .last_mut()
            .filter(|last| last.file == span.file && last.end() == Some(span.offset))
        {
            Some(last) if last.length.checked_add(span.length).is_some() => {
                last.length += span.length
            }
            _ => all.push(span),
        }
    }
    all
}
