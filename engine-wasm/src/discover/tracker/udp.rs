//! Encodes and parses the datagrams of UDP trackers (BEP 15, 41).
//!
//! Owns their layout; it sends and repeats nothing and knows no clock: `super::exchange` does that.
//! Everything is big-endian.

use std::net::SocketAddr;

use shared_proto::io::Family;
use thiserror::Error;

use super::{AnnounceParams, AnnounceResponse, Counts, Event, MAX_PEERS, TrackerError};
use super::{bounded, shown};
use crate::addresses::{compact_v4, compact_v6};
use crate::metainfo::InfoHash;

/// The protocol id of a connect request.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;
/// BEP 41 option: the end of the options.
const END_OF_OPTIONS: u8 = 0;
/// BEP 41 option: a part of the request string, after its length.
const URL_DATA: u8 = 2;
/// Longest request string passed on, in bytes: the datagram must not need fragmentation on any
/// network.
const MAX_REQUEST: usize = 1_000;

/// The action of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A connect request, which yields a connection id.
    Connect,
    /// An announce.
    Announce,
    /// A scrape.
    Scrape,
}

impl Action {
    fn number(self) -> u32 {
        match self {
            Self::Connect => 0,
            Self::Announce => 1,
            Self::Scrape => 2,
        }
    }
}

/// A question to a tracker, without its connection id and transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The action.
    pub action: Action,
    body: Vec<u8>,
}

/// A datagram from a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The connection id for further questions.
    Connected(u64),
    /// The answer to an announce or a scrape, without its header.
    Answer(Action, &'a [u8]),
    /// A refusal, with the tracker's text.
    Error(String),
}

/// The datagram is not a tracker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a tracker's datagram")]
pub struct NotAReply;

/// Encodes a connect request.
pub fn connect(transaction: u32) -> Vec<u8> {
    [
        &PROTOCOL_ID.to_be_bytes()[..],
        &Action::Connect.number().to_be_bytes(),
        &transaction.to_be_bytes(),
    ]
    .concat()
}

impl Question {
    /// Builds an announce. `request` is the path and query of the tracker's URL, empty for none.
    pub fn announce(params: &AnnounceParams, key: u32, request: &str) -> Self {
        // Old clients and trackers read these numbers as signed.
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX).to_be_bytes();
        let event: u32 = match params.event {
            None => 0,
            Some(Event::Completed) => 1,
            Some(Event::Started) => 2,
            Some(Event::Stopped) => 3,
        };
        let mut body = [&params.info_hash.0[..], &params.peer_id].concat();
        for number in [params.downloaded, params.left, params.uploaded] {
            body.extend_from_slice(&signed(number));
        }
        body.extend_from_slice(&event.to_be_bytes());
        // Our address: zero means the sender of the datagram.
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&key.to_be_bytes());
        body.extend_from_slice(&params.numwant.min(i32::MAX.unsigned_abs()).to_be_bytes());
        body.extend_from_slice(&params.port.to_be_bytes());
        options(request, &mut body);
        Self { action: Action::Announce, body }
    }

    /// Builds a scrape of one torrent.
    pub fn scrape(info_hash: InfoHash) -> Self {
        Self { action: Action::Scrape, body: info_hash.0.to_vec() }
    }

    /// Encodes the question with its connection id and transaction.
    pub fn datagram(&self, connection: u64, transaction: u32) -> Vec<u8> {
        let head = [
            &connection.to_be_bytes()[..],
            &self.action.number().to_be_bytes(),
            &transaction.to_be_bytes(),
        ];
        [&head.concat()[..], &self.body].concat()
    }
}

/// Writes the request string in parts of at most 255 bytes.
fn options(request: &str, out: &mut Vec<u8>) {
    if request.is_empty() || request.len() > MAX_REQUEST {
        return;
    }
    for part in request.as_bytes().chunks(usize::from(u8::MAX)) {
        out.push(URL_DATA);
        out.push(u8::try_from(part.len()).expect("a part is at most 255 bytes long"));
        out.extend_from_slice(part);
    }
    out.push(END_OF_OPTIONS);
}

impl<'a> Reply<'a> {
    /// Parses a datagram into its transaction and its content.
    ///
    /// # Errors
    /// [`NotAReply`]: the datagram is to be ignored.
    pub fn parse(datagram: &'a [u8]) -> Result<(u32, Self), NotAReply> {
        let (&action, rest) = datagram.split_first_chunk().ok_or(NotAReply)?;
        let (&transaction, body) = rest.split_first_chunk().ok_or(NotAReply)?;
        let reply = match u32::from_be_bytes(action) {
            0 => Self::Connected(u64::from_be_bytes(*body.first_chunk().ok_or(NotAReply)?)),
            1 => Self::Answer(Action::Announce, body),
            2 => Self::Answer(Action::Scrape, body),
            3 => Self::Error(shown(body)),
            _ => return Err(NotAReply),
        };
        Ok((u32::from_be_bytes(transaction), reply))
    }
}

/// Parses the answer to an announce. Its peers are of the family over which it arrived.
///
/// # Errors
/// [`TrackerError::NotAnAnswer`] when it is too short.
pub fn parse_response(body: &[u8], family: Family) -> Result<AnnounceResponse, TrackerError> {
    let ([interval, leechers, seeders], rest) = numbers(body).ok_or(TrackerError::NotAnAnswer)?;
    let peers: Vec<SocketAddr> = match family {
        Family::V4 => compact_v4(rest).take(MAX_PEERS).collect(),
        Family::V6 => compact_v6(rest).take(MAX_PEERS).collect(),
    };
    Ok(AnnounceResponse {
        interval: bounded(Some(u64::from(interval))),
        min_interval: None,
        warning: None,
        counts: Counts { seeders: Some(seeders), leechers: Some(leechers) },
        tracker_id: None,
        external: None,
        peers,
        hosts: Vec::new(),
    })
}

/// Parses the answer to a scrape of one torrent.
///
/// # Errors
/// [`TrackerError::NotAnAnswer`] when the answer is too short.
pub fn parse_scrape(body: &[u8]) -> Result<Counts, TrackerError> {
    let ([seeders, _downloaded, leechers], _) = numbers(body).ok_or(TrackerError::NotAnAnswer)?;
    Ok(Counts { seeders: Some(seeders), leechers: Some(leechers) })
}

fn numbers<const N: usize>(body: &[u8]) -> Option<([u32; N], &[u8])> {
    let (head, rest) = body.split_at_checked(4 * N)?;
    let (words, _) = head.as_chunks();
    Some((std::array::from_fn(|at| u32::from_be_bytes(words[at])), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::PARAMS;
    use super::super::{MAX_INTERVAL, MIN_INTERVAL};
    use super::*;

    fn announce(request: &str) -> Vec<u8> {
        let params = AnnounceParams { event: Some(Event::Started), ..PARAMS };
        Question::announce(&params, 0xbeef, request).datagram(7, 9)
    }

    #[test]
    fn the_datagrams_are_those_of_bep_15() {
        assert_eq!(connect(9), [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0, 0, 0, 9]);
        let expected = [
            &[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 9][..],
            &PARAMS.info_hash.0,
            &PARAMS.peer_id,
            &[0, 0, 0, 0, 0, 0, 0, 2],
            &i64::MAX.to_be_bytes(),
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0xbe, 0xef, 0, 0, 0, 60, 0x1a, 0xe1],
        ]
        .concat();
        assert_eq!((announce("").len(), announce("")), (98, expected));
        let scrape = Question::scrape(PARAMS.info_hash).datagram(7, 9);
        assert_eq!(
            scrape,
            [&[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 9][..], &PARAMS.info_hash.0].concat()
        );
    }

    /// The examples of BEP 41.
    #[test]
    fn the_request_string_is_passed_on_in_parts() {
        assert_eq!(announce("/?foo=bar")[98..], *b"\x02\x09/?foo=bar\x00");
        assert_eq!(announce("/dir?foo=bar")[98..], *b"\x02\x0c/dir?foo=bar\x00");
        let long = announce(&format!("/{}", "x".repeat(299)));
        assert_eq!(
            (&long[98..101], &long[355..357], long.len()),
            (&b"\x02\xff/"[..], &b"\x02\x2d"[..], 98 + 4 + 300 + 1)
        );
        assert_eq!(announce(&"x".repeat(MAX_REQUEST + 1)).len(), 98);
    }

    #[test]
    fn replies_are_distinguished_by_action() {
        let check = |datagram: &[u8], expected| {
            assert_eq!(Reply::parse(datagram), expected, "{datagram:?}")
        };
        check(&[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7], Ok((9, Reply::Connected(7))));
        check(&[0, 0, 0, 1, 0, 0, 0, 9, 5], Ok((9, Reply::Answer(Action::Announce, &[5]))));
        check(&[0, 0, 0, 2, 0, 0, 0, 9], Ok((9, Reply::Answer(Action::Scrape, &[]))));
        check(b"\x00\x00\x00\x03\x00\x00\x00\x09no\x1b", Ok((9, Reply::Error("no".into()))));
        check(&[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0], Err(NotAReply));
        check(&[0, 0, 0, 4, 0, 0, 0, 9], Err(NotAReply));
        check(&[0, 0, 0, 1, 0, 0, 0], Err(NotAReply));
    }

    #[test]
    fn an_answer_names_peers_of_its_own_family() {
        let head = [0, 0, 3, 0x84, 0, 0, 0, 2, 0, 0, 0, 3];
        let v4 = parse_response(&[&head[..], &[127, 0, 0, 1, 0x1a, 0xe1, 9]].concat(), Family::V4)
            .unwrap();
        assert_eq!(v4.interval.as_secs(), 900);
        assert_eq!(v4.counts, Counts { seeders: Some(3), leechers: Some(2) });
        assert_eq!(v4.peers, ["127.0.0.1:6881".parse().unwrap()]);
        let peer = [&std::net::Ipv6Addr::LOCALHOST.octets()[..], &[0x1a, 0xe1]].concat();
        let v6 = parse_response(&[&head[..], &peer].concat(), Family::V6).unwrap();
        assert_eq!(v6.peers, ["[::1]:6881".parse().unwrap()]);
        assert_eq!(parse_response(&head[..11], Family::V4), Err(TrackerError::NotAnAnswer));
        assert_eq!(parse_response(&[0; 12], Family::V4).unwrap().interval, MIN_INTERVAL);
        assert_eq!(parse_response(&[0xff; 12], Family::V4).unwrap().interval, MAX_INTERVAL);
    }

    #[test]
    fn a_scrape_has_three_numbers() {
        let counts = Counts { seeders: Some(1), leechers: Some(3) };
        assert_eq!(parse_scrape(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]), Ok(counts));
        assert_eq!(parse_scrape(&[0; 11]), Err(TrackerError::NotAnAnswer));
    }

    proptest! {
        #[test]
        fn no_datagram_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            short in 0u8..4,
        ) {
            let datagram = [&[0, 0, 0, short][..], &bytes].concat();
            if let Ok((_, Reply::Answer(_, body))) = Reply::parse(&datagram) {
                let _ = (
                    parse_response(body, Family::V4),
                    parse_response(body, Family::V6),
                    parse_scrape(body),
                );
            }
            let _ = Reply::parse(&bytes);
        }
    }
}
