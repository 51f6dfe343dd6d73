//! The connections of torrents and magnet links, and the encrypted handshakes of outgoing ones.
//!
//! This module owns which torrent a connection belongs to and whether it is encrypted. It knows no
//! peers; the torrent handles what follows the handshake. Invariant: removing a connection also
//! removes its handshake.

use std::collections::{BTreeMap, BTreeSet};

use shared_proto::ConnId;

use crate::metainfo::InfoHash;
use crate::peer::mse::{Handshake, MseError, Step};

/// How a handshake continues.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Bytes to send first.
    pub(crate) say: Vec<u8>,
    /// Then: how many more bytes to read, or that the handshake has ended.
    pub(crate) then: Step,
}

/// All connections that belong to a torrent or magnet link.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    owners: BTreeMap<ConnId, InfoHash>,
    handshakes: BTreeMap<ConnId, Handshake>,
    encrypted: BTreeSet<ConnId>,
    /// Most connections that the daemon allows; `None` until it is known.
    capacity: Option<usize>,
}

impl Calls {
    /// Sets the most connections that the daemon allows.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = Some(capacity);
    }

    /// Returns whether more than half of the connections that the daemon allows are in use.
    pub(crate) fn are_scarce(&self) -> bool {
        self.capacity.is_some_and(|capacity| self.owners.len() > capacity / 2)
    }

    /// Assigns a connection to a torrent.
    pub(crate) fn insert(&mut self, conn: ConnId, owner: InfoHash) {
        self.owners.insert(conn, owner);
    }

    /// Returns the torrent to which a connection belongs.
    pub(crate) fn get(&self, conn: &ConnId) -> Option<&InfoHash> {
        self.owners.get(conn)
    }

    /// Removes a closed connection.
    pub(crate) fn remove(&mut self, conn: &ConnId) {
        self.owners.remove(conn);
        self.handshakes.remove(conn);
        self.encrypted.remove(conn);
    }

    /// Marks a connection as encrypted from here on.
    pub(crate) fn encrypt(&mut self, conn: ConnId) {
        self.encrypted.insert(conn);
    }

    /// Returns whether a connection is encrypted.
    pub(crate) fn is_encrypted(&self, conn: ConnId) -> bool {
        self.encrypted.contains(&conn)
    }

    /// Removes all connections.
    pub(crate) fn clear(&mut self) {
        self.owners.clear();
        self.handshakes.clear();
        self.encrypted.clear();
    }

    /// Starts a handshake on an open connection. Returns the bytes to send and the number to read.
    pub(crate) fn start_handshake(
        &mut self,
        conn: ConnId,
        mut handshake: Handshake,
    ) -> (Vec<u8>, usize) {
        let first = (handshake.take_out(), handshake.bytes_needed());
        self.handshakes.insert(conn, handshake);
        first
    }

    /// Handles received bytes; `None` if the connection has no handshake in progress.
    pub(crate) fn data(&mut self, conn: ConnId, data: &[u8]) -> Option<Result<Progress, MseError>> {
        let handshake = self.handshakes.get_mut(&conn)?;
        let step = handshake.handle_data(data, std::iter::empty());
        let say = handshake.take_out();
        let more = handshake.bytes_needed();
        if !matches!(step, Ok(Step::Read(_))) {
            self.handshakes.remove(&conn);
        }
        Some(step.map(|step| match step {
            Step::Read(_) => Progress { say, then: Step::Read(more) },
            done @ Step::Done(_) => Progress { say, then: done },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_scarce_when_half_of_them_are_in_use() {
        let mut calls = Calls::default();
        let mut scarce_with = |conn| {
            calls.insert(ConnId(conn), InfoHash([0; 20]));
            let before = calls.are_scarce();
            calls.set_capacity(4);
            (before, calls.are_scarce())
        };
        assert_eq!(scarce_with(1), (false, false), "how many are allowed was not known");
        assert_eq!((scarce_with(2), scarce_with(3)), ((false, false), (true, true)));
        calls.remove(&ConnId(3));
        assert!(!calls.are_scarce());
    }
}
