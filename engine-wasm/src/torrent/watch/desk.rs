//! The desk: what each viewer may have now, and what it waits for.
//!
//! Owns the requests of one torrent and the viewers behind them, and answers every request in the
//! step in which it arrives. A request has a cursor and a grant: `next` is its first byte that is
//! not granted. The desk knows no peers and no blocks. Invariant: a grant ends where the verified
//! prefix ends, even if that becomes shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared_proto::RequestId;

use crate::geometry::{FileIndex, FileOffset, FileRange, PieceIndex};
use crate::limits;
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;
use crate::torrent::watch::viewer::Viewer;

/// Interval at which the daemon learns that a waiting request is alive.
const REMIND: Duration = Duration::from_secs(5);
/// Time without a source after which a waiting request is rejected.
const HOPELESS: Duration = Duration::from_secs(300);

/// A viewer of one file, across its successive requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ViewerId(u64);

/// One current request.
#[derive(Debug)]
pub(crate) struct Request {
    viewer: ViewerId,
    /// The file.
    pub file: FileIndex,
    /// The requested bytes.
    pub range: FileRange,
    /// First byte that is not granted; the end of `range` when everything is.
    pub next: FileOffset,
    /// First byte that the viewer has not read.
    pub position: FileOffset,
    /// When it began to wait for `next`.
    pub waiting_since: Instant,
    /// When its position last changed, or when it began. If it has read everything granted, it has
    /// had nothing since then.
    moved: Instant,
    /// When the request was last reported as waiting.
    pub reported: Instant,
    /// The piece at `next`, while it waits.
    awaited_piece: Option<PieceIndex>,
}

impl Request {
    /// Whether everything requested is granted.
    pub(crate) fn is_granted(&self) -> bool {
        self.next >= self.range.end()
    }

    /// Returns how far the reply may go. `None` if it has to wait for its first byte.
    fn granted(&self) -> Option<Grant> {
        let granted = self.range.before(self.next)?;
        Some(if self.is_granted() { Grant::All } else { Grant::UpTo(granted.last()) })
    }

    /// The piece that it waits for with nothing left to read, and since when.
    fn starves(&self) -> Option<(PieceIndex, Instant)> {
        self.awaited_piece.filter(|_| self.position == self.next).map(|piece| (piece, self.moved))
    }
}

/// The extent of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// The whole range.
    All,
    /// Up to this byte, inclusive.
    UpTo(FileOffset),
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Granted, completely or as far as the bytes are verified.
    Granted(Grant),
    /// None of it is verified yet.
    Wait,
    /// The range is not within the file.
    OutsideFile,
    /// There are too many requests.
    Full,
}

/// The desk of one torrent.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    requests: BTreeMap<RequestId, Request>,
    viewers: BTreeMap<ViewerId, Viewer>,
    /// The requests that wait for each piece, which is the one at their `next`.
    waiting: BTreeMap<PieceIndex, BTreeSet<RequestId>>,
    viewers_so_far: u64,
}

impl Desk {
    /// Handles `range_request`. Also returns whether the viewer is new, or has jumped.
    pub(crate) fn open(
        &mut self,
        id: RequestId,
        file: FileIndex,
        (start, end): (u64, u64),
        verified: Verified<'_>,
        now: Instant,
    ) -> (Answer, bool) {
        let Some(range) = verified.geometry.file_range(file, start, end) else {
            return (Answer::OutsideFile, false);
        };
        if self.requests.len() >= limits::REQUESTS_PER_TORRENT {
            return (Answer::Full, false);
        }
        self.close(id);
        let (viewer, jumped) = self.viewer_for(file, range.first(), now);
        let next = verified.verified_until(file, range);
        let mut request = Request {
            viewer,
            file,
            range,
            next,
            position: range.first(),
            waiting_since: now,
            moved: now,
            reported: now,
            awaited_piece: None,
        };
        let answer = request.granted().map_or(Answer::Wait, Answer::Granted);
        self.wait(id, &mut request, verified);
        self.requests.insert(id, request);
        (answer, jumped)
    }

    /// Handles `range_progress`: the viewer has read everything before `position`.
    pub(crate) fn progress(&mut self, id: RequestId, position: u64, now: Instant) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let position = FileOffset::nearest(position, request.position, request.next);
        if position > request.position {
            (request.position, request.moved) = (position, now);
        }
        if let Some(viewer) = self.viewers.get_mut(&request.viewer) {
            viewer.advance(position, now);
        }
    }

    /// Returns the verified bytes that the daemon should read in advance. The bytes lie ahead of
    /// this request's viewer, and each byte is returned once.
    pub(crate) fn hint(
        &mut self,
        id: RequestId,
        verified: Verified<'_>,
    ) -> Option<(FileIndex, FileRange)> {
        let request = self.requests.get(&id)?;
        let bytes = self.viewers.get_mut(&request.viewer)?.hint(verified)?;
        Some((request.file, bytes))
    }

    /// Handles `range_cancel`: the request has ended, complete or not. Returns whether something it
    /// waited for is no longer needed.
    pub(crate) fn cancel(&mut self, id: RequestId, now: Instant) -> bool {
        let Some(request) = self.close(id) else { return false };
        let Some(viewer) = self.viewers.get_mut(&request.viewer) else { return false };
        if request.is_granted() {
            viewer.finish(request.range.end(), now);
            self.bound_idle();
            false
        } else {
            self.viewers.remove(&request.viewer);
            true
        }
    }

    /// Drops all requests after a lost link; the viewers are expected back.
    pub(crate) fn unlink(&mut self, now: Instant) {
        self.waiting.clear();
        for (_, request) in std::mem::take(&mut self.requests) {
            if let Some(viewer) = self.viewers.get_mut(&request.viewer) {
                viewer.finish(request.next, now);
            }
        }
    }

    /// Removes and returns all waiting requests, because the torrent stops.
    pub(crate) fn drain_waiting(&mut self) -> Vec<RequestId> {
        let ids: Vec<RequestId> = self.waiting.values().flatten().copied().collect();
        ids.iter().for_each(|&id| self.reject(id));
        ids
    }

    /// A piece or one of its blocks is verified: returns the requests that may continue, with their
    /// grants.
    pub(crate) fn verified(
        &mut self,
        piece: PieceIndex,
        verified: Verified<'_>,
        now: Instant,
    ) -> Vec<(RequestId, Grant)> {
        let mut grants = Vec::new();
        for id in self.waiting.remove(&piece).unwrap_or_default() {
            let Some(mut request) = self.requests.remove(&id) else { continue };
            let rest = request.range.from(request.next);
            let next = rest.map(|rest| verified.verified_until(request.file, rest));
            if let Some(next) = next.filter(|&next| next > request.next) {
                (request.next, request.waiting_since) = (next, now);
                grants.extend(request.granted().map(|grant| (id, grant)));
            }
            self.wait(id, &mut request, verified);
            self.requests.insert(id, request);
        }
        grants
    }

    /// Bytes of a file, first to last, are no longer verified. Requests that were granted any of
    /// them wait for them again.
    pub(crate) fn revoke(
        &mut self,
        file: FileIndex,
        lost: FileRange,
        verified: Verified<'_>,
        now: Instant,
    ) {
        let is_hit = |request: &Request| {
            request.file == file
                && request.range.first() <= lost.last()
                && request.next > lost.first().max(request.range.first())
        };
        let hit: Vec<RequestId> =
            self.requests().filter(|(_, request)| is_hit(request)).map(|(id, _)| id).collect();
        for id in hit {
            let Some(mut request) = self.close(id) else { continue };
            request.next = lost.first().max(request.range.first());
            request.position = request.position.min(request.next);
            request.waiting_since = now;
            self.wait(id, &mut request, verified);
            self.requests.insert(id, request);
        }
    }

    /// All current requests.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (RequestId, &Request)> {
        self.requests.iter().map(|(&id, request)| (id, request))
    }

    /// Rejects the requests that wait for a piece that will not arrive.
    pub(crate) fn reject_lost(&mut self, is_lost: impl Fn(PieceIndex) -> bool) -> Vec<RequestId> {
        self.reject_where(|piece, _| is_lost(piece))
    }

    /// Rejects the requests that have waited for minutes for a piece without a source.
    pub(crate) fn reject_hopeless(
        &mut self,
        has_source: impl Fn(PieceIndex) -> bool,
        now: Instant,
    ) -> Vec<RequestId> {
        self.reject_where(|piece, request| {
            now.saturating_since(request.waiting_since) > HOPELESS && !has_source(piece)
        })
    }

    fn reject_where(&mut self, is_meant: impl Fn(PieceIndex, &Request) -> bool) -> Vec<RequestId> {
        let waiting =
            self.waiting.iter().flat_map(|(&piece, ids)| ids.iter().map(move |id| (piece, id)));
        let meant = waiting.filter(|(piece, id)| {
            self.requests.get(id).is_some_and(|request| is_meant(*piece, request))
        });
        let ids: Vec<RequestId> = meant.map(|(_, &id)| id).collect();
        ids.iter().for_each(|&id| self.reject(id));
        ids
    }

    /// The waiting requests that were not reported for [`REMIND`]. They count as reported now.
    pub(crate) fn take_due_reminders(&mut self, now: Instant) -> Vec<RequestId> {
        let mut ids = Vec::new();
        for (&id, request) in
            self.requests.iter_mut().filter(|(_, request)| request.awaited_piece.is_some())
        {
            if now.saturating_since(request.reported) >= REMIND {
                request.reported = now;
                ids.push(id);
            }
        }
        ids
    }

    /// The current request with this id.
    pub(crate) fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// Whether there is any request.
    pub(crate) fn is_read(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether any request waits.
    pub(crate) fn is_waited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Removes a request that will not be served.
    pub(crate) fn reject(&mut self, id: RequestId) {
        if let Some(request) = self.close(id) {
            self.viewers.remove(&request.viewer);
        }
    }

    /// Whether there is any viewer.
    pub(crate) fn is_watched(&self) -> bool {
        !self.viewers.is_empty()
    }

    /// The files of current and recent viewers; a file may appear several times.
    pub(crate) fn watched(&self) -> impl Iterator<Item = FileIndex> + '_ {
        self.viewers.values().map(Viewer::file)
    }

    /// Whether any request waits for this piece.
    pub(crate) fn is_awaited(&self, piece: PieceIndex) -> bool {
        self.waiting.contains_key(&piece)
    }

    /// The files of viewers, the latest viewer first.
    pub(crate) fn watched_files(&self) -> impl Iterator<Item = FileIndex> + '_ {
        self.viewers.values().rev().map(Viewer::file)
    }

    /// Forgets viewers that did not come back. Returns whether any was forgotten.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.viewers.len();
        self.viewers.retain(|_, viewer| !viewer.has_left(now));
        self.viewers.len() != before
    }

    /// Forgets the viewers that have been away longest, if there are too many.
    fn bound_idle(&mut self) {
        let idle =
            || self.viewers.iter().filter_map(|(&id, viewer)| Some((viewer.idle_since()?, id)));
        if idle().count() > limits::IDLE_VIEWERS
            && let Some((_, id)) = idle().min()
        {
            self.viewers.remove(&id);
        }
    }

    /// The unverified pieces that viewers need, most urgent first. Viewers with a request come
    /// first, by deadline, then the read-ahead of the others.
    ///
    /// A starving viewer's deadline is in the past and stays there: the one that starves longest
    /// comes first, and one that was served goes to the end. So viewers take turns, at any position
    /// in the file and however many come later.
    pub(crate) fn wants(&self, verified: Verified<'_>, now: Instant) -> Vec<Want> {
        if verified.pieces.is_complete() {
            return Vec::new();
        }
        let mut wants: Vec<Want> =
            self.viewers.values().flat_map(|viewer| viewer.wants(verified, now)).collect();
        let mut starving: BTreeMap<PieceIndex, Instant> = BTreeMap::new();
        for (piece, since) in self.requests.values().filter_map(Request::starves) {
            starving.entry(piece).and_modify(|first| *first = since.min(*first)).or_insert(since);
        }
        for want in &mut wants {
            if let Some(&since) = starving.get(&want.piece) {
                want.deadline = want.deadline.min(since);
            }
        }
        wants.sort_by_key(|want| (want.idle, want.deadline, want.piece));
        let mut seen = BTreeSet::new();
        wants.retain(|want| seen.insert(want.piece));
        for want in &mut wants {
            want.awaited = self.is_awaited(want.piece);
        }
        wants.truncate(limits::WANTS);
        wants
    }

    fn viewer_for(&mut self, file: FileIndex, start: FileOffset, now: Instant) -> (ViewerId, bool) {
        if let Some((&id, viewer)) =
            self.viewers.iter_mut().find(|(_, viewer)| viewer.continues_at(file, start))
        {
            viewer.resume(start, now);
            return (id, false);
        }
        let id = ViewerId(self.viewers_so_far);
        self.viewers_so_far += 1;
        self.viewers.insert(id, Viewer::new(file, start, now));
        (id, true)
    }

    fn close(&mut self, id: RequestId) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        if let Some(piece) = request.awaited_piece
            && let Some(ids) = self.waiting.get_mut(&piece)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.waiting.remove(&piece);
            }
        }
        Some(request)
    }

    fn wait(&mut self, id: RequestId, request: &mut Request, verified: Verified<'_>) {
        request.awaited_piece = if request.is_granted() {
            None
        } else {
            verified.geometry.locate(request.file, request.next).map(|(piece, _)| piece)
        };
        if let Some(piece) = request.awaited_piece {
            self.waiting.entry(piece).or_default().insert(id);
        }
    }
}

#[cfg(test)]
mod tests;
