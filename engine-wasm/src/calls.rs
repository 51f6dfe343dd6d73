//! The connections of torrents and magnet links: whose they are, which are encrypted, and the
//! encrypted handshakes of those that we dialled.
//!
//! Knows no peer: what follows the handshake is its owner's. Invariant: whoever takes a connection
//! out takes its handshake out, too.

use std::collections::{BTreeMap, BTreeSet};

use shared_proto::ConnId;

use crate::metainfo::InfoHash;
use crate::peer::mse::{Handshake, MseError, Step};

/// How a handshake goes on.
#[derive(Debug)]
pub(crate) struct Progress {
    /// What is to be sent first.
    pub(crate) say: Vec<u8>,
    /// Then: so many more bytes than are on their way already are to be read, or it is over.
    pub(crate) then: Step,
}

/// All connections that belong to somebody.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    owners: BTreeMap<ConnId, InfoHash>,
    handshakes: BTreeMap<ConnId, Handshake>,
    encrypted: BTreeSet<ConnId>,
}

impl Calls {
    /// A connection is somebody's.
    pub(crate) fn insert(&mut self, conn: ConnId, owner: InfoHash) {
        self.owners.insert(conn, owner);
    }

    /// Whose it is.
    pub(crate) fn get(&self, conn: &ConnId) -> Option<&InfoHash> {
        self.owners.get(conn)
    }

    /// It is gone.
    pub(crate) fn remove(&mut self, conn: &ConnId) {
        self.owners.remove(conn);
        self.handshakes.remove(conn);
        self.encrypted.remove(conn);
    }

    /// What is said on it is encrypted from here on.
    pub(crate) fn encrypt(&mut self, conn: ConnId) {
        self.encrypted.insert(conn);
    }

    /// Whether what is said on it is encrypted.
    pub(crate) fn is_encrypted(&self, conn: ConnId) -> bool {
        self.encrypted.contains(&conn)
    }

    /// All are gone.
    pub(crate) fn clear(&mut self) {
        self.owners.clear();
        self.handshakes.clear();
        self.encrypted.clear();
    }

    /// A connection that is open begins with this handshake: what is to be sent, and how many bytes
    /// are to be read.
    pub(crate) fn shake(&mut self, conn: ConnId, mut handshake: Handshake) -> (Vec<u8>, usize) {
        let first = (handshake.take_out(), handshake.to_read());
        self.handshakes.insert(conn, handshake);
        first
    }

    /// Bytes came; `None` when no handshake waits for them.
    pub(crate) fn data(&mut self, conn: ConnId, data: &[u8]) -> Option<Result<Progress, MseError>> {
        let handshake = self.handshakes.get_mut(&conn)?;
        let step = handshake.handle_data(data, std::iter::empty());
        let say = handshake.take_out();
        let more = handshake.to_read();
        if !matches!(step, Ok(Step::Read(_))) {
            self.handshakes.remove(&conn);
        }
        Some(step.map(|step| match step {
            Step::Read(_) => Progress { say, then: Step::Read(more) },
            done @ Step::Done(_) => Progress { say, then: done },
        }))
    }
}
