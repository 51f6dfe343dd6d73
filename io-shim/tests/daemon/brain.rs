//! An engine driven by a test. It remembers everything that it received.

use futures_util::{SinkExt, StreamExt};
use shared_proto::frame::{decode_batch, decode_control, encode_batch, encode_control};
use shared_proto::io::OpOutput;
use shared_proto::{
    DaemonMessage, EngineMessage, FileId, IoCommand, IoEvent, Limits, OpId, PROTOCOL_VERSION,
    RequestId, Root,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::waiting::{KEY, QUIET, soon};

/// An engine's end of the control WebSocket.
pub(crate) struct Brain {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) epoch: u64,
    pub(crate) roots: Vec<Root>,
    pub(crate) limits: Option<Limits>,
    /// All messages so far.
    pub(crate) heard: Vec<DaemonMessage>,
    /// All events so far, and how many of them were looked at.
    pub(crate) events: Vec<IoEvent>,
    seen: usize,
    /// Bytes of command frames so far, without those that hold only credit.
    pub(crate) ordered: usize,
}

impl Brain {
    pub(crate) async fn connect(
        port: u16,
        origin: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://127.0.0.1:{port}/control").into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self {
            socket,
            epoch: 0,
            roots: vec![],
            limits: None,
            heard: vec![],
            events: vec![],
            seen: 0,
            ordered: 0,
        })
    }

    pub(crate) async fn hello(&mut self, token: &str) {
        self.hello_of(token, PROTOCOL_VERSION).await;
    }

    pub(crate) async fn hello_of(&mut self, token: &str, protocol: u32) {
        self.tell(EngineMessage::Hello {
            protocol,
            token: token.into(),
            engine: "test".into(),
            session: "s".into(),
        })
        .await;
    }

    pub(crate) async fn welcomed(&mut self) {
        let (epoch, roots, limits) = self
            .next(|message| match message {
                DaemonMessage::Welcome { epoch, roots, limits, .. } => {
                    Some((*epoch, roots.clone(), limits.clone()))
                }
                _ => None,
            })
            .await;
        (self.epoch, self.roots, self.limits) = (epoch, roots, Some(limits));
    }

    pub(crate) async fn tell(&mut self, message: EngineMessage) {
        self.send(Message::text(encode_control(&message))).await;
    }

    pub(crate) async fn send(&mut self, frame: Message) {
        // If the daemon closes meanwhile, its next frame shows it.
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

    /// The next wanted message; others only stay in `heard`.
    pub(crate) async fn next<T>(
        &mut self,
        mut wanted: impl FnMut(&DaemonMessage) -> Option<T>,
    ) -> T {
        loop {
            let frame = self
                .socket
                .next()
                .await
                .expect("the daemon has closed")
                .expect("the connection broke");
            let Message::Text(text) = frame else { continue };
            let message: DaemonMessage = decode_control(&text).unwrap();
            let found = wanted(&message);
            self.heard.push(message);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// The next request: its id and range.
    pub(crate) async fn asked(&mut self) -> (RequestId, u64, u64) {
        soon(self.next(|message| match message {
            DaemonMessage::RangeRequest { request_id, start, end, .. } => {
                Some((*request_id, *start, *end))
            }
            _ => None,
        }))
        .await
    }

    pub(crate) async fn cancelled(&mut self, id: RequestId) {
        soon(self.next(|message| {
            (*message == DaemonMessage::RangeCancel { request_id: id }).then_some(())
        }))
        .await;
    }

    /// Grants up to `end` inclusive.
    pub(crate) async fn ready(&mut self, id: RequestId, end: u64) {
        self.tell(EngineMessage::RangeReady { request_id: id, end: Some(end) }).await;
    }

    pub(crate) async fn available(&mut self, id: RequestId) {
        self.tell(EngineMessage::RangeAvailable { request_id: id, end: None }).await;
    }

    /// Takes back the bytes from the first to the last.
    pub(crate) async fn revoke(&mut self, id: &str, start: u64, end: u64) {
        self.tell(EngineMessage::RangeRevoke { file_id: FileId::from(id), start, end }).await;
    }

    pub(crate) async fn block(&mut self, id: RequestId) {
        self.tell(EngineMessage::RangeBlock { request_id: id, reason: None, eta_ms: None }).await;
    }

    pub(crate) async fn reject(&mut self, id: RequestId, status: Option<u16>) {
        self.tell(EngineMessage::RangeReject {
            request_id: id,
            status,
            reason: None,
            retry_after: None,
        })
        .await;
    }

    /// Sends a batch of commands.
    pub(crate) async fn order(&mut self, commands: &[IoCommand]) {
        let frame = encode_batch(commands);
        if !commands.iter().all(|command| matches!(command, IoCommand::Credit { .. })) {
            self.ordered += frame.len();
        }
        self.send(Message::binary(frame)).await;
    }

    /// Takes the next frame of events and returns its size. Skips frames that hold only credit,
    /// which are free.
    pub(crate) async fn io_frame(&mut self) -> usize {
        loop {
            let frame = self
                .socket
                .next()
                .await
                .expect("the daemon has closed")
                .expect("the connection broke");
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

    /// The result of a command, which must be the next event.
    pub(crate) async fn done(&mut self, wanted: OpId) -> OpOutput {
        match self.event().await {
            IoEvent::Done { op, result: Ok(output) } if op == wanted => output,
            other => panic!("instead of {wanted}: {other:?}"),
        }
    }

    /// Asserts that no request comes for a while.
    pub(crate) async fn hears_no_question(&mut self) {
        let question = self
            .next(|message| matches!(message, DaemonMessage::RangeRequest { .. }).then_some(()));
        assert!(
            timeout(QUIET, question).await.is_err(),
            "a question came: {:?}",
            self.heard.last()
        );
    }

    /// Reads until the daemon closes. Returns the close code; `None` for a broken connection.
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

    /// Grants everything from now on.
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
