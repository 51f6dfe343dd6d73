//! What a torrent asked the daemon for, and who in it gets the answer.

use crate::torrent::ops::Op;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use crate::context::{Context, Owner};
use crate::torrent::Torrent;

impl Torrent {
    /// Asks the daemon for something; the answer comes back to its purpose.
    pub(in crate::torrent) fn ask(
        &mut self,
        purpose: Op,
        cx: &mut Context<'_>,
        command: impl FnOnce(OpId) -> IoCommand,
    ) -> OpId {
        let op = cx.ask(Owner::Torrent(self.content.meta.info_hash), command);
        self.ops.insert(op, purpose);
        op
    }

    /// An answer came.
    pub(crate) fn handle_done(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(purpose) = self.ops.remove(&op) else {
            return self.tracker_answered(op, result, cx);
        };
        match purpose {
            Op::Look(file, round) => self.looked((file, round), result, cx),
            Op::Open(file, handle, access) => self.opened((file, handle, access), result, cx),
            Op::Create(file, handle) => self.created(file, handle, result, cx),
            Op::Sync(file) => self.synced(file, result, cx),
            Op::Stamp(file) => self.stamped(file, result, cx),
            Op::Glance(file, then) => self.glanced((file, then), result, cx),
            Op::Digest(id, pinned) => self.digested((id, pinned), result, cx),
            Op::Copy(piece) => self.copied(piece, result, cx),
            Op::LookAgain(file) => self.looked_again(file, result, cx),
            Op::OpenFound(file, handle) => self.opened_found((file, handle), &result, cx),
            Op::Blocks(conn, request) => self.hashes_computed(conn, request, result, cx),
            Op::ReadIndex(file, bytes) => self.index_read(file, bytes, result),
            Op::LoadSharing => self.loaded_sharing(result, cx),
            Op::Give(conn, length) => self.block_sent(conn, length, result, cx),
            Op::Web(run) => self.fetched(run, op, result, cx),
            Op::SaveRecord => self.record.saved(result.is_ok(), cx.now),
            Op::SaveMove => self.saved_move(result, cx),
            Op::LookAhead(file, round) => self.looked_ahead((file, round), result, cx),
            Op::LookBack(file, round) => self.looked_back((file, round), result, cx),
            Op::Move(file) => self.file_moved(file, result, cx),
            Op::Delete(file) => self.deleted(file, result, cx),
        }
    }
}
