//! The stream desk: what each viewer may have now, and what it waits for.
//!
//! It owns the requests of one torrent and the viewers behind them, and answers every question in
//! the turn in which it is asked. A request is a cursor with a rising watermark: `next` is its
//! first byte not yet granted. The desk never knows peers or blocks; its invariant: what a request
//! is granted ends where the verified prefix ends, also when that becomes shorter.

use std::collections::{BTreeMap, BTreeSet};

use shared_proto::RequestId;

use crate::geometry::{FileIndex, PieceIndex};
use crate::limits;
use crate::media::container_index::Bytes;
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;
use crate::torrent::watch::viewer::Viewer;

/// A viewer of one file, through one request after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ViewerId(u64);

/// One request under way.
#[derive(Debug)]
pub(crate) struct Request {
    viewer: ViewerId,
    /// The file.
    pub file: FileIndex,
    /// First byte asked for.
    pub start: u64,
    /// Last byte asked for.
    pub end: u64,
    /// First byte not yet granted; beyond `end` when all is granted.
    pub next: u64,
    /// First byte not yet drained by the viewer.
    pub position: u64,
    /// When it began to wait for `next`.
    pub waiting_since: Instant,
    /// When it began, or last moved: when it has drained all that it was granted, since then it has
    /// nothing.
    moved: Instant,
    /// When the daemon was last told to wait.
    pub told: Instant,
    /// The piece at `next`, while it waits.
    awaits: Option<PieceIndex>,
}

impl Request {
    /// Whether the viewer has been granted all that it asked for.
    pub(crate) fn is_granted(&self) -> bool {
        self.next > self.end
    }

    /// The piece that it waits for with nothing left to drain, and since when.
    fn starves(&self) -> Option<(PieceIndex, Instant)> {
        self.awaits.filter(|_| self.position == self.next).map(|piece| (piece, self.moved))
    }
}

/// How far a viewer may go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// All of the range.
    All,
    /// Up to this byte, inclusive.
    UpTo(u64),
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Granted, all or the part that is there.
    Granted(Grant),
    /// Nothing of it is there yet.
    Wait,
    /// The range does not lie in the file.
    OutsideFile,
    /// The desk has too many requests.
    Full,
}

/// The desk of one torrent.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    requests: BTreeMap<RequestId, Request>,
    viewers: BTreeMap<ViewerId, Viewer>,
    /// Who waits for which piece: the one at its `next`.
    waiting: BTreeMap<PieceIndex, BTreeSet<RequestId>>,
    viewers_so_far: u64,
}

impl Desk {
    /// `range_request`: may these bytes go? Also says whether the viewer is new, or has jumped.
    pub(crate) fn open(
        &mut self,
        id: RequestId,
        file: FileIndex,
        (start, end): (u64, u64),
        verified: Verified<'_>,
        now: Instant,
    ) -> (Answer, bool) {
        if end < start || end >= verified.geometry.file_len(file) {
            return (Answer::OutsideFile, false);
        }
        if self.requests.len() >= limits::REQUESTS_PER_TORRENT {
            return (Answer::Full, false);
        }
        self.close(id);
        let (viewer, jumped) = self.viewer_for(file, start, now);
        let next = verified.verified_until(file, start, end);
        let mut request = Request {
            viewer,
            file,
            start,
            end,
            next,
            position: start,
            waiting_since: now,
            moved: now,
            told: now,
            awaits: None,
        };
        let answer = if request.is_granted() {
            Answer::Granted(Grant::All)
        } else if next > start {
            Answer::Granted(Grant::UpTo(next - 1))
        } else {
            Answer::Wait
        };
        self.wait(id, &mut request, verified);
        self.requests.insert(id, request);
        (answer, jumped)
    }

    /// `range_progress`: the viewer has drained everything before `position`.
    pub(crate) fn progress(&mut self, id: RequestId, position: u64, now: Instant) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let position = position.clamp(request.position, request.next);
        if position > request.position {
            (request.position, request.moved) = (position, now);
        }
        if let Some(viewer) = self.viewers.get_mut(&request.viewer) {
            viewer.advance(position, now);
        }
    }

    /// The verified bytes ahead of this request's viewer that the daemon should read in advance,
    /// each of them once.
    pub(crate) fn hint(
        &mut self,
        id: RequestId,
        verified: Verified<'_>,
    ) -> Option<(FileIndex, Bytes)> {
        let request = self.requests.get(&id)?;
        let bytes = self.viewers.get_mut(&request.viewer)?.hint(verified)?;
        Some((request.file, bytes))
    }

    /// `range_cancel`: the request has ended, with all its bytes or without. True when something it
    /// still waited for is no longer wanted.
    pub(crate) fn cancel(&mut self, id: RequestId, now: Instant) -> bool {
        let Some(request) = self.close(id) else { return false };
        let Some(viewer) = self.viewers.get_mut(&request.viewer) else { return false };
        if request.is_granted() {
            viewer.finish(request.end + 1, now);
            self.bound_idle();
            false
        } else {
            self.viewers.remove(&request.viewer);
            true
        }
    }

    /// All requests are gone, as after a lost link; the viewers are expected back.
    pub(crate) fn unlink(&mut self, now: Instant) {
        self.waiting.clear();
        for (_, request) in std::mem::take(&mut self.requests) {
            if let Some(viewer) = self.viewers.get_mut(&request.viewer) {
                viewer.finish(request.next, now);
            }
        }
    }

    /// All requests that wait, taken away, because the torrent stops.
    pub(crate) fn drain_waiting(&mut self) -> Vec<RequestId> {
        let ids: Vec<RequestId> = self.waiting.values().flatten().copied().collect();
        ids.iter().for_each(|&id| self.reject(id));
        ids
    }

    /// A piece is verified, or one of its blocks: who may go on, and how far.
    pub(crate) fn verified(
        &mut self,
        piece: PieceIndex,
        verified: Verified<'_>,
        now: Instant,
    ) -> Vec<(RequestId, Grant)> {
        let mut grants = Vec::new();
        for id in self.waiting.remove(&piece).unwrap_or_default() {
            let Some(mut request) = self.requests.remove(&id) else { continue };
            let next = verified.verified_until(request.file, request.next, request.end);
            if next > request.next {
                (request.next, request.waiting_since) = (next, now);
                grants.push((
                    id,
                    if request.is_granted() { Grant::All } else { Grant::UpTo(request.next - 1) },
                ));
            }
            self.wait(id, &mut request, verified);
            self.requests.insert(id, request);
        }
        grants
    }

    /// Bytes of a file, from the first to the last, are no longer verified: whoever was granted
    /// some of them waits for them again.
    pub(crate) fn revoke(
        &mut self,
        file: FileIndex,
        (first, last): (u64, u64),
        verified: Verified<'_>,
        now: Instant,
    ) {
        let is_hit = |request: &Request| {
            request.file == file && request.start <= last && request.next > first.max(request.start)
        };
        let hit: Vec<RequestId> =
            self.requests().filter(|(_, request)| is_hit(request)).map(|(id, _)| id).collect();
        for id in hit {
            let Some(mut request) = self.close(id) else { continue };
            request.next = first.max(request.start);
            request.position = request.position.min(request.next);
            request.waiting_since = now;
            self.wait(id, &mut request, verified);
            self.requests.insert(id, request);
        }
    }

    /// Requests under way.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (RequestId, &Request)> {
        self.requests.iter().map(|(&id, request)| (id, request))
    }

    /// Requests that wait, with the piece that each waits for.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (PieceIndex, RequestId)> + '_ {
        self.waiting.iter().flat_map(|(&piece, ids)| ids.iter().map(move |&id| (piece, id)))
    }

    /// Waiting requests that the daemon was last told about before `before`: it is now told again.
    pub(crate) fn take_due_reminders(&mut self, before: Instant, now: Instant) -> Vec<RequestId> {
        let mut ids = Vec::new();
        for (&id, request) in
            self.requests.iter_mut().filter(|(_, request)| request.awaits.is_some())
        {
            if request.told <= before {
                request.told = now;
                ids.push(id);
            }
        }
        ids
    }

    /// A request under way.
    pub(crate) fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// Whether a request is under way.
    pub(crate) fn is_read(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether anybody waits.
    pub(crate) fn is_waited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes away a request that will not be served.
    pub(crate) fn reject(&mut self, id: RequestId) {
        if let Some(request) = self.close(id) {
            self.viewers.remove(&request.viewer);
        }
    }

    /// Whether anybody watches.
    pub(crate) fn is_watched(&self) -> bool {
        !self.viewers.is_empty()
    }

    /// The files that somebody watches, or did a moment ago; one may be named several times.
    pub(crate) fn watched(&self) -> impl Iterator<Item = FileIndex> + '_ {
        self.viewers.values().map(Viewer::file)
    }

    /// Whether somebody waits for this piece right now.
    pub(crate) fn is_awaited(&self, piece: PieceIndex) -> bool {
        self.waiting.contains_key(&piece)
    }

    /// The files that viewers watch, the last viewer first.
    pub(crate) fn watched_files(&self) -> impl Iterator<Item = FileIndex> + '_ {
        self.viewers.values().rev().map(Viewer::file)
    }

    /// Forgets viewers that did not come back. True when one was forgotten.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.viewers.len();
        self.viewers.retain(|_, viewer| !viewer.is_gone(now));
        self.viewers.len() != before
    }

    /// Whoever has been away longest is not expected back when there are too many.
    fn bound_idle(&mut self) {
        let idle =
            || self.viewers.iter().filter_map(|(&id, viewer)| Some((viewer.idle_since()?, id)));
        if idle().count() > limits::IDLE_VIEWERS
            && let Some((_, id)) = idle().min()
        {
            self.viewers.remove(&id);
        }
    }

    /// What viewers need that is not verified, the most urgent first: earliest deadline first among
    /// those who read, then the read-ahead of those who paused.
    ///
    /// Who has nothing left has a deadline that has passed, and it stays where it is: whoever
    /// starves longest comes first, and who was fed goes to the end. So viewers take turns,
    /// wherever in the file they are and however many come after them.
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

    fn viewer_for(&mut self, file: FileIndex, start: u64, now: Instant) -> (ViewerId, bool) {
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
        if let Some(piece) = request.awaits
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
        request.awaits = if request.is_granted() {
            None
        } else {
            verified
                .geometry
                .pieces_of(request.file, request.next, request.next)
                .map(|pieces| *pieces.start())
        };
        if let Some(piece) = request.awaits {
            self.waiting.entry(piece).or_default().insert(id);
        }
    }
}

#[cfg(test)]
mod tests;
