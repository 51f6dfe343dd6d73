//! An I/O plane with its own folder, driven by a test.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use io_shim::events::{EventReceiver, event_channel};
use io_shim::files::{FileStore, Roots, Writers};
use io_shim::metrics::Metrics;
use io_shim::plane::io_plane::{IoPlane, Stores};
use io_shim::policy::dial::DialPolicy;
use io_shim::policy::io_config::IoConfig;
use io_shim::sockets::port_map::{MapConfig, PortMaps};
use io_shim::state::StateStore;
use io_shim::state::notes::NoteStore;
use shared_proto::{
    ConnId, FileRef, IoCommand, IoEvent, OpId, OpenMode, RootKey, Span,
    frame::decode_batch,
    ids::SocketId,
    io::{CloseReason, DigestKind, Family, FileStat, OpError, OpErrorKind, OpOutput},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::testing::TempDir;

/// Longer than anything takes on loopback.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for an unwanted event to show.
const MOMENT: Duration = Duration::from_millis(50);

pub(crate) struct Bench {
    pub(crate) plane: IoPlane,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) files: Arc<FileStore>,
    stores: Stores,
    pub(crate) maps: Arc<PortMaps>,
    config: IoConfig,
    receiver: EventReceiver,
    waiting: VecDeque<IoEvent>,
    /// Whether the credit of every frame is returned at once.
    pub(crate) generous: bool,
    next_op: u64,
    dir: TempDir,
    elsewhere: Elsewhere,
}

/// A folder on another disk, where there is one; removed at the end.
struct Elsewhere(PathBuf);

impl Elsewhere {
    fn new(dir: &TempDir) -> Self {
        let memory = Path::new("/dev/shm");
        let name = dir.path().file_name().expect("a folder of its own");
        if memory.is_dir() { Self(memory.join(name)) } else { Self(dir.path().join("elsewhere")) }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn config() -> IoConfig {
    let policy = DialPolicy { allow_loopback: true, ..DialPolicy::default() };
    let addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    IoConfig { policy, addresses, max_conns: 16, max_files: 16, lookup_program: None }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(config(), 1 << 20)
    }

    pub(crate) fn with(config: IoConfig, window: u32) -> Self {
        Self::mapping(config, window, MapConfig::default())
    }

    /// A bench whose ports may be mapped.
    pub(crate) fn mapping(config: IoConfig, window: u32, mapping: MapConfig) -> Self {
        Self::with_all(config, window, mapping, None)
    }

    /// Another process of the user, with downloads in the same folder.
    pub(crate) fn another_process(&self) -> Self {
        Self::with_all(config(), 1 << 20, MapConfig::default(), Some(self))
    }

    fn with_all(config: IoConfig, window: u32, mapping: MapConfig, first: Option<&Self>) -> Self {
        let maps = Arc::new(PortMaps::new(mapping));
        let dir = TempDir::new();
        let elsewhere = Elsewhere::new(&dir);
        let shared = first.map_or(dir.path(), |first| first.dir.path());
        let roots = vec![
            (RootKey::from("root"), "Downloads".to_owned(), shared.join("root")),
            (RootKey::from("other"), "Other".to_owned(), shared.join("other")),
            (RootKey::from("elsewhere"), "Elsewhere".to_owned(), elsewhere.0.clone()),
        ];
        let state = dir.path().join("state");
        let roots = Roots::new(roots).remembering_in(&state);
        let writers = Writers::open(&shared.join("locks")).expect("a folder for locks");
        let files = Arc::new(FileStore::new(roots, writers));
        let state = Arc::new(StateStore::open(&state).expect("a state"));
        let stores = Stores { state, notes: Arc::new(NoteStore::new(&shared.join("notes"))) };
        let metrics = Arc::new(Metrics::default());
        let (sender, receiver) = event_channel(window);
        let plane = IoPlane::new(
            config.clone(),
            Arc::clone(&files),
            stores.clone(),
            Arc::clone(&metrics),
            Arc::clone(&maps),
            sender,
        );
        Self {
            plane,
            metrics,
            files,
            stores,
            maps,
            config,
            receiver,
            waiting: VecDeque::new(),
            generous: true,
            next_op: 0,
            dir,
            elsewhere,
        }
    }

    /// A new engine takes over the same files and state.
    pub(crate) fn next_epoch(&mut self) {
        let (sender, receiver) = event_channel(1 << 20);
        self.plane.shutdown();
        self.plane = IoPlane::new(
            self.config.clone(),
            Arc::clone(&self.files),
            self.stores.clone(),
            Arc::clone(&self.metrics),
            Arc::clone(&self.maps),
            sender,
        );
        self.receiver = receiver;
        self.waiting.clear();
    }

    /// A path in the bench's folder, which holds the roots `root` and `other`.
    pub(crate) fn disk(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// A path in the root `elsewhere`.
    pub(crate) fn elsewhere(&self, path: &str) -> PathBuf {
        self.elsewhere.0.join(path)
    }

    pub(crate) fn tell(&mut self, command: IoCommand) {
        self.plane.handle(command);
    }

    /// Gives a command with an answer.
    pub(crate) fn start(&mut self, command: impl FnOnce(OpId) -> IoCommand) -> OpId {
        self.next_op += 1;
        let op = OpId(self.next_op);
        self.plane.handle(command(op));
        op
    }

    /// Waits for an answer; keeps other events for later.
    pub(crate) async fn finish(&mut self, op: OpId) -> Result<OpOutput, OpError> {
        let is_mine =
            |event: &IoEvent| matches!(event, IoEvent::Done { op: done, .. } if *done == op);
        loop {
            if let Some(at) = self.waiting.iter().position(is_mine) {
                match self.waiting.remove(at) {
                    Some(IoEvent::Done { result, .. }) => return result,
                    other => panic!("{other:?}"),
                }
            }
            self.receive().await;
        }
    }

    pub(crate) async fn ask(
        &mut self,
        command: impl FnOnce(OpId) -> IoCommand,
    ) -> Result<OpOutput, OpError> {
        let op = self.start(command);
        self.finish(op).await
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> IoEvent {
        while self.waiting.is_empty() {
            self.receive().await;
        }
        self.waiting.pop_front().expect("not empty")
    }

    /// Whether no event comes.
    pub(crate) async fn is_silent(&mut self) -> bool {
        self.waiting.is_empty() && timeout(MOMENT, self.batch()).await.is_err()
    }

    /// The next frame for the engine.
    pub(crate) async fn batch(&mut self) -> Vec<u8> {
        let batch = self.receiver.next_batch().await.expect("the plane is open");
        if self.generous {
            self.receiver.add_credit(u32::try_from(batch.len()).expect("a frame's length"));
        }
        batch
    }

    async fn receive(&mut self) {
        let batch = timeout(PATIENCE, self.batch()).await.expect("an event in time");
        let events: Vec<IoEvent> = decode_batch(&batch).expect("a batch");
        self.waiting.extend(events);
    }

    // Files.

    /// Creates a file, or opens the existing one for writing. Returns its length.
    pub(crate) async fn open_in(
        &mut self,
        root: &str,
        file: u32,
        path: &[&str],
        length: u64,
        create: bool,
    ) -> Result<u64, OpErrorKind> {
        let mode = if create { OpenMode::Create } else { OpenMode::Write { identity: None } };
        self.open_as(root, file, path, length, mode).await.map(|stat| stat.length)
    }

    pub(crate) async fn open_as(
        &mut self,
        root: &str,
        file: u32,
        path: &[&str],
        length: u64,
        mode: OpenMode,
    ) -> Result<FileStat, OpErrorKind> {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        let root = RootKey::from(root);
        let opened = self
            .ask(|op| IoCommand::FileOpen { op, file: FileRef(file), root, path, length, mode })
            .await;
        match opened {
            Ok(OpOutput::Opened { stat }) => Ok(stat),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind),
        }
    }

    /// Creates a file in the first root.
    pub(crate) async fn create(&mut self, file: u32, name: &str, length: u64) {
        assert_eq!(self.open_in("root", file, &[name], length, true).await, Ok(length));
    }

    pub(crate) async fn write(
        &mut self,
        file: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<OpOutput, OpError> {
        let data = Bytes::copy_from_slice(data);
        self.ask(|op| IoCommand::FileWrite { op, file: FileRef(file), offset, data }).await
    }

    pub(crate) async fn read(&mut self, span: Span) -> Result<Bytes, OpErrorKind> {
        match self.ask(|op| IoCommand::FileRead { op, span }).await {
            Ok(OpOutput::Bytes(bytes)) => Ok(bytes),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind),
        }
    }

    pub(crate) async fn digest(
        &mut self,
        kind: DigestKind,
        spans: &[Span],
    ) -> Result<Bytes, OpErrorKind> {
        let spans = spans.to_vec();
        match self.ask(|op| IoCommand::Digest { op, kind, spans }).await {
            Ok(OpOutput::Digest(bytes)) => Ok(bytes),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind),
        }
    }

    // Sockets.

    /// Opens a connection and returns its other end.
    pub(crate) async fn connect(&mut self, conn: u64) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        self.dial(conn, listener.local_addr().expect("bound"));
        // Earlier connections may still send events.
        while self.event().await != (IoEvent::TcpConnected { conn: ConnId(conn) }) {}
        let (stream, _) = listener.accept().await.expect("dialled");
        stream.set_nodelay(true).expect("a TCP socket");
        stream
    }

    pub(crate) fn dial(&mut self, conn: u64, addr: SocketAddr) {
        self.tell(IoCommand::TcpConnect { conn: ConnId(conn), addr, timeout_ms: 5_000 });
    }

    /// Reads frames, and diverts those that begin with 7.
    pub(crate) fn framed(&mut self, conn: u64, max_frame: u32) {
        self.tell(IoCommand::TcpFramed { conn: ConnId(conn), max_frame, divert: Some(7) });
    }

    pub(crate) fn arm(&mut self, conn: u64, key: &[u8; 8], spans: &[Span]) {
        self.tell(IoCommand::Arm { conn: ConnId(conn), key: *key, spans: spans.to_vec() });
    }

    pub(crate) async fn closed(&mut self, conn: u64) -> CloseReason {
        match self.event().await {
            IoEvent::TcpClosed { conn: closed, reason } if closed == ConnId(conn) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Listens at this machine's address of the family.
    pub(crate) async fn listen(
        &mut self,
        socket: u32,
        family: Family,
        port: u16,
    ) -> Result<SocketAddr, OpErrorKind> {
        let socket = SocketId(socket);
        let bound = self.ask(|op| IoCommand::TcpListen { op, socket, family, port }).await;
        bound_at(family, bound)
    }

    /// Binds a UDP socket at this machine's address of the family.
    pub(crate) async fn bind(
        &mut self,
        socket: u32,
        family: Family,
        port: u16,
        group: Option<IpAddr>,
    ) -> Result<SocketAddr, OpErrorKind> {
        let socket = SocketId(socket);
        let bound = self.ask(|op| IoCommand::UdpBind { op, socket, family, port, group }).await;
        bound_at(family, bound)
    }

    /// The next incoming connection: its number and remote address.
    pub(crate) async fn accepted(&mut self, socket: u32) -> (u64, SocketAddr) {
        match self.event().await {
            IoEvent::TcpAccepted { socket: at, conn, addr } if at == SocketId(socket) => {
                assert!(conn >= ConnId::ACCEPTED);
                (conn.0, addr)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn conns_open(&self) -> u64 {
        self.metrics.conns_open.load(Ordering::Relaxed)
    }
}

fn bound_at(family: Family, bound: Result<OpOutput, OpError>) -> Result<SocketAddr, OpErrorKind> {
    match bound {
        Ok(OpOutput::Bound { port }) if family == Family::V4 => {
            Ok((Ipv4Addr::LOCALHOST, port).into())
        }
        Ok(OpOutput::Bound { port }) => Ok((Ipv6Addr::LOCALHOST, port).into()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.kind),
    }
}

pub(crate) fn span(file: u32, offset: u64, length: u32) -> Span {
    Span { file: FileRef(file), offset, length }
}

/// A frame as it travels.
pub(crate) fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut wire = u32::try_from(body.len()).expect("a short frame").to_be_bytes().to_vec();
    wire.extend(body);
    wire
}
