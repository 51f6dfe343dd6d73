//! The upload slots of peers, and the bytes uploaded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::Rng;
use shared_proto::ConnId;

use super::outcomes::Slots;
use crate::peer::Peer;
use crate::peer::rate::RateMeter;
use crate::pick::choker::{Choker, Contender, Strategy};
use crate::time::Instant;

/// Interval at which uploads are maintained.
const INTERVAL: Duration = Duration::from_secs(1);

/// The uploaded bytes, and the choker.
#[derive(Debug)]
pub(super) struct Uploads {
    choker: Choker,
    uploaded: u64,
    rate: RateMeter,
    maintained: Instant,
    /// Whether peers know that we only upload (BEP 21).
    announced_upload_only: bool,
}

impl Uploads {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            choker: Choker::new(now),
            uploaded: 0,
            rate: RateMeter::new(now),
            maintained: now,
            announced_upload_only: false,
        }
    }

    /// Payload of this length was passed on to a peer.
    pub(super) fn sent(&mut self, length: u32, now: Instant) {
        self.uploaded += u64::from(length);
        self.rate.add(u64::from(length), now);
    }

    /// Bytes of payload uploaded.
    pub(super) fn uploaded(&self) -> u64 {
        self.uploaded
    }

    /// Current upload rate in bytes of payload per second.
    pub(super) fn rate_bps(&self, now: Instant) -> u64 {
        self.rate.rate_bps(now)
    }

    /// Whether peers know that we only upload (BEP 21).
    pub(super) fn announced_upload_only(&self) -> bool {
        self.announced_upload_only
    }

    /// Sets what peers know. Returns whether it has changed.
    pub(super) fn set_announced_upload_only(&mut self, upload_only: bool) -> bool {
        std::mem::replace(&mut self.announced_upload_only, upload_only) != upload_only
    }

    /// Whether a second has passed since this last returned true.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.saturating_since(self.maintained) >= INTERVAL;
        if is_due {
            self.maintained = now;
        }
        is_due
    }

    /// Assigns the slots: chokes and unchokes peers.
    pub(super) fn choose(
        &mut self,
        peers: &mut BTreeMap<ConnId, Peer>,
        slots: Slots,
        rng: &mut impl Rng,
        now: Instant,
    ) {
        let contenders: Vec<Contender> = peers
            .iter()
            .filter(|(_, peer)| peer.is_ready())
            .map(|(&conn, peer)| Contender {
                conn,
                interested: peer.upload().is_interested(),
                snubs: !slots.is_done && peer.is_snubbing(),
                received: peer.received_bytes(),
                sent: peer.upload().given(),
            })
            .collect();
        let strategy = if slots.is_done { Strategy::Seeding } else { Strategy::Downloading };
        let chosen = match slots.count {
            Some(count) => self.choker.choose(strategy, count, &contenders, rng, now),
            None => BTreeSet::new(),
        };
        for Contender { conn, .. } in contenders {
            if let Some(peer) = peers.get_mut(&conn) {
                peer.set_choked(!chosen.contains(&conn), now);
            }
        }
    }
}
