//! Requests of viewers; every grant is compared with the film.

use shared_proto::io::FileStat;
use shared_proto::{DaemonMessage, EngineMessage, FileId, RequestId};

use super::{Event, World};
use crate::io::Input;
use crate::sim::disk::path_in;
use crate::time::Instant;

/// A request of a viewer.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Viewer {
    pub(super) start: u64,
    pub(in crate::sim) end: u64,
    /// The first byte that is not granted.
    pub(in crate::sim) next: u64,
    /// When the first and the last byte were granted.
    pub(in crate::sim) first_at: Option<Instant>,
    pub(in crate::sim) done_at: Option<Instant>,
    pub(in crate::sim) rejected: Option<Option<u16>>,
    /// The first byte that is not sent, if sending is enabled.
    pub(in crate::sim) sent: u64,
    /// The file's state when its reply started.
    pub(super) seen: Option<FileStat>,
    pub(super) file: usize,
}

impl World {
    /// Sends a request for a range.
    pub(in crate::sim) fn ask(&mut self, file: usize, start: u64, end: u64) -> RequestId {
        self.ask_for(file, start, end, false)
    }

    /// Sends a request for the bytes that are available now.
    pub(in crate::sim) fn peek(&mut self, file: usize, start: u64, end: u64) -> RequestId {
        self.ask_for(file, start, end, true)
    }

    fn ask_for(&mut self, file: usize, start: u64, end: u64, only_now: bool) -> RequestId {
        self.look_before_asking(file);
        self.asked += 1;
        let request_id = RequestId(uuid::Uuid::from_u128(self.asked));
        if self.daemon.sending.is_some() {
            self.at(self.now, Event::Send(request_id));
        }
        let viewer = Viewer {
            start,
            end,
            next: start,
            first_at: None,
            done_at: None,
            rejected: None,
            sent: start,
            seen: None,
            file,
        };
        self.viewers.insert(request_id, viewer);
        let file_id = format!("{}.{file}", self.info_hash()).as_str().into();
        self.input(Input::Control(DaemonMessage::RangeRequest {
            request_id,
            file_id,
            start,
            end,
            only_now,
        }));
        request_id
    }

    /// Sends an HTTP API call.
    pub(in crate::sim) fn question(
        &mut self,
        question: impl FnOnce(RequestId) -> DaemonMessage,
    ) -> RequestId {
        self.asked += 1;
        let request_id = RequestId(uuid::Uuid::from_u128(self.asked));
        self.input(Input::Control(question(request_id)));
        request_id
    }

    /// Reports a viewer's progress.
    pub(in crate::sim) fn drain(&mut self, request_id: RequestId, position: u64) {
        self.input(Input::Control(DaemonMessage::RangeProgress { request_id, position }));
    }

    /// Cancels a request.
    pub(in crate::sim) fn leave(&mut self, request_id: RequestId) {
        self.input(Input::Control(DaemonMessage::RangeCancel { request_id }));
    }

    pub(super) fn control(&mut self, message: EngineMessage) {
        match message {
            EngineMessage::RangeAvailable { request_id, end }
            | EngineMessage::RangeReady { request_id, end } => {
                self.granted(request_id, end);
            }
            EngineMessage::RangeReject { request_id, status, .. } => {
                if let Some(viewer) = self.viewers.get_mut(&request_id) {
                    viewer.rejected = Some(status);
                }
            }
            EngineMessage::FileAnnounce { file_id, root, path, etag, .. } => {
                self.announced(number_of(&file_id), etag);
                self.daemon.served.insert(number_of(&file_id), path_in(&root, path));
            }
            EngineMessage::RangeRevoke { file_id, start, end } => {
                self.revoked(number_of(&file_id), start, end)
            }
            EngineMessage::RangeHint { file_id, start, end } => {
                let file = number_of(&file_id);
                assert!(
                    self.engine.is_proven(&self.info_hash(), file, (start, end)),
                    "what is read ahead is proven"
                );
                self.daemon.hints.push((file, start, end));
            }
            EngineMessage::HttpReply { .. }
            | EngineMessage::FileResolved { .. }
            | EngineMessage::RangeBlock { reason: None, .. } => self.answers.push(message),
            _ => {}
        }
    }

    fn revoked(&mut self, file: usize, start: u64, end: u64) {
        self.cut_from(file, start, end);
        for viewer in
            self.viewers.values_mut().filter(|viewer| viewer.file == file && viewer.start <= end)
        {
            viewer.next = viewer.next.min(start.max(viewer.start));
        }
    }

    /// Checks the invariant: granted bytes are on the disk and equal the film's.
    fn granted(&mut self, id: RequestId, end: Option<u64>) {
        let Some(viewer) = self.viewers.get_mut(&id) else { return };
        let end = end.unwrap_or(viewer.end);
        assert!(end <= viewer.end, "granted beyond what was asked");
        assert!(end + 1 > viewer.next, "a grant that grants nothing");
        let range = usize::try_from(viewer.next).unwrap()..usize::try_from(end + 1).unwrap();
        let path =
            self.daemon.served.get(&viewer.file).expect("a file that is granted was announced");
        // With sending enabled, each step is checked instead: another program may change the file
        // between digest and grant.
        if self.daemon.sending.is_none() {
            // Nothing is sent of a missing file.
            let Some(bytes) = self.disk.read(path) else { return };
            assert_eq!(
                bytes[range.clone()],
                self.sample.file(viewer.file)[range],
                "an unverified byte was granted"
            );
        }
        viewer.next = end + 1;
        viewer.first_at.get_or_insert(self.now);
        if viewer.next > viewer.end {
            viewer.done_at.get_or_insert(self.now);
        }
    }
}

/// Returns the index of a file from its id.
pub(super) fn number_of(file: &FileId) -> usize {
    file.as_str()
        .rsplit('.')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a file has a number")
}
