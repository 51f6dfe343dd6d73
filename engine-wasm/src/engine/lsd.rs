//! Sends local announcements (BEP 14) and passes discovered peers to their torrents.

use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::IoCommand;

use super::Engine;
use crate::discover::candidates::Source;
use crate::discover::lsd;
use crate::io::Output;
use crate::time::Instant;

impl Engine {
    /// Handles a datagram from a multicast group.
    pub(super) fn lsd_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        for (info_hash, addr) in self.common.shared.lsd.handle_datagram(from, datagram, now) {
            self.with(info_hash, now, |torrent, cx| {
                torrent.add_peers([addr].into_iter(), Source::Local, cx)
            });
            self.with_magnet(info_hash, now, |it, cx| {
                it.add_peers([addr].into_iter(), Source::Local, cx)
            });
        }
    }

    /// Sends the announcements that are due.
    pub(super) fn announce_locally(&mut self, now: Instant) {
        if self.lsd_timeout().is_none_or(|at| at > now) {
            return;
        }
        let Some(port) = self.common.shared.net.listen_port() else { return };
        let cx = self.common.context(now);
        let Some(message) = cx.shared.lsd.poll(port, cx.rng, now) else { return };
        for (socket, family) in self.common.shared.net.groups() {
            let data = Bytes::from(message.encode(family));
            self.common.out.push_back(Output::Io(IoCommand::UdpSend {
                socket,
                to: lsd::group(family),
                data,
            }));
        }
    }

    /// Returns when the next announcement is due. `None` without a listen port or a multicast
    /// group.
    pub(super) fn lsd_timeout(&self) -> Option<Instant> {
        let net = &self.common.shared.net;
        if net.listen_port().is_none() || net.groups().next().is_none() {
            None
        } else {
            self.common.shared.lsd.next_due()
        }
    }
}
