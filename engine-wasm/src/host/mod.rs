//! The part that all hosts share: an engine and its connection to the daemon.
//!
//! A host moves frames and reads the clock; it makes no decisions. This module owns the engine and
//! the current [`Link`] and passes outputs between them. The host sends frames, delivers notices to
//! its owner, and runs one timer.

#[cfg(not(target_arch = "wasm32"))]
pub mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

use std::collections::VecDeque;

use data_encoding::HEXLOWER;

use crate::config::Config;
use crate::engine::Engine;
use crate::io::{Input, Output};
use crate::link::{Frame, Link, LinkError};
use crate::net::NetConfig;
use crate::time::Instant;
use crate::view::topics::{TopicUpdate, Topics};
use crate::view::{Intent, IntentReply, PiecesView, Snapshot};

/// The engine's name in the handshake with the daemon.
const ENGINE_NAME: &str = concat!("jstorrent-engine/", env!("CARGO_PKG_VERSION"));

/// A notice for the owner of the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Notice {
    /// The daemon accepted this engine.
    Connected {
        /// The engine's term at the daemon.
        epoch: u64,
    },
    /// The result of an intent.
    Reply {
        /// The intent's id.
        id: u64,
        /// The result.
        reply: IntentReply,
    },
    /// The next snapshot differs from the last one in more than numbers.
    Changed,
}

/// An engine and its connection to the daemon.
#[derive(Debug)]
pub struct Brain {
    engine: Engine,
    link: Option<Link>,
    linked: bool,
    session: String,
    notices: VecDeque<Notice>,
    topics: Topics,
}

impl Brain {
    /// Creates a disconnected engine with default settings and datagram sockets.
    ///
    /// `seed` is its only source of randomness.
    pub fn new(seed: [u8; 32], now: Instant) -> Self {
        let net = NetConfig { udp: true, ..NetConfig::default() };
        Self::with_config(Config { net, ..Config::default() }, seed, now)
    }

    /// Creates a disconnected engine with these settings.
    pub fn with_config(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let session = HEXLOWER.encode(&std::array::from_fn::<u8, 8, _>(|at| seed[at] ^ 0x5a));
        Self {
            engine: Engine::new(config, seed, now),
            link: None,
            linked: false,
            session,
            notices: VecDeque::new(),
            topics: Topics::default(),
        }
    }

    /// Handles a new WebSocket to the daemon.
    pub fn socket_opened(&mut self, token: &str, now: Instant) {
        self.socket_closed(now);
        self.link = Some(Link::open(token, ENGINE_NAME, &self.session));
    }

    /// Handles a text frame.
    ///
    /// # Errors
    /// [`LinkError`]; the caller must close the socket.
    pub(crate) fn socket_text(&mut self, text: &str, now: Instant) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let input = link.handle_text(text)?;
        if let Input::Linked { epoch, .. } = input {
            self.linked = true;
            self.notices.push_back(Notice::Connected { epoch });
        }
        self.engine.handle_input(now, input);
        self.pump();
        Ok(())
    }

    /// Handles a binary frame.
    ///
    /// # Errors
    /// [`LinkError`]; the caller must close the socket.
    pub(crate) fn socket_binary(&mut self, data: &[u8], now: Instant) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        for input in link.handle_binary(data)? {
            self.engine.handle_input(now, input);
        }
        self.pump();
        Ok(())
    }

    /// Handles a closed socket.
    pub fn socket_closed(&mut self, now: Instant) {
        self.link = None;
        if std::mem::take(&mut self.linked) {
            self.engine.handle_input(now, Input::Unlinked);
            self.pump();
        }
    }

    /// Passes an intent of the user to the engine.
    pub fn intent(&mut self, id: u64, intent: Intent, now: Instant) {
        self.engine.handle_input(now, Input::Intent { id, intent });
        self.pump();
    }

    /// Handles the time that [`Brain::poll_timeout`] returned.
    pub fn timeout(&mut self, now: Instant) {
        self.engine.handle_input(now, Input::Timeout);
        self.pump();
    }

    /// Returns the next frame to send.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.link.as_mut()?.poll_frame()
    }

    /// Returns the next notice.
    pub(crate) fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Returns when to call [`Brain::timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.engine.poll_timeout().map(|timeout| timeout.at)
    }

    /// Returns the state of the whole engine.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        self.engine.snapshot(now)
    }

    /// Returns the changes of these topics since the last call ([`Topics::poll`]).
    pub fn updates(&mut self, topics: &[String], now: Instant) -> Vec<TopicUpdate> {
        self.topics.poll(topics, |topic| self.engine.topic(topic, now))
    }

    /// Returns a whole topic as last sent. `None` if the last [`Brain::updates`] did not name it.
    pub fn whole(&self, topic: &str) -> Option<TopicUpdate> {
        self.topics.whole(topic)
    }

    /// Returns the state of a file's pieces.
    pub fn pieces(&self, info_hash: &str, file: u32, cells: u32) -> Option<PiecesView> {
        self.engine.pieces(info_hash, file, cells)
    }

    fn pump(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match (output, &mut self.link) {
                (Output::Control(message), Some(link)) => link.control(&message),
                (Output::Io(command), Some(link)) => link.command(command),
                // Without a connection these outputs are dropped; the engine starts over with the
                // next one.
                (Output::Control(_) | Output::Io(_), None) => {}
                (Output::Reply { id, reply }, _) => {
                    self.notices.push_back(Notice::Reply { id, reply })
                }
                (Output::Changed, _) => {
                    if self.notices.back() != Some(&Notice::Changed) {
                        self.notices.push_back(Notice::Changed);
                    }
                }
            }
        }
    }
}
