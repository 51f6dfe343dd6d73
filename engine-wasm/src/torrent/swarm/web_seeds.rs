//! Web seeds (BEP 19): runs of missing blocks, downloaded over HTTP.
//!
//! A *run* is consecutive blocks that are requested from one web seed at once, with one HTTP
//! request for each of their files. The ledger counts a web seed as a source like a peer, so the
//! blocks of a run are requested from no other source unless a viewer waits too long. Invariant: no
//! request is pending into a block that is being hashed: the first source that stores a block of a
//! run ends the run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{FileRef, OpId, Span};

use crate::discover::web_seed::{Failure, Layout, MAX_SEEDS, WebSeed, host_of};
use crate::geometry::{Block, FileIndex, FileOffset, Geometry};
use crate::metainfo::Metainfo;
use crate::source::{Sender, Source, WebHostId, WebSeedId};
use crate::time::Instant;

/// How much later than expected a run counts as late. Other sources may then be asked for what a
/// viewer waits for.
const SLACK: Duration = Duration::from_secs(2);
/// Runs of one web seed at once. While one arrives, the next is being requested.
const RUNS: usize = 2;
/// Maximum number of requests in a run: peers are better sources for a torrent of tiny files.
const FETCHES: usize = 16;

/// When the runs of each web seed should be done.
pub(crate) type Expectations = BTreeMap<WebSeedId, Instant>;

/// The id of a run, which a torrent never reuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::torrent) struct RunId(u64);

/// Consecutive blocks that are being downloaded.
#[derive(Debug)]
struct Run {
    seed: WebSeedId,
    blocks: Vec<Block>,
    bytes: u64,
    began: Instant,
    /// Pending requests, each with its file.
    fetches: BTreeMap<OpId, FileIndex>,
}

/// A run in preparation: its blocks, and their positions in the files.
#[derive(Debug)]
pub(in crate::torrent) struct Plan {
    seed: WebSeedId,
    blocks: Vec<Block>,
    bytes: u64,
    stretches: Vec<Stretch>,
}

/// Consecutive bytes of one file, and the spans on the disk that they fill.
#[derive(Debug)]
struct Stretch {
    file: FileIndex,
    offset: FileOffset,
    spans: Vec<Span>,
}

/// A request to a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) struct Fetch {
    pub(in crate::torrent) file: FileIndex,
    pub(in crate::torrent) url: String,
    /// Offset of the first byte in the file.
    pub(in crate::torrent) offset: FileOffset,
    /// The spans to fill.
    pub(in crate::torrent) spans: Vec<Span>,
}

/// A run that ended early.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::torrent) struct Ended {
    pub(in crate::torrent) source: Source,
    /// Blocks that may be requested again.
    pub(in crate::torrent) blocks: Vec<Block>,
    /// Requests to cancel.
    pub(in crate::torrent) fetches: Vec<OpId>,
}

/// A run that is completely on the disk.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::torrent) struct Came {
    pub(in crate::torrent) source: Source,
    pub(in crate::torrent) sender: Sender,
    pub(in crate::torrent) blocks: Vec<Block>,
}

/// The effect of the end of a request.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Fetched {
    /// The run waits for other requests, or has ended already.
    Waiting,
    /// The whole run is on the disk.
    Came(Came),
    /// The server failed.
    Failed(Ended, Failure),
    /// Our disk failed.
    DiskFailed(OpError),
}

impl Plan {
    /// Creates a run of this web seed without blocks.
    pub(in crate::torrent) fn new(seed: WebSeedId) -> Self {
        Self { seed, blocks: Vec::new(), bytes: 0, stretches: Vec::new() }
    }

    /// Appends a block to be written to these spans.
    ///
    /// Returns the files that it touches, except padding, which no server has.
    pub(in crate::torrent) fn push(
        &mut self,
        block: Block,
        geometry: &Geometry,
        on_disk: Vec<Span>,
    ) -> Vec<FileIndex> {
        let (begin, length) = geometry.block_range(block);
        let mut files = Vec::new();
        let in_files = geometry.file_spans(block.piece(), begin, length).zip(on_disk);
        for (span, on_disk) in in_files.filter(|(_, on_disk)| on_disk.file != FileRef::ZEROS) {
            files.push(span.file);
            match self.stretches.last_mut().filter(|last| last.file == span.file) {
                Some(last) => last.append(on_disk),
                None => self.stretches.push(Stretch {
                    file: span.file,
                    offset: span.offset,
                    spans: vec![on_disk],
                }),
            }
        }
        self.blocks.push(block);
        self.bytes += u64::from(length);
        files
    }

    /// Whether it has no blocks.
    pub(in crate::torrent) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

impl Stretch {
    /// Appends a span. Adjacent spans of one file are merged.
    fn append(&mut self, span: Span) {
        let last = self.spans.last_mut();
        match last.filter(|last| last.file == span.file && last.end() == Some(span.offset)) {
            Some(last) if last.length.checked_add(span.length).is_some() => {
                last.length += span.length;
            }
            _ => self.spans.push(span),
        }
    }
}

/// The web seeds of a torrent.
#[derive(Debug, Default)]
pub(crate) struct WebSeeds {
    /// Whether the settings allow web seeds.
    allowed: bool,
    layout: Option<Layout>,
    /// Whether a web seed that lacks a file lacks everything.
    is_single_file: bool,
    /// The web seeds; the index is the id.
    seeds: Vec<WebSeed>,
    runs: BTreeMap<RunId, Run>,
    next_run: u64,
    hosts: Vec<String>,
}

impl WebSeeds {
    /// Creates the web seeds that a torrent names.
    pub(in crate::torrent) fn new(meta: &Metainfo, allowed: bool) -> Self {
        let (layout, is_single_file) = (Layout::of(&meta.info), meta.files.len() == 1);
        let mut web = Self { allowed, layout, is_single_file, ..Self::default() };
        web.add(&meta.web_seeds);
        web
    }

    /// The URLs of all web seeds, including those that were given up.
    pub(in crate::torrent) fn urls(&self) -> impl Iterator<Item = &str> {
        self.seeds.iter().map(WebSeed::url)
    }

    /// The URLs among `urls` that are new, up to the limit.
    pub(in crate::torrent) fn new_urls(&self, urls: &[String]) -> Vec<String> {
        let room =
            if self.layout.is_some() { MAX_SEEDS.saturating_sub(self.seeds.len()) } else { 0 };
        let mut fresh: Vec<String> = Vec::new();
        for url in urls {
            if fresh.len() < room && !fresh.contains(url) && self.urls().all(|known| known != url) {
                fresh.push(url.clone());
            }
        }
        fresh
    }

    /// Adds the new URLs among `urls`. Returns whether there were any.
    pub(in crate::torrent) fn add(&mut self, urls: &[String]) -> bool {
        let fresh = self.new_urls(urls);
        let any = !fresh.is_empty();
        for url in fresh {
            let host = host_of(&url);
            let known = self.hosts.iter().position(|known| *known == host);
            let at = known.unwrap_or(self.hosts.len());
            if known.is_none() {
                self.hosts.push(host);
            }
            let host = WebHostId(u32::try_from(at).unwrap_or(u32::MAX));
            self.seeds.push(WebSeed::new(url, host));
        }
        any
    }

    /// Allows or forbids web seeds; returns the runs that end with that.
    pub(in crate::torrent) fn allow(&mut self, allowed: bool) -> Vec<Ended> {
        let stops = self.allowed && !allowed;
        self.allowed = allowed;
        if stops { self.end_runs(|_| true) } else { Vec::new() }
    }

    /// Whether anything may come from a web seed.
    pub(in crate::torrent) fn is_hopeful(&self) -> bool {
        self.allowed && self.seeds.iter().any(WebSeed::is_hopeful)
    }

    /// Whether anything is being downloaded.
    pub(in crate::torrent) fn is_fetching(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Expected total rate in bytes per second.
    pub(in crate::torrent) fn rate_bps(&self) -> u64 {
        let hopeful = self.seeds.iter().filter(|seed| self.allowed && seed.is_hopeful());
        hopeful.filter_map(WebSeed::rate_bps).sum()
    }

    /// Whether an idle web seed may be asked now.
    pub(in crate::torrent) fn is_due(&self, now: Instant) -> bool {
        self.usable(now).any(|id| self.runs_of(id) == 0)
    }

    /// When the runs of each web seed should be done.
    pub(in crate::torrent) fn expectations(&self) -> Expectations {
        let mut all = Expectations::new();
        for run in self.runs.values() {
            let expected = self.seed(run.seed).map_or(SLACK, |seed| seed.expected(run.bytes));
            let at = all.entry(run.seed).or_insert(run.began);
            *at = (*at).max(run.began + expected + SLACK);
        }
        all
    }

    /// Web seeds that may be asked for one more run.
    pub(in crate::torrent) fn with_room(&self, now: Instant) -> Vec<WebSeedId> {
        self.usable(now).filter(|&id| self.has_room(id)).collect()
    }

    /// Whether a web seed may be asked for one more run.
    pub(in crate::torrent) fn has_room(&self, id: WebSeedId) -> bool {
        self.runs_of(id) < RUNS
    }

    fn usable(&self, now: Instant) -> impl Iterator<Item = WebSeedId> {
        let numbered = (0u32..).map(WebSeedId).zip(&self.seeds);
        numbered.filter(move |(_, seed)| self.allowed && seed.is_usable(now)).map(|(id, _)| id)
    }

    fn runs_of(&self, id: WebSeedId) -> usize {
        self.runs.values().filter(|run| run.seed == id).count()
    }

    /// One web seed.
    pub(super) fn seed(&self, id: WebSeedId) -> Option<&WebSeed> {
        self.seeds.get(id.0 as usize)
    }

    /// Returns whether a web seed has all files of a block. False also if the number of requests
    /// would exceed its limit.
    pub(super) fn has(
        &self,
        id: WebSeedId,
        block: Block,
        geometry: &Geometry,
        files: &mut BTreeSet<FileIndex>,
    ) -> bool {
        let Some(seed) = self.seed(id) else { return false };
        let spans = geometry.block_spans(block).map(|span| span.file);
        let own: BTreeSet<FileIndex> = spans.filter(|&file| !geometry.is_padding(file)).collect();
        let is_there =
            files.union(&own).count() <= FETCHES && own.iter().all(|file| seed.has(*file));
        if is_there {
            files.extend(own);
        }
        is_there
    }

    /// Returns the id for a new run.
    pub(in crate::torrent) fn new_run(&mut self) -> RunId {
        self.next_run += 1;
        RunId(self.next_run)
    }

    /// The requests of a run, one for each file.
    pub(in crate::torrent) fn fetches(&self, plan: &Plan) -> Vec<Fetch> {
        let base = self.seed(plan.seed).map(WebSeed::url);
        let url = |file| base.and_then(|base| self.layout.as_ref()?.url(base, file));
        let fetch = |stretch: &Stretch| Fetch {
            file: stretch.file,
            url: url(stretch.file).unwrap_or_default(),
            offset: stretch.offset,
            spans: stretch.spans.clone(),
        };
        plan.stretches.iter().map(fetch).collect()
    }

    /// Starts a run with these requests. A run without requests is all padding, and complete at
    /// once.
    pub(in crate::torrent) fn begin(
        &mut self,
        id: RunId,
        plan: Plan,
        fetches: BTreeMap<OpId, FileIndex>,
        now: Instant,
    ) -> Option<Came> {
        let Plan { seed, blocks, bytes, .. } = plan;
        let has_come = fetches.is_empty();
        self.runs.insert(id, Run { seed, blocks, bytes, began: now, fetches });
        has_come.then(|| self.came(id, now)).flatten()
    }

    /// Handles the end of a request of a run.
    pub(in crate::torrent) fn fetched(
        &mut self,
        id: RunId,
        op: OpId,
        result: Result<OpOutput, OpError>,
        now: Instant,
    ) -> Fetched {
        let Some(run) = self.runs.get_mut(&id) else { return Fetched::Waiting };
        let Some(file) = run.fetches.remove(&op) else { return Fetched::Waiting };
        let (seed, is_last) = (run.seed, run.fetches.is_empty());
        let failure = match result {
            Ok(OpOutput::Http { status: 200 | 206, .. }) if is_last => {
                return self.came(id, now).map_or(Fetched::Waiting, Fetched::Came);
            }
            Ok(OpOutput::Http { status: 200 | 206, .. }) => return Fetched::Waiting,
            Ok(OpOutput::Http { status, .. }) => Failure::Status(status),
            Err(error) if matches!(error.kind, OpErrorKind::Full | OpErrorKind::Denied) => {
                return Fetched::DiskFailed(error);
            }
            Ok(_) | Err(_) => Failure::Broken,
        };
        if let Some(seed) = self.seeds.get_mut(seed.0 as usize) {
            seed.failed(file, failure, now);
            if self.is_single_file && !seed.has(file) {
                seed.give_up();
            }
        }
        self.end(id).map_or(Fetched::Waiting, |ended| Fetched::Failed(ended, failure))
    }

    fn came(&mut self, id: RunId, now: Instant) -> Option<Came> {
        let run = self.runs.remove(&id)?;
        let seed = self.seeds.get_mut(run.seed.0 as usize)?;
        seed.succeeded(run.bytes, now.saturating_since(run.began));
        let (source, sender) = (Source::WebSeed(run.seed), Sender::WebHost(seed.host()));
        Some(Came { source, sender, blocks: run.blocks })
    }

    fn end(&mut self, id: RunId) -> Option<Ended> {
        let Run { seed, blocks, fetches, .. } = self.runs.remove(&id)?;
        let fetches = fetches.into_keys().collect();
        Some(Ended { source: Source::WebSeed(seed), blocks, fetches })
    }

    /// Ends the runs with blocks for which `is_to_end` holds.
    pub(in crate::torrent) fn end_runs(
        &mut self,
        is_to_end: impl Fn(&[Block]) -> bool,
    ) -> Vec<Ended> {
        self.end_where(|run| is_to_end(&run.blocks))
    }

    /// Ends the runs of a web seed that may write a block. Another source stored the block.
    pub(in crate::torrent) fn end_runs_into(&mut self, id: WebSeedId, block: Block) -> Vec<Ended> {
        self.end_where(|run| run.seed == id && run.blocks.contains(&block))
    }

    /// A host sent corrupt data: its web seeds are never asked again.
    pub(in crate::torrent) fn ban(&mut self, host: WebHostId) -> Vec<Ended> {
        let mut banned = BTreeSet::new();
        for (id, seed) in (0u32..).map(WebSeedId).zip(&mut self.seeds) {
            if seed.host() == host {
                seed.give_up();
                banned.insert(id);
            }
        }
        self.end_where(|run| banned.contains(&run.seed))
    }

    fn end_where(&mut self, is_to_end: impl Fn(&Run) -> bool) -> Vec<Ended> {
        let ids: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| is_to_end(run)).map(|(&id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.end(id)).collect()
    }

    /// The link to the daemon is lost, and all requests with it.
    pub(super) fn unlink(&mut self) {
        self.runs.clear();
    }
}
