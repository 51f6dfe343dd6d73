//! Commands to the daemon, and the routing of their answers.

use crate::torrent::ops::Op;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use crate::context::{Context, Owner};
use crate::torrent::Torrent;

impl Torrent {
    /// Sends a command with this purpose.
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

    /// Handles the answer to a command.
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
            Op::Storage(task) => self.storage_done(task, result, cx),
            Op::Digest(id, pinned) => self.digested((id, pinned), result, cx),
            Op::Blocks(conn, request) => self.hashes_computed(conn, request, result, cx),
            Op::ReadIndex(file, bytes) => self.index_read(file, bytes, result),
            Op::LoadSharing => self.loaded_sharing(result, cx),
            Op::Give(conn, length) => self.block_sent(conn, length, result, cx),
            Op::Web(run) => self.fetched(run, op, result, cx),
            Op::SaveRecord => self.record.saved(result.is_ok(), cx.now),
            Op::SaveMove => self.saved_move(result, cx),
        }
    }
}
