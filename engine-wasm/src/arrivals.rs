//! Incoming connections that have not named a torrent yet.
//!
//! An arrival is read in exact byte counts until it names a torrent, in plain text or in an
//! encrypted handshake; then the torrent receives it with all bytes read. Invariants: the number of
//! arrivals, their share for one machine and their time are limited; an arrival that uses another
//! protocol is read no further than [`mse::MOST_READ`] bytes; no byte is lost or decrypted twice.

#[cfg(test)]
mod tests;
mod turns;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand::Rng;
use shared_proto::ConnId;
use shared_proto::io::Rc4Start;

use crate::addresses::machine;
use crate::limits;
use crate::metainfo::InfoHash;
use crate::peer::HANDSHAKE_TIMEOUT;
use crate::peer::handshake::{NAMED_LEN, PROTOCOL, named_torrent};
use crate::peer::mse::{self, Encryption, Outcome};
use crate::peer::policy::Transport;
use crate::time::Instant;
use turns::Turns;

/// An incoming connection.
#[derive(Debug)]
struct Arrival {
    addr: SocketAddr,
    over: Transport,
    since: Instant,
    received: Vec<u8>,
    /// Number of bytes requested and not received yet.
    pending: usize,
    security: Security,
}

/// The encryption state of an arrival.
#[derive(Debug)]
enum Security {
    /// Plain, or not known yet.
    No,
    /// An encrypted handshake has begun. It needs the peer's public key, and a turn to handle it.
    Key,
    /// The encrypted handshake is in progress.
    Handshaking(Box<mse::Handshake>),
    /// The encrypted handshake is done.
    Yes,
}

/// An arrival that named its torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The peer's address.
    pub(crate) addr: SocketAddr,
    /// The transport of the connection.
    pub(crate) over: Transport,
    /// The torrent.
    pub(crate) info_hash: InfoHash,
    /// The decrypted bytes received so far: the BitTorrent handshake or most of it.
    pub(crate) received: Vec<u8>,
}

/// What to do with an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read this many more bytes.
    Read(usize),
    /// Send these bytes.
    Send(Vec<u8>),
    /// Encrypt from here on, in each direction that has a cipher.
    Transform {
        /// The cipher for received bytes.
        read: Option<Rc4Start>,
        /// The cipher for sent bytes.
        write: Option<Rc4Start>,
    },
    /// Give the connection to its torrent.
    Named(Named),
    /// Close the connection.
    Refuse,
}

/// All arrivals.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    waiting: BTreeMap<ConnId, Arrival>,
    turns: Turns,
}

impl Arrivals {
    /// Handles a new incoming connection. Its first bytes determine the protocol.
    pub(crate) fn accepted(
        &mut self,
        conn: ConnId,
        addr: SocketAddr,
        over: Transport,
        now: Instant,
    ) -> Vec<Step> {
        let home = |addr: SocketAddr| machine(addr.ip().to_canonical());
        let neighbours = self.waiting.values().filter(|other| home(other.addr) == home(addr));
        if self.waiting.len() >= limits::ARRIVALS
            || neighbours.count() >= limits::ARRIVALS_PER_MACHINE
        {
            return vec![Step::Refuse];
        }
        let mut arrival = Arrival {
            addr,
            over,
            since: now,
            received: Vec::new(),
            pending: 0,
            security: Security::No,
        };
        let step = arrival.read_up_to(PROTOCOL.len());
        self.waiting.insert(conn, arrival);
        step
    }

    /// Handles received bytes; `None` if the connection is no arrival.
    ///
    /// `torrents` are those that an encrypted handshake may name.
    pub(crate) fn data(
        &mut self,
        conn: ConnId,
        data: &[u8],
        encryption: Encryption,
        torrents: impl Iterator<Item = InfoHash>,
        (rng, now): (&mut impl Rng, Instant),
    ) -> Option<Vec<Step>> {
        let arrival = self.waiting.get_mut(&conn)?;
        let mut steps = arrival.data(data, encryption, torrents);
        if arrival.has_key() && self.turns.request(conn, now) {
            steps.extend(arrival.exchange_keys(encryption, rng));
        }
        self.forget_ended(conn, &steps);
        Some(steps)
    }

    /// Continues with the next arrival that waited for its turn to exchange keys.
    pub(crate) fn take_turn(
        &mut self,
        encryption: Encryption,
        (rng, now): (&mut impl Rng, Instant),
    ) -> Option<(ConnId, Vec<Step>)> {
        let conn = self.turns.next(now)?;
        let arrival = self.waiting.get_mut(&conn)?;
        let steps = arrival.exchange_keys(encryption, rng);
        self.forget_ended(conn, &steps);
        Some((conn, steps))
    }

    fn forget_ended(&mut self, conn: ConnId, steps: &[Step]) {
        if steps.iter().any(|step| matches!(step, Step::Named(_) | Step::Refuse)) {
            self.closed(conn);
        }
    }

    /// Handles a closed connection. Returns false if it is no arrival.
    pub(crate) fn closed(&mut self, conn: ConnId) -> bool {
        self.turns.leave(conn);
        self.waiting.remove(&conn).is_some()
    }

    /// Removes all arrivals.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.turns.clear();
    }

    /// Returns when the first arrival times out, or may exchange keys.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        let ends = self.waiting.values().map(|arrival| arrival.since + HANDSHAKE_TIMEOUT);
        ends.chain(self.turns.next_wakeup()).min()
    }

    /// Removes the arrivals that timed out, and returns them to be closed.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<ConnId> {
        let late =
            self.waiting.iter().filter(|(_, arrival)| arrival.since + HANDSHAKE_TIMEOUT <= now);
        let late: Vec<ConnId> = late.map(|(&conn, _)| conn).collect();
        for &conn in &late {
            self.closed(conn);
        }
        late
    }
}

impl Arrival {
    fn data(
        &mut self,
        data: &[u8],
        encryption: Encryption,
        torrents: impl Iterator<Item = InfoHash>,
    ) -> Vec<Step> {
        if let Security::Handshaking(_) = self.security {
            return self.continue_handshake(data, torrents);
        }
        self.pending = self.pending.saturating_sub(data.len());
        self.received.extend_from_slice(data);
        if matches!(self.security, Security::Key) {
            return self.read_up_to(mse::KEY_LEN);
        }
        let is_plain = matches!(self.security, Security::No);
        if !is_plain || self.received.len() < PROTOCOL.len() {
            return self.identify();
        }
        match (self.received.starts_with(PROTOCOL), encryption) {
            (true, Encryption::Forced) | (false, Encryption::Off) => vec![Step::Refuse],
            (true, _) => self.identify(),
            (false, _) => {
                self.security = Security::Key;
                self.read_up_to(mse::KEY_LEN)
            }
        }
    }

    /// Whether the peer's public key is there.
    fn has_key(&self) -> bool {
        matches!(self.security, Security::Key) && self.received.len() >= mse::KEY_LEN
    }

    /// Handles the peer's public key and sends ours.
    fn exchange_keys(&mut self, encryption: Encryption, rng: &mut impl Rng) -> Vec<Step> {
        if encryption == Encryption::Off {
            return vec![Step::Refuse];
        }
        self.security = Security::Handshaking(Box::new(mse::Handshake::accept(encryption, rng)));
        let key = std::mem::take(&mut self.received);
        self.continue_handshake(&key, std::iter::empty())
    }

    /// Examines the first 20 bytes: the plain protocol name (BEP 3), or else an encrypted
    /// handshake.
    fn identify(&mut self) -> Vec<Step> {
        if self.received.len() < PROTOCOL.len() {
            return self.read_up_to(PROTOCOL.len());
        }
        if !self.received.starts_with(PROTOCOL) {
            return vec![Step::Refuse];
        }
        match named_torrent(&self.received) {
            Some(info_hash) => {
                let received = std::mem::take(&mut self.received);
                vec![Step::Named(Named { addr: self.addr, over: self.over, info_hash, received })]
            }
            None => self.read_up_to(NAMED_LEN),
        }
    }

    fn continue_handshake(
        &mut self,
        data: &[u8],
        torrents: impl Iterator<Item = InfoHash>,
    ) -> Vec<Step> {
        let Security::Handshaking(handshake) = &mut self.security else { return Vec::new() };
        let step = match handshake.handle_data(data, torrents) {
            Ok(step) => step,
            Err(error) => {
                tracing::debug!(addr = %self.addr, %error, "refused an incoming connection");
                return vec![Step::Refuse];
            }
        };
        let say = handshake.take_out();
        let mut steps = Vec::new();
        if !say.is_empty() {
            steps.push(Step::Send(say));
        }
        match step {
            mse::Step::Read(_) => steps
                .extend(Some(handshake.bytes_needed()).filter(|&more| more > 0).map(Step::Read)),
            mse::Step::Done(outcome) => {
                let Outcome { early, read, write, .. } = *outcome;
                steps.push(Step::Transform { read, write });
                (self.security, self.received) = (Security::Yes, early);
                steps.extend(self.identify());
            }
        }
        steps
    }

    fn read_up_to(&mut self, length: usize) -> Vec<Step> {
        let more = length.saturating_sub(self.received.len() + self.pending);
        self.pending += more;
        Some(more).filter(|&more| more > 0).map(Step::Read).into_iter().collect()
    }
}
