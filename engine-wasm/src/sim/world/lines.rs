//! Connections to seeders, and the frames that the daemon cuts from them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use shared_proto::io::{CloseReason, DivertKey, NotStored, OpError, OpErrorKind};
use shared_proto::{ConnId, FileRef, IoEvent, Span};

use super::{Event, World};
use crate::sim::cutter::{Cut, Cutter};
use crate::sim::seeder::{Action, Behaviour, Seeder};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Conn {
    addr: SocketAddr,
    pub(super) seeder: Seeder,
    pub(super) armed: BTreeMap<DivertKey, Vec<Span>>,
    pub(super) cutter: Cutter,
    /// When the seeder next reads its requests.
    looks_at: Option<Instant>,
}

impl World {
    /// Replaces the seeders at their addresses; connections close.
    pub(in crate::sim) fn replace_seeders(&mut self, seeders: &[Behaviour]) {
        let addrs = (1u16..).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        self.lines.seeders = addrs.zip(seeders.iter().cloned()).collect();
        for conn in std::mem::take(&mut self.lines.conns).into_keys() {
            self.tell(IoEvent::TcpClosed { conn, reason: CloseReason::Remote });
        }
    }

    /// Removes all seeders.
    pub(in crate::sim) fn lose_seeders(&mut self) {
        self.lines.seeders.clear();
        self.lines.conns.clear();
    }

    /// Lets every connection die without a sign, as a sleep does. Seeders can be dialled again.
    pub(in crate::sim) fn break_lines(&mut self) {
        self.lines.conns.clear();
    }

    /// Returns the addresses of connected seeders.
    pub(in crate::sim) fn connected(&self) -> Vec<SocketAddr> {
        self.lines.conns.values().map(|line| line.addr).collect()
    }

    /// Returns the most requests that are outstanding at one seeder.
    pub(in crate::sim) fn longest_queue(&self) -> usize {
        self.lines.conns.values().map(|line| line.seeder.queued()).max().unwrap_or(0)
    }

    pub(super) fn connect(&mut self, conn: ConnId, addr: SocketAddr) {
        *self.lines.dialled.entry(addr).or_default() += 1;
        let Some(behaviour) = self.lines.seeders.get(&addr).cloned() else {
            return self.tell(IoEvent::TcpClosed { conn, reason: CloseReason::Refused });
        };
        let seeder = Seeder::new(behaviour, addr.port(), &self.sample.metainfo, self.now);
        let line = Conn {
            addr,
            seeder,
            armed: BTreeMap::new(),
            cutter: Cutter::default(),
            looks_at: None,
        };
        self.lines.conns.insert(conn, line);
        self.tell(IoEvent::TcpConnected { conn });
    }

    /// Delivers bytes to a seeder.
    pub(super) fn reach(&mut self, conn: ConnId, data: &[u8]) {
        let now = self.now;
        let Some(line) = self.lines.conns.get_mut(&conn) else { return };
        let actions = line.seeder.receive(data, &self.sample, now);
        self.schedule(conn, actions);
        self.serve(conn);
    }

    /// Sends the seeder's next block when its line is free.
    pub(super) fn serve(&mut self, conn: ConnId) {
        let piece_length = self.sample.metainfo.piece_length;
        let Some(line) = self.lines.conns.get_mut(&conn) else { return };
        let Some((at, action)) =
            line.seeder.next_block(&self.sample.content, piece_length, self.now)
        else {
            // A seeder without an interval reads its requests when they arrive.
            if let Some(at) =
                line.seeder.looks_at().filter(|&at| at > self.now && line.looks_at != Some(at))
            {
                line.looks_at = Some(at);
                self.at(at, Event::Line(conn));
            }
            return;
        };
        let (free, one_way) = (line.seeder.line_free(), line.seeder.one_way());
        let whims = line.seeder.after_block(free);
        self.at(at + one_way, Event::Action(conn, action));
        self.at(free, Event::Line(conn));
        self.schedule(conn, whims);
    }

    fn schedule(&mut self, conn: ConnId, actions: Vec<(Instant, Action)>) {
        let Some(one_way) = self.lines.conns.get(&conn).map(|line| line.seeder.one_way()) else {
            return;
        };
        for (at, action) in actions {
            self.at(at + one_way, Event::Action(conn, action));
        }
    }

    /// Delivers a seeder's action to the daemon.
    pub(super) fn arrive(&mut self, conn: ConnId, action: Action) {
        match action {
            Action::Send(bytes) => self.bytes(conn, &bytes),
            Action::Unchoke => {
                let Some(line) = self.lines.conns.get_mut(&conn) else { return };
                let bytes = line.seeder.unchoke();
                self.bytes(conn, &bytes);
                self.serve(conn);
            }
            Action::HangUp => {
                if self.lines.conns.remove(&conn).is_some() {
                    self.tell(IoEvent::TcpClosed { conn, reason: CloseReason::Remote });
                }
            }
            Action::Block { piece, begin, data } => {
                let mut key = [0; 8];
                key[..4].copy_from_slice(&piece.to_be_bytes());
                key[4..].copy_from_slice(&begin.to_be_bytes());
                self.block(conn, key, &data);
            }
        }
    }

    /// Delivers bytes to the daemon.
    pub(super) fn bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(line) = self.lines.conns.get_mut(&conn) else { return };
        line.cutter.held.extend_from_slice(bytes);
        for cut in line.cutter.cut() {
            match cut {
                Cut::Raw(data) => self.tell(IoEvent::TcpData { conn, data }),
                Cut::Frame(data) => self.tell(IoEvent::TcpFrame { conn, data }),
                Cut::Diverted(key, payload) => self.block(conn, key, &payload),
            }
        }
    }

    fn block(&mut self, conn: ConnId, key: DivertKey, data: &[u8]) {
        let length = u32::try_from(data.len()).expect("a block is short");
        let Some(line) = self.lines.conns.get_mut(&conn) else { return };
        self.lines.received_bytes += u64::from(length);
        let Some(spans) = line.armed.remove(&key) else {
            self.lines.redundant_bytes += u64::from(length);
            return self.tell(IoEvent::NotStored { conn, key, length, reason: NotStored::Unarmed });
        };
        let expected: u32 = spans.iter().map(|span| span.length).sum();
        if expected != length {
            return self.tell(IoEvent::NotStored { conn, key, length, reason: NotStored::Length });
        }
        let mut rest = data;
        for span in spans {
            let (now, later) = rest.split_at(span.length as usize);
            rest = later;
            if span.file == FileRef::ZEROS {
                continue;
            }
            let Some(path) = self.daemon.files.get(&span.file).cloned() else {
                let closed =
                    OpError { kind: OpErrorKind::NotFound, message: "the file was closed".into() };
                return self.tell(IoEvent::NotStored {
                    conn,
                    key,
                    length,
                    reason: NotStored::Failed(closed),
                });
            };
            self.touched(&path);
            if let Err(error) = self.disk.write_held(span.file, &path, (span.offset, now), self.now)
            {
                return self.tell(IoEvent::NotStored {
                    conn,
                    key,
                    length,
                    reason: NotStored::Failed(error),
                });
            }
        }
        assert!(rest.is_empty(), "the spans of a block are as long as the block");
        self.tell(IoEvent::Stored { conn, key });
    }
}
