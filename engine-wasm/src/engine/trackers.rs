//! Carries UDP tracker requests (BEP 15) over the engine's sockets.

use std::net::SocketAddr;

use shared_proto::IoCommand;
use shared_proto::io::OpOutput;

use super::Engine;
use crate::time::Instant;

impl Engine {
    /// Handles a datagram that may be a tracker's answer.
    pub(super) fn tracker_datagram(&mut self, from: SocketAddr, data: &[u8], now: Instant) {
        let cx = self.common.context(now);
        if !cx.shared.trackers.handle_datagram(from, data, cx.rng, now) {
            tracing::trace!(%from, "dropping an unexpected datagram");
        }
    }

    /// Repeats due requests, delivers answers, and sends queued requests.
    pub(super) fn drive_udp_trackers(&mut self, now: Instant) {
        if self.common.shared.trackers.poll_timeout().is_some_and(|at| at <= now) {
            let cx = self.common.context(now);
            cx.shared.trackers.handle_timeout(cx.rng, now);
        }
        while let Some((op, outcome)) = self.common.shared.trackers.poll_done() {
            self.handle_answer(op, outcome.map(OpOutput::Bytes), now);
        }
        let mut cx = self.common.context(now);
        // Requests wait while sockets are being opened.
        while !cx.shared.net.is_opening()
            && let Some((to, data)) = cx.shared.trackers.poll_send()
        {
            if let Some(socket) = cx.shared.net.udp_towards(to) {
                cx.order(IoCommand::UdpSend { socket, to, data });
            }
        }
    }
}
