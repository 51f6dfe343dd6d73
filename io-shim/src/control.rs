//! The `/control` WebSocket: one engine's connection, from `hello` to its end.
//!
//! Owns the order of the conversation, the close codes, and the carrying of both planes: text frames to and from the
//! [desk](crate::desk), binary frames and rates to and from the I/O plane. Understands neither. Invariants: nothing an engine
//! sends is acted upon before its token is checked; at most one engine's I/O plane is open at any time; a stranger's frame
//! closes the socket and never panics.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use shared_proto::frame::{decode_batch, decode_control, encode_control};
use shared_proto::{CloseCode, DaemonMessage, EngineMessage, IoCommand, PROTOCOL_VERSION};
use tokio::sync::mpsc;
use tokio::time::timeout;
use warp::ws::{Message, WebSocket};

use crate::app::App;
use crate::events::{EventReceiver, EventSender, event_channel};
use crate::io_plane::IoPlane;
use crate::metrics::add;

/// How long a connection may stay silent before it says who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// How long the other end has to take its close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Why a connection ends.
#[derive(Debug)]
struct Closing {
    code: CloseCode,
    reason: String,
}

impl Closing {
    fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    fn malformed(reason: impl std::fmt::Display) -> Self {
        Self::new(CloseCode::Malformed, reason.to_string())
    }
}

/// What the engine said of itself.
struct Greeting {
    engine: String,
    session: String,
}

/// Serves one connection. `None` inside means that the other end is gone and there is nobody to close with.
pub(crate) async fn run(socket: WebSocket, app: Arc<App>) {
    let (mut sink, mut stream) = socket.split();
    let ended = match timeout(HELLO_WITHIN, greet(&mut stream, &app)).await {
        Err(_) => Some(Closing::new(CloseCode::HelloTimeout, "no hello within 5 s")),
        Ok(Err(closing)) => closing,
        Ok(Ok(greeting)) => Box::pin(attend(&mut sink, &mut stream, &app, &greeting)).await,
    };
    let Some(closing) = ended else { return };
    tracing::info!(code = closing.code.code(), reason = closing.reason, "control connection closed");
    let _ = timeout(CLOSE_WITHIN, close(&mut sink, &mut stream, closing)).await;
}

/// Waits for the first frame and checks it.
async fn greet(stream: &mut SplitStream<WebSocket>, app: &App) -> Result<Greeting, Option<Closing>> {
    let frame = match stream.next().await {
        Some(Ok(frame)) => frame,
        Some(Err(error)) => return Err(Some(Closing::malformed(error))),
        None => return Err(None),
    };
    let Ok(text) = frame.to_str() else {
        return Err((!frame.is_close()).then(|| Closing::malformed("the first frame has to be a hello")));
    };
    match decode_control(text) {
        Ok(EngineMessage::Hello { protocol, token, engine, session }) => {
            if !app.guard.is_token(&token) {
                return Err(Some(Closing::new(CloseCode::Token, "wrong token")));
            }
            if protocol != PROTOCOL_VERSION {
                let reason = format!("this daemon speaks protocol {PROTOCOL_VERSION}, the engine {protocol}");
                return Err(Some(Closing::new(CloseCode::Protocol, reason)));
            }
            Ok(Greeting { engine, session })
        }
        Ok(_) => Err(Some(Closing::malformed("the first frame has to be a hello"))),
        Err(error) => Err(Some(Closing::malformed(error))),
    }
}

/// The term of an engine.
async fn attend(
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
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

/// Carries both planes until something ends. When this future is dropped, the I/O plane is closed with it.
async fn converse(
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
    app: &Arc<App>,
    epoch: u64,
    outbox: &mut mpsc::Receiver<DaemonMessage>,
) -> Option<Closing> {
    let _chair = app.chair.lock().await;
    let (events, receiver) = event_channel(app.limits.io_window);
    let (files, state, metrics) = (Arc::clone(&app.files), Arc::clone(&app.state), Arc::clone(&app.metrics));
    let maps = Arc::clone(&app.port_maps);
    let mut plane = IoPlane::new(app.io.clone(), files, state, metrics, maps, events.clone());
    let roots = app.files.roots();
    let welcome = DaemonMessage::Welcome { protocol: PROTOCOL_VERSION, epoch, roots, limits: app.limits.clone() };
    if let Err(gone) = say(sink, app, &welcome).await {
        return gone;
    }
    tokio::select! {
        ended = hear(stream, app, epoch, &mut plane, &events) => ended,
        ended = speak(sink, app, outbox, receiver) => ended,
    }
}

/// Takes frames in order. A text frame of the range conversation is never behind a slow disk: the plane does not wait.
async fn hear(
    stream: &mut SplitStream<WebSocket>,
    app: &App,
    epoch: u64,
    plane: &mut IoPlane,
    events: &EventSender,
) -> Option<Closing> {
    while let Some(frame) = stream.next().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Some(Closing::malformed(error)),
        };
        if let Ok(text) = frame.to_str() {
            add(&app.metrics.control_text_in, text.len());
            match decode_control(text) {
                Ok(EngineMessage::RateLimit { group, down_bps, up_bps }) => plane.limit_rate(group, down_bps, up_bps),
                Ok(EngineMessage::RangeHint { file_id, start, end }) => {
                    if let Some(file) = app.desk.announced(epoch, &file_id) {
                        app.read_ahead.hint(file, start, end);
                    }
                }
                Ok(message) => {
                    if let Err(breach) = app.desk.handle(epoch, message) {
                        return Some(Closing::malformed(breach));
                    }
                }
                Err(error) => return Some(Closing::malformed(error)),
            }
        } else if frame.is_binary() {
            add(&app.metrics.control_io_in, frame.as_bytes().len());
            if let Err(error) = carry_out(frame.as_bytes(), plane, events) {
                return Some(Closing::malformed(error));
            }
        } else if frame.is_close() {
            return None;
        }
    }
    None
}

fn carry_out(frame: &[u8], plane: &mut IoPlane, events: &EventSender) -> Result<(), shared_proto::FrameError> {
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

/// Sends what the desk and the I/O plane have to say; the desk first, its words are few and viewers wait for them.
async fn speak(
    sink: &mut SplitSink<WebSocket, Message>,
    app: &App,
    outbox: &mut mpsc::Receiver<DaemonMessage>,
    mut events: EventReceiver,
) -> Option<Closing> {
    loop {
        let sent = tokio::select! {
            biased;
            message = outbox.recv() => match message {
                Some(message) => say(sink, app, &message).await,
                None => return Some(dismissal(CloseCode::GoingAway)),
            },
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

async fn say(
    sink: &mut SplitSink<WebSocket, Message>,
    app: &App,
    message: &DaemonMessage,
) -> Result<(), Option<Closing>> {
    let text = encode_control(message);
    add(&app.metrics.control_text_out, text.len());
    // A socket that cannot be written to is gone: nobody is left to be told why.
    sink.send(Message::text(text)).await.map_err(|_| None)
}

/// Says why, then reads until the other end has closed too, so that the reason is not lost to a reset.
async fn close(sink: &mut SplitSink<WebSocket, Message>, stream: &mut SplitStream<WebSocket>, closing: Closing) {
    let mut reason = closing.reason;
    // A close frame holds 125 bytes, two of them the code (RFC 6455 §5.5).
    let end = (0..=123.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    reason.truncate(end);
    if sink.send(Message::close_with(closing.code.code(), reason)).await.is_ok() {
        while let Some(Ok(frame)) = stream.next().await {
            if frame.is_close() {
                break;
            }
        }
    }
}
