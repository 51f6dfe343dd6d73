//! The values that the swarm takes from its owner and returns to it.

use std::net::SocketAddr;

use shared_proto::ConnId;

use crate::bitfield::Bitfield;
use crate::discover::candidates::Candidates;
use crate::discover::tracker::announcer::Announcer;
use crate::geometry::{Block, Geometry};
use crate::peer::Peer;
use crate::peer::policy::DialMethod;

/// A peer to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dial {
    /// Its address.
    pub(crate) addr: SocketAddr,
    /// The way to dial.
    pub(crate) method: DialMethod,
    /// Whether another transport remains to be tried if this one fails.
    pub(crate) has_other: bool,
    /// Whether the peer dials us at the same time (BEP 55).
    pub(crate) is_punched: bool,
}

/// The effect of bytes of a handshake.
#[derive(Debug)]
pub(crate) enum Shaking {
    /// More bytes are expected.
    Unfinished,
    /// The handshake is done.
    Done,
    /// The connection has ended.
    Over(EndedConnection),
}

/// A connection that has ended.
#[derive(Debug)]
pub(crate) struct EndedConnection {
    /// The connection.
    pub(crate) conn: ConnId,
    /// Whether it is still open and has to be closed.
    pub(crate) is_open: bool,
    /// The peer, with its outstanding blocks and its pieces.
    pub(crate) peer: Box<Peer>,
    /// Whether another way to the peer is to be tried at once.
    pub(crate) retries: bool,
}

/// The result of a tick.
#[derive(Debug, Default)]
pub(crate) struct Ticked {
    /// Blocks that were cancelled long ago and are forgotten.
    pub(crate) late: Vec<(ConnId, Vec<Block>)>,
    /// Peers that became silent.
    pub(crate) dead: Vec<EndedConnection>,
    /// Peers that owe blocks and send none.
    pub(crate) snubbing: Vec<ConnId>,
    /// Requests that their peers seem to have lost.
    pub(crate) lost: Vec<(ConnId, Vec<Block>)>,
    /// Whether a peer may get requests that were held back so far.
    pub(crate) has_pause_ended: bool,
}

/// The pieces that decide about our interest in peers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interests<'a> {
    /// Whether anything is needed at all.
    pub(crate) any: bool,
    /// Pieces that we have.
    pub(crate) have: &'a Bitfield,
    /// Pieces that we have or do not need.
    pub(crate) unneeded: &'a Bitfield,
}

/// The result of an introduction by a relay.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::torrent) struct Introduced {
    /// A dial over TCP to close in favour of the one over uTP.
    pub(in crate::torrent) gives_way: Option<ConnId>,
    /// The peer to dial now.
    pub(in crate::torrent) dial: Option<Dial>,
}

/// Known addresses and trackers.
#[derive(Debug)]
pub(crate) struct Discovered {
    /// Addresses that may be dialled.
    pub(crate) candidates: Candidates,
    /// The trackers.
    pub(crate) trackers: Announcer,
}

/// The totals that trackers receive, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Downloaded payload.
    pub(crate) downloaded: u64,
    /// Bytes missing.
    pub(crate) left: u64,
}

/// What peers learn about the torrent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered<'a> {
    /// The layout of the torrent; `None` while it is not known.
    pub(crate) geometry: Option<&'a Geometry>,
    /// Pieces that we have.
    pub(crate) have: &'a Bitfield,
    /// Length of the info dictionary in bytes; `None` while it is unknown.
    pub(crate) metadata: Option<usize>,
}

/// How to assign upload slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// The number of slots; `None` to choke all.
    pub(crate) count: Option<usize>,
    /// Whether all selected files are complete.
    pub(crate) is_done: bool,
}
