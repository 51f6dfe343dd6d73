//! The `/control` WebSocket: one engine's connection, from `hello` to its end.
//!
//! Owns the order of the conversation, the close codes, and the carrying of both planes: text
//! frames to and from the [desk](crate::control::desk), binary frames and rates to and from the I/O plane.
//! Understands neither. Invariants: nothing an engine sends is acted upon before its token is
//! checked; at most one engine's I/O plane is open at any time; a stranger's frame closes the
//! socket and never panics.

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

use crate::control::desk::Said;
use crate::control::doorstep::Standing;
use crate::control::websocket::{self, Gate, close_frame};
use crate::events::{EventReceiver, EventSender, event_channel};
use crate::files::error::op_error;
use crate::host::chosen_folders;
use crate::http::app::App;
use crate::metrics::add;
use crate::plane::io_plane::{IoPlane, Stores};
use crate::state::StoreStatus;

/// How long a connection may stay silent before it says who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// Largest message before the hello is accepted, bytes. A hello is a few hundred bytes long.
const MAX_HELLO: usize = 16 << 10;
/// How long the other end has to take its close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// How long a connection that makes room for another has to take its close frame.
const DISMISS_WITHIN: Duration = Duration::from_millis(50);

/// What a WebSocket runs over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

type Sink<S> = SplitSink<WebSocketStream<S>, Message>;
type Source<S> = SplitStream<WebSocketStream<S>>;

/// Why a connection ends.
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

    /// What is wrong with the other end's frames; `None`: the connection is broken.
    fn broken(error: &tungstenite::Error) -> Option<Self> {
        Some(Self { code: websocket::close_code(error)?, reason: error.to_string() })
    }
}

/// What the engine said of itself.
struct Greeting {
    engine: String,
    session: String,
}

/// Serves one connection, which gives its place on the doorstep up as soon as it is known.
pub(crate) async fn run<S: Wire>(stream: S, mut standing: Standing, app: Arc<App>) {
    let config = websocket::config(MAX_HELLO);
    let mut door =
        WebSocketStream::from_raw_socket(Gate::new(stream), Role::Server, Some(config)).await;
    let (refused, patience) = tokio::select! {
        biased;
        greeted = timeout(HELLO_WITHIN, greet(&mut door, &app)) => match greeted {
            Ok(Ok(greeting)) => {
                drop(standing);
                return serve(door.into_inner().into_inner(), &app, &greeting).await;
            }
            Ok(Err(closing)) => (closing, CLOSE_WITHIN),
            Err(_) => (Some(Closing::new(CloseCode::HelloTimeout, "no hello within 5 s")), CLOSE_WITHIN),
        },
        _ = &mut standing.dismissed => {
            (Some(Closing::new(CloseCode::HelloTimeout, "others wait and this connection is silent")), DISMISS_WITHIN)
        }
    };
    end(door, refused, patience).await;
}

/// Serves the connection of an engine that is known.
async fn serve<S: Wire>(stream: S, app: &Arc<App>, greeting: &Greeting) {
    let config = websocket::config(MAX_BINARY);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (mut sink, mut source) = socket.split();
    let ended = Box::pin(attend(&mut sink, &mut source, app, greeting)).await;
    if let Ok(socket) = source.reunite(sink) {
        end(socket, ended, CLOSE_WITHIN).await;
    }
}

/// Waits for the first message and checks it. `None` inside an error means that the other end is
/// gone, or has closed by itself.
async fn greet<S: Wire>(
    socket: &mut WebSocketStream<S>,
    app: &App,
) -> Result<Greeting, Option<Closing>> {
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
            if !app.guard.is_token(&token) {
                return Err(Some(Closing::new(CloseCode::Token, "wrong token")));
            }
            if protocol != PROTOCOL_VERSION {
                let reason = format!(
                    "this daemon speaks protocol {PROTOCOL_VERSION}, the engine {protocol}"
                );
                return Err(Some(Closing::new(CloseCode::Protocol, reason)));
            }
            Ok(Greeting { engine, session })
        }
        Ok(_) => Err(Some(Closing::malformed("the first frame has to be a hello"))),
        Err(error) => Err(Some(Closing::malformed(error))),
    }
}

/// The term of an engine.
async fn attend<S: Wire>(
    sink: &mut Sink<S>,
    stream: &mut Source<S>,
    app: &Arc<App>,
    greeting: &Greeting,
) -> Option<Closing> {
    let mut seat = app.desk.enter();
    let epoch = seat.epoch;
    tracing::info!(epoch, engine = greeting.engine, session = greeting.session, "engine connected");
    app.metrics.engines.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let ended = tokio::select! {
        biased;
        code = &mut seat.dismissed => Some(dismissal(code.unwrap_or(CloseCode::GoingAway))),
        ended = converse(sink, stream, app, epoch, &mut seat.outbox) => ended,
    };
    app.desk.leave(epoch);
    tracing::info!(epoch, "engine gone");
    ended
}

fn dismissal(code: CloseCode) -> Closing {
    match code {
        CloseCode::Superseded => Closing::new(code, "a newer engine took over"),
        _ => Closing::new(code, "the daemon ends this connection"),
    }
}

/// Carries both planes until something ends. When this future is dropped, the I/O plane is closed
/// with it.
async fn converse<S: Wire>(
    sink: &mut Sink<S>,
    stream: &mut Source<S>,
    app: &Arc<App>,
    epoch: u64,
    outbox: &mut mpsc::Receiver<Said>,
) -> Option<Closing> {
    let _chair = app.chair.lock().await;
    let (events, receiver) = event_channel(app.limits.io_window);
    let (files, metrics, maps) =
        (Arc::clone(&app.files), Arc::clone(&app.metrics), Arc::clone(&app.port_maps));
    let stores = Stores { state: Arc::clone(&app.state), notes: Arc::clone(&app.notes) };
    let mut plane = IoPlane::new(app.io.clone(), files, stores, metrics, maps, events.clone());
    let (roots, aside) = (app.files.roots(), app.files.roots_aside());
    let mut store = app.state.status();
    let welcome = DaemonMessage::Welcome {
        protocol: PROTOCOL_VERSION,
        epoch,
        roots,
        limits: app.limits.clone(),
    };
    if let Err(gone) = say(sink, app, &welcome).await {
        return gone;
    }
    if !aside.is_empty()
        && let Err(gone) = say(sink, app, &DaemonMessage::RootsAside { roots: aside }).await
    {
        return gone;
    }
    if *store.borrow() != StoreStatus::default() {
        store.mark_changed();
    }
    tokio::select! {
        ended = hear(stream, app, epoch, &mut plane, &events) => ended,
        ended = speak(sink, app, (outbox, &mut store), receiver, &events) => ended,
    }
}

/// Takes frames in order. A text frame of the range conversation is never behind a slow disk: the
/// plane does not wait.
async fn hear<S: Wire>(
    stream: &mut Source<S>,
    app: &Arc<App>,
    epoch: u64,
    plane: &mut IoPlane,
    events: &EventSender,
) -> Option<Closing> {
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(Message::Text(text)) => {
                add(&app.metrics.control_text_in, text.len());
                if let Err(closing) = obey(text.as_str(), app, epoch, plane, events) {
                    return Some(closing);
                }
            }
            Ok(Message::Binary(batch)) => {
                add(&app.metrics.control_io_in, batch.len());
                if let Err(error) = carry_out(&batch, plane, events) {
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

/// Does what one control message says.
fn obey(
    text: &str,
    app: &Arc<App>,
    epoch: u64,
    plane: &mut IoPlane,
    events: &EventSender,
) -> Result<(), Closing> {
    match decode_control(text).map_err(Closing::malformed)? {
        EngineMessage::RateLimit { group, down_bps, up_bps } => {
            plane.limit_rate(group, down_bps, up_bps)
        }
        EngineMessage::RangeHint { file_id, start, end } => {
            if let Some(file) = app.desk.announced(epoch, &file_id) {
                app.read_ahead.hint(file, start, end);
            }
        }
        EngineMessage::FileShow { answer, file_id } => {
            let (app, file) = (Arc::clone(app), app.desk.announced(epoch, &file_id));
            answer_later(answer, events, async move {
                let Some(file) = file else {
                    return Err(op_error(OpErrorKind::NotFound, "no such file was announced"));
                };
                app.file_manager.show(&app.files, &file).await.map(|()| OpOutput::Unit)
            });
        }
        EngineMessage::RootPrefer { answer, path } => {
            let app = Arc::clone(app);
            answer_later(answer, events, async move {
                let preferred =
                    move || chosen_folders::prefer(&app.files, &app.state_folder, &path);
                let ended = tokio::task::spawn_blocking(preferred).await;
                ended
                    .map_err(|_| op_error(OpErrorKind::Other, "that has failed"))?
                    .map(OpOutput::Roots)
            });
        }
        message => app.desk.handle(epoch, message).map_err(Closing::malformed)?,
    }
    Ok(())
}

/// Answers on the I/O plane when the work is done. An engine that is gone by then is not told.
fn answer_later(
    op: OpId,
    events: &EventSender,
    work: impl Future<Output = Result<OpOutput, OpError>> + Send + 'static,
) {
    let events = events.clone();
    tokio::spawn(async move { events.send(IoEvent::Done { op, result: work.await }).await });
}

fn carry_out(
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

/// Sends what the desk and the I/O plane have to say; the desk first, its words are few and viewers
/// wait for them.
async fn speak<S: Wire>(
    sink: &mut Sink<S>,
    app: &App,
    (outbox, store): (&mut mpsc::Receiver<Said>, &mut watch::Receiver<StoreStatus>),
    mut events: EventReceiver,
    sender: &EventSender,
) -> Option<Closing> {
    loop {
        let sent = tokio::select! {
            biased;
            message = outbox.recv() => match message {
                Some(Said { message, content }) => {
                    let said = say(sink, app, &message).await;
                    if !content.is_empty() {
                        carry(content, sender.clone());
                    }
                    said
                }
                None => return Some(dismissal(CloseCode::GoingAway)),
            },
            Ok(()) = store.changed() => {
                let message = state_status(&store.borrow_and_update());
                say(sink, app, &message).await
            }
            batch = events.next_batch() => match batch {
                Some(batch) => {
                    add(&app.metrics.control_io_out, batch.len());
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

/// Puts the content of a call among the events, as room and credit allow.
fn carry(content: Vec<IoEvent>, events: EventSender) {
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

async fn say<S: Wire>(
    sink: &mut Sink<S>,
    app: &App,
    message: &DaemonMessage,
) -> Result<(), Option<Closing>> {
    let text = encode_control(message);
    add(&app.metrics.control_text_out, text.len());
    // A socket that cannot be written to is gone: nobody is left to be told why.
    sink.send(Message::text(text)).await.map_err(|_| None)
}

/// Says why the connection ends, or answers the close frame of the other end, which has this long
/// to take it. What else still comes is read and thrown away: a close frame could be lost to a
/// reset that unread bytes cause.
async fn end<S: Wire>(
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
            // The echo of a close frame goes out with the next read, which finds nothing more.
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
