//! Trackers: the content of announces, answers and errors, whatever the protocol.
//!
//! Owns the types that HTTP and UDP trackers share, and their bounds. [`http`] and [`udp`] encode
//! them; [`schedule`] decides when to announce to which tracker; `announcer` serves one torrent;
//! `exchange` sends and repeats datagrams. Invariant: whatever a tracker answers, the next announce
//! is between [`MIN_INTERVAL`] and [`MAX_INTERVAL`] away, and an answer yields at most
//! [`MAX_PEERS`] addresses.

pub(crate) mod announcer;
pub(crate) mod exchange;
pub mod http;
mod peer_list;
pub(crate) mod schedule;
pub(crate) mod status;
pub mod udp;
pub mod url;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use shared_proto::io::OpError;
use thiserror::Error;

use crate::metainfo::InfoHash;
use crate::metainfo::bencode::BencodeError;

/// Shortest time between two announces, whatever the tracker asks for.
pub const MIN_INTERVAL: Duration = Duration::from_secs(30);
/// Longest time between two announces, whatever the tracker asks for.
pub const MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// Time between two announces when the tracker asks for none.
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_secs(1800);
/// Maximum number of addresses taken from one answer.
pub const MAX_PEERS: usize = 2_000;
/// The port to announce when we do not listen: trackers require a number (discard, RFC 863).
pub(crate) const NO_PORT: u16 = 9;
/// Longest text from a tracker that is shown, in characters.
const MAX_MESSAGE: usize = 200;

/// The event that an announce reports (BEP 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first announce.
    Started,
    /// The download is complete.
    Completed,
    /// The last announce.
    Stopped,
}

/// The parameters of an announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceParams {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Our peer ID.
    pub peer_id: [u8; 20],
    /// The port at which we listen.
    pub port: u16,
    /// Bytes uploaded.
    pub uploaded: u64,
    /// Bytes downloaded.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
    /// The event, if the announce reports one.
    pub event: Option<Event>,
    /// How many peers we want.
    pub numwant: u32,
}

impl AnnounceParams {
    /// The parameters before anything was downloaded or uploaded. They ask for twice as many peers
    /// as there is room for.
    pub(crate) fn new(
        info_hash: InfoHash,
        peer_id: [u8; 20],
        port: Option<u16>,
        left: u64,
        max_connections: usize,
    ) -> Self {
        Self {
            info_hash,
            peer_id,
            port: port.unwrap_or(NO_PORT),
            uploaded: 0,
            downloaded: 0,
            left,
            event: None,
            numwant: u32::try_from(max_connections * 2).unwrap_or(u32::MAX),
        }
    }
}

/// A tracker's answer to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceResponse {
    /// Time until the next announce, within our bounds.
    pub interval: Duration,
    /// Time before which we must not ask again, not even by hand. `None` if the tracker gives none.
    pub min_interval: Option<Duration>,
    /// A warning from the tracker.
    pub warning: Option<String>,
    /// Numbers of seeders and leechers, as far as the tracker gives them.
    pub counts: Counts,
    /// The `trackerid` that the next announce has to repeat.
    pub tracker_id: Option<Vec<u8>>,
    /// Our own address as the tracker sees it (BEP 24).
    pub external: Option<IpAddr>,
    /// Addresses of peers; our own may be among them.
    pub peers: Vec<SocketAddr>,
    /// Peers that are named by host and port: their names have to be looked up.
    pub hosts: Vec<(String, u16)>,
}

/// Numbers of peers, as far as a tracker gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have everything.
    pub seeders: Option<u32>,
    /// Peers that don't have everything.
    pub leechers: Option<u32>,
}

/// When to ask a tracker again that refused (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After this time.
    In(Duration),
    /// Not again.
    Never,
}

/// Why an announce or a scrape failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrackerError {
    /// The answer is not bencoded.
    #[error("the tracker's answer can't be read: {0}")]
    Bencode(#[from] BencodeError),
    /// The answer is bencoded but lacks what an answer needs.
    #[error("the tracker's answer is not an answer")]
    NotAnAnswer,
    /// The tracker refuses to answer.
    #[error("the tracker refuses: {reason}")]
    Failure {
        /// The tracker's reason, cleaned for display.
        reason: String,
        /// When to ask again, if the tracker says so.
        retry: Option<Retry>,
    },
    /// An HTTP status other than success.
    #[error("the tracker answered {0}")]
    Status(u16),
    /// The daemon lost the answer.
    #[error("the tracker's answer was lost")]
    AnswerLost,
    /// No socket reaches any address of this tracker.
    #[error("no datagram can be sent to this tracker")]
    NoWay,
    /// No answer arrived; the text is the daemon's.
    #[error("{}", .0.message)]
    Lost(OpError),
}

impl TrackerError {
    /// When the tracker wants to be asked again, if it says so.
    pub fn retry(&self) -> Option<Retry> {
        if let Self::Failure { retry, .. } = self { *retry } else { None }
    }
}

/// The interval between two announces that a tracker asks for, kept within our bounds.
fn bounded(interval: Option<u64>) -> Duration {
    interval.map_or(DEFAULT_INTERVAL, Duration::from_secs).clamp(MIN_INTERVAL, MAX_INTERVAL)
}

/// A tracker's text, cleaned for display.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * MAX_MESSAGE)]);
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Parameters of an ordinary announce.
    pub(crate) const PARAMS: AnnounceParams = AnnounceParams {
        info_hash: InfoHash(
            *b"\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x12\x34\x56\x78\x9a",
        ),
        peer_id: *b"-JS0100-~_. /?&=%+\x00\xff",
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: u64::MAX,
        event: None,
        numwant: 60,
    };
}
