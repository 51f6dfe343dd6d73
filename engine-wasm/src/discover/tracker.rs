//! HTTP trackers (BEP 3, 7, 23): the URL of an announce, and what its answer says. When to announce to which is [`schedule`]'s.
//!
//! Owns the query's form and the answer's bounds; it fetches nothing itself. Invariant: whatever a tracker answers, the next announce is between
//! [`MIN_INTERVAL`] and [`MAX_INTERVAL`] away, and at most [`MAX_PEERS`] addresses come out.

pub mod schedule;

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};
use thiserror::Error;

use crate::limits;
use crate::metainfo::InfoHash;
use crate::metainfo::bencode::{self, BencodeError, Value};

pub use schedule::{Announce, TrackerSchedule};

/// Shortest time between two announces, whatever the tracker says.
pub const MIN_INTERVAL: Duration = Duration::from_secs(30);
/// Longest time between two announces, whatever the tracker says.
pub const MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// Time between two announces when the tracker does not say.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(1800);
/// Most addresses taken of one answer.
pub const MAX_PEERS: usize = 2_000;
/// Port to announce: none is listened on, and trackers want a number (discard, RFC 863).
pub const NO_PORT: u16 = 9;
/// A tracker has this long, milliseconds.
const TIMEOUT_MS: u32 = 30_000;
/// Longest text of a tracker's that is shown, characters.
const MAX_MESSAGE: usize = 200;

/// What an announce tells beside our numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first one.
    Started,
    /// The last byte has come.
    Completed,
    /// The last one.
    Stopped,
}

/// What an announce says of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceParams {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Our name for ourselves.
    pub peer_id: [u8; 20],
    /// Where we listen.
    pub port: u16,
    /// Bytes given.
    pub uploaded: u64,
    /// Bytes got.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
    /// What has happened.
    pub event: Option<Event>,
    /// How many peers we want.
    pub numwant: u32,
}

/// What a tracker answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceResponse {
    /// When to ask again, within our bounds.
    pub interval: Duration,
    /// What the tracker wants us to know.
    pub warning: Option<String>,
    /// Peers that have everything, if it says.
    pub seeders: Option<u32>,
    /// Peers that don't, if it says.
    pub leechers: Option<u32>,
    /// Where peers are, as far as it says; ourselves maybe among them.
    pub peers: Vec<SocketAddr>,
}

/// Why an answer is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrackerError {
    /// Not bencoding.
    #[error("the tracker's answer can't be read: {0}")]
    Bencode(#[from] BencodeError),
    /// Bencoding, but no answer.
    #[error("the tracker's answer is not an answer")]
    NotAnAnswer,
    /// The tracker says why it does not answer.
    #[error("the tracker refuses: {0}")]
    Failure(String),
}

/// The URL to fetch: the tracker's, its own query kept, with ours appended. `key` tells the tracker that we are the same when our address changes.
pub fn announce_url(tracker: &str, params: &AnnounceParams, key: u32) -> String {
    let mut url = tracker.split('#').next().unwrap_or(tracker).to_owned();
    match url.find('?') {
        None => url.push('?'),
        Some(_) if url.ends_with(['?', '&']) => {}
        Some(_) => url.push('&'),
    }
    url.push_str("info_hash=");
    percent_encode(&params.info_hash.0, &mut url);
    url.push_str("&peer_id=");
    percent_encode(&params.peer_id, &mut url);
    let AnnounceParams { port, uploaded, downloaded, left, numwant, .. } = params;
    let numbers = format!(
        "&port={port}&uploaded={uploaded}&downloaded={downloaded}&left={left}&compact=1&numwant={numwant}&key={key:08x}"
    );
    url.push_str(&numbers);
    match params.event {
        None => {}
        Some(Event::Started) => url.push_str("&event=started"),
        Some(Event::Completed) => url.push_str("&event=completed"),
        Some(Event::Stopped) => url.push_str("&event=stopped"),
    }
    url
}

/// All but the unreserved characters of RFC 3986 §2.3 as `%XX`.
pub(crate) fn percent_encode(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
}

/// The command that makes an announce.
pub(crate) fn fetch(op: OpId, url: String) -> IoCommand {
    IoCommand::HttpGet { op, url, max_bytes: limits::TRACKER_ANSWER, timeout_ms: TIMEOUT_MS }
}

/// What came of [`fetch`], or why nothing did, in plain words.
pub(crate) fn answer(result: Result<OpOutput, OpError>) -> Result<AnnounceResponse, String> {
    match result {
        Ok(OpOutput::Http { status: 200, body }) => parse_response(&body).map_err(|error| error.to_string()),
        Ok(OpOutput::Http { status, .. }) => Err(format!("the tracker answered {status}")),
        Ok(_) => Err("the tracker's answer was lost".to_owned()),
        Err(error) => Err(error.message),
    }
}

/// Reads a tracker's answer.
///
/// # Errors
/// [`TrackerError`], with a text for people.
pub fn parse_response(body: &[u8]) -> Result<AnnounceResponse, TrackerError> {
    let document = bencode::parse(body.trim_ascii_end())?;
    let root = document.root();
    if root.dict().is_none() {
        return Err(TrackerError::NotAnAnswer);
    }
    let text = |key: &str| root.get(key).and_then(Value::bytes).map(shown);
    let number = |key: &str| root.get(key).and_then(Value::uint);
    if let Some(reason) = text("failure reason") {
        return Err(TrackerError::Failure(reason));
    }
    let count = |key: &str| number(key).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let asked = [number("interval"), number("min interval")].into_iter().flatten().max();
    let interval = asked.map_or(DEFAULT_INTERVAL, Duration::from_secs).clamp(MIN_INTERVAL, MAX_INTERVAL);
    let v4 = root.get("peers").into_iter().flat_map(peers);
    let v6 = root.get("peers6").and_then(Value::bytes).into_iter().flat_map(compact_v6);
    Ok(AnnounceResponse {
        interval,
        warning: text("warning message"),
        seeders: count("complete"),
        leechers: count("incomplete"),
        peers: v4.chain(v6).take(MAX_PEERS).collect(),
    })
}

/// Peers in either form: six bytes each (BEP 23), or a dictionary each.
fn peers(value: Value<'_>) -> impl Iterator<Item = SocketAddr> {
    let compact = value.bytes().into_iter().flat_map(compact_v4);
    let dicts = value.list().into_iter().flatten().filter_map(|peer| {
        // A name instead of an address would have to be resolved; nobody sends one any more.
        let ip: IpAddr = peer.get("ip")?.text()?.parse().ok()?;
        let port = u16::try_from(peer.get("port")?.uint()?).ok()?;
        Some(SocketAddr::new(ip, port))
    });
    compact.chain(dicts)
}

/// An incomplete peer at the end is dropped.
fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let (peers, _) = bytes.as_chunks();
    peers
        .iter()
        .map(|&[a, b, c, d, high, low]| SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))))
}

/// Eighteen bytes each (BEP 7).
fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let (peers, _) = bytes.as_chunks::<18>();
    peers.iter().filter_map(|peer| {
        let (&ip, port) = peer.split_first_chunk::<16>()?;
        let port = u16::from_be_bytes(port.try_into().ok()?);
        Some(SocketAddr::from((Ipv6Addr::from(ip), port)))
    })
}

/// A tracker's words, fit to be shown.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * MAX_MESSAGE)]);
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metainfo::encode::{self, Dict};

    const PARAMS: AnnounceParams = AnnounceParams {
        info_hash: InfoHash(*b"\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x12\x34\x56\x78\x9a"),
        peer_id: *b"-JS0100-~_. /?&=%+\x00\xff",
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: u64::MAX,
        event: None,
        numwant: 60,
    };

    /// The URL up to our query, and the whole of it where that matters.
    fn check_url(tracker: &str, expected: &str) {
        let url = announce_url(tracker, &PARAMS, 0xbeef);
        assert_eq!(url.split("info_hash=").next(), Some(expected));
    }

    fn parse(dict: Dict) -> Result<AnnounceResponse, TrackerError> {
        parse_response(&dict.encode())
    }

    fn check_peers(dict: Dict, expected: &[&str]) {
        let peers: Vec<String> = parse(dict).unwrap().peers.iter().map(ToString::to_string).collect();
        assert_eq!(peers, expected);
    }

    fn check_interval(dict: Dict, seconds: u64) {
        assert_eq!(parse(dict).unwrap().interval, Duration::from_secs(seconds));
    }

    #[test]
    fn the_query_is_that_of_bep_3_with_every_other_byte_escaped() {
        let url = announce_url("http://t/announce", &PARAMS, 0xbeef);
        assert_eq!(
            url,
            "http://t/announce?info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A\
             &peer_id=-JS0100-~_.%20%2F%3F%26%3D%25%2B%00%FF\
             &port=6881&uploaded=1&downloaded=2&left=18446744073709551615&compact=1&numwant=60&key=0000beef"
        );
        let stopped = AnnounceParams { event: Some(Event::Stopped), ..PARAMS };
        assert!(announce_url("http://t/", &stopped, 1).ends_with("&key=00000001&event=stopped"));
    }

    #[test]
    fn a_trackers_own_query_is_kept_and_its_fragment_is_not() {
        check_url("http://t/announce", "http://t/announce?");
        check_url("http://t/announce?passkey=x%2fy", "http://t/announce?passkey=x%2fy&");
        check_url("http://t/a?", "http://t/a?");
        check_url("http://t/a?x=1&", "http://t/a?x=1&");
        check_url("http://t/a#top", "http://t/a?");
    }

    #[test]
    fn compact_peers_of_both_families_are_read() {
        let mut v6 = Ipv6Addr::LOCALHOST.octets().to_vec();
        v6.extend([0x1a, 0xe1, 0xff]);
        let dict =
            Dict::new().bytes("peers", [127, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 9, 0, 80, 1, 2, 3]).bytes("peers6", v6);
        check_peers(dict, &["127.0.0.1:6881", "10.0.0.9:80", "[::1]:6881"]);
    }

    #[test]
    fn peers_as_dictionaries_are_read_and_the_odd_ones_skipped() {
        let peer = |ip: &str, port| Dict::new().bytes("ip", ip).int("port", port).encode();
        let list = encode::list([
            peer("1.2.3.4", 5),
            peer("::1", 6),
            peer("tracker.example", 7),
            peer("1.2.3.4", 65536),
            peer("1.2.3.4", -1),
            encode::int(3),
        ]);
        check_peers(Dict::new().raw("peers", list), &["1.2.3.4:5", "[::1]:6"]);
        check_peers(Dict::new().int("peers", 3), &[]);
        check_peers(Dict::new(), &[]);
    }

    #[test]
    fn more_peers_than_allowed_are_cut() {
        assert_eq!(parse(Dict::new().bytes("peers", vec![1; 6 * (MAX_PEERS + 1)])).unwrap().peers.len(), MAX_PEERS);
    }

    #[test]
    fn the_interval_stays_within_our_bounds() {
        check_interval(Dict::new(), 1800);
        check_interval(Dict::new().int("interval", 900), 900);
        check_interval(Dict::new().int("interval", 60).int("min interval", 300), 300);
        check_interval(Dict::new().int("interval", 0), 30);
        check_interval(Dict::new().int("interval", i64::MAX), 3600);
        check_interval(Dict::new().int("interval", -5), 1800);
    }

    #[test]
    fn counts_and_warnings_are_passed_on() {
        let dict =
            Dict::new().int("complete", 3).int("incomplete", i64::MAX).bytes("warning message", "slow\x1b[31m down");
        let response = parse(dict).unwrap();
        assert_eq!((response.seeders, response.leechers), (Some(3), Some(u32::MAX)));
        assert_eq!(response.warning.as_deref(), Some("slow[31m down"));
    }

    #[test]
    fn a_refusal_is_an_error_in_the_trackers_words() {
        let refused = parse(Dict::new().bytes("failure reason", "unknown torrent").bytes("peers", [1; 6]));
        assert_eq!(refused, Err(TrackerError::Failure("unknown torrent".into())));
        let Err(TrackerError::Failure(long)) = parse(Dict::new().bytes("failure reason", [0xe2; 5000])) else {
            panic!()
        };
        assert_eq!(long.chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert_eq!(parse_response(b"<html>"), Err(BencodeError::UnexpectedByte(0).into()));
        assert_eq!(parse_response(b""), Err(BencodeError::UnexpectedEnd.into()));
        assert_eq!(parse_response(b"le"), Err(TrackerError::NotAnAnswer));
        assert!(parse_response(b"d5:peers0:e\r\n").is_ok());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let body = Dict::new().int("interval", 60).bytes("peers", [1; 12]).bytes("peers6", [2; 18]).encode();
        for length in 0..body.len() {
            assert_eq!(parse_response(&body[..length]), Err(BencodeError::UnexpectedEnd.into()), "cut to {length}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_of_a_stranger_panics(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        ) {
            let peer = Dict::new().bytes("ip", "1.2.3.4").int("port", 5).encode();
            let mut body = Dict::new().int("interval", 60).raw("peers", encode::list([peer])).bytes("peers6", [2; 18]).encode();
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            if let Ok(response) = parse_response(&body) {
                prop_assert!((MIN_INTERVAL..=MAX_INTERVAL).contains(&response.interval));
            }
        }
    }
}
