//! A daemon, an engine that does as it is told, and a viewer that shows every byte of HTTP.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use io_shim::config::Settings;
use io_shim::daemon::Daemon;
use shared_proto::frame::{decode_batch, decode_control, encode_batch, encode_control};
use shared_proto::io::OpOutput;
use shared_proto::{DaemonMessage, EngineMessage, FileId, IoCommand, IoEvent, OpId, PROTOCOL_VERSION, RequestId, Root};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything that has to happen may take.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// How long nothing may happen for a test to believe that nothing will.
pub(crate) const QUIET: Duration = Duration::from_millis(150);
/// The key of every file that [`Brain::announce`] announces.
pub(crate) const KEY: &str = "key-of-the-film";

/// Waits for what has to happen.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move { timeout(SOON, future).await.unwrap_or_else(|_| panic!("nothing happened at {caller}")) }
}

/// A folder that is removed at the end.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("jstorrent-daemon-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes in which every position is told from its neighbours.
pub(crate) fn film(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// A running daemon and its folders.
pub(crate) struct Rig {
    pub(crate) daemon: Daemon,
    pub(crate) port: u16,
    pub(crate) token: String,
    pub(crate) folders: Folders,
}

/// What outlives a daemon.
pub(crate) struct Folders {
    pub(crate) state: TempDir,
    pub(crate) downloads: TempDir,
}

impl Folders {
    pub(crate) fn new() -> Self {
        Self { state: TempDir::new(), downloads: TempDir::new() }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.downloads.path().join(name), bytes).unwrap();
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            state: Some(self.state.path().into()),
            downloads: Some(self.downloads.path().into()),
            grace_ms: Some(400),
            stop_grace_ms: Some(300),
            ..Settings::default()
        }
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_in(Folders::new(), change).await
    }

    pub(crate) async fn start_in(folders: Folders, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = folders.settings();
        change(&mut settings);
        let daemon = Daemon::start(settings.resolve(0).unwrap()).await.unwrap();
        let (port, token) = (daemon.endpoint().port, daemon.endpoint().token.clone());
        Self { daemon, port, token, folders }
    }

    /// An engine that has said hello.
    pub(crate) async fn brain(&self) -> Brain {
        let mut brain = Brain::connect(self.port, None).await.unwrap();
        brain.hello(&self.token).await;
        soon(brain.welcomed()).await;
        brain
    }

    /// A daemon with one film of this length on its disk, announced by an engine.
    pub(crate) async fn with_film(length: usize) -> (Self, Brain) {
        Self::with_film_and(length, |_| {}).await
    }

    pub(crate) async fn with_film_and(length: usize, change: impl FnOnce(&mut Settings)) -> (Self, Brain) {
        let rig = Self::start_with(change).await;
        rig.folders.write("film.mp4", &film(length));
        let mut brain = rig.brain().await;
        brain.announce("film", "film.mp4", length as u64).await;
        rig.settled(&mut brain).await;
        (rig, brain)
    }

    /// Returns when the daemon has worked off everything that the engine said: it answers for a file announced last.
    pub(crate) async fn settled(&self, brain: &mut Brain) {
        brain.announce("marker", "marker", 0).await;
        let known = async { while self.get("/stream/marker?key=key-of-the-film", &[]).await.status != 200 {} };
        soon(known).await;
        brain.tell(EngineMessage::FileForget { file_id: FileId::from("marker") }).await;
    }

    /// Opens a connection and sends a request.
    pub(crate) async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Viewer {
        let mut viewer = Viewer::connect(self.port).await;
        viewer.request(method, target, headers).await;
        viewer
    }

    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        soon(async { self.send("GET", target, headers).await.reply().await }).await
    }

    /// Asks for the film, with this `Range` unless it is empty.
    pub(crate) async fn watch(&self, range: &str) -> Viewer {
        let headers = [("Range", range)];
        self.send("GET", "/stream/film?key=key-of-the-film", if range.is_empty() { &[] } else { &headers }).await
    }

    /// A number of `/metrics`.
    pub(crate) async fn metric(&self, sample: &str) -> u64 {
        let page = self.get("/metrics", &[]).await.text();
        let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {sample} in {page}")).parse().unwrap()
    }

    /// Waits until a number of `/metrics` is as expected.
    pub(crate) async fn metric_becomes(&self, sample: &str, expected: u64) {
        let reached = async {
            while self.metric(sample).await != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(
            timeout(SOON, reached).await.is_ok(),
            "{sample} is {} instead of {expected}",
            self.metric(sample).await
        );
    }
}

/// An engine's end of the control WebSocket.
pub(crate) struct Brain {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) epoch: u64,
    pub(crate) roots: Vec<Root>,
    /// Everything heard so far.
    pub(crate) heard: Vec<DaemonMessage>,
    /// Every event so far, and how many of them were looked at.
    pub(crate) events: Vec<IoEvent>,
    seen: usize,
    /// Bytes of frames of commands so far, those of nothing but credit excepted.
    pub(crate) ordered: usize,
}

impl Brain {
    pub(crate) async fn connect(port: u16, origin: Option<&str>) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://127.0.0.1:{port}/control").into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { socket, epoch: 0, roots: vec![], heard: vec![], events: vec![], seen: 0, ordered: 0 })
    }

    pub(crate) async fn hello(&mut self, token: &str) {
        self.hello_of(token, PROTOCOL_VERSION).await;
    }

    pub(crate) async fn hello_of(&mut self, token: &str, protocol: u32) {
        self.tell(EngineMessage::Hello { protocol, token: token.into(), engine: "test".into(), session: "s".into() })
            .await;
    }

    pub(crate) async fn welcomed(&mut self) {
        let (epoch, roots) = self
            .next(|message| match message {
                DaemonMessage::Welcome { epoch, roots, .. } => Some((*epoch, roots.clone())),
                _ => None,
            })
            .await;
        (self.epoch, self.roots) = (epoch, roots);
    }

    pub(crate) async fn tell(&mut self, message: EngineMessage) {
        self.send(Message::text(encode_control(&message))).await;
    }

    pub(crate) async fn send(&mut self, frame: Message) {
        // A daemon that closes in the middle is seen by what it says then.
        let _ = self.socket.send(frame).await;
    }

    pub(crate) async fn announce(&mut self, id: &str, path: &str, length: u64) {
        let announcement = self.announcement(id, path, length);
        self.tell(announcement).await;
    }

    pub(crate) fn announcement(&self, id: &str, path: &str, length: u64) -> EngineMessage {
        EngineMessage::FileAnnounce {
            file_id: FileId::from(id),
            root: self.roots[0].key.clone(),
            path: vec![path.into()],
            length,
            content_type: "video/mp4".into(),
            etag: "v1".into(),
            key: KEY.into(),
        }
    }

    /// The next message that is wanted; others are only kept in `heard`.
    pub(crate) async fn next<T>(&mut self, mut wanted: impl FnMut(&DaemonMessage) -> Option<T>) -> T {
        loop {
            let frame = self.socket.next().await.expect("the daemon has closed").expect("the connection broke");
            let Message::Text(text) = frame else { continue };
            let message: DaemonMessage = decode_control(&text).unwrap();
            let found = wanted(&message);
            self.heard.push(message);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// The next question: its id, and the range.
    pub(crate) async fn asked(&mut self) -> (RequestId, u64, u64) {
        soon(self.next(|message| match message {
            DaemonMessage::RangeRequest { request_id, start, end, .. } => Some((*request_id, *start, *end)),
            _ => None,
        }))
        .await
    }

    pub(crate) async fn cancelled(&mut self, id: RequestId) {
        soon(self.next(|message| (*message == DaemonMessage::RangeCancel { request_id: id }).then_some(()))).await;
    }

    /// Grants up to `end` inclusive.
    pub(crate) async fn ready(&mut self, id: RequestId, end: u64) {
        self.tell(EngineMessage::RangeReady { request_id: id, end: Some(end) }).await;
    }

    pub(crate) async fn available(&mut self, id: RequestId) {
        self.tell(EngineMessage::RangeAvailable { request_id: id, end: None }).await;
    }

    pub(crate) async fn block(&mut self, id: RequestId) {
        self.tell(EngineMessage::RangeBlock { request_id: id, reason: None, eta_ms: None }).await;
    }

    pub(crate) async fn reject(&mut self, id: RequestId, status: Option<u16>) {
        self.tell(EngineMessage::RangeReject { request_id: id, status, reason: None, retry_after: None }).await;
    }

    /// Sends a batch of commands.
    pub(crate) async fn order(&mut self, commands: &[IoCommand]) {
        let frame = encode_batch(commands);
        if !commands.iter().all(|command| matches!(command, IoCommand::Credit { .. })) {
            self.ordered += frame.len();
        }
        self.send(Message::binary(frame)).await;
    }

    /// Takes the next frame of events; its size. Frames of nothing but credit cost nothing and count as nothing.
    pub(crate) async fn io_frame(&mut self) -> usize {
        loop {
            let frame = self.socket.next().await.expect("the daemon has closed").expect("the connection broke");
            let Message::Binary(frame) = frame else { continue };
            let batch: Vec<IoEvent> = decode_batch(&frame).unwrap();
            let is_free = batch.iter().all(|event| matches!(event, IoEvent::Credit { .. }));
            self.events.extend(batch);
            return if is_free { 0 } else { frame.len() };
        }
    }

    /// The next event that is not credit.
    pub(crate) async fn event(&mut self) -> IoEvent {
        loop {
            while let Some(event) = self.events.get(self.seen) {
                self.seen += 1;
                if !matches!(event, IoEvent::Credit { .. }) {
                    return event.clone();
                }
            }
            soon(self.io_frame()).await;
        }
    }

    /// What came of a command, once it is the next event.
    pub(crate) async fn done(&mut self, wanted: OpId) -> OpOutput {
        match self.event().await {
            IoEvent::Done { op, result: Ok(output) } if op == wanted => output,
            other => panic!("instead of {wanted}: {other:?}"),
        }
    }

    /// Asserts that no question comes for a while.
    pub(crate) async fn hears_no_question(&mut self) {
        let question = self.next(|message| matches!(message, DaemonMessage::RangeRequest { .. }).then_some(()));
        assert!(timeout(QUIET, question).await.is_err(), "a question came: {:?}", self.heard.last());
    }

    /// Takes frames until the daemon closes; the close code, `None` for a broken connection.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let closed = async {
            while let Some(Ok(frame)) = self.socket.next().await {
                if let Message::Close(Some(frame)) = frame {
                    return Some(frame.code.into());
                }
            }
            None
        };
        soon(closed).await
    }

    /// Grants everything to everyone from now on.
    pub(crate) fn be_generous(mut self) {
        tokio::spawn(async move {
            while let Some(Ok(frame)) = self.socket.next().await {
                let Message::Text(text) = frame else { continue };
                if let Ok(DaemonMessage::RangeRequest { request_id, .. }) = decode_control(&text) {
                    self.available(request_id).await;
                }
            }
        });
    }
}

/// A viewer's connection, byte by byte.
pub(crate) struct Viewer {
    stream: TcpStream,
    port: u16,
    buffer: Vec<u8>,
}

/// Status and headers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
}

/// A reply, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is as long as its `Content-Length`.
    pub(crate) is_complete: bool,
}

impl Viewer {
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Self { stream, port, buffer: vec![] }
    }

    pub(crate) async fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) {
        let mut request = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request += &format!("Host: 127.0.0.1:{}\r\n", self.port);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        self.send(format!("{request}\r\n").as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads more; `false` at the end of the connection, however it ends.
    async fn fill(&mut self) -> bool {
        let mut chunk = vec![0; 64 << 10];
        match self.stream.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.buffer.extend_from_slice(&chunk[..read]);
                true
            }
        }
    }

    /// The next status and headers; `None` when the connection ends before.
    pub(crate) async fn try_head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let fields = lines.filter_map(|line| line.split_once(": "));
        let headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Head { status, headers })
    }

    pub(crate) async fn head(&mut self) -> Head {
        soon(self.try_head()).await.expect("the connection ended before a reply")
    }

    /// Exactly this many bytes of the body, or fewer if the connection ends.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<u8> {
        let filled = async { while self.buffer.len() < count && self.fill().await {} };
        soon(filled).await;
        self.buffer.drain(..count.min(self.buffer.len())).collect()
    }

    /// Asserts that nothing comes for a while.
    pub(crate) async fn sees_nothing(&mut self) {
        let silent = self.buffer.is_empty() && timeout(QUIET, self.fill()).await.is_err();
        assert!(silent, "{} bytes came", self.buffer.len());
    }

    /// The whole reply to a request that has a body.
    pub(crate) async fn reply(&mut self) -> Reply {
        let Head { status, headers } = self.head().await;
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let body = self.take(if status == 304 { 0 } else { length }).await;
        Reply { status, headers, is_complete: body.len() == length, body }
    }

    /// Closes for reading and writing.
    pub(crate) fn leave(self) {}
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Head {
    #[track_caller]
    pub(crate) fn check(&self, status: u16, content_range: &str) {
        let shown = self.headers.get("content-range").map_or("", String::as_str);
        assert_eq!((self.status, shown), (status, content_range));
    }
}
