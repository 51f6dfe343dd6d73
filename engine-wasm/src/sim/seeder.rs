//! A simulated seeder: answers requests in order, over a line that carries one block at a time.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::odd::{Ask, Odd, after};
use crate::bitfield::Bitfield;
use crate::hashes::request::HashRequest;
use crate::hashes::trees::{Answer, Trees};
use crate::metainfo::testing::Sample;
use crate::metainfo::{Identity, Metainfo, merkle};
use crate::peer::extension::ExtensionHandshake;
use crate::peer::handshake::{HANDSHAKE_LEN, Handshake};
use crate::peer::metadata::{self, MetadataMessage, block_length};
use crate::peer::wire::Message;
use crate::time::Instant;

/// The seeders' message id for metadata (BEP 10); it differs from the engine's.
const SEEDERS_ID: u8 = 3;

/// How a seeder answers requests for the info dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Describes {
    /// It sends the dictionary.
    Honestly,
    /// It does not support the extension.
    Never,
    /// It rejects this many requests, then sends.
    Reluctantly(u32),
    /// It offers the dictionary and never sends it.
    Silently,
    /// Every block is wrong.
    Falsely,
    /// It claims this size and sends zeros.
    OfSize(u32),
    /// It disconnects after this many blocks.
    Briefly(u32),
    /// It takes a moment for a block, and drops requests that come meanwhile.
    OneByOne,
    /// As before, and it never answers again after such a request, like rTorrent.
    Singly,
}

/// How long a seeder takes that sends one block of the dictionary at a time.
const MOMENT: Duration = Duration::from_millis(30);

/// What a seeder remembers about requests for the info dictionary.
#[derive(Debug)]
struct Describing {
    /// The engine's message id.
    id: u8,
    asked: u32,
    /// Until when it takes no other request.
    busy_until: Instant,
}

/// How a seeder behaves.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    /// Upload rate, bytes per second.
    pub(super) rate_bps: u64,
    /// Round-trip time.
    pub(super) rtt: Duration,
    /// Every nth block is corrupt; 0 for none.
    pub(super) corrupts_every: u32,
    /// It stops sending after this many blocks.
    pub(super) stalls_after: Option<u32>,
    /// It chokes for a second each time after this many blocks.
    pub(super) chokes_every: Option<u32>,
    /// It disconnects after this many blocks.
    pub(super) hangs_up_after: Option<u32>,
    /// Interval at which it reads its requests and sends all of them. `None` for at once.
    pub(super) pulse: Option<Duration>,
    /// Whether it supports the fast extension (BEP 6).
    pub(super) fast: bool,
    /// Its pieces; `None` for all.
    pub(super) pieces: Option<Bitfield>,
    /// How it answers metadata requests.
    pub(super) describes: Describes,
    /// How it answers hash requests.
    pub(super) hashes: Hashes,
    /// It disconnects upload-only peers, as libtorrent does (BEP 21).
    pub(super) leaves_upload_only: bool,
    /// How it answers requests for blocks, if not like a seeder.
    pub(super) odd: Option<Odd>,
}

/// How a seeder answers hash requests (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hashes {
    /// It knows the torrent's v2 hash and sends hashes.
    Given,
    /// It rejects every request.
    Rejected,
    /// It sends piece hashes and rejects block hashes.
    OfPieces,
    /// Every answer is wrong.
    Wrong,
    /// It never answers.
    Silent,
    /// It does not support v2.
    Unknown,
}

impl Behaviour {
    pub(super) fn honest(rate_bps: u64, rtt_ms: u64) -> Self {
        Self {
            rate_bps,
            rtt: Duration::from_millis(rtt_ms),
            corrupts_every: 0,
            stalls_after: None,
            chokes_every: None,
            hangs_up_after: None,
            pulse: None,
            fast: true,
            pieces: None,
            describes: Describes::Honestly,
            hashes: Hashes::Given,
            leaves_upload_only: false,
            odd: None,
        }
    }

    pub(super) fn describing(describes: Describes) -> Self {
        Self { describes, ..Self::honest(4 << 20, 20) }
    }
}

/// An action of a seeder.
#[derive(Debug)]
pub(super) enum Action {
    /// It sends bytes.
    Send(Vec<u8>),
    /// It sends a block.
    Block { piece: u32, begin: u32, data: Vec<u8> },
    /// It disconnects.
    HangUp,
    /// It unchokes.
    Unchoke,
}

/// The seeder's end of a connection.
#[derive(Debug)]
pub(super) struct Seeder {
    behaviour: Behaviour,
    /// Distinguishes its peer id from others.
    name: u16,
    identity: Identity,
    trees: Trees,
    info: Bytes,
    describing: Describing,
    received: Vec<u8>,
    greeted: bool,
    called: Handshake,
    choking: bool,
    queue: VecDeque<(u32, u32, u32)>,
    /// Blocks that are being sent and can no longer be cancelled.
    begun: VecDeque<(u32, u32, u32)>,
    /// When it next reads its requests, and when its line is free.
    due: (Instant, Instant),
    sent: u32,
    asked: u32,
}

impl Seeder {
    pub(super) fn new(behaviour: Behaviour, name: u16, metainfo: &Metainfo, now: Instant) -> Self {
        Self {
            behaviour,
            name,
            identity: metainfo.identity(),
            trees: Trees::new(metainfo, &metainfo.geometry()),
            info: metainfo.info.clone(),
            describing: Describing { id: 0, asked: 0, busy_until: now },
            received: Vec::new(),
            greeted: false,
            called: Handshake::ours(metainfo.info_hash, [0; 20]),
            choking: true,
            queue: VecDeque::new(),
            begun: VecDeque::new(),
            due: (now, now),
            sent: 0,
            asked: 0,
        }
    }

    /// Returns half the round-trip time.
    pub(super) fn one_way(&self) -> Duration {
        self.behaviour.rtt / 2
    }

    /// Handles bytes; returns the answers and their times.
    pub(super) fn receive(
        &mut self,
        data: &[u8],
        sample: &Sample,
        now: Instant,
    ) -> Vec<(Instant, Action)> {
        self.received.extend_from_slice(data);
        let mut actions = Vec::new();
        if !self.greeted {
            let Some(hello) = self.received.first_chunk::<HANDSHAKE_LEN>() else { return actions };
            // It does not support encryption.
            let Ok(hello) = Handshake::parse(hello) else { return vec![(now, Action::HangUp)] };
            assert!(self.identity.matches(hello.info_hash));
            self.called = hello;
            self.received.drain(..HANDSHAKE_LEN);
            self.greeted = true;
            let pieces = sample.metainfo.geometry().piece_count();
            actions.push((now, Action::Send(self.greet(pieces))));
        }
        while let Some(frame) = self.take_frame() {
            self.obey(&frame, sample, now, &mut actions);
        }
        actions
    }

    /// Returns the next block, if the line is free.
    pub(super) fn next_block(
        &mut self,
        content: &[u8],
        piece_length: u32,
        now: Instant,
    ) -> Option<(Instant, Action)> {
        if self.choking
            || self.behaviour.stalls_after.is_some_and(|most| self.sent >= most)
            || self.due.1 > now
        {
            return None;
        }
        let (piece, begin, length) = self.next_request(now)?;
        let from = piece as usize * piece_length as usize + begin as usize;
        let mut data = content[from..from + length as usize].to_vec();
        self.sent += 1;
        if self.behaviour.corrupts_every > 0
            && self.sent.is_multiple_of(self.behaviour.corrupts_every)
        {
            data[0] ^= 0xff;
        }
        self.due.1 =
            now + Duration::from_micros(u64::from(length) * 1_000_000 / self.behaviour.rate_bps);
        Some((self.due.1, Action::Block { piece, begin, data }))
    }

    fn next_request(&mut self, now: Instant) -> Option<(u32, u32, u32)> {
        let Some(pulse) = self.behaviour.pulse else { return self.queue.pop_front() };
        if now >= self.due.0 {
            self.begun.append(&mut self.queue);
            self.due.0 = now + pulse;
        }
        self.begun.pop_front()
    }

    /// Returns when it next reads its requests.
    pub(super) fn looks_at(&self) -> Option<Instant> {
        self.behaviour.pulse.map(|_| self.due.0)
    }

    /// Returns the number of unanswered requests.
    pub(super) fn queued(&self) -> usize {
        self.queue.len() + self.begun.len()
    }

    /// Returns when the line is free.
    pub(super) fn line_free(&self) -> Instant {
        self.due.1
    }

    /// Returns its further actions after a block.
    pub(super) fn after_block(&mut self, now: Instant) -> Vec<(Instant, Action)> {
        if self.behaviour.hangs_up_after.is_some_and(|most| self.sent >= most) {
            return vec![(now, Action::HangUp)];
        }
        if self.behaviour.chokes_every.is_some_and(|every| self.sent.is_multiple_of(every))
            && !self.choking
        {
            self.choking = true;
            let mut bytes = encode(&Message::Choke);
            let dropped = std::mem::take(&mut self.queue);
            if self.behaviour.fast {
                for (piece, begin, length) in dropped {
                    bytes.extend(encode(&Message::Reject { piece, begin, length }));
                }
            }
            return vec![
                (now, Action::Send(bytes)),
                (now + Duration::from_secs(1), Action::Unchoke),
            ];
        }
        Vec::new()
    }

    /// It unchokes.
    pub(super) fn unchoke(&mut self) -> Vec<u8> {
        self.choking = false;
        encode(&Message::Unchoke)
    }

    fn greet(&mut self, piece_count: u32) -> Vec<u8> {
        // A hybrid's v2 hash answers the v1 hash if the caller supports v2 (BEP 52).
        let second = self
            .identity
            .v2
            .filter(|_| self.called.supports_v2() && self.behaviour.hashes != Hashes::Unknown);
        let called = second.map_or(self.called.info_hash, |v2| v2.truncated());
        let mut hello = Handshake::ours(called, *b"-SIM000-abcdefghijkl");
        hello.peer_id[18..].copy_from_slice(&self.name.to_be_bytes());
        if !self.behaviour.fast {
            hello.reserved[7] = 0;
        }
        let metadata_size = match self.behaviour.describes {
            Describes::Never => None,
            Describes::OfSize(size) => Some(size),
            _ => u32::try_from(self.info.len()).ok(),
        };
        if metadata_size.is_none() {
            hello.reserved[5] = 0;
        }
        let mut out = hello.encode().to_vec();
        if metadata_size.is_some() {
            let messages = [(metadata::EXTENSION.to_owned(), SEEDERS_ID)].into();
            let hello =
                ExtensionHandshake { messages, metadata_size, ..ExtensionHandshake::default() };
            out.extend(encode(&Message::Extended { id: 0, payload: &hello.encode() }));
        }
        match &self.behaviour.pieces {
            Some(pieces) => out.extend(encode(&Message::Bitfield(&pieces.to_wire()))),
            None if self.behaviour.fast => out.extend(encode(&Message::HaveAll)),
            None => out.extend(encode(&Message::Bitfield(&Bitfield::full(piece_count).to_wire()))),
        }
        out
    }

    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_be_bytes(*self.received.first_chunk()?) as usize;
        let frame = self.received.get(4..4 + length)?.to_vec();
        self.received.drain(..4 + length);
        Some(frame)
    }

    fn obey(
        &mut self,
        frame: &[u8],
        sample: &Sample,
        now: Instant,
        actions: &mut Vec<(Instant, Action)>,
    ) {
        if frame.is_empty() {
            return;
        }
        match Message::parse(frame).expect("the engine speaks the protocol") {
            Message::Interested
                if self.choking
                    && let Some(odd) = self.behaviour.odd =>
            {
                self.choking = false;
                actions.extend(after(now, (odd.interested)(sample)));
            }
            Message::Request { piece, begin, length } if let Some(odd) = self.behaviour.odd => {
                self.asked += 1;
                let ask = Ask::new(self.asked, (piece, begin, length), sample);
                actions.extend(after(now, (odd.asked)(&ask)));
            }
            Message::Interested if self.choking => {
                self.choking = false;
                actions.push((now, Action::Send(encode(&Message::Unchoke))));
            }
            Message::Request { piece, begin, length } if !self.choking => {
                self.queue.push_back((piece, begin, length))
            }
            Message::Request { piece, begin, length } if self.behaviour.fast => {
                actions
                    .push((now, Action::Send(encode(&Message::Reject { piece, begin, length }))));
            }
            Message::Cancel { piece, begin, length } => {
                let before = self.queue.len();
                self.queue.retain(|&request| request != (piece, begin, length));
                if self.behaviour.fast && self.queue.len() < before {
                    actions.push((
                        now,
                        Action::Send(encode(&Message::Reject { piece, begin, length })),
                    ));
                }
            }
            Message::Extended { id: 0, payload } => {
                let hello = ExtensionHandshake::parse(payload)
                    .expect("the engine speaks the extension protocol");
                self.describing.id = hello.id(metadata::EXTENSION).unwrap_or(0);
                if hello.upload_only && self.behaviour.leaves_upload_only {
                    actions.push((now, Action::HangUp));
                }
            }
            Message::HashRequest(request) => {
                assert_ne!(
                    self.behaviour.hashes,
                    Hashes::Unknown,
                    "who knows nothing of v2 is not asked for hashes"
                );
                let hashes = self.hashes(&request, sample);
                let answer = match &hashes {
                    None if self.behaviour.hashes == Hashes::Silent => return,
                    None => Message::HashReject(request),
                    Some(hashes) => Message::Hashes { request, hashes },
                };
                actions.push((now, Action::Send(encode(&answer))));
            }
            Message::Extended { id: SEEDERS_ID, payload } => {
                let message =
                    MetadataMessage::parse(payload).expect("the engine speaks of metadata");
                let MetadataMessage::Request { block } = message else { return };
                self.describe(block, now, actions);
            }
            _ => {}
        }
    }

    fn hashes(&self, request: &HashRequest, sample: &Sample) -> Option<Vec<u8>> {
        let of_blocks = request.base == 0;
        match self.behaviour.hashes {
            Hashes::OfPieces if of_blocks => return None,
            Hashes::Rejected | Hashes::Silent => return None,
            _ => {}
        }
        let answer = match self.trees.answer(request) {
            Answer::Blocks(piece) => {
                let geometry = sample.metainfo.geometry();
                let start = usize::try_from(geometry.piece_start(piece).get())
                    .expect("a test's torrent is small");
                let piece = &sample.content[start..start + geometry.piece_len(piece) as usize];
                self.trees.answer_with(request, &merkle::leaves(piece))
            }
            answer => answer,
        };
        let Answer::Hashes(mut hashes) = answer else { panic!("{request:?} can't be answered") };
        if self.behaviour.hashes == Hashes::Wrong {
            hashes[0] ^= 1;
        }
        Some(hashes)
    }

    fn describe(&mut self, block: u32, now: Instant, actions: &mut Vec<(Instant, Action)>) {
        self.describing.asked += 1;
        let total = match self.behaviour.describes {
            Describes::OfSize(size) => size,
            _ => u32::try_from(self.info.len()).expect("a test's torrent is small"),
        };
        let length = block_length(total, block) as usize;
        assert!(length > 0, "a block beyond the end is not asked for");
        let from = (block * metadata::BLOCK) as usize;
        let mut at = now;
        let mut data: Vec<u8> = self.info.iter().copied().skip(from).take(length).collect();
        match self.behaviour.describes {
            Describes::Silently => return,
            Describes::Reluctantly(times) if self.describing.asked <= times => {
                let payload = MetadataMessage::Reject { block }.encode();
                return actions.push((
                    now,
                    Action::Send(encode(&Message::Extended {
                        id: self.describing.id,
                        payload: &payload,
                    })),
                ));
            }
            Describes::Briefly(most) if self.describing.asked > most => {
                return actions.push((now, Action::HangUp));
            }
            Describes::Singly | Describes::OneByOne if self.describing.busy_until > now => {
                if self.behaviour.describes == Describes::Singly {
                    self.describing.busy_until = now + Duration::from_secs(3600);
                }
                return;
            }
            Describes::Singly | Describes::OneByOne => {
                at = now + MOMENT;
                self.describing.busy_until = at;
            }
            Describes::Falsely => data[0] ^= 0xff,
            Describes::OfSize(_) => data = vec![0; length],
            _ => {}
        }
        let payload = MetadataMessage::Data { block, total, data: &data }.encode();
        actions.push((
            at,
            Action::Send(encode(&Message::Extended { id: self.describing.id, payload: &payload })),
        ));
    }
}

pub(super) fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}
