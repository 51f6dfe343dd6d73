//! What the swarm takes from its owner and returns to it, as values.

use std::net::SocketAddr;

use shared_proto::ConnId;

use crate::bitfield::Bitfield;
use crate::discover::candidates::Candidates;
use crate::discover::tracker::announcer::Announcer;
use crate::geometry::Block;
use crate::peer::Peer;
use crate::peer::way::Way;

/// A peer to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dial {
    /// Its address.
    pub(crate) addr: SocketAddr,
    /// The way to try.
    pub(crate) way: Way,
    /// Whether another transport is left in case this one leads nowhere.
    pub(crate) has_other: bool,
    /// Whether the peer dials us at the same moment (BEP 55).
    pub(crate) is_punched: bool,
}

/// What bytes of a handshake came to.
#[derive(Debug)]
pub(crate) enum Shaking {
    /// More bytes of it are on their way.
    Unfinished,
    /// The handshake is done.
    Done,
    /// The connection is over.
    Over(Parted),
}

/// A connection that is over.
#[derive(Debug)]
pub(crate) struct Parted {
    /// Which.
    pub(crate) conn: ConnId,
    /// Whether it is still open and ours to close.
    pub(crate) is_open: bool,
    /// The peer, with the blocks that it was to send and the pieces that it had.
    pub(crate) peer: Box<Peer>,
    /// Whether another way to the peer is left, to be dialled at once.
    pub(crate) retries: bool,
}

/// What time has brought about.
#[derive(Debug, Default)]
pub(crate) struct Ticked {
    /// Blocks that peers were told not to send long ago, and that are no longer counted with.
    pub(crate) late: Vec<(ConnId, Vec<Block>)>,
    /// Peers that fell silent.
    pub(crate) dead: Vec<Parted>,
    /// Peers that owe blocks and send none.
    pub(crate) snubbing: Vec<ConnId>,
}

/// Which pieces of a peer interest us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interests<'a> {
    /// Whether anything is wanted at all.
    pub(crate) any: bool,
    /// Pieces that we have.
    pub(crate) have: &'a Bitfield,
    /// Pieces that we have or do not want.
    pub(crate) unneeded: &'a Bitfield,
}

/// What an introduction leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::torrent) struct Introduced {
    /// A dial over TCP that gives way to the one over uTP: to be closed.
    pub(in crate::torrent) gives_way: Option<ConnId>,
    /// The peer to dial now.
    pub(in crate::torrent) dial: Option<Dial>,
}

/// Addresses and trackers that are known.
#[derive(Debug)]
pub(crate) struct Discovered {
    /// Addresses that may be dialled.
    pub(crate) candidates: Candidates,
    /// The trackers.
    pub(crate) trackers: Announcer,
}

/// What trackers are told of our progress, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Payload that came.
    pub(crate) downloaded: u64,
    /// Bytes missing.
    pub(crate) left: u64,
}

/// What peers are told of the torrent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    /// Pieces that we have.
    pub(crate) have: &'a Bitfield,
    /// Length of the info dictionary, bytes; `None` while it is not known.
    pub(crate) metadata: Option<usize>,
}

/// How slots are to be given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// How many there are; `None` to close all.
    pub(crate) count: Option<usize>,
    /// Whether all that is wanted is there.
    pub(crate) is_done: bool,
}
