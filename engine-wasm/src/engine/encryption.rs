//! Runs encrypted handshakes on outgoing connections, until the daemon takes over the cipher.

use bytes::Bytes;
use shared_proto::io::{CloseReason, Rc4Start};
use shared_proto::{ConnId, IoCommand, IoEvent};

use super::Engine;
use crate::calls::Progress;
use crate::context::Context;
use crate::peer::handshake::HANDSHAKE_LEN;
use crate::peer::mse::{Outcome, Step};
use crate::time::Instant;

impl Engine {
    /// Handles bytes; returns false if the connection is in no encrypted handshake.
    pub(super) fn handle_encrypted_data(
        &mut self,
        conn: ConnId,
        data: &Bytes,
        now: Instant,
    ) -> bool {
        let Some(progress) = self.common.shared.conns.data(conn, data) else { return false };
        let mut cx = self.common.context(now);
        match progress {
            Ok(Progress { say, then }) => {
                cx.send_raw(conn, say);
                match then {
                    Step::Read(bytes) => cx.read_raw(conn, bytes),
                    Step::Done(outcome) => {
                        let Outcome { read, write, .. } = *outcome;
                        cx.transform(conn, read, write);
                        // Our BitTorrent handshake was sent with the last step; the peer's follows.
                        cx.read_raw(conn, HANDSHAKE_LEN);
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%conn, %error, "the encrypted handshake failed");
                cx.order(IoCommand::TcpClose { conn });
                self.handle_io(IoEvent::TcpClosed { conn, reason: CloseReason::Remote }, now);
            }
        }
        true
    }
}

impl Context<'_> {
    /// Sends bytes on a connection, if there are any.
    pub(super) fn send_raw(&mut self, conn: ConnId, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.order(IoCommand::TcpSend { conn, data: bytes.into() });
        }
    }

    /// Orders the daemon to encrypt and decrypt from here on. Does nothing unless both ends agreed
    /// to encryption.
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
