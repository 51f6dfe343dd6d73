//! What a part of the engine needs to act: the time, chance, fresh numbers, and the place where outputs gather.

use std::collections::{BTreeMap, VecDeque};

use rand::rngs::ChaCha8Rng;
use shared_proto::{ConnId, EngineMessage, FileRef, IoCommand, OpId};

use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// Fresh numbers, and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    next: u64,
    next_file: u32,
    /// Commands that wait for their answer.
    pub(crate) ops: BTreeMap<OpId, Owner>,
    /// Connections.
    pub(crate) conns: BTreeMap<ConnId, InfoHash>,
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The engine's own.
    Engine,
    /// A torrent's.
    Torrent(InfoHash),
}

/// One turn.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) peer_id: [u8; 20],
    pub(crate) numbers: &'a mut Numbers,
    pub(crate) out: &'a mut VecDeque<Output>,
}

impl Context<'_> {
    /// Sends a control message.
    pub(crate) fn say(&mut self, message: EngineMessage) {
        self.out.push_back(Output::Control(message));
    }

    /// Orders I/O that has no answer.
    pub(crate) fn order(&mut self, command: IoCommand) {
        self.out.push_back(Output::Io(command));
    }

    /// Orders I/O that has an answer.
    pub(crate) fn ask(&mut self, owner: Owner, command: impl FnOnce(OpId) -> IoCommand) -> OpId {
        let op = OpId(self.fresh());
        self.numbers.ops.insert(op, owner);
        self.order(command(op));
        op
    }

    /// A number for a connection of this torrent.
    pub(crate) fn new_conn(&mut self, torrent: InfoHash) -> ConnId {
        let conn = ConnId(self.fresh());
        self.numbers.conns.insert(conn, torrent);
        conn
    }

    /// A number for a file. It comes round after 2³² files, when the first is long closed.
    pub(crate) fn new_file(&mut self) -> FileRef {
        self.numbers.next_file = self.numbers.next_file.wrapping_add(1);
        FileRef(self.numbers.next_file)
    }

    /// The snapshot differs in more than numbers.
    pub(crate) fn changed(&mut self) {
        if !matches!(self.out.back(), Some(Output::Changed)) {
            self.out.push_back(Output::Changed);
        }
    }

    fn fresh(&mut self) -> u64 {
        self.numbers.next += 1;
        self.numbers.next
    }
}
