//! What all parts and torrents use in a turn: chance, shared state, and the queue of outputs.

use std::collections::VecDeque;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::context::{Context, Shared};
use crate::io::Output;
use crate::time::Instant;

/// First part of the peer id (BEP 20).
const PEER_ID_PREFIX: &[u8; 8] = b"-JS0100-";

/// The owner of all that a [`Context`] borrows.
#[derive(Debug)]
pub(crate) struct Common {
    rng: ChaCha8Rng,
    peer_id: [u8; 20],
    /// What the torrents share.
    pub(crate) shared: Shared,
    /// The outputs that the host has not taken yet.
    pub(crate) out: VecDeque<Output>,
}

impl Common {
    /// Starts the random source from `seed`, and makes a peer id.
    pub(crate) fn new(seed: [u8; 32], shared: Shared) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let peer_id = new_peer_id(&mut rng);
        Self { rng, peer_id, shared, out: VecDeque::new() }
    }

    /// Makes another peer id.
    ///
    /// A peer that still takes a dead connection for a live one would refuse a second one of the
    /// same id.
    pub(crate) fn renew_peer_id(&mut self) {
        self.peer_id = new_peer_id(&mut self.rng);
    }

    /// Lends everything for one call at `now`.
    pub(crate) fn context(&mut self, now: Instant) -> Context<'_> {
        Context::new(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now)
    }
}

fn new_peer_id(rng: &mut ChaCha8Rng) -> [u8; 20] {
    let mut peer_id = [0; 20];
    peer_id[..PEER_ID_PREFIX.len()].copy_from_slice(PEER_ID_PREFIX);
    rng.fill_bytes(&mut peer_id[PEER_ID_PREFIX.len()..]);
    peer_id
}
