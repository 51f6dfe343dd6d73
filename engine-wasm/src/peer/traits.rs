//! The properties that a peer states in its handshakes.

use super::extension::ExtensionHandshake;
use super::handshake::Handshake;

/// The properties that a peer states.
#[derive(Debug, Default)]
pub(super) struct Traits {
    /// Whether the peer supports the fast extension (BEP 6).
    pub(super) fast: bool,
    /// Whether the peer knows the torrent by its v2 hash.
    pub(super) v2: bool,
    /// Whether the peer supports the extension protocol (BEP 10).
    pub(super) extensions: bool,
    /// Whether the peer has a DHT node (BEP 5).
    pub(super) dht: bool,
    /// Whether the peer only uploads (BEP 21).
    pub(super) upload_only: bool,
    /// The peer's id, once its handshake is done.
    pub(super) id: Option<[u8; 20]>,
    /// The client name that the peer sent.
    client: Option<String>,
}

impl Traits {
    /// Reads the peer's handshake.
    pub(super) fn read_handshake(&mut self, theirs: &Handshake) {
        self.id = Some(theirs.peer_id);
        self.fast = theirs.supports_fast();
        self.extensions = theirs.supports_extensions();
        self.dht = theirs.supports_dht();
    }

    /// Reads the peer's extension handshake. A later one may omit the name.
    pub(super) fn read_extensions(&mut self, hello: &ExtensionHandshake) {
        self.upload_only = hello.upload_only;
        self.client = hello.client.clone().or(self.client.take());
    }

    /// Returns the peer's client name.
    ///
    /// Without one, this is the client code and version at the beginning of its peer ID.
    pub(super) fn client(&self) -> Option<String> {
        let from_id = || {
            let [b'-', code @ .., b'-'] = self.id?.first_chunk::<8>().copied()? else {
                return None;
            };
            let is_code = code.iter().all(u8::is_ascii_graphic);
            is_code.then(|| String::from_utf8_lossy(&code).into_owned())
        };
        self.client.clone().or_else(from_id)
    }
}
