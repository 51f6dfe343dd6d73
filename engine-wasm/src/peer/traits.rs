//! What a peer says about itself in its handshakes.

use super::extension::ExtensionHandshake;
use super::handshake::Handshake;

/// What a peer says about itself.
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
    /// Whether the peer says that it wants nothing (BEP 21).
    pub(super) upload_only: bool,
    /// The peer's id, once its handshake is done.
    pub(super) id: Option<[u8; 20]>,
    /// The name of the peer's program.
    client: Option<String>,
}

impl Traits {
    /// Takes in the peer's handshake.
    pub(super) fn hear(&mut self, theirs: &Handshake) {
        self.id = Some(theirs.peer_id);
        self.fast = theirs.supports_fast();
        self.extensions = theirs.supports_extensions();
        self.dht = theirs.supports_dht();
    }

    /// Takes in the peer's extension handshake. A later one may leave out the name.
    pub(super) fn hear_extensions(&mut self, hello: &ExtensionHandshake) {
        self.upload_only = hello.upload_only;
        self.client = hello.client.clone().or(self.client.take());
    }

    /// Returns the name of the peer's program.
    ///
    /// This is what the peer's id begins with if the peer does not say: by custom the program and
    /// its version.
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
