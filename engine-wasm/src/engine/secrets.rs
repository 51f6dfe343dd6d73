//! Encrypted handshakes on connections that we dialled, from the first byte to the one after which
//! the daemon does the rest.

use bytes::Bytes;
use shared_proto::io::{CloseReason, Rc4Start};
use shared_proto::{ConnId, IoCommand, IoEvent};

use super::{Engine, context};
use crate::calls::Progress;
use crate::context::Context;
use crate::peer::handshake::HANDSHAKE_LEN;
use crate::peer::mse::{Outcome, Step};
use crate::time::Instant;

impl Engine {
    /// Bytes came on a connection; false when they are of no encrypted handshake.
    pub(super) fn secret_data(&mut self, conn: ConnId, data: &Bytes, now: Instant) -> bool {
        let Some(progress) = self.shared.conns.data(conn, data) else { return false };
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        match progress {
            Ok(Progress { say, then }) => {
                cx.say_raw(conn, say);
                match then {
                    Step::Read(bytes) => cx.read_raw(conn, bytes),
                    Step::Done(outcome) => {
                        let Outcome { read, write, .. } = *outcome;
                        cx.transform(conn, read, write);
                        // Ours went with it; theirs follows.
                        cx.read_raw(conn, HANDSHAKE_LEN);
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%conn, %error, "no encrypted connection");
                cx.order(IoCommand::TcpClose { conn });
                self.handle_io(IoEvent::TcpClosed { conn, reason: CloseReason::Remote }, now);
            }
        }
        true
    }
}

impl Context<'_> {
    /// Sends bytes on a connection, if there are any.
    pub(super) fn say_raw(&mut self, conn: ConnId, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.order(IoCommand::TcpSend { conn, data: bytes.into() });
        }
    }

    /// Has the daemon encrypt from here on, where both ends agreed on that.
    pub(super) fn transform(
        &mut self,
        conn: ConnId,
        read: Option<Rc4Start>,
        write: Option<Rc4Start>,
    ) {
        if read.is_some() || write.is_some() {
            self.shared.conns.encrypt(conn);
            self.order(IoCommand::TcpCipher { conn, read, write });
        }
    }
}
