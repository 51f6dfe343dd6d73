//! What hosts share: an engine and its link to the daemon, driven by frames and times.
//!
//! A host moves bytes and numbers and decides nothing. This part owns the engine and the link of
//! the moment and passes one's outputs to the other; what is left for the host are frames to send,
//! notices for whoever watches, and one timer.

#[cfg(not(target_arch = "wasm32"))]
pub mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

use std::collections::VecDeque;

use crate::engine::{Config, Engine};
use crate::io::{Input, Output};
use crate::link::{Frame, Link, LinkError};
use crate::net::NetConfig;
use crate::time::Instant;
use crate::view::topics::{TopicUpdate, Topics};
use crate::view::{Intent, IntentReply, PiecesView, Snapshot};

/// How this engine calls itself to the daemon.
const ENGINE_NAME: &str = concat!("jstorrent-engine/", env!("CARGO_PKG_VERSION"));

/// Something for whoever watches.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A daemon accepted this engine.
    Connected {
        /// This engine's term.
        epoch: u64,
    },
    /// What came of an intent.
    Reply {
        /// Its number.
        id: u64,
        /// What came of it.
        reply: IntentReply,
    },
    /// A snapshot would differ in more than numbers.
    Changed,
}

/// An engine with its link.
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
    /// A brain without a link, with the usual settings and sockets for datagrams. `seed` is all the
    /// chance that it gets.
    pub fn new(seed: [u8; 32], now: Instant) -> Self {
        let net = NetConfig { udp: true, ..NetConfig::default() };
        Self::with_config(Config { net, ..Config::default() }, seed, now)
    }

    /// The same, with other settings than the usual ones.
    pub fn with_config(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let session = seed[..8].iter().map(|byte| format!("{:02x}", byte ^ 0x5a)).collect();
        Self {
            engine: Engine::new(config, seed, now),
            link: None,
            linked: false,
            session,
            notices: VecDeque::new(),
            topics: Topics::default(),
        }
    }

    /// A socket to the daemon is open.
    pub fn socket_opened(&mut self, token: &str, now: Instant) {
        self.socket_closed(now);
        self.link = Some(Link::open(token, ENGINE_NAME, &self.session));
    }

    /// A text frame came.
    ///
    /// # Errors
    /// [`LinkError`]: close the socket.
    pub fn socket_text(&mut self, text: &str, now: Instant) -> Result<(), LinkError> {
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

    /// A binary frame came.
    ///
    /// # Errors
    /// [`LinkError`]: close the socket.
    pub fn socket_binary(&mut self, data: &[u8], now: Instant) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        for input in link.handle_binary(data)? {
            self.engine.handle_input(now, input);
        }
        self.pump();
        Ok(())
    }

    /// The socket is gone.
    pub fn socket_closed(&mut self, now: Instant) {
        self.link = None;
        if std::mem::take(&mut self.linked) {
            self.engine.handle_input(now, Input::Unlinked);
            self.pump();
        }
    }

    /// Somebody wants something.
    pub fn intent(&mut self, id: u64, intent: Intent, now: Instant) {
        self.engine.handle_input(now, Input::Intent { id, intent });
        self.pump();
    }

    /// The moment of [`Brain::poll_timeout`] has come.
    pub fn timeout(&mut self, now: Instant) {
        self.engine.handle_input(now, Input::Timeout);
        self.pump();
    }

    /// The next frame to send.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.link.as_mut()?.poll_frame()
    }

    /// The next notice.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// When to call [`Brain::timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.engine.poll_timeout().map(|timeout| timeout.at)
    }

    /// Everything, for a page.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        self.engine.snapshot(now)
    }

    /// What changed of these topics since the last call: see [`Topics::poll`].
    pub fn updates(&mut self, topics: &[String], now: Instant) -> Vec<TopicUpdate> {
        self.topics.poll(&self.engine, topics, now)
    }

    /// All of a topic as it was last told; `None` if the last call to [`Brain::updates`] did not
    /// name it.
    pub fn whole(&self, topic: &str) -> Option<TopicUpdate> {
        self.topics.whole(topic)
    }

    /// The pieces of one file.
    pub fn pieces(&self, info_hash: &str, file: u32, cells: u32) -> Option<PiecesView> {
        self.engine.pieces(info_hash, file, cells)
    }

    fn pump(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match (output, &mut self.link) {
                (Output::Control(message), Some(link)) => link.control(&message),
                (Output::Io(command), Some(link)) => link.command(command),
                // Without a link there is nobody to tell; the engine starts over with the next one.
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
