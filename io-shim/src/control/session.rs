//! One control connection, from `hello` to its close frame.
//!
//! Owns the order of the conversation and the close codes. Carries text frames to and from the
//! [desk](crate::control::desk), and binary frames to and from the I/O plane. Interprets neither.
//! Invariants: the daemon acts on no message before it has checked the token; at most one engine's
//! I/O plane is open at any time; a malformed frame closes the connection and never panics.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use shared_proto::frame::{MAX_BINARY, decode_batch, decode_control, encode_control};
use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{
    CloseCode, DaemonMessage, EngineMessage, IoCommand, IoEvent, OpId, PROTOCOL_VERSION,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::control::context::Context;
use crate::control::desk::Outgoing;
use crate::control::unidentified::Permit;
use crate::control::websocket::{self, Gate, close_frame};
use crate::events::{EventReceiver, EventSender, event_channel};
use crate::files::error::op_error;
use crate::host::chosen_folders;
use crate::metrics::add;
use crate::plane::io_plane::{IoPlane, Stores};
use crate::state::StoreStatus;

/// How long a new connection may stay silent before its hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// Largest message before the hello is accepted, bytes. A hello has a few hundred bytes.
const MAX_HELLO: usize = 16 << 10;
/// How long the engine may take to answer a close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// The same for a connection that makes room for a new one.
const DISMISS_WITHIN: Duration = Duration::from_millis(50);

/// The stream below a WebSocket.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

type Sink<S> = SplitSink<WebSocketStream<S>, Message>;
type Source<S> = SplitStream<WebSocketStream<S>>;

/// Why the daemon closes a connection.
#[derive(Debug)]
struct Closing {
    code: u16,
    reason: String,
}

impl Closing {
    fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self { code: code.code(), reason: reason.into() }
    }

    fn malformed(reason: impl std::fmt::Display) -> Self {
        Self::new(CloseCode::Malformed, reason.to_string())
    }

    /// The close code for a malformed frame; `None` if the connection itself failed.
    fn broken(error: &tungstenite::Error) -> Option<Self> {
        Some(Self { code: websocket::close_code(error)?, reason: error.to_string() })
    }
}

/// What a valid hello says about the engine.
struct EngineName {
    engine: String,
    session: String,
}

/// Serves one control connection. It keeps its permit among the silent ones until its hello is
/// accepted.
pub(crate) async fn run<S: Wire>(stream: S, mut permit: Permit, context: Arc<Context>) {
    let config = websocket::config(MAX_HELLO);
    let mut door =
        WebSocketStream::from_raw_socket(Gate::new(stream), Role::Server, Some(config)).await;
    let (refused, patience) = tokio::select! {
        biased;
        greeted = timeout(HELLO_WITHIN, receive_hello(&mut door, &context)) => match greeted {
            Ok(Ok(name)) => {
                drop(permit);
                return serve_engine(door.into_inner().into_inner(), &context, &name).await;
            }
            Ok(Err(closing)) => (closing, CLOSE_WITHIN),
            Err(_) => {
                (Some(Closing::new(CloseCode::HelloTimeout, "no hello within 5 s")), CLOSE_WITHIN)
            }
        },
        _ = &mut permit.dismissed => {
            let reason = "others wait and this connection is silent";
            (Some(Closing::new(CloseCode::HelloTimeout, reason)), DISMISS_WITHIN)
        }
    };
    close(door, refused, patience).await;
}

/// Serves the connection of an engine whose hello is accepted.
async fn serve_engine<S: Wire>(stream: S, context: &Arc<Context>, name: &EngineName) {
    let config = websocket::config(MAX_BINARY);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (mut sink, mut source) = socket.split();
    let ended = Box::pin(run_session(&mut sink, &mut source, context, name)).await;
    if let Ok(socket) = source.reunite(sink) {
        close(socket, ended, CLOSE_WITHIN).await;
    }
}

/// Waits for the first message and checks it. An error without a [`Closing`] means that the other
/// end has left.
async fn receive_hello<S: Wire>(
    socket: &mut WebSocketStream<S>,
    context: &Context,
) -> Result<EngineName, Option<Closing>> {
    let first = loop {
        match socket.next().await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Err(None),
            Some(Ok(message)) => break message,
            Some(Err(error)) => return Err(Closing::broken(&error)),
        }
    };
    let Message::Text(text) = first else {
        return Err(Some(Closing::malformed("the first frame has to be a hello")));
    };
    match decode_control(text.as_str()) {
        Ok(EngineMessage::Hello { protocol, token, engine, session }) => {
            if !context.is_token(&token) {
                return Err(Some(Closing::new(CloseCode::Token, "wrong token")));
            }
            if protocol != PROTOCOL_VERSION {
                let reason = format!(
                    "this daemon speaks protocol {PROTOCOL_VERSION}, the engine {protocol}"
                );
                return Err(Some(Closing::new(CloseCode::Protocol, reason)));
            }
            Ok(EngineName { engine, session })
        }
        Ok(_) => Err(Some(Closing::malformed("the first frame has to be a hello"))),
        Err(error) => Err(Some(Closing::malformed(error))),
    }
}

/// Registers the engine at the desk for as long as its connection lasts.
async fn run_session<S: Wire>(
    sink: &mut Sink<S>,
    stream: &mut Source<S>,
    context: &Arc<Context>,
    name: &EngineName,
) -> Option<Closing> {
    let mut seat = context.desk.enter();
    let epoch = seat.epoch;
    tracing::info!(epoch, engine = name.engine, session = name.session, "engine connected");
    context.metrics.engines.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let ended = tokio::select! {
        biased;
        code = &mut seat.dismissed => Some(dismissal(code.unwrap_or(CloseCode::GoingAway))),
        ended = run_planes(sink, stream, context, epoch, &mut seat.outbox) => ended,
    };
    context.desk.leave(epoch);
    tracing::info!(epoch, "engine disconnected");
    ended
}

fn dismissal(code: CloseCode) -> Closing {
    match code {
        CloseCode::Superseded => Closing::new(code, "a newer engine took over"),
        _ => Closing::new(code, "the daemon ends this connection"),
    }
}

/// Carries both planes until one side ends the connection. Dropping this future closes the I/O
/// plane.
async fn run_planes<S: Wire>(
    sink: &mut Sink<S>,
    stream: &mut Source<S>,
    context: &Arc<Context>,
    epoch: u64,
    outbox: &mut mpsc::Receiver<Outgoing>,
) -> Option<Closing> {
    let _turn = context.plane_turn.lock().await;
    let (events, receiver) = event_channel(context.limits.io_window);
    let (files, metrics, maps) =
        (Arc::clone(&context.files), Arc::clone(&context.metrics), Arc::clone(&context.port_maps));
    let stores = Stores { state: Arc::clone(&context.state), notes: Arc::clone(&context.notes) };
    let mut plane = IoPlane::new(context.io.clone(), files, stores, metrics, maps, events.clone());
    let (roots, aside) = (context.files.roots(), context.files.roots_aside());
    let mut store = context.state.status();
    let welcome = DaemonMessage::Welcome {
        protocol: PROTOCOL_VERSION,
        epoch,
        roots,
        limits: context.limits.clone(),
    };
    if let Err(gone) = send_control(sink, context, &welcome).await {
        return gone;
    }
    if !aside.is_empty()
        && let Err(gone) =
            send_control(sink, context, &DaemonMessage::RootsAside { roots: aside }).await
    {
        return gone;
    }
    if *store.borrow() != StoreStatus::default() {
        store.mark_changed();
    }
    tokio::select! {
        ended = receive_frames(stream, context, epoch, &mut plane, &events) => ended,
        ended = send_messages(sink, context, (outbox, &mut store), receiver, &events) => ended,
    }
}

/// Handles incoming frames in order. The I/O plane never waits, so a slow disk does not delay text
/// frames.
async fn receive_frames<S: Wire>(
    stream: &mut Source<S>,
    context: &Arc<Context>,
    epoch: u64,
    plane: &mut IoPlane,
    events: &EventSender,
) -> Option<Closing> {
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(Message::Text(text)) => {
                add(&context.metrics.control_text_in, text.len());
                if let Err(closing) = handle_control(text.as_str(), context, epoch, plane, events) {
                    return Some(closing);
                }
            }
            Ok(Message::Binary(batch)) => {
                add(&context.metrics.control_io_in, batch.len());
                if let Err(error) = handle_batch(&batch, plane, events) {
                    return Some(Closing::malformed(error));
                }
            }
            Ok(Message::Close(_)) => return None,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(error) => return Closing::broken(&error),
        }
    }
    None
}

/// Acts on one control message.
fn handle_control(
    text: &str,
    context: &Arc<Context>,
    epoch: u64,
    plane: &mut IoPlane,
    events: &EventSender,
) -> Result<(), Closing> {
    match decode_control(text).map_err(Closing::malformed)? {
        EngineMessage::RateLimit { group, down_bps, up_bps } => {
            plane.limit_rate(group, down_bps, up_bps)
        }
        EngineMessage::RangeHint { file_id, start, end } => {
            if let Some(file) = context.desk.announced(epoch, &file_id) {
                let (root, path) = (file.root.clone(), file.path.clone());
                context.read_ahead.hint(root, path, file.length, start, end);
            }
        }
        EngineMessage::FileShow { answer, file_id } => {
            let (context, file) = (Arc::clone(context), context.desk.announced(epoch, &file_id));
            answer_later(answer, events, async move {
                let Some(file) = file else {
                    return Err(op_error(OpErrorKind::NotFound, "no such file was announced"));
                };
                context
                    .file_manager
                    .show(&context.files, &file.root, &file.path)
                    .await
                    .map(|()| OpOutput::Unit)
            });
        }
        EngineMessage::RootPrefer { answer, path } => {
            let context = Arc::clone(context);
            answer_later(answer, events, async move {
                let preferred =
                    move || chosen_folders::prefer(&context.files, &context.state_folder, &path);
                let ended = tokio::task::spawn_blocking(preferred).await;
                ended
                    .map_err(|_| op_error(OpErrorKind::Other, "choosing the folder failed"))?
                    .map(OpOutput::Roots)
            });
        }
        message => context.desk.handle(epoch, message).map_err(Closing::malformed)?,
    }
    Ok(())
}

/// Sends the answer on the I/O plane when the work is done. If the engine has left by then, the
/// answer is dropped.
fn answer_later(
    op: OpId,
    events: &EventSender,
    work: impl Future<Output = Result<OpOutput, OpError>> + Send + 'static,
) {
    let events = events.clone();
    tokio::spawn(async move { events.send(IoEvent::Done { op, result: work.await }).await });
}

fn handle_batch(
    frame: &[u8],
    plane: &mut IoPlane,
    events: &EventSender,
) -> Result<(), shared_proto::FrameError> {
    let mut costs = false;
    for command in decode_batch(frame)? {
        costs |= !matches!(command, IoCommand::Credit { .. });
        plane.handle(command);
    }
    if costs {
        events.return_credit(u32::try_from(frame.len()).unwrap_or(u32::MAX));
    }
    Ok(())
}

/// Sends the messages of the desk and of the I/O plane. The desk comes first: its messages are few,
/// and viewers wait for them.
async fn send_messages<S: Wire>(
    sink: &mut Sink<S>,
    context: &Context,
    (outbox, store): (&mut mpsc::Receiver<Outgoing>, &mut watch::Receiver<StoreStatus>),
    mut events: EventReceiver,
    sender: &EventSender,
) -> Option<Closing> {
    loop {
        let sent = tokio::select! {
            biased;
            message = outbox.recv() => match message {
                Some(Outgoing { message, content }) => {
                    let said = send_control(sink, context, &message).await;
                    if !content.is_empty() {
                        queue_content(content, sender.clone());
                    }
                    said
                }
                None => return Some(dismissal(CloseCode::GoingAway)),
            },
            Ok(()) = store.changed() => {
                let message = state_status(&store.borrow_and_update());
                send_control(sink, context, &message).await
            }
            batch = events.next_batch() => match batch {
                Some(batch) => {
                    add(&context.metrics.control_io_out, batch.len());
                    sink.send(Message::binary(batch)).await.map_err(|_| None)
                }
                None => return Some(dismissal(CloseCode::GoingAway)),
            },
        };
        if let Err(gone) = sent {
            return gone;
        }
    }
}

/// Queues the content of a call among the events, as space and credit allow.
fn queue_content(content: Vec<IoEvent>, events: EventSender) {
    tokio::spawn(async move {
        for part in content {
            events.send(part).await;
        }
    });
}

fn state_status(status: &StoreStatus) -> DaemonMessage {
    DaemonMessage::StateStatus {
        trouble: status.trouble.clone(),
        set_aside: status.set_aside.iter().map(|path| path.display().to_string()).collect(),
        begun_anew: status.begun_anew,
    }
}

async fn send_control<S: Wire>(
    sink: &mut Sink<S>,
    context: &Context,
    message: &DaemonMessage,
) -> Result<(), Option<Closing>> {
    let text = encode_control(message);
    add(&context.metrics.control_text_out, text.len());
    // The write failed, so the connection is gone and no close frame can be sent.
    sink.send(Message::text(text)).await.map_err(|_| None)
}

/// Closes the connection: sends a close frame, or answers the engine's, and waits for `patience`.
/// The daemon reads and drops what still arrives, because unread bytes would cause a TCP reset that
/// can destroy the close frame.
async fn close<S: Wire>(
    mut socket: WebSocketStream<S>,
    closing: Option<Closing>,
    patience: Duration,
) {
    let closed = async {
        match closing {
            Some(Closing { code, reason }) => {
                tracing::info!(code, reason, "control connection closed");
                socket.send(close_frame(code, reason)).await.ok()?;
                while socket
                    .next()
                    .await
                    .is_some_and(|read| read.is_ok_and(|message| !message.is_close()))
                {
                }
            }
            // The next read sends the echo of the close frame, and finds nothing more.
            None => while let Some(Ok(_)) = socket.next().await {},
        }
        let mut stream = socket.into_inner();
        stream.shutdown().await.ok()?;
        let mut rest = vec![0; 16 << 10];
        while stream.read(&mut rest).await.ok()? > 0 {}
        Some(())
    };
    let _ = timeout(patience, closed).await;
}
