//! The browser's host: a WebSocket, a timer and a clock in a dedicated worker.
//!
//! This is the only file that uses `wasm_bindgen`. The owner decides when to connect: each
//! `connect` is one attempt, and `disconnected` reports its end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use js_sys::{ArrayBuffer, Function, Promise, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, DedicatedWorkerGlobalScope, MessageEvent, WebSocket};

use super::{Brain, Notice};
use crate::config::Config;
use crate::discover::dht::DhtConfig;
use crate::link::Frame;
use crate::log_tail::LogTail;
use crate::net::NetConfig;
use crate::peer::policy::ConnectionPolicy;
use crate::time::Instant;
use crate::view::Intent;

/// Close code after a protocol violation by the daemon (RFC 6455 §7.4.2).
const PROTOCOL_BROKEN: u16 = 4400;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
export type HostEvent =
    | { kind: "connected"; epoch: number }
    | { kind: "disconnected"; code: number; reason: string }
    | { kind: "changed" };
"#;

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum HostEvent<'a> {
    Connected { epoch: u64 },
    Disconnected { code: u16, reason: &'a str },
    Changed,
}

/// A socket with the closures that the browser calls. Dropping it closes the socket and detaches
/// the closures.
struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // Closing a closed socket has no effect.
        let _ = self.socket.close();
    }
}

struct Inner {
    brain: Brain,
    scope: DedicatedWorkerGlobalScope,
    socket: Option<Socket>,
    on_event: Function,
    replies: HashMap<u64, (Function, Function)>,
    intents: u64,
    timer: Option<(i32, Instant)>,
    on_timer: Option<Closure<dyn FnMut()>>,
}

/// Returns the extension's initial settings; the user may change them.
fn config() -> Config {
    // Two browsers on one machine cannot share a port, so any port is used.
    let net = NetConfig { listen_port: Some(0), udp: true, port_mapping: true };
    let policy = ConnectionPolicy { utp: true, ..ConnectionPolicy::default() };
    Config {
        net,
        policy,
        dht: Some(DhtConfig::default()),
        adjustable: true,
        start_at_once: false,
        folders: true,
        ..Config::default()
    }
}

/// The engine in a worker.
#[wasm_bindgen]
pub struct EngineHost {
    inner: Rc<RefCell<Inner>>,
}

#[wasm_bindgen]
impl EngineHost {
    /// Creates a disconnected engine; it passes each `HostEvent` to `on_event`.
    ///
    /// # Errors
    /// Outside a dedicated worker, or without a source of random numbers.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "(event: HostEvent) => void")] on_event: Function,
    ) -> Result<EngineHost, JsError> {
        let scope: DedicatedWorkerGlobalScope = js_sys::global()
            .dyn_into()
            .map_err(|_| JsError::new("the engine lives in a dedicated worker"))?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| JsError::new(&error.to_string()))?;
        let now = clock(&scope);
        let log = LogTail::default();
        // A worker has one engine. A second engine would share the first one's log.
        let _ = tracing::subscriber::set_global_default(log.subscriber());
        let inner = Rc::new(RefCell::new(Inner {
            brain: Brain::with_config(Config { log, ..config() }, seed, now),
            scope,
            socket: None,
            on_event,
            replies: HashMap::new(),
            intents: 0,
            timer: None,
            on_timer: None,
        }));
        let weak = Rc::downgrade(&inner);
        inner.borrow_mut().on_timer = Some(Closure::new(move || {
            with(&weak, |inner| {
                inner.timer = None;
                let now = clock(&inner.scope);
                inner.brain.timeout(now);
            });
        }));
        Ok(Self { inner })
    }

    /// Tries once to connect to the daemon; replaces the previous connection.
    ///
    /// # Errors
    /// If `url` is not a WebSocket URL.
    pub fn connect(&self, url: &str, token: String) -> Result<(), JsError> {
        let socket = WebSocket::new(url).map_err(|_| JsError::new("not the URL of a WebSocket"))?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let weak = Rc::downgrade(&self.inner);
        let on_open = Closure::<dyn FnMut()>::new(move || {
            with(&weak, |inner| {
                let now = clock(&inner.scope);
                inner.brain.socket_opened(&token, now);
            });
        });
        let weak = Rc::downgrade(&self.inner);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            with(&weak, |inner| inner.receive(&event.data()));
        });
        let weak = Rc::downgrade(&self.inner);
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            with(&weak, |inner| inner.lost(event.code(), &event.reason()));
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        with(&Rc::downgrade(&self.inner), |inner| {
            let now = clock(&inner.scope);
            inner.socket = None;
            inner.brain.socket_closed(now);
            inner.socket = Some(Socket {
                socket,
                _on_open: on_open,
                _on_message: on_message,
                _on_close: on_close,
            });
        });
        Ok(())
    }

    /// Passes an intent to the engine; the promise resolves to an `IntentReply`.
    ///
    /// # Errors
    /// If `intent` is not an `Intent`.
    #[wasm_bindgen(unchecked_return_type = "Promise<any>")]
    pub fn intent(&self, intent: JsValue) -> Result<Promise, JsError> {
        let intent: Intent = serde_wasm_bindgen::from_value(intent)
            .map_err(|error| JsError::new(&error.to_string()))?;
        let weak = Rc::downgrade(&self.inner);
        Ok(Promise::new(&mut |resolve, reject| {
            with(&weak, |inner| {
                inner.intents += 1;
                let id = inner.intents;
                inner.replies.insert(id, (resolve, reject));
                let now = clock(&inner.scope);
                inner.brain.intent(id, intent.clone(), now);
            });
        }))
    }

    /// Returns the state of the whole engine as a `Snapshot`.
    ///
    /// # Errors
    /// Never: every snapshot converts to JavaScript.
    #[wasm_bindgen(unchecked_return_type = "any")]
    pub fn snapshot(&self) -> Result<JsValue, JsError> {
        let inner = self.inner.borrow();
        to_js(&inner.brain.snapshot(clock(&inner.scope)))
    }

    /// Returns the changes of these topics since the last call. The result is a list of
    /// `TopicUpdate`.
    ///
    /// A topic that the last call did not name is returned as a whole.
    ///
    /// # Errors
    /// If a topic is not a string; every update converts to JavaScript.
    #[wasm_bindgen(unchecked_return_type = "any")]
    pub fn updates(&self, topics: JsValue) -> Result<JsValue, JsError> {
        let topics: Vec<String> = serde_wasm_bindgen::from_value(topics)
            .map_err(|error| JsError::new(&error.to_string()))?;
        let mut inner = self.inner.borrow_mut();
        let now = clock(&inner.scope);
        to_js(&inner.brain.updates(&topics, now))
    }

    /// Returns a whole topic as last sent, as a `TopicUpdate`.
    ///
    /// `undefined` if the last call to `updates` did not name the topic.
    ///
    /// # Errors
    /// Never: every update converts to JavaScript.
    #[wasm_bindgen(unchecked_return_type = "any")]
    pub fn whole(&self, topic: &str) -> Result<JsValue, JsError> {
        to_js(&self.inner.borrow().brain.whole(topic))
    }

    /// Returns a file's pieces as a `PiecesView`; `undefined` if the file does not exist.
    ///
    /// # Errors
    /// Never: every view converts to JavaScript.
    #[wasm_bindgen(unchecked_return_type = "any")]
    pub fn pieces(&self, info_hash: &str, file_index: u32, cells: u32) -> Result<JsValue, JsError> {
        to_js(&self.inner.borrow().brain.pieces(info_hash, file_index, cells))
    }
}

impl Inner {
    fn receive(&mut self, data: &JsValue) {
        let now = clock(&self.scope);
        let outcome = if let Some(text) = data.as_string() {
            self.brain.socket_text(&text, now)
        } else if let Some(buffer) = data.dyn_ref::<ArrayBuffer>() {
            self.brain.socket_binary(&Uint8Array::new(buffer).to_vec(), now)
        } else {
            Ok(())
        };
        if let Err(error) = outcome {
            self.socket = None;
            self.lost(PROTOCOL_BROKEN, &error.to_string());
        }
    }

    fn lost(&mut self, code: u16, reason: &str) {
        let now = clock(&self.scope);
        self.socket = None;
        self.brain.socket_closed(now);
        self.emit(&HostEvent::Disconnected { code, reason });
    }

    /// Sends pending frames and events, and sets the timer.
    fn flush(&mut self) {
        while let Some(frame) = self.brain.poll_frame() {
            let Some(socket) = &self.socket else { continue };
            // A socket that is closing refuses frames; its close event follows.
            let _ = match frame {
                Frame::Text(text) => socket.socket.send_with_str(&text),
                Frame::Binary(data) => socket.socket.send_with_u8_array(&data),
            };
        }
        while let Some(notice) = self.brain.poll_notice() {
            match notice {
                Notice::Connected { epoch } => self.emit(&HostEvent::Connected { epoch }),
                Notice::Changed => self.emit(&HostEvent::Changed),
                Notice::Reply { id, reply } => {
                    if let (Some((resolve, _)), Ok(reply)) =
                        (self.replies.remove(&id), to_js(&reply))
                    {
                        let _ = resolve.call1(&JsValue::UNDEFINED, &reply);
                    }
                }
            }
        }
        self.set_timer();
    }

    fn set_timer(&mut self) {
        let wanted = self.brain.poll_timeout();
        if self.timer.map(|(_, at)| at) == wanted {
            return;
        }
        if let Some((id, _)) = self.timer.take() {
            self.scope.clear_timeout_with_handle(id);
        }
        let (Some(at), Some(callback)) = (wanted, &self.on_timer) else { return };
        let pause = at.saturating_since(clock(&self.scope)).as_millis();
        let pause = i32::try_from(pause).unwrap_or(i32::MAX);
        let callback = callback.as_ref().unchecked_ref();
        if let Ok(id) =
            self.scope.set_timeout_with_callback_and_timeout_and_arguments_0(callback, pause)
        {
            self.timer = Some((id, at));
        }
    }

    fn emit(&self, event: &HostEvent<'_>) {
        if let Ok(event) = to_js(event) {
            // Errors that the callback throws are ignored here.
            let _ = self.on_event.call1(&JsValue::UNDEFINED, &event);
        }
    }
}

/// Runs `act` on the host if it still exists, then sends what results.
fn with(inner: &Weak<RefCell<Inner>>, act: impl FnOnce(&mut Inner)) {
    if let Some(inner) = inner.upgrade() {
        let mut inner = inner.borrow_mut();
        act(&mut inner);
        inner.flush();
    }
}

fn clock(scope: &DedicatedWorkerGlobalScope) -> Instant {
    let ms = scope.performance().map_or(0.0, |performance| performance.now());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a clock is positive and far below 2^53"
    )]
    Instant((ms * 1000.0) as u64)
}

fn to_js(value: &impl Serialize) -> Result<JsValue, JsError> {
    let serializer = serde_wasm_bindgen::Serializer::new()
        .serialize_maps_as_objects(true)
        .serialize_missing_as_null(true);
    value.serialize(&serializer).map_err(|error| JsError::new(&error.to_string()))
}
