//! A torrent and its web seeds: runs of missing blocks are fetched over HTTP into their places, and
//! verified like any others.
//!
//! A *run* is consecutive blocks that one seed is asked for at once, in one fetch for each file
//! that they touch. To the ledger a seed is a connection like a peer's, so blocks that a run covers
//! are asked of nobody else but where a viewer waits too long, and what it gave counts as given by
//! it. Invariant: no fetch is under way into a block that is being hashed: whoever stores a block
//! of a run first cancels the run.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::{ConnId, OpId};

use crate::context::Context;
use crate::discover::web_seed::{Layout, MAX_SEEDS, WebSeed};
use crate::geometry::{Block, FileIndex};
use crate::metainfo::Metainfo;
use crate::time::Instant;

/// A run that is later than expected by so much is late: others may be asked for what a viewer
/// waits for.
const SLACK: Duration = Duration::from_secs(2);

/// Consecutive blocks that are being fetched.
#[derive(Debug)]
pub(in crate::torrent) struct Run {
    pub(in crate::torrent) conn: ConnId,
    pub(in crate::torrent) blocks: Vec<Block>,
    pub(in crate::torrent) bytes: u64,
    pub(in crate::torrent) began: Instant,
    /// Fetches under way, with the file that each is from.
    pub(in crate::torrent) fetches: BTreeMap<OpId, FileIndex>,
}

/// The web seeds of a torrent.
#[derive(Debug, Default)]
pub(crate) struct Web {
    /// Whether a person wants any of it.
    pub(in crate::torrent) allowed: bool,
    pub(in crate::torrent) layout: Option<Layout>,
    pub(in crate::torrent) seeds: BTreeMap<ConnId, WebSeed>,
    /// By their numbers.
    pub(in crate::torrent) runs: BTreeMap<u64, Run>,
    pub(in crate::torrent) next: u64,
    pub(in crate::torrent) hosts: Vec<String>,
    /// URLs that wait for a daemon to number them.
    pub(in crate::torrent) fresh: Vec<String>,
}

/// When the runs of a seed are done, as far as it is known: what the picker has to know of seeds.
pub(crate) type Expectations = BTreeMap<ConnId, Instant>;

impl Web {
    /// The seeds that a torrent names.
    pub(in crate::torrent) fn new(meta: &Metainfo, cx: &Context<'_>) -> Self {
        let (allowed, layout) = (cx.shared.sources.web_seeds, Layout::of(&meta.info));
        let mut web = Self { allowed, layout, ..Self::default() };
        web.fresh = web.new_urls(&meta.web_seeds);
        web
    }

    /// URLs of all web seeds, those that were given up included.
    pub(in crate::torrent) fn urls(&self) -> impl Iterator<Item = &str> {
        self.seeds.values().map(WebSeed::url).chain(self.fresh.iter().map(String::as_str))
    }

    /// The URLs among `urls` that are new, as many as there is room for.
    pub(in crate::torrent) fn new_urls(&self, urls: &[String]) -> Vec<String> {
        let room =
            if self.layout.is_some() { MAX_SEEDS.saturating_sub(self.urls().count()) } else { 0 };
        let mut fresh: Vec<String> = Vec::new();
        for url in urls {
            if fresh.len() < room && !fresh.contains(url) && self.urls().all(|known| known != url) {
                fresh.push(url.clone());
            }
        }
        fresh
    }

    /// Whether anything may come from the web.
    pub(in crate::torrent) fn is_hopeful(&self) -> bool {
        self.allowed && (!self.fresh.is_empty() || self.seeds.values().any(WebSeed::is_hopeful))
    }

    /// Whether anything is being fetched.
    pub(in crate::torrent) fn is_fetching(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Bytes a second that are to be expected.
    pub(in crate::torrent) fn rate_bps(&self) -> u64 {
        let hopeful = self.seeds.values().filter(|seed| self.allowed && seed.is_hopeful());
        hopeful.filter_map(WebSeed::rate_bps).sum()
    }

    /// Whether a back-off ended by now.
    pub(in crate::torrent) fn is_due(&self, now: Instant) -> bool {
        let is_idle = |conn: &ConnId| self.runs.values().all(|run| run.conn != *conn);
        self.allowed && self.seeds.iter().any(|(conn, seed)| seed.is_usable(now) && is_idle(conn))
    }

    /// When what each seed was asked for should be there.
    pub(in crate::torrent) fn expectations(&self) -> Expectations {
        let mut all = Expectations::new();
        for run in self.runs.values() {
            let expected = self.seeds.get(&run.conn).map_or(SLACK, |seed| seed.expected(run.bytes));
            let at = all.entry(run.conn).or_insert(run.began);
            *at = (*at).max(run.began + expected + SLACK);
        }
        all
    }

    /// The daemon is gone, and all fetches with it.
    pub(in crate::torrent) fn unlink(&mut self) {
        self.runs.clear();
    }

    pub(in crate::torrent) fn run_of(&self, conn: ConnId, block: Block) -> Option<u64> {
        self.runs
            .iter()
            .find(|(_, run)| run.conn == conn && run.blocks.contains(&block))
            .map(|(&number, _)| number)
    }
}
