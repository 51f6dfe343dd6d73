//! The connected peers of a torrent, as pages show them.

use std::cmp::Reverse;

use crate::calls::Calls;
use crate::limits;
use crate::peer::Peer;
use crate::peer::policy::Transport;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{PeerTransport, PeerView};

impl Torrent {
    /// The connected peers, the most active first.
    pub(crate) fn peer_views(&self, calls: &Calls, now: Instant) -> Vec<PeerView> {
        let view = |(conn, peer)| self.peer_view(peer, calls.is_encrypted(conn), now);
        let mut peers: Vec<PeerView> = self.swarm.ready_peers().map(view).collect();
        peers.sort_by_cached_key(|peer| {
            let rate = peer.down_rate_bps + peer.up_rate_bps;
            (Reverse(rate), Reverse(peer.downloaded + peer.uploaded), peer.address.clone())
        });
        peers.truncate(limits::PEERS_SHOWN);
        peers
    }

    fn peer_view(&self, peer: &Peer, encrypted: bool, now: Instant) -> PeerView {
        let count = self.content.geometry.piece_count();
        let has =
            if peer.has_all() { count } else { peer.pieces().map_or(0, |pieces| pieces.count()) };
        let upload = peer.upload();
        PeerView {
            address: peer.addr().to_string(),
            client: peer.client(),
            transport: match peer.transport() {
                Transport::Tcp => PeerTransport::Tcp,
                Transport::Utp => PeerTransport::Utp,
            },
            encrypted,
            incoming: !peer.is_dialled(),
            progress: f64::from(has) / f64::from(count.max(1)),
            down_rate_bps: peer.rate_bps(now),
            up_rate_bps: upload.rate_bps(now),
            downloaded: peer.received_bytes(),
            uploaded: upload.given(),
            we_want: peer.is_interesting(),
            it_gives: peer.is_open(),
            it_wants: upload.is_interested(),
            we_give: !upload.is_choking(),
            snubbing: peer.is_snubbing(),
        }
    }
}
