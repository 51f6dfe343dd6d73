//! The native host: a WebSocket, a timer and a clock in one task.
//!
//! This is the library's only file that uses tokio. It works like the browser's host: each
//! [`Host::connect`] is one attempt, [`HostEvent::Disconnected`] reports its end, and the owner
//! decides whether to try again. The task ends when the last [`Host`] is dropped.

use std::collections::HashMap;
use std::future::pending;
use std::time::{Duration, Instant as Clock};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use shared_proto::CloseCode;
use shared_proto::frame::{MAX_BINARY, MAX_TEXT};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::{Brain, Notice};
use crate::config::Config;
use crate::link::Frame;
use crate::time::Instant;
use crate::view::{Intent, IntentReply, Snapshot};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Close code for a connection that ended without one (RFC 6455 §7.1.5).
const ABNORMAL: u16 = 1006;

/// An event for the owner of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// The daemon accepted this engine.
    Connected {
        /// The engine's term at the daemon.
        epoch: u64,
    },
    /// The connection to the daemon ended.
    Disconnected {
        /// Close code.
        code: u16,
        /// The daemon's reason, or the local error.
        reason: String,
    },
    /// The next snapshot differs from the last one in more than numbers.
    Changed,
}

/// Why a request to the host failed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The operating system provides no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// No WebSocket could be opened at the daemon's address.
    #[error("the daemon does not answer: {0}")]
    Unreachable(#[source] Box<tungstenite::Error>),
    /// The engine's task ended because it panicked.
    #[error("the engine has failed")]
    Gone,
}

/// A handle to an engine in a task of the current tokio runtime.
#[derive(Clone, Debug)]
pub struct Host {
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
enum Order {
    Attach(Box<Socket>, String),
    Intent(Intent, oneshot::Sender<IntentReply>),
    Snapshot(oneshot::Sender<Snapshot>),
}

impl Host {
    /// Starts a disconnected engine. Its events arrive at the receiver.
    ///
    /// # Errors
    /// [`HostError::Random`].
    pub fn start(config: Config) -> Result<(Self, mpsc::UnboundedReceiver<HostEvent>), HostError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let (orders, inbox) = mpsc::unbounded_channel();
        let (events, happened) = mpsc::unbounded_channel();
        let carrier = Carrier {
            brain: Brain::with_config(config, seed, Instant(0)),
            began: Clock::now(),
            link: None,
            events,
            replies: HashMap::new(),
            intents: 0,
        };
        tokio::spawn(carrier.run(inbox));
        Ok((Self { orders }, happened))
    }

    /// Tries once to connect to the daemon; replaces the previous connection.
    ///
    /// # Errors
    /// [`HostError::Unreachable`] if no WebSocket can be opened.
    pub async fn connect(&self, url: &str, token: String) -> Result<(), HostError> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_TEXT.max(MAX_BINARY)))
            .max_frame_size(Some(MAX_TEXT.max(MAX_BINARY)));
        let (socket, _) = connect_async_with_config(url, Some(config), true)
            .await
            .map_err(|error| HostError::Unreachable(Box::new(error)))?;
        self.order(Order::Attach(Box::new(socket), token))
    }

    /// Passes an intent to the engine and waits for the result.
    ///
    /// The engine answers only once it is connected and has read its stored state.
    ///
    /// # Errors
    /// [`HostError::Gone`].
    pub async fn intent(&self, intent: Intent) -> Result<IntentReply, HostError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Intent(intent, reply))?;
        answer.await.map_err(|_| HostError::Gone)
    }

    /// Returns the state of the whole engine.
    ///
    /// # Errors
    /// [`HostError::Gone`].
    pub async fn snapshot(&self) -> Result<Snapshot, HostError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Snapshot(reply))?;
        answer.await.map_err(|_| HostError::Gone)
    }

    fn order(&self, order: Order) -> Result<(), HostError> {
        self.orders.send(order).map_err(|_| HostError::Gone)
    }
}

/// An open socket. A separate task writes, so that reading never waits for writing. The daemon's
/// credit limits the amount of unwritten data.
struct Open {
    incoming: SplitStream<Socket>,
    outgoing: mpsc::UnboundedSender<Message>,
}

struct Carrier {
    brain: Brain,
    began: Clock,
    link: Option<Open>,
    events: mpsc::UnboundedSender<HostEvent>,
    replies: HashMap<u64, oneshot::Sender<IntentReply>>,
    intents: u64,
}

impl Carrier {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            self.flush();
            let wakeup =
                self.brain.poll_timeout().map(|at| self.began + Duration::from_micros(at.0));
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.handle_order(order),
                    None => return,
                },
                message = incoming(&mut self.link) => self.receive(message),
                () = sleep_until(wakeup) => {
                    let now = self.now();
                    self.brain.timeout(now);
                }
            }
        }
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn handle_order(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::Attach(socket, token) => {
                let (sink, incoming) = (*socket).split();
                let (outgoing, frames) = mpsc::unbounded_channel();
                tokio::spawn(write(sink, frames));
                self.link = Some(Open { incoming, outgoing });
                self.brain.socket_opened(&token, now);
            }
            Order::Intent(intent, reply) => {
                self.intents += 1;
                self.replies.insert(self.intents, reply);
                self.brain.intent(self.intents, intent, now);
            }
            // The receiver may have been dropped.
            Order::Snapshot(reply) => drop(reply.send(self.brain.snapshot(now))),
        }
    }

    fn receive(&mut self, message: Option<Result<Message, tungstenite::Error>>) {
        let now = self.now();
        let outcome = match message {
            Some(Ok(Message::Text(text))) => self.brain.socket_text(&text, now),
            Some(Ok(Message::Binary(data))) => self.brain.socket_binary(&data, now),
            Some(Ok(Message::Close(frame))) => {
                return match frame {
                    Some(frame) => self.lost(frame.code.into(), frame.reason.to_string()),
                    None => self.lost(ABNORMAL, "the daemon hung up".to_owned()),
                };
            }
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => return self.lost(ABNORMAL, error.to_string()),
            None => return self.lost(ABNORMAL, "the daemon hung up".to_owned()),
        };
        if let Err(error) = outcome {
            self.lost(CloseCode::Malformed.code(), error.to_string());
        }
    }

    fn lost(&mut self, code: u16, reason: String) {
        let now = self.now();
        self.link = None;
        self.brain.socket_closed(now);
        self.emit(HostEvent::Disconnected { code, reason });
    }

    /// Sends pending frames and events.
    fn flush(&mut self) {
        while let Some(frame) = self.brain.poll_frame() {
            let message = match frame {
                Frame::Text(text) => Message::text(text),
                Frame::Binary(data) => Message::binary(data),
            };
            // If the writer has ended, the next read reports the end of the connection.
            let _ = self.link.as_ref().map(|link| link.outgoing.send(message));
        }
        while let Some(notice) = self.brain.poll_notice() {
            match notice {
                Notice::Connected { epoch } => self.emit(HostEvent::Connected { epoch }),
                Notice::Changed => self.emit(HostEvent::Changed),
                Notice::Reply { id, reply } => {
                    // The receiver may have been dropped.
                    let _ = self.replies.remove(&id).map(|waiting| waiting.send(reply));
                }
            }
        }
    }

    fn emit(&self, event: HostEvent) {
        // The owner may have dropped the receiver.
        let _ = self.events.send(event);
    }
}

async fn incoming(link: &mut Option<Open>) -> Option<Result<Message, tungstenite::Error>> {
    match link {
        Some(link) => link.incoming.next().await,
        None => pending().await,
    }
}

async fn sleep_until(moment: Option<Clock>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => pending().await,
    }
}

/// Writes frames, then closes the socket. Ends when the socket fails or the sender is dropped.
async fn write(mut sink: SplitSink<Socket, Message>, mut frames: mpsc::UnboundedReceiver<Message>) {
    while let Some(frame) = frames.recv().await {
        if sink.feed(frame).await.is_err() {
            return;
        }
        if frames.is_empty() && sink.flush().await.is_err() {
            return;
        }
    }
    // The peer may have closed the socket already.
    let _ = sink.close().await;
}

#[cfg(test)]
mod tests {
    use shared_proto::frame::{decode_control, encode_control};
    use shared_proto::{DaemonMessage, EngineMessage, Limits, PROTOCOL_VERSION};
    use tokio::net::TcpListener;

    use super::*;

    type Daemon = WebSocketStream<TcpStream>;

    /// Returns a host that is connected to a daemon played by the test.
    async fn linked() -> (Host, mpsc::UnboundedReceiver<HostEvent>, Daemon) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/control", listener.local_addr().unwrap());
        let (host, mut events) = Host::start(Config::default()).unwrap();
        let accept = async {
            tokio_tungstenite::accept_async(listener.accept().await.unwrap().0).await.unwrap()
        };
        let (connected, mut daemon) = tokio::join!(host.connect(&url, "secret".into()), accept);
        connected.unwrap();
        let hello = daemon.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(matches!(
            decode_control(&hello).unwrap(),
            EngineMessage::Hello { token, .. } if token == "secret"
        ));
        let limits = Limits { max_conns: 1, max_files: 1, io_window: 1 << 20, max_wait_ms: 1 };
        let welcome =
            DaemonMessage::Welcome { protocol: PROTOCOL_VERSION, epoch: 7, roots: vec![], limits };
        daemon.send(Message::text(encode_control(&welcome))).await.unwrap();
        assert_eq!(events.recv().await, Some(HostEvent::Connected { epoch: 7 }));
        (host, events, daemon)
    }

    async fn disconnected(events: &mut mpsc::UnboundedReceiver<HostEvent>) -> (u16, String) {
        loop {
            if let HostEvent::Disconnected { code, reason } = events.recv().await.unwrap() {
                return (code, reason);
            }
        }
    }

    #[tokio::test]
    async fn a_welcome_links_the_engine_and_its_first_commands_follow() {
        let (host, _events, mut daemon) = linked().await;
        assert!(daemon.next().await.unwrap().unwrap().is_binary());
        assert!(host.snapshot().await.unwrap().torrents.is_empty());
    }

    #[tokio::test]
    async fn the_reason_for_a_close_is_reported() {
        let (_host, mut events, mut daemon) = linked().await;
        let frame = tungstenite::protocol::CloseFrame {
            code: 4409.into(),
            reason: "a newer engine took over".into(),
        };
        daemon.send(Message::Close(Some(frame))).await.unwrap();
        assert_eq!(disconnected(&mut events).await, (4409, "a newer engine took over".to_owned()));
    }

    #[tokio::test]
    async fn malformed_frames_end_the_connection() {
        let (_host, mut events, mut daemon) = linked().await;
        daemon.send(Message::text("nonsense")).await.unwrap();
        assert_eq!(disconnected(&mut events).await.0, CloseCode::Malformed.code());
    }

    #[tokio::test]
    async fn an_unreachable_daemon_fails_only_that_attempt() {
        let (host, _events) = Host::start(Config::default()).unwrap();
        assert!(matches!(
            host.connect("ws://127.0.0.1:1/control", String::new()).await,
            Err(HostError::Unreachable(_))
        ));
        assert!(host.snapshot().await.is_ok());
    }
}
