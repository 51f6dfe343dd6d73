//! A torrent and what its peers tell each other of one another (BEP 11).
//!
//! Named are those whose handshake is done and who can be dialled. A private torrent exchanges
//! nothing (BEP 27).

use std::net::SocketAddr;

use crate::context::Context;
use crate::metainfo::Metainfo;
use crate::peer::Peer;
use crate::peer::pex::exchange::Peers;
use crate::torrent::Torrent;

/// Whether peers of a torrent may be named to each other.
pub(in crate::torrent) fn is_wanted(meta: &Metainfo, cx: &Context<'_>) -> bool {
    cx.shared.sources.pex && !meta.private
}

impl Torrent {
    /// Once a tick: those whose turn it is hear who came and who went.
    pub(in crate::torrent) fn tend_exchange(&mut self, cx: &Context<'_>) {
        if !is_wanted(&self.content.meta, cx) {
            return;
        }
        let is_due = self.swarm.peers.values().any(|peer| peer.wants_peers(cx.now));
        if !is_due || !self.is_running() {
            return;
        }
        let ready = self.swarm.peers.values().filter(|peer| peer.is_ready());
        let known: Peers =
            ready.filter_map(|peer| Some((peer.listens_at()?, peer.flags()))).collect();
        self.swarm.peers.values_mut().for_each(|peer| peer.tell_peers(&known, cx.now));
    }

    /// Whether somebody who dialled us can be reached at this address, too: to dial it would be in
    /// vain.
    pub(in crate::torrent) fn is_here(&self, addr: SocketAddr) -> bool {
        let dialled_us = |peer: &&Peer| !peer.is_dialled() && peer.is_ready();
        self.swarm.peers.values().filter(dialled_us).any(|peer| peer.is_at(addr))
    }
}
