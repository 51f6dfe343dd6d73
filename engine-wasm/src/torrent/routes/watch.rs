//! The requests of viewers: grants, rejections, and reasons for waiting.

use std::time::Duration;

use shared_proto::{BlockReason, EngineMessage, RequestId};

use crate::context::Context;
use crate::geometry::{FileIndex, FileRange, PieceIndex, count_pieces, each_piece};
use crate::peer::Peer;
use crate::pick::piece_map::PieceState;
use crate::time::Instant;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::watch::desk::{Answer, Grant};
use crate::torrent::watch::prospects::Circumstances;
use crate::view::{WaitReason, WaitView};

/// HTTP status for missing bytes when the caller does not wait: a conflict with the current state
/// (RFC 9110 §15.5.10).
const NOT_THERE: u16 = 409;
/// When a rejected viewer should retry, in seconds.
const RETRY_AFTER_S: u64 = 30;

impl Torrent {
    /// Handles `range_request`.
    pub(crate) fn range_request(
        &mut self,
        id: RequestId,
        file: FileIndex,
        range: (u64, u64),
        cx: &mut Context<'_>,
    ) {
        let ledger = self.ledger.verified(&self.content.geometry);
        let (answer, jumped) = self.watch.desk_mut().open(id, file, range, ledger, cx.now);
        match answer {
            Answer::Granted(grant) => cx
                .send_control(EngineMessage::RangeAvailable { request_id: id, end: end_of(grant) }),
            Answer::Wait => {}
            Answer::OutsideFile => return reject(id, None, "outside the file", None, cx),
            Answer::Full => {
                return reject(id, Some(503), "too many requests", Some(RETRY_AFTER_S), cx);
            }
        }
        if answer == Answer::Wait {
            self.await_end_of_trouble(cx.now);
        }
        self.reject_hopeless(cx);
        let Some(request) = self.watch.desk().request(id) else { return };
        if !request.is_granted() {
            // A viewer does not wait for other torrents in the queue.
            self.wake(cx);
        }
        if answer == Answer::Wait {
            self.remind(id, cx);
        } else {
            self.hint_ahead(id, cx);
        }
        self.refresh_wants(cx.now);
        if jumped {
            self.cancel_unawaited(cx);
        }
        self.check_next(cx);
        self.glance(file, cx);
        self.refresh_all_interest(cx.now);
        self.fetch.invalidate();
        cx.changed();
    }

    /// Handles a `range_request` for what is available now: the caller is no viewer, and nothing is
    /// downloaded.
    pub(crate) fn range_now(
        &mut self,
        id: RequestId,
        file: FileIndex,
        (start, end): (u64, u64),
        cx: &mut Context<'_>,
    ) {
        let Some(range) = self.content.geometry.file_range(file, start, end) else {
            return reject(id, None, "outside the file", None, cx);
        };
        let ledger = self.ledger.verified(&self.content.geometry);
        let Some(there) = range.before(ledger.verified_until(file, range)) else {
            return reject(id, Some(NOT_THERE), "these bytes are not here yet", None, cx);
        };
        cx.send_control(EngineMessage::RangeAvailable {
            request_id: id,
            end: (there != range).then(|| there.last().get()),
        });
        self.glance(file, cx);
    }

    /// Whether all of these bytes are verified.
    #[cfg(test)]
    pub(crate) fn is_proven(&self, file: FileIndex, (first, last): (u64, u64)) -> bool {
        let range = self.content.geometry.file_range(file, first, last);
        let verified = self.ledger.verified(&self.content.geometry);
        range.is_some_and(|range| verified.verified_until(file, range) == range.end())
    }

    /// Whether the state of a file is known.
    #[cfg(test)]
    pub(crate) fn is_known(&self, file: usize) -> bool {
        self.content.geometry.files().nth(file).is_some_and(|file| self.storage.is_known(file))
    }

    /// Handles `range_progress`.
    pub(crate) fn range_progress(&mut self, id: RequestId, position: u64, cx: &mut Context<'_>) {
        self.watch.desk_mut().progress(id, position, cx.now);
        self.hint_ahead(id, cx);
        self.fetch.invalidate();
    }

    /// Lets the daemon read ahead what a viewer will request soon.
    fn hint_ahead(&mut self, id: RequestId, cx: &mut Context<'_>) {
        let ledger = self.ledger.verified(&self.content.geometry);
        if let Some((file, bytes)) = self.watch.desk_mut().hint(id, ledger) {
            self.hint(file, bytes, cx);
        }
    }

    /// Lets the daemon read these verified bytes ahead from the disk.
    pub(in crate::torrent) fn hint(&self, file: FileIndex, range: FileRange, cx: &mut Context<'_>) {
        let (start, end) = range.get();
        let file_id = self.storage.id(file).clone();
        cx.send_control(EngineMessage::RangeHint { file_id, start, end });
    }

    /// Handles `range_cancel`.
    pub(crate) fn range_cancel(&mut self, id: RequestId, cx: &mut Context<'_>) {
        if self.watch.desk_mut().cancel(id, cx.now) {
            self.refresh_wants(cx.now);
            // Blocks that are still needed stay requested. Otherwise they would be requested from
            // others in this step and arrive twice, because a peer sends what it has begun to send.
            self.cancel_unneeded(cx);
        }
        self.fetch.invalidate();
        cx.changed();
    }

    /// A piece is verified: grants its bytes to waiting requests.
    pub(in crate::torrent) fn grant(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let ledger = self.ledger.verified(&self.content.geometry);
        for (request_id, grant) in self.watch.desk_mut().verified(piece, ledger, cx.now) {
            cx.send_control(EngineMessage::RangeReady { request_id, end: end_of(grant) });
        }
    }

    /// Once a tick: forgets viewers that did not come back, and tells waiting ones the reason.
    pub(in crate::torrent) fn maintain_viewers(&mut self, cx: &mut Context<'_>) {
        if self.watch.desk_mut().expire(cx.now) {
            self.fetch.invalidate();
        }
        self.expire_preparations(cx);
        let (swarm, pieces) = (&self.swarm, self.ledger.pieces());
        let is_on_web =
            |piece| swarm.web_seeds().is_hopeful() && pieces.state(piece) != PieceState::Unchecked;
        let has_source =
            |piece| is_on_web(piece) || swarm.peers().values().any(|peer| peer.has(piece));
        for id in self.watch.desk_mut().reject_hopeless(has_source, cx.now) {
            reject(id, Some(503), "nobody has these bytes", Some(RETRY_AFTER_S), cx);
        }
        for id in self.watch.desk_mut().take_due_reminders(cx.now) {
            self.remind(id, cx);
        }
        if self.watch.desk().is_waited() {
            self.fetch.invalidate();
        }
    }

    /// The torrent stops: rejects all waiting requests.
    pub(in crate::torrent) fn reject_all_waiting(&mut self, cx: &mut Context<'_>) {
        for id in self.watch.desk_mut().drain_waiting() {
            reject(id, Some(503), "the torrent is stopped", None, cx);
        }
    }

    /// Rejects the requests that only a download could serve. A stopped torrent downloads nothing.
    ///
    /// Requests that wait for the check of existing files stay.
    pub(in crate::torrent) fn reject_hopeless(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.life.status, Status::Paused | Status::Failed(..)) {
            return;
        }
        let pieces = self.ledger.pieces();
        let is_lost =
            |piece| !matches!(pieces.state(piece), PieceState::Unchecked | PieceState::Hashing);
        for id in self.watch.desk_mut().reject_lost(is_lost) {
            reject(id, Some(503), "the torrent is stopped", None, cx);
        }
    }

    /// What a request waits for; `None` if it is not waiting.
    pub(in crate::torrent) fn waiting(&self, id: RequestId, now: Instant) -> Option<WaitView> {
        let request = self.watch.desk().request(id).filter(|request| !request.is_granted())?;
        let fed = request.position < request.next;
        let left = request.range.from(request.next)?;
        let pieces = self.content.geometry.pieces_of(request.file, left);
        if fed {
            return None;
        }
        let at = *pieces.start();
        let (reason, eta) = self.prospects(at, now);
        let have = each_piece(pieces.clone())
            .filter(|&piece| self.ledger.pieces().state(piece) == PieceState::Have)
            .count();
        Some(WaitView {
            reason,
            have_pieces: u32::try_from(have).unwrap_or(u32::MAX),
            need_pieces: count_pieces(&pieces),
            eta_ms: eta.and_then(|eta| u32::try_from(eta.as_millis()).ok()),
            sources: u32::try_from(self.sources(at).count()).unwrap_or(u32::MAX),
        })
    }

    fn sources(&self, piece: PieceIndex) -> impl Iterator<Item = &Peer> {
        self.swarm.peers().values().filter(move |peer| peer.is_ready() && peer.has(piece))
    }

    /// Why a piece is missing, and when it may arrive.
    fn prospects(&self, piece: PieceIndex, now: Instant) -> (WaitReason, Option<Duration>) {
        let status = &self.life.status;
        let is_on_web = self.is_on_web(piece);
        let from_peers: u64 = self.sources(piece).map(|peer| peer.rate_bps(now)).sum();
        let circumstances = Circumstances {
            is_stopped: matches!(status, Status::Paused | Status::Failed(..) | Status::Resting(_)),
            is_checking: matches!(status, Status::Unlinked | Status::Looking)
                || self.ledger.pieces().state(piece) == PieceState::Unchecked,
            is_on_web,
            has_peer: self.swarm.has_ready_peer(),
            sources: self.sources(piece).count(),
            rate_bps: from_peers + self.swarm.web_seeds().rate_bps(),
            length: self.content.geometry.piece_len(piece),
        };
        circumstances.prospects()
    }

    fn remind(&self, id: RequestId, cx: &mut Context<'_>) {
        let Some(request) = self.watch.desk().request(id) else { return };
        let Some((piece, _)) = self.content.geometry.locate(request.file, request.next) else {
            return;
        };
        let (reason, eta) = self.prospects(piece, cx.now);
        let reason = match reason {
            WaitReason::Checking => BlockReason::Checking,
            WaitReason::Downloading => BlockReason::Downloading,
            WaitReason::NoPeers | WaitReason::NoSource | WaitReason::Stopped => {
                BlockReason::NoSource
            }
        };
        cx.send_control(EngineMessage::RangeBlock {
            request_id: id,
            reason: Some(reason),
            eta_ms: eta.and_then(|eta| u64::try_from(eta.as_millis()).ok()),
        });
    }
}

fn end_of(grant: Grant) -> Option<u64> {
    match grant {
        Grant::All => None,
        Grant::UpTo(end) => Some(end.get()),
    }
}

fn reject(
    request_id: RequestId,
    status: Option<u16>,
    why: &str,
    retry_after: Option<u64>,
    cx: &mut Context<'_>,
) {
    cx.send_control(EngineMessage::RangeReject {
        request_id,
        status,
        reason: Some(why.to_owned()),
        retry_after,
    });
}
