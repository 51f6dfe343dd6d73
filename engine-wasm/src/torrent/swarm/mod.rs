//! The peers of a torrent and its web seeds.

pub(in crate::torrent) mod giving;
pub(in crate::torrent) mod web_seeds;

use std::collections::BTreeMap;

use shared_proto::ConnId;

use crate::discover::candidates::Candidates;
use crate::discover::tracker::announcer::Announcer;
use crate::hashes::asking::Asking;
use crate::peer::Peer;
use crate::peer::holepunch::seeking::Seeking;

/// Connected peers, known addresses and web seeds.
#[derive(Debug)]
pub(in crate::torrent) struct Swarm {
    pub(in crate::torrent) peers: BTreeMap<ConnId, Peer>,
    pub(in crate::torrent) candidates: Candidates,
    pub(in crate::torrent) seeking: Seeking,
    pub(in crate::torrent) trackers: Announcer,
    pub(in crate::torrent) web: web_seeds::Web,
    pub(in crate::torrent) asking: Asking,
    pub(in crate::torrent) giving: giving::Giving,
    /// Whether the DHT is looking for peers.
    pub(in crate::torrent) asks_dht: bool,
    pub(in crate::torrent) max_connections: usize,
    /// Whether peers were told that we want nothing (BEP 21).
    pub(in crate::torrent) told_upload_only: bool,
    pub(in crate::torrent) own_group: u32,
}
