//! UDP trackers and the engine's sockets: questions go out, answers go to whoever asked.

use std::net::SocketAddr;

use shared_proto::IoCommand;
use shared_proto::io::OpOutput;

use super::{Engine, context};
use crate::time::Instant;

impl Engine {
    /// A datagram came that may be a tracker's.
    pub(super) fn tracker_datagram(&mut self, from: SocketAddr, data: &[u8], now: Instant) {
        if !self.shared.trackers.handle_datagram(from, data, &mut self.rng, now) {
            tracing::trace!(%from, "a datagram that nobody asked for");
        }
    }

    /// Repeats what is due, hands answers to whoever asked, and sends what is to be sent.
    pub(super) fn tend_trackers(&mut self, now: Instant) {
        if self.shared.trackers.poll_timeout().is_some_and(|at| at <= now) {
            self.shared.trackers.handle_timeout(&mut self.rng, now);
        }
        while let Some((op, outcome)) = self.shared.trackers.poll_done() {
            self.answered(op, outcome.map(OpOutput::Bytes), now);
        }
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        // What was asked while sockets are being opened waits for them.
        while !cx.shared.net.is_opening()
            && let Some((to, data)) = cx.shared.trackers.poll_send()
        {
            if let Some(socket) = cx.shared.net.udp_towards(to) {
                cx.order(IoCommand::UdpSend { socket, to, data });
            }
        }
    }
}
