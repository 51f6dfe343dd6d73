//! Reopens receive windows that librqbit-utp 0.7 leaves shut.
//!
//! The crate announces a shut window when less than the largest segment fits, but asks its reader
//! to wake it only when less than the smallest fits. In between, nothing wakes it and the
//! connection stalls for ever. This module therefore hands a stalled connection a meaningless
//! packet until it announces an open window: a FIN with a number that has long passed. Identifies
//! connections by their datagrams only. Invariant: what is remembered is bounded in number and
//! time.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

use super::packet::{DATA, FIN, HEADER, SILENCE, STATE, VERSION};

/// How long a shut window is left alone at first. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest such pause.
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// The remote address and connection number of an outgoing datagram.
type Key = (SocketAddr, u16);

/// All connections with a shut window.
pub(super) struct Shut {
    known: Mutex<HashMap<Key, Knock>>,
    is_any: AtomicBool,
    added: Notify,
    most: usize,
}

struct Knock {
    /// Number of the last segment that arrived.
    consumed: [u8; 2],
    since: Instant,
    pause: Duration,
    next: Instant,
}

impl Shut {
    /// Remembers at most `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self { known: Mutex::default(), is_any: AtomicBool::new(false), added: Notify::new(), most }
    }

    /// Looks at the window in an outgoing datagram.
    pub(super) fn sent(&self, to: SocketAddr, datagram: &[u8]) {
        let Some(header) = datagram.first_chunk::<HEADER>() else { return };
        let is_shut = header[12..16] == [0; 4] && [DATA, STATE].contains(&(header[0] >> 4));
        if !is_shut && !self.is_any.load(Ordering::Acquire) {
            return;
        }
        let key = (to, u16::from_be_bytes([header[2], header[3]]));
        let mut known = self.lock();
        if !is_shut {
            known.remove(&key);
        } else if known.len() < self.most {
            let now = Instant::now();
            let consumed = [header[18], header[19]];
            known.entry(key).or_insert(Knock {
                consumed,
                since: now,
                pause: FIRST_PAUSE,
                next: now + FIRST_PAUSE,
            });
        }
        self.settle(&known);
    }

    /// Looks at a received datagram. A peer that has sent everything needs no window.
    pub(super) fn heard(&self, from: SocketAddr, datagram: &[u8]) {
        let is_end = datagram.len() >= HEADER && datagram[0] >> 4 == FIN;
        if is_end && self.is_any.load(Ordering::Acquire) {
            let id = u16::from_be_bytes([datagram[2], datagram[3]]);
            let mut known = self.lock();
            for of_ours in [id.wrapping_sub(1), id.wrapping_add(1)] {
                known.remove(&(from, of_ours));
            }
            self.settle(&known);
        }
    }

    /// Waits until some connections are due, and returns the packets for the protocol.
    pub(super) async fn knocks(&self) -> Vec<(SocketAddr, Bytes)> {
        while !self.is_any.load(Ordering::Acquire) {
            self.added.notified().await;
        }
        tokio::time::sleep(FIRST_PAUSE).await;
        let now = Instant::now();
        let mut known = self.lock();
        known.retain(|_, knock| now < knock.since + SILENCE);
        let due = known.iter_mut().filter(|(_, knock)| knock.next <= now);
        let knocks = due.flat_map(|(&(to, id), knock)| {
            knock.pause = (knock.pause * 2).min(LAST_PAUSE);
            knock.next = now + knock.pause;
            // The side that dialled uses the lower number. The other number belongs to no
            // connection, and its packet is ignored.
            [id.wrapping_sub(1), id.wrapping_add(1)].map(|id| (to, knocking(id, knock.consumed)))
        });
        let knocks = knocks.collect();
        self.settle(&known);
        knocks
    }

    fn settle(&self, known: &HashMap<Key, Knock>) {
        let was_any = self.is_any.swap(!known.is_empty(), Ordering::AcqRel);
        if !was_any && !known.is_empty() {
            self.added.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Knock>> {
        self.known.lock()
    }
}

fn knocking(id: u16, consumed: [u8; 2]) -> Bytes {
    let mut datagram = [0; HEADER];
    datagram[0] = FIN << 4 | VERSION;
    datagram[2..4].copy_from_slice(&id.to_be_bytes());
    datagram[16..18].copy_from_slice(&consumed);
    Bytes::copy_from_slice(&datagram)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::super::packet::{RESET, SYN};
    use super::*;

    fn addr() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7))
    }

    fn datagram(kind: u8, window: u32) -> Vec<u8> {
        let mut datagram = vec![kind << 4 | VERSION, 0, 0, 9];
        datagram.extend([0; 8]);
        datagram.extend(window.to_be_bytes());
        datagram.extend([0, 3, 0, 8]);
        datagram
    }

    async fn knocks(shut: &Shut) -> Vec<(SocketAddr, Bytes)> {
        timeout(Duration::from_secs(1), shut.knocks()).await.unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn a_shut_window_is_knocked_at_less_and_less_until_it_opens() {
        let shut = Shut::new(2);
        shut.sent(addr(), &datagram(STATE, 0));
        let (first, began) = (knocks(&shut).await, Instant::now());
        let ids: Vec<u8> = first.iter().map(|(_, datagram)| datagram[3]).collect();
        assert_eq!((ids, first[0].0), (vec![8, 10], addr()));
        assert_eq!(
            (first[0].1[0], &first[0].1[16..18]),
            (0x11, &[0, 8][..]),
            "an end that was passed"
        );
        let mut times = 0;
        while began.elapsed() < Duration::from_secs(10) {
            times += usize::from(!knocks(&shut).await.is_empty());
        }
        assert!((40..60).contains(&times), "{times}");
        shut.sent(addr(), &datagram(STATE, 1));
        assert_eq!(knocks(&shut).await, []);
    }

    #[tokio::test(start_paused = true)]
    async fn beginnings_and_ends_have_no_window() {
        let shut = Shut::new(2);
        for kind in [FIN, RESET, SYN] {
            shut.sent(addr(), &datagram(kind, 0));
        }
        shut.sent(addr(), &[0x21; 7]);
        assert_eq!(knocks(&shut).await, []);
        shut.sent(addr(), &datagram(DATA, 0));
        let mut end = datagram(FIN, 0);
        end[3] = 10;
        shut.heard(addr(), &end);
        assert_eq!(knocks(&shut).await, [], "a peer that has sent everything needs no window");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let shut = Shut::new(2);
        for port in 1..=5 {
            shut.sent(SocketAddr::from(([127, 0, 0, 1], port)), &datagram(STATE, 0));
        }
        assert_eq!(knocks(&shut).await.len(), 4);
        tokio::time::advance(SILENCE).await;
        assert_eq!(knocks(&shut).await, []);
    }
}
