//! Why a viewer waits for a piece, and how long it may take.

use std::time::Duration;

use crate::view::WaitReason;

/// What the arrival of a missing piece depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::torrent) struct Circumstances {
    /// Whether the torrent downloads nothing now.
    pub(in crate::torrent) is_stopped: bool,
    /// Whether the disk is being inspected, or may hold the piece.
    pub(in crate::torrent) is_checking: bool,
    /// Whether a web seed has the piece.
    pub(in crate::torrent) is_on_web: bool,
    /// Whether any peer is connected.
    pub(in crate::torrent) has_peer: bool,
    /// Number of connected peers that have the piece.
    pub(in crate::torrent) sources: usize,
    /// The rate of all its sources together, bytes per second.
    pub(in crate::torrent) rate_bps: u64,
    /// Length of the piece, bytes.
    pub(in crate::torrent) length: u32,
}

impl Circumstances {
    /// Why the piece is missing, and when it may arrive.
    pub(in crate::torrent) fn prospects(self) -> (WaitReason, Option<Duration>) {
        if self.is_stopped {
            return (WaitReason::Stopped, None);
        }
        if self.is_checking {
            return (WaitReason::Checking, None);
        }
        if !self.is_on_web && !self.has_peer {
            return (WaitReason::NoPeers, None);
        }
        if !self.is_on_web && self.sources == 0 {
            return (WaitReason::NoSource, None);
        }
        let micros = u64::from(self.length).saturating_mul(1_000_000);
        let eta = (self.rate_bps > 0).then(|| Duration::from_micros(micros / self.rate_bps));
        (WaitReason::Downloading, eta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(circumstances: Circumstances, reason: WaitReason, eta_ms: Option<u64>) {
        let expected = (reason, eta_ms.map(Duration::from_millis));
        assert_eq!(circumstances.prospects(), expected, "{circumstances:?}");
    }

    #[test]
    fn the_first_obstacle_is_the_reason() {
        let nothing = Circumstances { length: 1_000, ..Circumstances::default() };
        check(nothing, WaitReason::NoPeers, None);
        let peer = Circumstances { has_peer: true, ..nothing };
        check(peer, WaitReason::NoSource, None);
        let source = Circumstances { sources: 1, ..peer };
        check(source, WaitReason::Downloading, None);
        check(Circumstances { rate_bps: 500, ..source }, WaitReason::Downloading, Some(2_000));
        check(Circumstances { is_on_web: true, ..nothing }, WaitReason::Downloading, None);
        let checking = Circumstances { is_checking: true, ..source };
        check(checking, WaitReason::Checking, None);
        check(Circumstances { is_stopped: true, ..checking }, WaitReason::Stopped, None);
    }
}
