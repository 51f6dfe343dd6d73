//! The desk between one engine and its viewers, without connections.

mod calls;
mod files;
mod ranges;

use std::sync::Arc;
use std::time::Duration;

use shared_proto::{DaemonMessage, EngineMessage, FileId, RequestId, RootKey};
use tokio::time::Instant;

use super::table::Seat;
use super::*;
use crate::files::byte_range::ByteRange;
use crate::policy::secrets::Credential;

const GRACE: Duration = Duration::from_secs(3);
const MAX_WAIT: Duration = Duration::from_secs(120);
const SESSION: Credential<'_> = Credential { is_session: true, key: None };

/// A desk and its engine.
struct Rig {
    desk: Arc<Desk>,
    seat: Seat,
}

/// An admitted viewer and its request.
struct Viewer {
    ticket: Ticket,
    slot: Slot,
}

impl Rig {
    /// A desk with a file `film` of 100 bytes.
    fn new() -> Self {
        Self::with_permits(9, 9)
    }

    /// The same with these permits for whole ranges, and for waiting.
    fn with_permits(replies: usize, waiting: usize) -> Self {
        let desk = Desk::new(DeskConfig {
            grace: GRACE,
            max_wait: MAX_WAIT,
            max_replies: replies,
            max_replies_per_file: 9,
            max_waiting: waiting,
            max_waiting_per_file: 9,
        });
        let seat = desk.enter();
        let rig = Self { desk, seat };
        rig.announce("film", "tag");
        rig
    }

    fn announce(&self, id: &str, etag: &str) {
        self.tell(EngineMessage::FileAnnounce {
            file_id: FileId::from(id),
            root: RootKey::from("downloads"),
            path: vec![id.to_owned()],
            length: 100,
            content_type: "video/mp4".into(),
            etag: etag.into(),
            key: "c0ffee".into(),
        });
    }

    fn tell(&self, message: EngineMessage) {
        self.desk.handle(self.seat.epoch, message).expect("a message in turn");
    }

    /// The messages to the engine since the last look.
    fn heard(&mut self) -> Vec<DaemonMessage> {
        std::iter::from_fn(|| self.seat.outbox.try_recv().ok()).map(|said| said.message).collect()
    }

    /// Another engine takes over.
    fn replace_engine(&mut self) {
        self.seat = self.desk.enter();
    }

    async fn watch(&self, start: u64, end: u64, patience: Patience) -> Viewer {
        let id = FileId::from("film");
        let file = self.desk.find(&id, &SESSION).await.expect("it is announced");
        let slot = self.desk.admit(&id, None).expect("the desk does not stop");
        let ticket = self.desk.ask(file, ByteRange { start, end }, patience, &slot);
        Viewer { ticket, slot }
    }

    fn grant(&self, viewer: &Viewer, end: Option<u64>) {
        self.tell(EngineMessage::RangeReady { request_id: viewer.id(), end });
    }

    fn block(&self, viewer: &Viewer) {
        let request_id = viewer.id();
        self.tell(EngineMessage::RangeBlock { request_id, reason: None, eta_ms: None });
    }

    fn revoke(&self, start: u64, end: u64) {
        self.tell(EngineMessage::RangeRevoke { file_id: FileId::from("film"), start, end });
    }
}

impl Viewer {
    fn id(&self) -> RequestId {
        self.ticket.id()
    }

    /// Reads the bytes before `end`; whether the desk allows it.
    fn read(&self, end: u64) -> Option<Lease> {
        self.ticket.lease(end)
    }
}

/// How many seconds a future takes, and its output.
async fn timed<T>(future: impl Future<Output = T>) -> (u64, T) {
    let began = Instant::now();
    let output = future.await;
    (began.elapsed().as_secs(), output)
}

/// The question about a range.
fn question(id: RequestId, start: u64, end: u64, only_now: bool) -> DaemonMessage {
    DaemonMessage::RangeRequest {
        request_id: id,
        file_id: FileId::from("film"),
        start,
        end,
        only_now,
    }
}
