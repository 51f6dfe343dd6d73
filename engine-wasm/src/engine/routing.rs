//! Routes the daemon's messages, events and answers to torrents and engine parts.

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{DaemonMessage, EngineMessage, IoEvent, OpId};

use super::Engine;
use super::parts::Purpose;
use crate::context::Owner;
use crate::io::Output;
use crate::time::Instant;

impl Engine {
    pub(super) fn handle_control(&mut self, message: DaemonMessage, now: Instant) {
        match message {
            DaemonMessage::RangeRequest { request_id, file_id, start, end, only_now } => {
                let Some((info_hash, file)) = self.routes.file(&file_id) else {
                    let reason = Some("unknown file".to_owned());
                    let reject = EngineMessage::RangeReject {
                        request_id,
                        status: Some(404),
                        reason,
                        retry_after: None,
                    };
                    return self.common.out.push_back(Output::Control(reject));
                };
                if only_now {
                    // The torrent answers at once: later messages about the request do not matter.
                    return self.with(info_hash, now, |it, cx| {
                        it.range_now(request_id, file, (start, end), cx)
                    });
                }
                self.routes.add_request(request_id, info_hash);
                self.with(info_hash, now, |torrent, cx| {
                    torrent.range_request(request_id, file, (start, end), cx)
                });
            }
            DaemonMessage::RangeProgress { request_id, position } => {
                if let Some(info_hash) = self.routes.request(request_id) {
                    self.with(info_hash, now, |torrent, cx| {
                        torrent.range_progress(request_id, position, cx)
                    });
                }
            }
            DaemonMessage::RangeCancel { request_id } => {
                if let Some(info_hash) = self.routes.end_request(request_id) {
                    self.with(info_hash, now, |torrent, cx| torrent.range_cancel(request_id, cx));
                } else {
                    self.cancel_call(request_id);
                }
            }
            DaemonMessage::FileChanged { file_id, stat, sending } => {
                if let Some((info_hash, file)) = self.routes.file(&file_id) {
                    self.with(info_hash, now, |torrent, cx| {
                        torrent.file_changed(file, stat, sending, cx)
                    });
                }
            }
            question @ (DaemonMessage::HttpCall { .. } | DaemonMessage::FileResolve { .. }) => {
                self.handle_question(question, now);
            }
            DaemonMessage::StateStatus { trouble, set_aside, begun_anew } => {
                if self.store.set_status(trouble, set_aside, begun_anew) {
                    self.save_anew(now);
                }
                self.common.out.push_back(Output::Changed);
            }
            DaemonMessage::RootsAside { roots } => {
                self.roots.set_aside(roots);
                self.common.out.push_back(Output::Changed);
            }
            DaemonMessage::Welcome { .. } => {}
        }
    }

    pub(super) fn handle_io(&mut self, event: IoEvent, now: Instant) {
        let event = match event {
            IoEvent::TcpAccepted { socket, conn, addr } => {
                return self.accepted(socket, conn, addr, now);
            }
            IoEvent::UdpReceived { socket, from, data } => {
                return self.datagram(socket, from, &data, now);
            }
            IoEvent::PortMapped { socket, result } => return self.port_mapped(socket, result, now),
            IoEvent::NetworkChanged { slept } => return self.network_changed(slept, now),
            IoEvent::HttpContent { request_id, data } => {
                return self.handle_content(request_id, &data, now);
            }
            IoEvent::NotesChanged { notes } => return self.handle_notes_changed(&notes, now),
            IoEvent::TcpData { conn, data } if self.arrival_data(conn, &data, now) => return,
            IoEvent::TcpClosed { conn, .. } if self.routes.arrivals.closed(conn) => {
                return self.common.shared.conns.remove(&conn);
            }
            IoEvent::TcpData { conn, data } if self.handle_encrypted_data(conn, &data, now) => {
                return;
            }
            event => event,
        };
        let conn = match &event {
            IoEvent::Credit { .. } => return,
            IoEvent::Done { .. } => None,
            IoEvent::TcpConnected { conn }
            | IoEvent::TcpClosed { conn, .. }
            | IoEvent::TcpData { conn, .. }
            | IoEvent::TcpFrame { conn, .. }
            | IoEvent::Stored { conn, .. }
            | IoEvent::NotStored { conn, .. } => Some(*conn),
            IoEvent::TcpAccepted { .. }
            | IoEvent::UdpReceived { .. }
            | IoEvent::PortMapped { .. }
            | IoEvent::HttpContent { .. }
            | IoEvent::NotesChanged { .. }
            | IoEvent::NetworkChanged { .. } => None,
        };
        if let IoEvent::Done { op, result } = event {
            return self.handle_answer(op, result, now);
        }
        let Some(&info_hash) = conn.and_then(|conn| self.common.shared.conns.get(&conn)) else {
            return;
        };
        if self.magnets.contains_key(&info_hash) {
            return self.with_magnet(info_hash, now, |pending, cx| match event {
                IoEvent::TcpConnected { conn } => pending.connected(conn, cx),
                IoEvent::TcpClosed { conn, reason } => pending.closed(conn, reason, cx),
                IoEvent::TcpData { conn, data } => pending.data(conn, &data, cx),
                IoEvent::TcpFrame { conn, data } => pending.frame(conn, &data, cx),
                // A magnet link requests no blocks.
                IoEvent::Stored { .. } | IoEvent::NotStored { .. } => {}
                IoEvent::Credit { .. }
                | IoEvent::Done { .. }
                | IoEvent::TcpAccepted { .. }
                | IoEvent::UdpReceived { .. }
                | IoEvent::PortMapped { .. }
                | IoEvent::HttpContent { .. }
                | IoEvent::NotesChanged { .. }
                | IoEvent::NetworkChanged { .. } => {}
            });
        }
        self.with(info_hash, now, |torrent, cx| match event {
            IoEvent::TcpConnected { conn } => torrent.connected(conn, cx),
            IoEvent::TcpClosed { conn, reason } => torrent.closed(conn, reason, cx),
            IoEvent::TcpData { conn, data } => torrent.data(conn, &data, cx),
            IoEvent::TcpFrame { conn, data } => torrent.frame(conn, &data, cx),
            IoEvent::Stored { conn, key } => torrent.stored(conn, key, cx),
            IoEvent::NotStored { conn, key, length, reason } => {
                torrent.not_stored(conn, key, length, reason, cx)
            }
            IoEvent::Credit { .. }
            | IoEvent::Done { .. }
            | IoEvent::TcpAccepted { .. }
            | IoEvent::UdpReceived { .. }
            | IoEvent::PortMapped { .. }
            | IoEvent::HttpContent { .. }
            | IoEvent::NotesChanged { .. }
            | IoEvent::NetworkChanged { .. } => {}
        });
    }

    pub(super) fn handle_answer(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        now: Instant,
    ) {
        match self.common.shared.ops.remove(&op) {
            Some(Owner::Torrent(info_hash)) if self.magnets.contains_key(&info_hash) => {
                self.with_magnet(info_hash, now, |pending, cx| pending.handle_done(op, result, cx));
            }
            Some(Owner::Torrent(info_hash)) => {
                self.with(info_hash, now, |torrent, cx| torrent.handle_done(op, result, cx));
            }
            Some(Owner::Engine) => self.handle_done(op, result, now),
            None => {}
        }
    }

    fn handle_done(&mut self, op: OpId, result: Result<OpOutput, OpError>, now: Instant) {
        self.common.shared.writes.answered(op, result.is_ok(), now);
        if self.common.shared.net.answered(op, &result) {
            self.open_sockets(now);
            return self.dial_over_sockets(now);
        }
        if let Some(purpose) = self.awaited.take(op) {
            return self.handle_awaited(purpose, &result, now);
        }
        let is_known = self.handle_dht_answer(op, &result, now)
            || self.handle_space_answer(op, &result)
            || self.handle_notes_answer(op, &result, now);
        if !is_known && !self.loading.is_over() {
            self.handle_loading_answer(op, result, now);
        }
    }

    fn handle_awaited(
        &mut self,
        purpose: Purpose,
        result: &Result<OpOutput, OpError>,
        now: Instant,
    ) {
        match purpose {
            Purpose::Fetch(id) => self.handle_fetch_answer(id, result, now),
            Purpose::SaveSettings(id) => self.handle_settings_answer(id, result),
            Purpose::Show(id, info_hash) => self.handle_show_answer(id, info_hash, result),
            Purpose::PreferFolder(id) => self.handle_prefer_answer(id, result),
            Purpose::Report(recipient, about) => {
                self.handle_report_answer(recipient, &about, result, now)
            }
        }
    }
}
