//! The daemon's HTTP service over pipes in memory: requests, and messages on `/control`.
//!
//! Time is virtual, so a timeout costs nothing. Nothing reaches a network: the target removes
//! commands that would open a socket, look up a name or fetch a URL. Without the token, which no
//! input contains, the daemon accepts no engine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use io_shim::control::desk::{Desk, Seat};
use io_shim::host::settings::Settings;
use io_shim::in_memory::InMemory;
use shared_proto::frame::{decode_batch, encode_batch};
use shared_proto::{DaemonMessage, EngineMessage, FileId, IoCommand, PROTOCOL_VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

const ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);
const TOKEN: &str = "a-token-that-no-input-holds-0f3b9a";
const KEY: &str = "key";
const FILM: &[u8] = &[7; 3_000];
/// Longest life of a connection, in virtual time: an input has at most eighty requests, and an
/// engine may keep each waiting for two minutes.
const WITHIN: Duration = Duration::from_secs(4 * 3_600);
/// How long tasks of a connection may live after its end: longer than every timeout of the daemon.
const SETTLED_WITHIN: Duration = Duration::from_secs(600);
/// Capacity of a pipe, bytes.
const PIPE: usize = 16 << 10;

/// A daemon and its runtime.
struct Rig {
    runtime: Runtime,
    daemon: InMemory,
    folder: PathBuf,
}

thread_local! {
    static RIG: Rig = Rig::new();
}

/// Set when any task panics, which the runtime would hide.
static PANICKED: AtomicBool = AtomicBool::new(false);

impl Rig {
    fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                PANICKED.store(true, Ordering::SeqCst);
                before(panic);
            }));
        });
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "jstorrent-fuzz-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("downloads")).expect("a temporary folder");
        std::fs::write(folder.join("downloads/film.mp4"), FILM).expect("a temporary file");
        let settings = Settings {
            state: Some(folder.join("state")),
            notes: Some(folder.join("notes")),
            downloads: Some(folder.join("downloads")),
            token: Some(TOKEN.parse().expect("a token")),
            no_port_mapping: true,
            ..Settings::default()
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let daemon = runtime.block_on(async {
            InMemory::start(&settings.resolve(0).expect("settings that make sense"), ADDR)
                .expect("a daemon")
        });
        Self { runtime, daemon, folder }
    }

    /// Runs a connection to its end. Fails if a task is left or has panicked.
    fn run<F: Future<Output = ()>>(&self, talk: impl FnOnce(DuplexStream) -> F) {
        self.runtime.block_on(async {
            let (near, far) = tokio::io::duplex(PIPE);
            let both = async { tokio::join!(self.daemon.serve(far), talk(near)) };
            let ended = tokio::time::timeout(WITHIN, both).await;
            assert!(ended.is_ok(), "a connection never ends");
            let settled = async {
                while self.daemon.connections() > 0
                    || self.daemon.desk().viewers().0 > 0
                    || self.daemon.desk().calls() > 0
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            assert!(
                tokio::time::timeout(SETTLED_WITHIN, settled).await.is_ok(),
                "something is left of a connection"
            );
        });
        assert!(!PANICKED.load(Ordering::SeqCst), "a task has panicked");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An engine that grants, waits, rejects or stays silent, as the byte says.
async fn engine(desk: Arc<Desk>, mut seat: Seat, manner: u8) {
    while let Some(said) = seat.outbox.recv().await {
        let answer = match said.message {
            DaemonMessage::RangeRequest { request_id, end, .. } => match manner % 4 {
                0 => EngineMessage::RangeAvailable { request_id, end: None },
                1 => EngineMessage::RangeReady { request_id, end: Some(end / 2) },
                2 => EngineMessage::RangeBlock { request_id, reason: None, eta_ms: None },
                _ => EngineMessage::RangeReject {
                    request_id,
                    status: None,
                    reason: None,
                    retry_after: None,
                },
            },
            DaemonMessage::HttpCall { request_id, .. } => EngineMessage::HttpReply {
                request_id,
                status: if manner & 4 == 0 { 200 } else { 999 },
                headers: vec![
                    ("content-type".into(), "text/html".into()),
                    ("x\r\n".into(), "\r\n".into()),
                ],
                body: "{}".into(),
                more: manner & 8 != 0,
            },
            DaemonMessage::FileResolve { request_id, .. } => EngineMessage::FileResolved {
                request_id,
                file_id: (manner & 4 == 0).then(|| FileId::from("film")),
                status: Some(409),
                body: None,
            },
            _ => continue,
        };
        let _ = desk.handle(seat.epoch, answer);
    }
}

/// Sends all bytes in parts of this length, and reads the answers. Ends when the other end closes
/// or stays silent.
async fn exchange(mut pipe: DuplexStream, sent: Vec<u8>, pieces: usize) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut buffer = vec![0; PIPE];
    let (mut reading, mut writing) = tokio::io::split(&mut pipe);
    let write = async {
        for piece in sent.chunks(pieces) {
            if writing.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        // The connection stays open, because a client that closes counts as gone.
        std::future::pending::<()>().await;
    };
    let read = async {
        let patience = Duration::from_secs(200);
        while let Ok(Ok(count @ 1..)) =
            tokio::time::timeout(patience, reading.read(&mut buffer)).await
        {
            heard.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
    heard
}

/// Whole requests. The first byte says how the engine behaves and how the rest is split.
pub(crate) fn http(data: &[u8]) {
    let Some((&manner, request)) = data.split_first() else { return };
    RIG.with(|rig| {
        let desk = Arc::clone(rig.daemon.desk());
        let root = rig.daemon.roots().first().map(|root| root.key.clone());
        rig.run(|pipe| async move {
            let seat = (manner & 16 == 0).then(|| desk.enter());
            let epoch = seat.as_ref().map(|seat| seat.epoch);
            let engine = seat.map(|seat| {
                let film = EngineMessage::FileAnnounce {
                    file_id: FileId::from("film"),
                    root: root.expect("there is a folder"),
                    path: vec!["film.mp4".into()],
                    length: FILM.len() as u64,
                    content_type: "video/mp4".into(),
                    etag: "v1".into(),
                    key: KEY.into(),
                };
                desk.handle(seat.epoch, film).expect("a sound announcement");
                tokio::spawn(engine(Arc::clone(&desk), seat, manner))
            });
            let heard =
                exchange(pipe, request.to_vec(), if manner & 32 == 0 { 4 << 10 } else { 7 }).await;
            if !heard.is_empty() {
                let status = heard
                    .get(9..12)
                    .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
                assert!(
                    heard.starts_with(b"HTTP/1.")
                        && status.is_some_and(|status| (100..600).contains(&status))
                );
            }
            if let Some(engine) = engine {
                engine.abort();
            }
            if let Some(epoch) = epoch {
                desk.leave(epoch);
            }
        });
    });
}

/// Messages on `/control`. The first byte says whether the engine has the token.
///
/// With the token the rest is frames: the first byte as on the wire, two bytes of length, and the
/// payload. Without it the rest is sent as it is.
pub(crate) fn control(data: &[u8]) {
    let Some((&manner, rest)) = data.split_first() else { return };
    let mut sent = b"GET /control HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n\
        Connection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    if manner & 1 == 0 {
        let hello = EngineMessage::Hello {
            protocol: PROTOCOL_VERSION,
            token: TOKEN.into(),
            engine: "fuzz".into(),
            session: "s".into(),
        };
        push_frame(&mut sent, 0x81, shared_proto::frame::encode_control(&hello).as_bytes());
    }
    if manner & 2 == 0 {
        let mut rest = rest;
        while let [first, high, low, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
            let (payload, after) = after.split_at(length);
            push_frame(&mut sent, *first, &harmless(*first, payload));
            rest = after;
        }
    } else if manner & 1 == 1 {
        sent.extend_from_slice(rest);
    }
    RIG.with(|rig| {
        rig.run(|pipe| async move {
            let heard = exchange(pipe, sent, if manner & 32 == 0 { 4 << 10 } else { 7 }).await;
            assert!(heard.starts_with(b"HTTP/1.1 101 "), "the handshake is a good one");
        });
        tidy(rig);
    });
}

/// A frame masked with zeros.
fn push_frame(sent: &mut Vec<u8>, first: u8, payload: &[u8]) {
    sent.push(first);
    match payload.len() {
        short @ 0..126 => sent.push(0x80 | u8::try_from(short).expect("below 126")),
        length => {
            sent.push(0x80 | 126);
            sent.extend(
                u16::try_from(length).expect("a payload has a length of two bytes").to_be_bytes(),
            );
        }
    }
    sent.extend([0; 4]);
    sent.extend(payload);
}

/// Removes commands that reach beyond this process and its folder. Fragments could hide such a
/// command, so they are not sent as data.
fn harmless(first: u8, payload: &[u8]) -> Vec<u8> {
    let is_data = matches!(first & 0x0f, 0 | 2);
    let Ok(commands) = decode_batch::<IoCommand>(payload) else {
        return if is_data && first & 0x80 == 0 { Vec::new() } else { payload.to_vec() };
    };
    let stays_here = |command: &IoCommand| {
        matches!(
            command,
            IoCommand::Credit { .. }
                | IoCommand::Arm { .. }
                | IoCommand::Digest { .. }
                | IoCommand::TcpSend { .. }
                | IoCommand::TcpClose { .. }
                | IoCommand::FileOpen { .. }
                | IoCommand::FileRead { .. }
                | IoCommand::FileWrite { .. }
                | IoCommand::FileSync { .. }
                | IoCommand::FileClose { .. }
                | IoCommand::FileStat { .. }
                | IoCommand::KvGet { .. }
                | IoCommand::KvPut { .. }
                | IoCommand::KvDelete { .. }
                | IoCommand::KvScan { .. }
        )
    };
    encode_batch(&commands.into_iter().filter(stays_here).collect::<Vec<_>>())
}

/// Now and then deletes what connections left in the folder.
fn tidy(rig: &Rig) {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    if RUNS.fetch_add(1, Ordering::Relaxed) % 256 == 255 {
        let downloads = rig.folder.join("downloads");
        for entry in std::fs::read_dir(&downloads).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name() != "film.mp4" {
                let _ = if path.is_dir() {
                    std::fs::remove_dir_all(&path)
                } else {
                    std::fs::remove_file(&path)
                };
            }
        }
    }
}
