//! One node's daemon: carries out commands on a disk in memory.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};
use shared_proto::{FileIdentity, IoCommand, IoEvent, OpId, OpenMode, Span};

use super::lines::Ciphers;
use super::{Call, Carried, DAEMON_DELAY, Engines, Event, PORT, TRACKER, addr_of};
use crate::io::Input;
use crate::sim::disk::digest;

impl Engines {
    pub(super) fn command(&mut self, node: usize, command: IoCommand) {
        match command {
            IoCommand::TcpConnect { conn, addr, timeout_ms } => {
                let give_up = self.now + Duration::from_millis(timeout_ms.into());
                self.call(node, Call { conn, addr, carried: Carried::ByTcp, give_up });
            }
            IoCommand::UtpConnect { conn, addr, socket, timeout_ms } => {
                assert_eq!(self.nodes[node].utp, Some(socket), "uTP is spoken there");
                let give_up = self.now + Duration::from_millis(timeout_ms.into());
                self.call(node, Call { conn, addr, carried: Carried::ByUtp, give_up });
            }
            IoCommand::TcpSend { conn, data } => {
                // Bytes before the first frame are no message and may be encrypted.
                let is_framed =
                    self.nodes[node].conns.get(&conn).is_some_and(|end| end.cutter.is_framed());
                let mut rest = if is_framed { &data[..] } else { &[] };
                while let Some(length) =
                    rest.first_chunk().map(|&length| u32::from_be_bytes(length) as usize)
                {
                    assert!(length < 5_000 || rest[4] != 7, "the brain says no payload");
                    rest = rest.get(4 + length..).unwrap_or_default();
                }
                self.send(node, conn, data.to_vec());
            }
            IoCommand::TcpSendSpan { op, conn, head, spans } => {
                let payload = self.read(node, &spans);
                self.nodes[node].given += payload.len() as u64;
                let left = self.send(node, conn, [&head[..], &payload].concat());
                let done = IoEvent::Done { op, result: Ok(OpOutput::Unit) };
                self.at(left + DAEMON_DELAY, node, Event::ToEngine(Input::Io(done)));
            }
            IoCommand::TcpRaw { conn, bytes } => {
                if let Some(end) = self.nodes[node].conns.get_mut(&conn) {
                    end.cutter.raw(bytes);
                }
                self.bytes(node, conn, &[]);
            }
            IoCommand::TcpFramed { conn, divert, .. } => {
                if let Some(end) = self.nodes[node].conns.get_mut(&conn) {
                    end.cutter.framed(divert);
                }
                self.bytes(node, conn, &[]);
            }
            IoCommand::TcpCipher { conn, read, write } => {
                let Some(end) = self.nodes[node].conns.get_mut(&conn) else { return };
                assert!(end.ciphers.are_plain(), "once for each direction");
                end.ciphers = Ciphers::new(read.as_ref(), write.as_ref());
                // Bytes that arrived and were not passed to the engine yet.
                end.ciphers.read(&mut end.cutter.held);
            }
            IoCommand::TcpGroup { conn, group } => {
                self.nodes[node].groups.insert(conn, group);
            }
            IoCommand::Arm { conn, key, spans } => {
                if let Some(end) = self.nodes[node].conns.get_mut(&conn) {
                    end.armed.insert(key, spans);
                }
            }
            IoCommand::Disarm { conn, key } => {
                if let Some(end) = self.nodes[node].conns.get_mut(&conn) {
                    end.armed.remove(&key);
                }
            }
            IoCommand::TcpClose { conn } => self.close(node, conn),
            IoCommand::UdpSend { socket, to, data } => self.datagram(node, socket, to, data),
            IoCommand::FileClose { file } => drop(self.nodes[node].files.remove(&file)),
            other => {
                let is_socket = matches!(
                    other,
                    IoCommand::TcpListen { .. }
                        | IoCommand::UdpBind { .. }
                        | IoCommand::UtpListen { .. }
                );
                let takes = if is_socket { self.sockets_take } else { DAEMON_DELAY };
                let answer = self.nodes[node].state.answer(other);
                let (op, result) = answer.map_or_else(
                    |other| self.answer(node, *other),
                    |(op, output)| (op, Ok(output)),
                );
                self.at(
                    self.now + takes,
                    node,
                    Event::ToEngine(Input::Io(IoEvent::Done { op, result })),
                );
            }
        }
    }

    fn answer(&mut self, node: usize, command: IoCommand) -> (OpId, Result<OpOutput, OpError>) {
        let failed = |kind| Err(OpError { kind, message: "no".into() });
        let spans = match &command {
            IoCommand::Digest { spans, .. } => self.read(node, spans),
            IoCommand::FileRead { span, .. } => self.read(node, &[*span]),
            _ => Vec::new(),
        };
        if matches!(command, IoCommand::UdpBind { .. } | IoCommand::Resolve { .. }) {
            return self.bind(node, command);
        }
        let it = &mut self.nodes[node];
        match command {
            IoCommand::TcpListen { op, family: shared_proto::io::Family::V4, socket, port } => {
                it.listens = Some(socket);
                (op, Ok(OpOutput::Bound { port }))
            }
            IoCommand::RootRoom { op, .. } => {
                (op, Ok(OpOutput::Room { free: 1 << 39, total: 1 << 40 }))
            }
            // No other program changes files in this simulation.
            IoCommand::FileStat { op, path, .. } => {
                let length = it.disk.get(&path).map(|bytes| bytes.len() as u64);
                (op, Ok(OpOutput::Stat(length.map(|length| stat(&path, length)))))
            }
            IoCommand::FileSync { op, .. } => (op, Ok(OpOutput::Unit)),
            IoCommand::UtpListen { op, socket } => {
                it.utp = Some(socket);
                (op, Ok(OpOutput::Unit))
            }
            IoCommand::TcpListen { op, .. } => (op, failed(OpErrorKind::Other)),
            IoCommand::FileOpen { op, file, path, length, mode, .. } => {
                let length = usize::try_from(length).expect("a test's file is small");
                match (mode, it.disk.contains_key(&path)) {
                    (OpenMode::Create, true) => return (op, failed(OpErrorKind::Exists)),
                    (OpenMode::Read | OpenMode::Write { .. }, false) => {
                        return (op, failed(OpErrorKind::NotFound));
                    }
                    _ => {}
                }
                let bytes = it.disk.entry(path.clone()).or_default();
                if mode != OpenMode::Read {
                    bytes.resize(length.max(bytes.len()), 0);
                }
                let stat = stat(&path, bytes.len() as u64);
                it.files.insert(file, path);
                (op, Ok(OpOutput::Opened { stat }))
            }
            IoCommand::FileCopy { op, from, to, offset, length } => {
                let copied = it.disk[&it.files[&from]].clone();
                let bytes = it.disk.get_mut(&it.files[&to]).expect("an open file is there");
                let [first, length] =
                    [offset, length].map(|it| usize::try_from(it).expect("a test's file is small"));
                bytes[first..][..length].copy_from_slice(&copied[first..][..length]);
                (op, Ok(OpOutput::Unit))
            }
            IoCommand::FileRead { op, .. } => (op, Ok(OpOutput::Bytes(spans.into()))),
            IoCommand::Digest { op, kind, .. } => (op, Ok(OpOutput::Digest(digest(kind, &spans)))),
            // The tracker has no scrape data.
            IoCommand::HttpGet { op, url, .. } if url.starts_with("http://tracker/scrape") => {
                (op, Ok(OpOutput::Http { status: 404, body: Bytes::new() }))
            }
            IoCommand::HttpGet { op, url, .. } => {
                (op, Ok(OpOutput::Http { status: 200, body: self.track(node, &url) }))
            }
            other => panic!("the simulated daemon was not expected to see {other:?}"),
        }
    }

    pub(super) fn write(&mut self, node: usize, spans: &[Span], mut payload: &[u8]) {
        let it = &mut self.nodes[node];
        for span in spans {
            let (now, later) = payload.split_at(span.length as usize);
            let file = it.disk.get_mut(&it.files[&span.file]).expect("an open file is there");
            file[usize::try_from(span.offset).expect("a test's file is small")..][..now.len()]
                .copy_from_slice(now);
            payload = later;
        }
        assert!(payload.is_empty(), "a block is as long as its spans");
    }

    fn read(&self, node: usize, spans: &[Span]) -> Vec<u8> {
        let it = &self.nodes[node];
        let bytes = |span: &Span| {
            let from = usize::try_from(span.offset).expect("a test's file is small");
            it.disk[&it.files[&span.file]][from..from + span.length as usize].to_vec()
        };
        spans.iter().flat_map(bytes).collect()
    }

    /// Returns the addresses of all announced nodes, including the caller's.
    fn track(&mut self, node: usize, url: &str) -> Bytes {
        assert!(url.starts_with(TRACKER));
        self.announces.push((node, url.split_once('?').map_or("", |(_, query)| query).to_owned()));
        let addr = addr_of(node);
        if url.contains(&format!("port={PORT}")) && !self.known.contains(&addr) {
            self.known.push(addr);
        }
        let mut peers = Vec::new();
        for addr in &self.known {
            let SocketAddr::V4(addr) = addr else { continue };
            peers.extend(addr.ip().octets());
            peers.extend(addr.port().to_be_bytes());
        }
        crate::metainfo::encode::Dict::new()
            .int("interval", 60)
            .bytes("peers", peers)
            .encode()
            .into()
    }
}

/// No file is replaced here, so its path identifies it.
fn stat(path: &[String], length: u64) -> FileStat {
    let digest: [u8; 20] = Sha1::digest(path.join("/")).into();
    let identity = digest.first_chunk().map(|identity| FileIdentity(*identity));
    FileStat { length, modified_ns: 1, changed_ns: 1, identity }
}
