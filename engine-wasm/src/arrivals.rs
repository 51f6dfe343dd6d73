//! Connections that others opened, until they say whose they are.
//!
//! An arrival belongs to nobody: it is read byte by exact byte until it names a torrent, and handed over with what was read. It knows no torrents;
//! which of them is run is its caller's to say. Invariant: arrivals are bounded in number and time, and one that speaks another protocol
//! costs twenty bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use shared_proto::ConnId;

use crate::limits;
use crate::metainfo::InfoHash;
use crate::peer::HANDSHAKE_TIMEOUT;
use crate::peer::handshake::{NAMED_LEN, PROTOCOL, named_torrent};
use crate::time::Instant;

/// Somebody who connected.
#[derive(Debug)]
struct Arrival {
    addr: SocketAddr,
    since: Instant,
    received: Vec<u8>,
}

/// An arrival that says what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Who.
    pub(crate) addr: SocketAddr,
    /// Which torrent.
    pub(crate) info_hash: InfoHash,
    /// The bytes that were read: a handshake without its end.
    pub(crate) received: Vec<u8>,
}

/// What is to be done about an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read so many bytes.
    Read(u32),
    /// It is a torrent's now.
    Named(Named),
    /// Close it.
    Refuse,
}

/// All arrivals.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    waiting: BTreeMap<ConnId, Arrival>,
}

impl Arrivals {
    /// Somebody connected. Its first bytes decide what it speaks.
    pub(crate) fn accepted(&mut self, conn: ConnId, addr: SocketAddr, now: Instant) -> Step {
        if self.waiting.len() >= limits::ARRIVALS {
            return Step::Refuse;
        }
        self.waiting.insert(conn, Arrival { addr, since: now, received: Vec::new() });
        Step::Read(len(PROTOCOL))
    }

    /// Bytes came; `None` when the connection is no arrival.
    pub(crate) fn data(&mut self, conn: ConnId, data: &[u8]) -> Option<Step> {
        let arrival = self.waiting.get_mut(&conn)?;
        arrival.received.extend_from_slice(data);
        let step = step(arrival);
        if !matches!(step, Step::Read(_)) {
            self.waiting.remove(&conn);
        }
        Some(step)
    }

    /// It is gone; false when the connection is no arrival.
    pub(crate) fn closed(&mut self, conn: ConnId) -> bool {
        self.waiting.remove(&conn).is_some()
    }

    /// All are gone.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// When the first of them has been silent for too long.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        self.waiting.values().map(|arrival| arrival.since + HANDSHAKE_TIMEOUT).min()
    }

    /// Those who have been silent for too long, to be closed.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<ConnId> {
        let late = self.waiting.iter().filter(|(_, arrival)| arrival.since + HANDSHAKE_TIMEOUT <= now);
        let late: Vec<ConnId> = late.map(|(&conn, _)| conn).collect();
        late.iter().for_each(|conn| drop(self.waiting.remove(conn)));
        late
    }
}

/// The first twenty bytes are the protocol's name (BEP 3), or those of an encrypted handshake, which are any others.
fn step(arrival: &mut Arrival) -> Step {
    let received = arrival.received.as_slice();
    if received.len() < PROTOCOL.len() {
        return Step::Read(0);
    }
    if !received.starts_with(PROTOCOL) {
        return Step::Refuse;
    }
    match named_torrent(received) {
        Some(info_hash) => {
            Step::Named(Named { addr: arrival.addr, info_hash, received: std::mem::take(&mut arrival.received) })
        }
        None if received.len() == PROTOCOL.len() => Step::Read(len(&[0; NAMED_LEN - PROTOCOL.len()])),
        None => Step::Read(0),
    }
}

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a handshake is short")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::handshake::Handshake;

    fn addr() -> SocketAddr {
        SocketAddr::from(([1, 2, 3, 4], 5))
    }

    fn hello() -> [u8; 68] {
        Handshake::ours(InfoHash([7; 20]), [8; 20]).encode()
    }

    #[test]
    fn an_arrival_is_read_up_to_the_torrents_name_and_not_further() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.accepted(ConnId(1), addr(), Instant(0)), Step::Read(20));
        assert_eq!(arrivals.data(ConnId(1), &hello()[..7]), Some(Step::Read(0)), "the rest of it is on its way");
        assert_eq!(arrivals.data(ConnId(1), &hello()[7..20]), Some(Step::Read(28)));
        assert_eq!(arrivals.data(ConnId(1), &hello()[20..30]), Some(Step::Read(0)));
        let received = hello()[..48].to_vec();
        let named = Named { addr: addr(), info_hash: InfoHash([7; 20]), received };
        assert_eq!(arrivals.data(ConnId(1), &hello()[30..48]), Some(Step::Named(named)));
        assert_eq!(arrivals.data(ConnId(1), &hello()[48..]), None, "it is somebody's now");
    }

    #[test]
    fn who_speaks_something_else_is_refused() {
        let mut arrivals = Arrivals::default();
        arrivals.accepted(ConnId(1), addr(), Instant(0));
        assert_eq!(arrivals.data(ConnId(1), b"GET / HTTP/1.1\r\nHost"), Some(Step::Refuse));
        assert_eq!(arrivals.next_wakeup(), None);
    }

    #[test]
    fn the_silent_are_closed_and_too_many_are_refused() {
        let mut arrivals = Arrivals::default();
        for conn in 0..limits::ARRIVALS as u64 {
            assert_eq!(arrivals.accepted(ConnId(conn), addr(), Instant(conn)), Step::Read(20));
        }
        assert_eq!(arrivals.accepted(ConnId(999), addr(), Instant(0)), Step::Refuse);
        let first = Instant(0) + HANDSHAKE_TIMEOUT;
        assert_eq!(arrivals.next_wakeup(), Some(first));
        assert_eq!(arrivals.expire(first), [ConnId(0)]);
        assert!(arrivals.closed(ConnId(1)) && !arrivals.closed(ConnId(1)));
        assert_eq!(arrivals.data(ConnId(1), &[0]), None);
        assert_eq!(arrivals.accepted(ConnId(999), addr(), first), Step::Read(20));
    }
}
