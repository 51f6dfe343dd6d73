//! Tests of web seeds without a torrent: which blocks are requested, and how runs end.

use std::sync::Arc;

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{ConnId, FileRef, OpId, Span};

use super::super::web_seeds::{Fetch, Fetched, Plan, RunId};
use super::*;
use crate::discover::candidates::Candidates;
use crate::discover::tracker::announcer::Announcer;
use crate::discover::web_seed::Failure;
use crate::geometry::{BlockIndex, testing};
use crate::metainfo::Version;
use crate::metainfo::testing::torrent_of;
use crate::pick::want::Want;
use crate::source::{Sender, WebHostId};
use crate::torrent::swarm::Discovered;

const KIB: usize = 1 << 10;
const HOST: &str = "http://one.example/";

fn at(seconds: u64) -> Instant {
    Instant(seconds * 1_000_000)
}

/// A torrent with pieces of two blocks, all of them missing.
struct Bench {
    swarm: Swarm,
    geometry: Arc<Geometry>,
    picker: Picker,
    pieces: PieceMap,
    suspects: Suspects,
    availability: Availability,
}

impl Bench {
    fn new(files: &[(&str, usize)], urls: &[&str]) -> Self {
        use rand::SeedableRng;
        let mut rng = rand::rngs::ChaCha8Rng::from_seed([1; 32]);
        let meta = torrent_of(Version::V2, 32 << 10, files).metainfo;
        let geometry = Arc::new(meta.geometry());
        let trackers = Announcer::new(meta.info_hash, Vec::new(), true, &mut rng, at(0));
        let discovered = Discovered { candidates: Candidates::default(), trackers };
        let mut web = WebSeeds::new(&meta, true);
        web.add(&urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>());
        let want = |piece| Want {
            piece,
            first: BlockIndex::FIRST,
            deadline: at(9),
            idle: false,
            awaited: false,
        };
        let mut picker = Picker::default();
        picker.set_wants(geometry.pieces().map(want).collect(), false, at(0));
        Self {
            swarm: Swarm::new(meta.identity(), false, discovered, web, 0, at(0)),
            picker,
            pieces: PieceMap::new(Arc::clone(&geometry)),
            suspects: Suspects::default(),
            availability: Availability::new(geometry.pieces(), &mut rng),
            geometry,
        }
    }

    fn next_run(&mut self, seed: u32) -> Option<Vec<Block>> {
        let mut demand = Demand {
            geometry: &self.geometry,
            picker: &self.picker,
            pieces: &mut self.pieces,
            suspects: &self.suspects,
            availability: &self.availability,
            may_duplicate: true,
        };
        self.swarm.next_run(WebSeedId(seed), &mut demand, at(0))
    }

    /// Starts the next run of a web seed, with operation ids from `op` on.
    fn begin(&mut self, seed: u32, op: u64) -> (RunId, Vec<Fetch>) {
        let blocks = self.next_run(seed).expect("something is missing");
        let mut plan = Plan::new(WebSeedId(seed));
        for block in blocks {
            self.pieces.ask(block, Source::WebSeed(WebSeedId(seed)));
            let (begin, length) = self.geometry.block_range(block);
            let on_disk = self.geometry.file_spans(block.piece(), begin, length).map(|span| Span {
                file: FileRef(span.file.get()),
                offset: span.offset.get(),
                length: span.length,
            });
            plan.push(block, &self.geometry, on_disk.collect());
        }
        let web = self.swarm.web_seeds_mut();
        let (run, fetches) = (web.new_run(), web.fetches(&plan));
        let ops = (op..).map(OpId).zip(fetches.iter().map(|fetch| fetch.file)).collect();
        assert_eq!(web.begin(run, plan, ops, at(0)), None, "it takes a request");
        (run, fetches)
    }

    fn fetched(&mut self, run: RunId, op: u64, status: u16, seconds: u64) -> Fetched {
        let body = bytes::Bytes::new();
        let result = Ok(OpOutput::Http { status, body });
        self.swarm.web_seeds_mut().fetched(run, OpId(op), result, at(seconds))
    }
}

#[test]
fn a_run_is_consecutive_blocks_with_one_request_for_each_file() {
    let mut bench = Bench::new(&[("a", 64 * KIB), ("b", 64 * KIB)], &[HOST]);
    let (run, fetches) = bench.begin(0, 1);
    let shown: Vec<String> = fetches
        .iter()
        .map(|fetch| {
            let length: u32 = fetch.spans.iter().map(|span| span.length).sum();
            format!("{} from {}: {length} in {}", fetch.url, fetch.offset.get(), fetch.spans.len())
        })
        .collect();
    assert_eq!(
        shown,
        [
            "http://one.example/Sample/a from 0: 65536 in 1",
            "http://one.example/Sample/b from 0: 65536 in 1"
        ]
    );
    assert_eq!(bench.fetched(run, 1, 206, 1), Fetched::Waiting);
    let Fetched::Came(came) = bench.fetched(run, 2, 200, 1) else { panic!("it has come") };
    assert_eq!(
        (came.source, came.sender),
        (Source::WebSeed(WebSeedId(0)), Sender::WebHost(WebHostId(0)))
    );
    assert_eq!(came.blocks.len(), 8);
    assert_eq!(bench.fetched(run, 2, 200, 1), Fetched::Waiting, "it is over");
    assert_eq!(bench.swarm.web_seeds().rate_bps(), 128 << 10);
}

#[test]
fn blocks_requested_from_peers_are_left_to_them() {
    let mut bench = Bench::new(&[("a", 128 * KIB)], &[HOST]);
    let first = testing::block(0, 1);
    bench.pieces.ask(first, ConnId(7));
    let blocks = bench.next_run(0).unwrap();
    assert!(!blocks.contains(&first), "{blocks:?}");
}

#[test]
fn a_web_seed_has_two_runs_at_once_and_a_failure_frees_the_blocks_of_one() {
    let mut bench = Bench::new(&[("a", 2048 * KIB)], &[HOST]);
    let (first, _) = bench.begin(0, 1);
    assert_eq!(bench.swarm.web_seeds().with_room(at(0)), [WebSeedId(0)]);
    bench.begin(0, 2);
    assert_eq!(bench.swarm.web_seeds().with_room(at(0)), []);
    let Fetched::Failed(ended, Failure::Status(500)) = bench.fetched(first, 1, 500, 0) else {
        panic!("it failed")
    };
    assert_eq!((ended.blocks.len(), ended.fetches.len()), (16, 0));
    assert_eq!(bench.swarm.web_seeds().with_room(at(1)), [], "it is left alone for a while");
    assert_eq!(bench.swarm.web_seeds().with_room(at(5)), [WebSeedId(0)]);
}

#[test]
fn a_full_disk_is_not_the_servers_fault() {
    let mut bench = Bench::new(&[("a", 64 * KIB)], &[HOST]);
    let (run, _) = bench.begin(0, 1);
    let full = OpError { kind: OpErrorKind::Full, message: "full".to_owned() };
    let fetched = bench.swarm.web_seeds_mut().fetched(run, OpId(1), Err(full.clone()), at(0));
    assert_eq!(fetched, Fetched::DiskFailed(full));
    assert!(bench.swarm.web_seeds().is_hopeful());
}

#[test]
fn a_run_ends_when_another_source_stores_one_of_its_blocks() {
    let mut bench = Bench::new(&[("a", 64 * KIB)], &[HOST]);
    bench.begin(0, 1);
    let block = testing::block(1, 0);
    let web = bench.swarm.web_seeds_mut();
    assert_eq!(web.end_runs_into(WebSeedId(1), block), []);
    let ended = web.end_runs_into(WebSeedId(0), block);
    assert_eq!((ended.len(), &ended[0].fetches[..]), (1, &[OpId(1)][..]));
    assert!(!web.is_fetching());
}

#[test]
fn all_web_seeds_of_a_host_are_banned_together() {
    let other = "http://two.example/";
    let mut bench = Bench::new(&[("a", 64 * KIB)], &[HOST, "http://one.example/again", other]);
    bench.begin(1, 1);
    let web = bench.swarm.web_seeds_mut();
    assert_eq!(web.ban(WebHostId(0)).len(), 1);
    assert_eq!(web.with_room(at(0)), [WebSeedId(2)]);
    assert!(!web.add(&[HOST.to_owned()]), "it is known");
}

#[test]
fn disabled_web_seeds_get_no_requests() {
    let mut bench = Bench::new(&[("a", 64 * KIB)], &[HOST]);
    bench.begin(0, 1);
    let web = bench.swarm.web_seeds_mut();
    assert_eq!(web.allow(false).len(), 1);
    assert!(web.with_room(at(0)).is_empty() && !web.is_hopeful() && !web.is_due(at(0)));
    assert!(web.allow(true).is_empty() && web.is_due(at(0)));
}
