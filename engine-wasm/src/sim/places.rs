//! Two torrents that share fewer places for open files than either could use.
//!
//! The daemon here answers everything at once but digests, which the test answers one by one.

use std::collections::{BTreeMap, VecDeque};

use sha1::{Digest as _, Sha1};
use shared_proto::io::{FileStat, OpOutput};
use shared_proto::{FileIdentity, FileRef, IoCommand, IoEvent, Limits, OpId, Root, RootKey, Span};

use crate::config::Config;
use crate::engine::Engine;
use crate::io::{Input, Output};
use crate::metainfo::testing::{self, Sample};
use crate::time::Instant;
use crate::view::{Intent, TorrentState};

const PIECE: u32 = 16_384;
/// Places for open files.
const PLACES: u32 = 4;

/// Files of one torrent differ in their bytes, so these tell them apart.
fn identity_of(bytes: &[u8]) -> FileIdentity {
    let digest = Sha1::digest(bytes);
    FileIdentity(std::array::from_fn(|at| digest[at]))
}

/// An engine, and a disk that has all files of its torrents already.
struct Desk {
    engine: Engine,
    disk: BTreeMap<Vec<String>, Vec<u8>>,
    open: BTreeMap<FileRef, Vec<String>>,
    digests: VecDeque<(OpId, Vec<Span>)>,
}

impl Desk {
    fn new() -> Self {
        let engine = Engine::new(Config::default(), [1; 32], Instant(1_000_000));
        let mut desk =
            Self { engine, disk: BTreeMap::new(), open: BTreeMap::new(), digests: VecDeque::new() };
        let roots =
            vec![Root { key: RootKey("d".into()), label: "Downloads".into(), path: String::new() }];
        let limits =
            Limits { max_conns: 100, max_files: PLACES, io_window: 1 << 20, max_wait_ms: 120_000 };
        desk.input(Input::Linked { epoch: 1, roots, limits });
        desk
    }

    /// Adds a torrent whose files are all there.
    fn add(&mut self, sample: &Sample) {
        for (index, file) in sample.metainfo.files.iter().enumerate() {
            self.disk.insert(file.path.clone(), sample.file(index).to_vec());
        }
        let metainfo = sample.torrent.clone().into();
        self.input(Input::Intent { id: 1, intent: Intent::AddTorrent { metainfo } });
    }

    fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.engine.handle_input(Instant(1_000_000), input);
            while let Some(output) = self.engine.poll_output() {
                if let Output::Io(command) = output {
                    inputs.extend(self.answer(command).map(Input::Io));
                }
            }
        }
    }

    fn answer(&mut self, command: IoCommand) -> Option<IoEvent> {
        let look = |bytes: &Vec<u8>| FileStat {
            length: bytes.len() as u64,
            modified_ns: 1,
            changed_ns: 1,
            identity: Some(identity_of(bytes)),
        };
        let (op, output) = match command {
            IoCommand::KvGet { op, .. } => (op, OpOutput::Value(None)),
            IoCommand::KvScan { op, .. } => (op, OpOutput::Keys(Vec::new())),
            IoCommand::KvPut { op, .. } => (op, OpOutput::Unit),
            IoCommand::RootRoom { op, .. } => {
                (op, OpOutput::Room { free: 1 << 39, total: 1 << 40 })
            }
            IoCommand::FileStat { op, path, .. } => {
                (op, OpOutput::Stat(self.disk.get(&path).map(look)))
            }
            IoCommand::FileOpen { op, file, path, .. } => {
                let stat = look(&self.disk[&path]);
                self.open.insert(file, path);
                assert!(self.open.len() <= PLACES as usize, "more are open than may be");
                (op, OpOutput::Opened { stat })
            }
            IoCommand::FileClose { file } => {
                self.open.remove(&file);
                return None;
            }
            IoCommand::Digest { op, spans, .. } => {
                self.digests.push_back((op, spans));
                return None;
            }
            _ => return None,
        };
        Some(IoEvent::Done { op, result: Ok(output) })
    }

    /// Answers the digest that waits for longest.
    fn digest_one(&mut self) -> bool {
        let Some((op, spans)) = self.digests.pop_front() else { return false };
        let mut hash = Sha1::new();
        for span in spans {
            let start = usize::try_from(span.offset).unwrap();
            let bytes = &self.disk[&self.open[&span.file]];
            hash.update(&bytes[start..start + span.length as usize]);
        }
        let result = Ok(OpOutput::Digest(hash.finalize().to_vec().into()));
        self.input(Input::Io(IoEvent::Done { op, result }));
        true
    }

    fn states(&self) -> Vec<TorrentState> {
        self.engine
            .snapshot(Instant(1_000_000))
            .torrents
            .iter()
            .map(|torrent| torrent.state)
            .collect()
    }
}

#[test]
fn a_torrent_without_a_place_for_its_files_is_checked_once_another_torrent_frees_one() {
    let paths: Vec<String> = (0..8).map(|number| format!("many/{number}.bin")).collect();
    let files: Vec<(&str, usize)> =
        paths.iter().map(|path| (path.as_str(), PIECE as usize)).collect();
    let mut desk = Desk::new();
    desk.add(&testing::torrent(PIECE, &files));
    assert_eq!(desk.digests.len(), PLACES as usize, "it takes every place");
    desk.add(&testing::torrent(PIECE, &[("alone.bin", PIECE as usize)]));
    assert_eq!(desk.digests.len(), PLACES as usize, "nothing is left for the second one");
    assert_eq!(desk.states()[1], TorrentState::Checking);
    let answered = (0..100).take_while(|_| desk.digest_one()).count();
    assert_eq!(answered, 9, "each piece is hashed once");
    assert_eq!(desk.states(), [TorrentState::Complete, TorrentState::Complete]);
}
