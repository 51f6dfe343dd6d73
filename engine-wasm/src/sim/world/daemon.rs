//! The simulated daemon: carries out commands on a disk in memory.

use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{DigestKind, Mapping, OpError, OpErrorKind, OpOutput, OpenMode};
use shared_proto::{FileRef, IoCommand, IoEvent, OpId, Span};

use super::{DAEMON_DELAY, Event, World};
use crate::io::Input;
use crate::sim::disk::{digest, path_in};
use crate::sim::state::State;
use crate::time::Instant;

/// The start of the simulation, milliseconds since 1970.
const BEGAN_MS: u64 = 1_800_000_000_000;

impl World {
    pub(super) fn command(&mut self, command: IoCommand) {
        match command {
            IoCommand::TcpConnect { conn, addr, .. } => {
                let rtt =
                    self.lines.seeders.get(&addr).map_or(Duration::ZERO, |behaviour| behaviour.rtt);
                self.at(self.now + DAEMON_DELAY + rtt, Event::Connect(conn, addr));
            }
            IoCommand::TcpSend { conn, data } => {
                let Some(line) = self.lines.conns.get(&conn) else { return };
                let at = self.now + DAEMON_DELAY + line.seeder.one_way();
                self.at(at, Event::ToSeeder(conn, data.to_vec()));
            }
            IoCommand::TcpRaw { conn, bytes } => {
                if let Some(line) = self.lines.conns.get_mut(&conn) {
                    line.cutter.raw(bytes);
                }
                self.bytes(conn, &[]);
            }
            IoCommand::TcpFramed { conn, divert, .. } => {
                if let Some(line) = self.lines.conns.get_mut(&conn) {
                    line.cutter.framed(divert);
                }
                self.bytes(conn, &[]);
            }
            IoCommand::Arm { conn, key, spans } => {
                if let Some(line) = self.lines.conns.get_mut(&conn) {
                    line.armed.insert(key, spans);
                }
            }
            IoCommand::Disarm { conn, key } => {
                if let Some(line) = self.lines.conns.get_mut(&conn) {
                    line.armed.remove(&key);
                }
            }
            IoCommand::TcpGroup { .. } | IoCommand::SocketClose { .. } => {}
            IoCommand::TcpClose { conn } => {
                self.lines.conns.remove(&conn);
            }
            IoCommand::FileClose { file } => {
                self.daemon.files.remove(&file);
            }
            IoCommand::UdpSend { socket, to, data } => {
                if let Some(answer) =
                    self.outside.trackers.get_mut(&to).and_then(|tracker| tracker.receive(&data))
                {
                    self.tell(IoEvent::UdpReceived { socket, from: to, data: answer.into() });
                }
            }
            IoCommand::HttpGet { url, .. }
                if self.outside.hanging.contains(url.split('?').next().unwrap_or_default()) =>
            {
                self.outside.fetched.push(url);
            }
            IoCommand::KvPut { op, .. } if let Err(error) = self.disk.check_room(0) => {
                self.tell(IoEvent::Done { op, result: Err(error) });
            }
            IoCommand::KvPut { op, .. }
            | IoCommand::KvDelete { op, .. }
            | IoCommand::NotePut { op, .. }
                if let Some(kind) = self.store.refuses =>
            {
                self.tell(IoEvent::Done {
                    op,
                    result: Err(OpError { kind, message: "the disk is full".into() }),
                });
            }
            IoCommand::KvGet { op, .. } | IoCommand::KvScan { op, .. }
                if self.store.is_unreadable =>
            {
                let error = OpError { kind: OpErrorKind::Other, message: "the disk failed".into() };
                self.tell(IoEvent::Done { op, result: Err(error) });
            }
            other => match self.state_at(self.now).answer(other) {
                Ok((op, output)) => self.tell(IoEvent::Done { op, result: Ok(output) }),
                Err(other) => self.answer(*other),
            },
        }
    }

    /// Returns the daemon's state store, with its clock set.
    fn state_at(&mut self, now: Instant) -> &mut State {
        self.store.state.clock_ms = BEGAN_MS + now.0 / 1_000;
        &mut self.store.state
    }

    fn answer(&mut self, command: IoCommand) {
        let (op, result): (OpId, Result<OpOutput, OpError>) = match command {
            IoCommand::FileOpen { op, file, root, path, length, mode } => {
                let path = path_in(&root, path);
                self.finish_moves(&path);
                if mode != OpenMode::Read
                    && self.disk.stat(&path).is_none_or(|found| found.length < length)
                {
                    self.touched(&path);
                }
                let opened = self.disk.open(&path, length, mode, self.now);
                if opened.is_ok() {
                    self.disk.hold(file, &path);
                    assert!(
                        self.daemon.files.insert(file, path).is_none(),
                        "a number is used twice"
                    );
                }
                assert!(
                    self.daemon.files.len() <= self.daemon.max_files as usize,
                    "more files are open than may be"
                );
                self.daemon.most_open = self.daemon.most_open.max(self.daemon.files.len());
                (op, opened.map(|stat| OpOutput::Opened { stat }))
            }
            IoCommand::RootRoom { op, .. } => {
                (op, Ok(OpOutput::Room { free: self.daemon.free, total: 1 << 40 }))
            }
            IoCommand::AboutDaemon { op } => (op, Ok(OpOutput::About(self.daemon.about.clone()))),
            IoCommand::FileStat { op, root, path } => {
                self.daemon.stats += 1;
                let path = path_in(&root, path);
                self.finish_moves(&path);
                let found = self.disk.look(&path);
                if let Ok(stat) = found {
                    self.told(&path, stat);
                }
                (op, found.map(OpOutput::Stat))
            }
            IoCommand::FileSync { op, file } => {
                let synced =
                    self.daemon.files.get(&file).map(|_| OpOutput::Unit).ok_or_else(not_open);
                (op, synced)
            }
            IoCommand::FileMove { op, identity, root, from, to_root, to } => {
                let (from, to) = (path_in(&root, from), path_in(&to_root, to));
                let found = self.disk.stat(&from).and_then(|stat| stat.identity);
                if identity.is_some() && found.is_some() && identity != found {
                    let changed = OpError {
                        kind: OpErrorKind::Changed,
                        message: "another file is there".into(),
                    };
                    return self.tell(IoEvent::Done { op, result: Err(changed) });
                }
                self.daemon.moves += 1;
                return self.at(self.now + self.daemon.move_time, Event::Moved(op, from, to));
            }
            IoCommand::FileDelete { op, root, path, identity } => {
                let path = path_in(&root, path);
                self.finish_moves(&path);
                self.touched(&path);
                (op, self.disk.delete(&path, identity).map(|()| OpOutput::Unit))
            }
            IoCommand::FileCopy { op, from, to, offset, length } => {
                if let Some(path) = self.daemon.files.get(&to).cloned() {
                    self.touched(&path);
                }
                (op, self.copy(from, to, offset, length).map(|()| OpOutput::Unit))
            }
            IoCommand::FileRead { op, span } => {
                self.daemon.reads += 1;
                (op, self.bytes_of(&[span]).map(|bytes| OpOutput::Bytes(bytes.into())))
            }
            IoCommand::Digest { op, kind, spans } => {
                self.daemon.digests += 1;
                let result = self.digest(kind, &spans);
                let at = self.now + DAEMON_DELAY + self.late();
                return self.at(at, Event::ToEngine(Input::Io(IoEvent::Done { op, result })));
            }
            other => return self.network(other),
        };
        self.tell(IoEvent::Done { op, result });
    }

    /// Handles commands that do not concern the disk.
    fn network(&mut self, command: IoCommand) {
        let (op, result) = match command {
            IoCommand::HttpGet { op, url, max_bytes, .. } => {
                let body =
                    url.split('?').next().and_then(|page| self.outside.web.get(page)).cloned();
                self.outside.fetched.push(url);
                let refused =
                    OpError { kind: OpErrorKind::Network, message: "nobody answers".into() };
                let body = body.filter(|body| body.len() <= max_bytes as usize).ok_or(refused);
                (op, body.map(|body| OpOutput::Http { status: 200, body }))
            }
            IoCommand::TcpListen { op, port, .. } | IoCommand::UdpBind { op, port, .. } => {
                (op, Ok(OpOutput::Bound { port }))
            }
            IoCommand::Resolve { op, host, port } => {
                let found = self
                    .outside
                    .names
                    .get(&host)
                    .map(|ips| ips.iter().map(|&ip| (ip, port).into()).collect());
                let unknown =
                    OpError { kind: OpErrorKind::Network, message: "nobody has this name".into() };
                (op, found.map(OpOutput::Addresses).ok_or(unknown))
            }
            IoCommand::HttpFetch { op, url, offset, spans, .. } => {
                return self.fetch(op, url, offset, spans);
            }
            IoCommand::PortMap { socket } => return self.outside.asked_router.push(socket),
            IoCommand::Cancel { .. } => return,
            other => panic!("the simulated daemon was not expected to see {other:?}"),
        };
        self.tell(IoEvent::Done { op, result });
    }

    /// Writes a range of a web server's file to the spans.
    fn fetch(&mut self, op: OpId, url: String, offset: u64, spans: Vec<Span>) {
        let length: usize = spans.iter().map(|span| span.length as usize).sum();
        let from = usize::try_from(offset).expect("a test's file is small");
        let file = self.outside.web.get(&url).cloned();
        self.outside.fetched.push(url);
        let part = file.as_ref().and_then(|file| file.get(from..from + length));
        if let Some(mut part) = part {
            for span in spans {
                let (now, later) = part.split_at(span.length as usize);
                if let Some(path) = self.daemon.files.get(&span.file).cloned() {
                    self.touched(&path);
                    let _ = self.disk.write_held(span.file, &path, (span.offset, now), self.now);
                }
                part = later;
            }
        }
        let status = if part.is_some() { 206 } else { 404 };
        let at = self.now + Duration::from_millis(20) + Duration::from_micros(length as u64 / 4);
        let result = Ok(OpOutput::Http { status, body: Bytes::new() });
        self.at(at, Event::ToEngine(Input::Io(IoEvent::Done { op, result })));
    }

    /// Open handles and viewers keep the same file after the move.
    pub(super) fn moved(&mut self, op: OpId, from: &[String], to: &[String]) {
        self.touched(from);
        let moved = self.disk.rename(from, to, self.now);
        if moved.is_ok() {
            let known = self.daemon.files.values_mut().chain(self.daemon.served.values_mut());
            known.filter(|path| *path == from).for_each(|path| *path = to.to_vec());
        }
        self.tell(IoEvent::Done { op, result: moved.map(|()| OpOutput::Unit) });
    }

    /// A command for a path that is being moved waits for the move.
    fn finish_moves(&mut self, path: &[String]) {
        // Without this check, each of fifty thousand files would scan all events.
        if self.daemon.moves == 0 {
            return;
        }
        let touches = |event: &Event| match event {
            Event::Moved(_, from, to) => from == path || to == path,
            _ => false,
        };
        for event in self.events.take(touches) {
            self.happen(event);
        }
    }

    fn copy(
        &mut self,
        from: FileRef,
        to: FileRef,
        offset: u64,
        length: u64,
    ) -> Result<(), OpError> {
        let (source, target) = (
            self.daemon.files.get(&from).ok_or_else(not_open)?,
            self.daemon.files.get(&to).ok_or_else(not_open)?,
        );
        let at = usize::try_from(offset).expect("a test's file is small");
        let end = at + usize::try_from(length).expect("a test's file is small");
        let bytes = self
            .disk
            .read_held(from, source)
            .and_then(|held| held.get(at..end))
            .ok_or_else(not_open)?
            .to_vec();
        let target = target.clone();
        self.disk.write_held(to, &target, (offset, &bytes), self.now)
    }

    fn bytes_of(&self, spans: &[Span]) -> Result<Vec<u8>, OpError> {
        let mut bytes = Vec::new();
        for span in spans {
            if span.file == FileRef::ZEROS {
                bytes.resize(bytes.len() + span.length as usize, 0);
                continue;
            }
            let path = self.daemon.files.get(&span.file).ok_or_else(not_open)?;
            let from = usize::try_from(span.offset).expect("a test's file is small");
            let held = self.disk.read_held(span.file, path);
            let held = held.and_then(|held| held.get(from..from + span.length as usize));
            bytes.extend_from_slice(held.ok_or_else(not_open)?);
        }
        Ok(bytes)
    }

    fn digest(&self, kind: DigestKind, spans: &[Span]) -> Result<OpOutput, OpError> {
        Ok(OpOutput::Digest(digest(kind, &self.bytes_of(spans)?)))
    }

    /// Answers all requests for port mappings; returns their number.
    pub(in crate::sim) fn router_says(&mut self, result: &Result<Mapping, OpError>) -> usize {
        for socket in self.outside.asked_router.clone() {
            self.tell(IoEvent::PortMapped { socket, result: result.clone() });
        }
        self.outside.asked_router.len()
    }

    /// Returns the file numbers that the engine has open.
    pub(in crate::sim) fn numbers_in_use(&self) -> usize {
        self.daemon.files.len()
    }
}

fn not_open() -> OpError {
    OpError {
        kind: OpErrorKind::NotFound,
        message: "no such open file, or not so many bytes".into(),
    }
}
