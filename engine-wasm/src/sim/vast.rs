//! Torrents of the largest allowed size, with a viewer at their end.
//!
//! The content is zeros, so nothing is stored. The daemon and the peer answer at once.

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use shared_proto::io::{DigestKind, FileStat, OpError, OpErrorKind, OpOutput};
use shared_proto::{
    ConnId, DaemonMessage, EngineMessage, IoCommand, IoEvent, Limits, OpId, OpenMode, RequestId,
    Root, RootKey,
};

use crate::config::Config;
use crate::engine::Engine;
use crate::geometry::{BLOCK_LENGTH, MAX_PIECES};
use crate::hashes::request::HashRequest;
use crate::io::{Input, Output};
use crate::metainfo::Metainfo;
use crate::metainfo::encode::Dict;
use crate::metainfo::merkle::{self, Hash};
use crate::peer::handshake::{HANDSHAKE_LEN, Handshake};
use crate::peer::wire::Message;
use crate::time::Instant;
use crate::view::Intent;

/// An engine and a seeder.
struct Vast {
    engine: Engine,
    meta: Metainfo,
    received: Vec<u8>,
    greeted: bool,
    hashes_asked: Vec<HashRequest>,
    blocks_asked: Vec<(u32, u32, u32)>,
    granted: Option<Option<u64>>,
    now: Instant,
}

/// Returns the tree hash at this height over zeros.
fn zeros(height: u32) -> Hash {
    let leaf = Sha256::digest(vec![0; BLOCK_LENGTH as usize]).into();
    (0..height).fold(leaf, |below, _| merkle::parent(&below, &below))
}

/// Returns a torrent of one file with this many pieces.
fn info(piece_length: u32, v2: bool) -> Dict {
    let length = i64::from(MAX_PIECES) * i64::from(piece_length);
    let info = Dict::new().bytes("name", "vast.bin").int("piece length", i64::from(piece_length));
    if v2 {
        let height = MAX_PIECES.ilog2() + (piece_length / BLOCK_LENGTH).ilog2();
        let file = Dict::new().int("length", length).bytes("pieces root", zeros(height));
        let tree = Dict::new().raw("vast.bin", Dict::new().raw("", file.encode()).encode());
        return info.int("meta version", 2).raw("file tree", tree.encode());
    }
    let hash = Sha1::digest(vec![0; piece_length as usize]);
    info.int("length", length).bytes("pieces", hash.repeat(MAX_PIECES as usize))
}

impl Vast {
    fn new(info: &Dict) -> Self {
        let torrent = Dict::new().raw("info", info.encode()).encode();
        let now = Instant(1_000_000);
        let mut vast = Self {
            engine: Engine::new(Config::default(), [1; 32], now),
            meta: Metainfo::parse(&torrent).unwrap(),
            received: Vec::new(),
            greeted: false,
            hashes_asked: Vec::new(),
            blocks_asked: Vec::new(),
            granted: None,
            now,
        };
        let roots =
            vec![Root { key: RootKey("d".into()), label: "Downloads".into(), path: String::new() }];
        let limits =
            Limits { max_conns: 100, max_files: 100, io_window: 1 << 20, max_wait_ms: 120_000 };
        vast.input(Input::Linked { epoch: 1, roots, limits });
        vast.input(Input::Intent {
            id: 1,
            intent: Intent::AddTorrent { metainfo: torrent.into() },
        });
        vast
    }

    /// Sends a request, connects the peer, and returns the grant. `Some(None)` grants the whole
    /// range.
    fn ask(&mut self, start: u64, end: u64) -> Option<Option<u64>> {
        let file_id = format!("{}.0", self.meta.info_hash).as_str().into();
        let request_id = RequestId(uuid::Uuid::from_u128(u128::from(start)));
        self.input(Input::Control(DaemonMessage::RangeRequest {
            request_id,
            file_id,
            start,
            end,
            only_now: false,
        }));
        let (info_hash, peers) = (self.meta.info_hash.to_string(), vec!["127.0.0.1:1".to_owned()]);
        self.input(Input::Intent { id: 2, intent: Intent::AddPeers { info_hash, peers } });
        self.granted
    }

    fn input(&mut self, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.engine.handle_input(self.now, input);
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Io(command) => {
                        inputs.extend(self.answer(command).into_iter().map(Input::Io))
                    }
                    Output::Control(
                        EngineMessage::RangeAvailable { end, .. }
                        | EngineMessage::RangeReady { end, .. },
                    ) => self.granted = Some(end),
                    _ => {}
                }
            }
        }
    }

    fn answer(&mut self, command: IoCommand) -> Vec<IoEvent> {
        let done = |op: OpId, result| vec![IoEvent::Done { op, result }];
        match command {
            IoCommand::KvGet { op, .. } => done(op, Ok(OpOutput::Value(None))),
            IoCommand::KvScan { op, .. } => done(op, Ok(OpOutput::Keys(Vec::new()))),
            IoCommand::KvPut { op, .. } => done(op, Ok(OpOutput::Unit)),
            IoCommand::RootRoom { op, .. } => {
                done(op, Ok(OpOutput::Room { free: 1 << 39, total: 1 << 40 }))
            }
            IoCommand::FileStat { op, .. } => done(op, Ok(OpOutput::Stat(None))),
            IoCommand::FileOpen { op, mode: OpenMode::Read, .. } => done(
                op,
                Err(OpError { kind: OpErrorKind::NotFound, message: "no such file".into() }),
            ),
            IoCommand::FileOpen { op, .. } => done(
                op,
                Ok(OpOutput::Opened {
                    stat: FileStat { length: 0, modified_ns: 0, changed_ns: 0, identity: None },
                }),
            ),
            IoCommand::Digest { op, kind, spans } => {
                let length: u32 = spans.iter().map(|span| span.length).sum();
                let digest = match kind {
                    DigestKind::Sha1 => Sha1::digest(vec![0; length as usize]).to_vec(),
                    DigestKind::Sha256 => Sha256::digest(vec![0; length as usize]).to_vec(),
                    DigestKind::Sha256Leaves => {
                        zeros(0).repeat(length.div_ceil(BLOCK_LENGTH) as usize)
                    }
                };
                done(op, Ok(OpOutput::Digest(digest.into())))
            }
            IoCommand::TcpConnect { conn, .. } => vec![IoEvent::TcpConnected { conn }],
            IoCommand::TcpFramed { conn, .. } => {
                vec![frame(conn, &Message::HaveAll), frame(conn, &Message::Unchoke)]
            }
            IoCommand::TcpSend { conn, data } => self.heard(conn, &data),
            _ => Vec::new(),
        }
    }

    /// Handles bytes that the peer receives.
    fn heard(&mut self, conn: ConnId, data: &[u8]) -> Vec<IoEvent> {
        self.received.extend_from_slice(data);
        let mut events = Vec::new();
        if !self.greeted && self.received.len() >= HANDSHAKE_LEN {
            self.greeted = true;
            self.received.drain(..HANDSHAKE_LEN);
            let hello = Handshake::ours(self.meta.info_hash, [7; 20]).encode();
            events.push(IoEvent::TcpData { conn, data: Bytes::copy_from_slice(&hello) });
        }
        while let Some(length) =
            self.received.first_chunk().map(|&length| u32::from_be_bytes(length) as usize)
        {
            if self.received.len() < 4 + length {
                break;
            }
            let message: Vec<u8> = self.received.drain(..4 + length).skip(4).collect();
            match Message::parse(&message) {
                Ok(Message::HashRequest(request)) => {
                    self.hashes_asked.push(request);
                    // A limit on the peer's answers: it would not send all hashes and blocks of a
                    // vast torrent.
                    if self.hashes_asked.len() > 8 {
                        continue;
                    }
                    let uncles = (0..request.uncles())
                        .flat_map(|at| zeros(request.base + request.span() + at));
                    let hashes = zeros(request.base)
                        .repeat(request.length as usize)
                        .into_iter()
                        .chain(uncles);
                    let hashes: Vec<u8> = hashes.collect();
                    events.push(frame(conn, &Message::Hashes { request, hashes: &hashes }));
                }
                Ok(Message::Request { piece, begin, length }) => {
                    self.blocks_asked.push((piece, begin, length));
                    if self.blocks_asked.len() <= 4 {
                        let mut key = [0; 8];
                        key[..4].copy_from_slice(&piece.to_be_bytes());
                        key[4..].copy_from_slice(&begin.to_be_bytes());
                        events.push(IoEvent::Stored { conn, key });
                    }
                }
                _ => {}
            }
        }
        events
    }
}

fn frame(conn: ConnId, message: &Message<'_>) -> IoEvent {
    let mut out = Vec::new();
    message.encode(&mut out);
    IoEvent::TcpFrame { conn, data: Bytes::from(out.split_off(4)) }
}

#[test]
fn a_viewer_at_the_far_end_of_sixteen_tebibytes_of_v2_starts_after_one_block() {
    let piece: u64 = 16 << 20;
    let mut vast = Vast::new(&info(16 << 20, true));
    assert_eq!(vast.meta.total_length(), 16 << 40);
    let start = (u64::from(MAX_PIECES) - 3) * piece + 5 * u64::from(BLOCK_LENGTH) + 7;
    let granted = vast.ask(start, start + piece).flatten().expect("something is granted");
    let first = (MAX_PIECES - 3, 5 * BLOCK_LENGTH, BLOCK_LENGTH);
    assert_eq!(vast.blocks_asked.first(), Some(&first), "{:?}", &vast.blocks_asked[..1]);
    assert!(granted > start && granted < start + piece, "{granted}");
    assert!(
        vast.hashes_asked.iter().any(|request| request.base == 0 && request.length == 512),
        "blocks of 1,024"
    );
}

#[test]
fn a_viewer_at_the_far_end_of_a_million_pieces_of_v1_starts_after_one_piece() {
    let piece = u64::from(BLOCK_LENGTH);
    let mut vast = Vast::new(&info(BLOCK_LENGTH, false));
    let start = (u64::from(MAX_PIECES) - 1) * piece + 5;
    assert_eq!(vast.ask(start, start + 10), Some(None));
    assert_eq!(vast.blocks_asked.first(), Some(&(MAX_PIECES - 1, 0, BLOCK_LENGTH)));
}
