//! Trackers: what an announce says and what an answer means, whichever way it travels.
//!
//! Owns the words that both kinds share and their bounds. How they are written is [`http`]'s and
//! [`udp`]'s, when to announce to which is [`schedule`]'s, and `announcer` does it for one
//! torrent; datagrams and their repetition are `exchange`'s. Invariant: whatever a tracker
//! answers, the next announce is between [`MIN_INTERVAL`] and [`MAX_INTERVAL`] away, and at most
//! [`MAX_PEERS`] addresses come out.

pub(crate) mod announcer;
pub(crate) mod exchange;
pub mod http;
pub(crate) mod schedule;
pub mod udp;
pub mod url;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

use crate::metainfo::InfoHash;
use crate::metainfo::bencode::BencodeError;
use crate::view::{Sentence, Why};

/// Shortest time between two announces, whatever the tracker says.
pub const MIN_INTERVAL: Duration = Duration::from_secs(30);
/// Longest time between two announces, whatever the tracker says.
pub const MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// Time between two announces when the tracker does not say.
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_secs(1800);
/// Most addresses taken of one answer.
pub const MAX_PEERS: usize = 2_000;
/// Port to announce when none is listened on: trackers want a number (discard, RFC 863).
pub(crate) const NO_PORT: u16 = 9;
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

impl AnnounceParams {
    /// What an announce says when nothing has been downloaded or uploaded yet. It asks for twice as
    /// many peers as there is room for.
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

/// What a tracker answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceResponse {
    /// When to ask again, within our bounds.
    pub interval: Duration,
    /// Before this has passed it is not to be asked again, not even by hand, if it says so.
    pub min_interval: Option<Duration>,
    /// What the tracker wants us to know.
    pub warning: Option<String>,
    /// Who has how much of it, as far as it says.
    pub counts: Counts,
    /// What it wants to hear again in the next announce (`trackerid`).
    pub tracker_id: Option<Vec<u8>>,
    /// Our own address as the tracker sees it (BEP 24).
    pub external: Option<IpAddr>,
    /// Where peers are, as far as it says; ourselves maybe among them.
    pub peers: Vec<SocketAddr>,
}

/// Numbers of peers, as far as a tracker says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have everything.
    pub seeders: Option<u32>,
    /// Peers that don't.
    pub leechers: Option<u32>,
}

/// When a tracker that refused wants to be asked again (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After this time.
    In(Duration),
    /// Not again.
    Never,
}

/// Why an answer is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrackerError {
    /// Not bencoding.
    #[error("the tracker's answer can't be read: {0}")]
    Bencode(#[from] BencodeError),
    /// It can be read, but is no answer.
    #[error("the tracker's answer is not an answer")]
    NotAnAnswer,
    /// The tracker says why it does not answer.
    #[error("the tracker refuses: {reason}")]
    Failure {
        /// Its words, fit to be shown.
        reason: String,
        /// When it wants to be asked again, if it says.
        retry: Option<Retry>,
    },
    /// An HTTP status other than success.
    #[error("the tracker answered {0}")]
    Status(u16),
    /// The daemon lost the answer.
    #[error("the tracker's answer was lost")]
    AnswerLost,
    /// No socket reaches an address of this tracker.
    #[error("no datagram can be sent to this tracker")]
    NoWay,
    /// No answer at all, as the daemon says.
    #[error("{0}")]
    Lost(Why),
}

impl TrackerError {
    /// What a page says of it.
    pub fn says(&self) -> Sentence {
        match self {
            Self::Bencode(_) | Self::NotAnAnswer | Self::AnswerLost => Sentence::TrackerUnreadable,
            Self::Failure { reason, .. } => Sentence::TrackerRefuses { reason: reason.clone() },
            Self::Status(status) => Sentence::TrackerStatus { status: *status },
            Self::NoWay => Sentence::TrackerNoWay,
            Self::Lost(why) => Sentence::TrackerFailed { why: why.clone() },
        }
    }

    /// When the tracker wants to be asked again, if it says.
    pub fn retry(&self) -> Option<Retry> {
        if let Self::Failure { retry, .. } = self { *retry } else { None }
    }
}

/// The time between two announces that a tracker asks for, within our bounds.
fn bounded(interval: Option<u64>) -> Duration {
    interval.map_or(DEFAULT_INTERVAL, Duration::from_secs).clamp(MIN_INTERVAL, MAX_INTERVAL)
}

/// A tracker's words, fit to be shown.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * MAX_MESSAGE)]);
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// An announce like any other.
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
