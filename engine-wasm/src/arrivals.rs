//! Incoming connections that have not named a torrent yet.
//!
//! An arrival is read in exact byte counts until it names a torrent, in plain text or in an
//! encrypted handshake; then the torrent receives it with all bytes read. Invariants: the number of
//! arrivals and their time are limited; an arrival that uses another protocol is read no further
//! than [`mse::MOST_READ`] bytes; no byte is lost or decrypted twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand::Rng;
use shared_proto::ConnId;
use shared_proto::io::Rc4Start;

use crate::limits;
use crate::metainfo::InfoHash;
use crate::peer::HANDSHAKE_TIMEOUT;
use crate::peer::handshake::{NAMED_LEN, PROTOCOL, named_torrent};
use crate::peer::mse::{self, Encryption, Outcome};
use crate::peer::policy::Transport;
use crate::time::Instant;

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
        if self.waiting.len() >= limits::ARRIVALS {
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
        rng: &mut impl Rng,
    ) -> Option<Vec<Step>> {
        let arrival = self.waiting.get_mut(&conn)?;
        let steps = arrival.data(data, encryption, torrents, rng);
        if steps.iter().any(|step| matches!(step, Step::Named(_) | Step::Refuse)) {
            self.waiting.remove(&conn);
        }
        Some(steps)
    }

    /// Handles a closed connection. Returns false if it is no arrival.
    pub(crate) fn closed(&mut self, conn: ConnId) -> bool {
        self.waiting.remove(&conn).is_some()
    }

    /// Removes all arrivals.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Returns when the first arrival times out.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        self.waiting.values().map(|arrival| arrival.since + HANDSHAKE_TIMEOUT).min()
    }

    /// Removes the arrivals that timed out, and returns them to be closed.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<ConnId> {
        let late =
            self.waiting.iter().filter(|(_, arrival)| arrival.since + HANDSHAKE_TIMEOUT <= now);
        let late: Vec<ConnId> = late.map(|(&conn, _)| conn).collect();
        late.iter().for_each(|conn| drop(self.waiting.remove(conn)));
        late
    }
}

impl Arrival {
    fn data(
        &mut self,
        data: &[u8],
        encryption: Encryption,
        torrents: impl Iterator<Item = InfoHash>,
        rng: &mut impl Rng,
    ) -> Vec<Step> {
        if let Security::Handshaking(_) = self.security {
            return self.continue_handshake(data, torrents);
        }
        self.pending = self.pending.saturating_sub(data.len());
        self.received.extend_from_slice(data);
        let is_plain = matches!(self.security, Security::No);
        if !is_plain || self.received.len() < PROTOCOL.len() {
            return self.identify();
        }
        match (self.received.starts_with(PROTOCOL), encryption) {
            (true, Encryption::Forced) | (false, Encryption::Off) => vec![Step::Refuse],
            (true, _) => self.identify(),
            (false, _) => {
                self.security =
                    Security::Handshaking(Box::new(mse::Handshake::accept(encryption, rng)));
                let first = std::mem::take(&mut self.received);
                self.continue_handshake(&first, torrents)
            }
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;
    use rc4::{KeyInit, Rc4, StreamCipher};

    use super::*;
    use crate::peer::handshake::Handshake;

    const TORRENT: InfoHash = InfoHash([7; 20]);
    const SECOND: InfoHash = InfoHash([9; 20]);

    fn addr() -> SocketAddr {
        SocketAddr::from(([1, 2, 3, 4], 5))
    }

    fn hello() -> [u8; 68] {
        Handshake::ours(TORRENT, [8; 20]).encode()
    }

    fn rng(seed: u8) -> ChaCha8Rng {
        ChaCha8Rng::from_seed([seed; 32])
    }

    fn data(arrivals: &mut Arrivals, data: &[u8], encryption: Encryption) -> Option<Vec<Step>> {
        arrivals.data(ConnId(1), data, encryption, [TORRENT, SECOND].into_iter(), &mut rng(1))
    }

    #[test]
    fn an_arrival_is_read_up_to_the_torrents_name_and_not_further() {
        let mut arrivals = Arrivals::default();
        assert_eq!(
            arrivals.accepted(ConnId(1), addr(), Transport::Utp, Instant(0)),
            [Step::Read(20)]
        );
        let mut hear = |bytes: &[u8]| data(&mut arrivals, bytes, Encryption::Allowed);
        assert_eq!(hear(&hello()[..7]), Some(vec![]), "the rest of it is on its way");
        assert_eq!(hear(&hello()[7..20]), Some(vec![Step::Read(28)]));
        assert_eq!(hear(&hello()[20..30]), Some(vec![]));
        let received = hello()[..48].to_vec();
        let named = Named { addr: addr(), over: Transport::Utp, info_hash: TORRENT, received };
        assert_eq!(hear(&hello()[30..48]), Some(vec![Step::Named(named)]));
        assert_eq!(hear(&hello()[48..]), None, "the connection has its torrent now");
    }

    /// Checks the reaction to the first bytes under an encryption policy.
    fn check_first(bytes: &[u8; 20], encryption: Encryption, expected: Step) {
        let mut arrivals = Arrivals::default();
        arrivals.accepted(ConnId(1), addr(), Transport::Utp, Instant(0));
        let steps = data(&mut arrivals, bytes, encryption).unwrap();
        assert_eq!(steps.last(), Some(&expected), "{encryption:?}");
        assert_eq!(arrivals.next_wakeup().is_none(), expected == Step::Refuse);
    }

    #[test]
    fn the_first_bytes_and_the_policy_decide() {
        let other = b"GET / HTTP/1.1\r\nHost";
        check_first(PROTOCOL, Encryption::Off, Step::Read(28));
        check_first(PROTOCOL, Encryption::Allowed, Step::Read(28));
        check_first(PROTOCOL, Encryption::Preferred, Step::Read(28));
        check_first(PROTOCOL, Encryption::Forced, Step::Refuse);
        check_first(other, Encryption::Off, Step::Refuse);
        check_first(other, Encryption::Allowed, Step::Read(76));
        check_first(other, Encryption::Forced, Step::Read(76));
    }

    /// Runs an encrypted handshake that sends `early` with it and `later` after it.
    ///
    /// Both directions deliver at most `at_once` bytes at a time and never more than requested.
    /// Returns the final step and the decrypted bytes after it.
    fn shake(
        called: InfoHash,
        early: &[u8],
        later: &[u8],
        at_once: usize,
        seed: u8,
    ) -> (Option<Step>, Vec<u8>) {
        let mut dialling =
            mse::Handshake::dial(called, early.to_vec(), Encryption::Forced, &mut rng(seed));
        let mut arrivals = Arrivals::default();
        let mut ordered = 0;
        let (mut forth, mut back) = (dialling.take_out(), Vec::new());
        let mut cipher: Option<Rc4> = None;
        let mut todo = arrivals.accepted(ConnId(1), addr(), Transport::Utp, Instant(0));
        let (mut is_over, mut end) = (false, None);
        for _ in 0..100_000 {
            for step in std::mem::take(&mut todo) {
                match step {
                    Step::Read(bytes) => ordered += bytes,
                    Step::Send(bytes) => back.extend(bytes),
                    Step::Transform { read, .. } => {
                        let start = read.expect("forced");
                        let mut stream = Rc4::new_from_slice(&start.key).unwrap();
                        stream.apply_keystream(&mut vec![0; start.skip as usize]);
                        cipher = Some(stream);
                    }
                    step => end = Some(step),
                }
            }
            if end == Some(Step::Refuse) || (end.is_some() && is_over) {
                cipher.iter_mut().for_each(|cipher| cipher.apply_keystream(&mut forth));
                return (end, forth);
            }
            let length = ordered.min(at_once).min(forth.len());
            if length > 0 && end.is_none() {
                let mut bytes: Vec<u8> = forth.drain(..length).collect();
                ordered -= length;
                cipher.iter_mut().for_each(|cipher| cipher.apply_keystream(&mut bytes));
                let torrents = [SECOND, TORRENT].into_iter();
                todo = arrivals
                    .data(ConnId(1), &bytes, Encryption::Allowed, torrents, &mut rng(seed ^ 1))
                    .unwrap();
            }
            if !is_over {
                let length = dialling.wanted().min(at_once).min(back.len());
                let bytes: Vec<u8> = back.drain(..length).collect();
                match dialling.handle_data(&bytes, std::iter::empty()).unwrap() {
                    mse::Step::Read(_) => {}
                    mse::Step::Done(outcome) => {
                        is_over = true;
                        let start = outcome.write.unwrap();
                        let mut stream = Rc4::new_from_slice(&start.key).unwrap();
                        stream.apply_keystream(&mut vec![0; start.skip as usize]);
                        let mut later = later.to_vec();
                        stream.apply_keystream(&mut later);
                        forth.extend(later);
                    }
                }
                forth.extend(dialling.take_out());
            }
        }
        (None, forth)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// For any split between early and late bytes, and any fragmentation.
        #[test]
        fn not_a_byte_of_an_encrypted_arrival_is_lost_or_decrypted_twice(
            early in 0usize..=148, at_once in 1usize..200, seed: u8,
        ) {
            let words = [&hello()[..], &(0..80).collect::<Vec<u8>>()].concat();
            let (end, rest) = shake(TORRENT, &words[..early], &words[early..], at_once, seed);
            let Some(Step::Named(named)) = end else { panic!("{end:?}") };
            prop_assert_eq!(named.info_hash, TORRENT);
            prop_assert!((48..=68).contains(&named.received.len()));
            prop_assert_eq!([named.received, rest].concat(), words);
        }
    }

    #[test]
    fn an_unknown_torrent_is_refused_in_an_encrypted_handshake() {
        assert_eq!(shake(InfoHash([1; 20]), &hello(), b"", 99, 5).0, Some(Step::Refuse));
        let (end, _) = shake(SECOND, b"no handshake, but twenty bytes and more", b"", 99, 5);
        assert_eq!(end, Some(Step::Refuse));
    }

    #[test]
    fn silent_arrivals_are_closed_and_too_many_refused() {
        let mut arrivals = Arrivals::default();
        for conn in 0..limits::ARRIVALS as u64 {
            assert_eq!(
                arrivals.accepted(ConnId(conn), addr(), Transport::Utp, Instant(conn)),
                [Step::Read(20)]
            );
        }
        assert_eq!(
            arrivals.accepted(ConnId(999), addr(), Transport::Utp, Instant(0)),
            [Step::Refuse]
        );
        let first = Instant(0) + HANDSHAKE_TIMEOUT;
        assert_eq!(arrivals.next_wakeup(), Some(first));
        assert_eq!(arrivals.expire(first), [ConnId(0)]);
        assert!(arrivals.closed(ConnId(1)) && !arrivals.closed(ConnId(1)));
        assert_eq!(data(&mut arrivals, &[0], Encryption::Allowed), None);
        assert_eq!(arrivals.accepted(ConnId(999), addr(), Transport::Utp, first), [Step::Read(20)]);
    }
}
