//! Odd peers: each breaks one habit that a downloader might rely on.
//!
//! An odd peer announces every piece. It decides what to send when it hears of our interest, and
//! at each request.

use std::time::Duration;

use super::seeder::{Action, encode};
use crate::metainfo::testing::Sample;
use crate::peer::wire::Message;
use crate::time::Instant;

/// An action, and how long the peer waits before it.
pub(super) type Deed = (Duration, Action);

/// How an odd peer acts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odd {
    /// What it does when it hears of our interest for the first time.
    pub(super) interested: fn(&Sample) -> Vec<Deed>,
    /// What it does at each request.
    pub(super) asked: fn(&Ask<'_>) -> Vec<Deed>,
}

/// A request as an odd peer sees it.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    /// Its number on this connection, from 1.
    pub(super) number: u32,
    pub(super) piece: u32,
    pub(super) begin: u32,
    pub(super) length: u32,
    pub(super) sample: &'a Sample,
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        number: u32,
        (piece, begin, length): (u32, u32, u32),
        sample: &'a Sample,
    ) -> Self {
        Self { number, piece, begin, length, sample }
    }

    /// The right answer.
    fn block(&self) -> Action {
        block(self.sample, self.piece, self.begin, self.length)
    }

    fn reject(&self) -> Action {
        let &Self { piece, begin, length, .. } = self;
        send(&Message::Reject { piece, begin, length })
    }
}

/// Adds the current time to deeds.
pub(super) fn after(now: Instant, deeds: Vec<Deed>) -> impl Iterator<Item = (Instant, Action)> {
    deeds.into_iter().map(move |(wait, action)| (now + wait, action))
}

const NOW: Duration = Duration::ZERO;
/// How long habits go on.
const LONG_MS: u64 = 40_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn send(message: &Message<'_>) -> Action {
    Action::Send(encode(message))
}

fn block(sample: &Sample, piece: u32, begin: u32, length: u32) -> Action {
    let from = piece as usize * sample.metainfo.piece_length as usize + begin as usize;
    Action::Block { piece, begin, data: sample.content[from..from + length as usize].to_vec() }
}

/// It unchokes, and repeats an action with this interval.
fn and_every(interval_ms: u64, action: impl Fn(u64) -> Action) -> Vec<Deed> {
    let times = (1..=LONG_MS / interval_ms).map(|at| (ms(at * interval_ms), action(at)));
    unchokes().into_iter().chain(times).collect()
}

fn unchokes() -> Vec<Deed> {
    vec![(NOW, send(&Message::Unchoke))]
}

fn good(ask: &Ask<'_>) -> Vec<Deed> {
    // Eight blocks a second.
    vec![(ms(125), ask.block())]
}

fn silent(_: &Ask<'_>) -> Vec<Deed> {
    Vec::new()
}

/// Sends some bytes of a block's message, one each second.
fn trickle(ask: &Ask<'_>) -> Vec<Deed> {
    if ask.number > 1 {
        return Vec::new();
    }
    let Action::Block { piece, begin, data } = ask.block() else { return Vec::new() };
    let bytes = encode(&Message::Piece { piece, begin, data: &data });
    (0..LONG_MS / 1_000)
        .zip(bytes)
        .map(|(second, byte)| (ms(second * 1_000), Action::Send(vec![byte])))
        .collect()
}

fn corrupt(ask: &Ask<'_>) -> Action {
    let Action::Block { piece, begin, mut data } = ask.block() else { unreachable!("a block") };
    data[0] ^= 1;
    Action::Block { piece, begin, data }
}

fn first_block(sample: &Sample) -> Action {
    block(sample, 0, 0, 16 << 10)
}

/// Whether a peer that is guilty of corrupt data or of breaking the protocol may be dropped does
/// not matter here: only the time beside a good seeder does.
pub(super) fn all() -> Vec<(&'static str, Odd)> {
    let odd = |interested: fn(&Sample) -> Vec<Deed>, asked: fn(&Ask<'_>) -> Vec<Deed>| Odd {
        interested,
        asked,
    };
    let unchokes: fn(&Sample) -> Vec<Deed> = |_| unchokes();
    vec![
        ("never unchokes", odd(|_| Vec::new(), silent)),
        ("is silent", odd(unchokes, silent)),
        (
            "is silent after eight blocks",
            odd(unchokes, |ask| if ask.number <= 8 { good(ask) } else { Vec::new() }),
        ),
        ("sends one byte a second", odd(unchokes, trickle)),
        ("takes 5 s for each block", odd(unchokes, |ask| vec![(ms(5_000), ask.block())])),
        (
            "sends 1 kB a second",
            odd(unchokes, |ask| vec![(ms(16_000 * u64::from(ask.number)), ask.block())]),
        ),
        ("rejects every request", odd(unchokes, |ask| vec![(NOW, ask.reject())])),
        (
            "rejects every other request",
            odd(
                unchokes,
                |ask| {
                    if ask.number % 2 == 0 { vec![(NOW, ask.reject())] } else { good(ask) }
                },
            ),
        ),
        ("rejects after 3 s", odd(unchokes, |ask| vec![(ms(3_000), ask.reject())])),
        (
            "loses every tenth request",
            odd(unchokes, |ask| if ask.number % 10 == 0 { Vec::new() } else { good(ask) }),
        ),
        (
            "loses nine of ten requests",
            odd(unchokes, |ask| if ask.number % 10 == 0 { good(ask) } else { Vec::new() }),
        ),
        (
            "sends three blocks of each piece",
            odd(unchokes, |ask| if ask.begin < 3 * (16 << 10) { good(ask) } else { Vec::new() }),
        ),
        (
            "never sends a first block",
            odd(unchokes, |ask| if ask.begin == 0 { Vec::new() } else { good(ask) }),
        ),
        (
            "sends each block twice",
            odd(unchokes, |ask| vec![(ms(100), ask.block()), (ms(125), ask.block())]),
        ),
        (
            "answers the latest request first",
            odd(unchokes, |ask| vec![(ms(4_000 / u64::from(ask.number)), ask.block())]),
        ),
        (
            "pauses for 8 s after eight blocks",
            odd(unchokes, |ask| vec![(ms(125 + u64::from(ask.number / 8) * 8_000), ask.block())]),
        ),
        ("sends corrupt blocks", odd(unchokes, |ask| vec![(ms(125), corrupt(ask))])),
        (
            "sends one corrupt block of ten",
            odd(unchokes, |ask| {
                let corrupts = ask.number % 10 == 5;
                vec![(ms(125), if corrupts { corrupt(ask) } else { ask.block() })]
            }),
        ),
        (
            "sends half blocks",
            odd(unchokes, |ask| {
                vec![(ms(125), block(ask.sample, ask.piece, ask.begin, ask.length / 2))]
            }),
        ),
        (
            "sends empty blocks",
            odd(unchokes, |ask| vec![(ms(125), block(ask.sample, ask.piece, ask.begin, 0))]),
        ),
        (
            "sends the next block instead",
            odd(unchokes, |ask| {
                let begin = if ask.begin == 0 { 16 << 10 } else { 0 };
                vec![(ms(125), block(ask.sample, ask.piece, begin, ask.length))]
            }),
        ),
        (
            "sends blocks of pieces that do not exist",
            odd(unchokes, |ask| {
                let data = vec![0; 16 << 10];
                vec![(ms(125), Action::Block { piece: 1 << 20, begin: ask.begin, data })]
            }),
        ),
        (
            "sends what nobody requested",
            odd(|sample| and_every(50, |_| first_block(sample)), silent),
        ),
        (
            "sends an old block every 3 s",
            odd(
                |sample| and_every(3_000, |_| first_block(sample)),
                |ask| if ask.number == 1 { good(ask) } else { Vec::new() },
            ),
        ),
        (
            "floods with 1,000 blocks a second",
            odd(|sample| and_every(1, |_| first_block(sample)), silent),
        ),
        ("unchokes again and again", odd(|_| and_every(500, |_| send(&Message::Unchoke)), silent)),
        ("chokes and unchokes in turn", odd(|_| and_every(1_000, toggle), silent)),
        ("chokes and unchokes 100 times a second", odd(|_| and_every(10, toggle), silent)),
        (
            "chokes after each request",
            odd(unchokes, |_| {
                vec![(ms(20), send(&Message::Choke)), (ms(40), send(&Message::Unchoke))]
            }),
        ),
        (
            "chokes for ever after a request",
            odd(unchokes, |_| vec![(ms(20), send(&Message::Choke))]),
        ),
        (
            "allows a piece while it chokes, and is silent",
            odd(|_| vec![(NOW, send(&Message::AllowedFast(0)))], silent),
        ),
        ("disconnects at each request", odd(unchokes, |_| vec![(ms(20), Action::HangUp)])),
        ("disconnects when it hears of interest", odd(|_| vec![(NOW, Action::HangUp)], silent)),
        (
            "disconnects after 20 blocks",
            odd(unchokes, |ask| match ask.number {
                20 => vec![(ms(20), Action::HangUp)],
                _ => good(ask),
            }),
        ),
        ("sends keep-alives only", odd(|_| and_every(100, |_| Action::Send(vec![0; 4])), silent)),
        (
            "sends messages that do not exist",
            odd(|_| and_every(100, |_| Action::Send(vec![0, 0, 0, 1, 99])), silent),
        ),
        (
            "sends an impossible length",
            odd(|_| and_every(1_000, |_| Action::Send(vec![0xff; 8])), silent),
        ),
        (
            "changes its interest 100 times a second",
            odd(
                |_| {
                    and_every(10, |at| {
                        send(if at % 2 == 0 {
                            &Message::Interested
                        } else {
                            &Message::NotInterested
                        })
                    })
                },
                silent,
            ),
        ),
        (
            "requests what we lack",
            odd(
                |_| {
                    and_every(20, |_| {
                        send(&Message::Request { piece: 31, begin: 0, length: 16 << 10 })
                    })
                },
                silent,
            ),
        ),
        (
            "suggests and announces pieces all the time",
            odd(
                |_| {
                    and_every(20, |at| {
                        let piece = u32::try_from(at % 32).expect("a small number");
                        let message = if at % 2 == 0 {
                            Message::Suggest(piece)
                        } else {
                            Message::Have(piece)
                        };
                        send(&message)
                    })
                },
                silent,
            ),
        ),
        (
            "rejects what nobody requested",
            odd(
                |_| {
                    and_every(50, |_| {
                        send(&Message::Reject { piece: 1, begin: 0, length: 16 << 10 })
                    })
                },
                silent,
            ),
        ),
        ("is slow and honest", odd(unchokes, good)),
    ]
}

fn toggle(at: u64) -> Action {
    send(if at % 2 == 1 { &Message::Choke } else { &Message::Unchoke })
}
