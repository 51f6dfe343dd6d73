//! The handshake of the extension protocol (BEP 10).
//!
//! Owns the fields that we use, and their bounds: supported extensions, request limit, and others.
//! Invariant: whatever a peer sends, what is kept is small and its numbers are plausible. Later
//! messages belong to their extensions.

use std::collections::BTreeMap;

use crate::metainfo::bencode::{self, BencodeError, Value};
use crate::metainfo::encode::Dict;

/// Id of this handshake among the extended messages.
pub(crate) const HANDSHAKE_ID: u8 = 0;
/// Maximum number of extensions kept per peer; real clients have about ten.
const MAX_EXTENSIONS: usize = 64;
/// Longest extension name kept, in bytes.
const MAX_NAME: usize = 64;
/// Longest client name kept, in characters.
const MAX_CLIENT: usize = 64;
/// Largest accepted `reqq`. No client queues as many requests.
const MAX_REQQ: u64 = 100_000;
/// Longest accepted info dictionary, in bytes: the hashes of [`crate::geometry::MAX_PIECES`] and
/// the names of as many files.
const MAX_METADATA: u64 = 32 << 20;
/// Our client name.
const CLIENT: &str = concat!("JSTorrent ", env!("CARGO_PKG_VERSION"));

/// The contents of an extension handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtensionHandshake {
    /// Extensions with the message ids that the sender assigns to them. 0 disables an extension.
    pub messages: BTreeMap<String, u8>,
    /// The sender's client name, without control characters.
    pub client: Option<String>,
    /// How many requests the sender accepts at once, at least 1.
    pub reqq: Option<u32>,
    /// The port at which the sender listens.
    pub port: Option<u16>,
    /// Whether the sender downloads nothing (BEP 21).
    pub upload_only: bool,
    /// Length of the info dictionary, bytes (BEP 9).
    pub metadata_size: Option<u32>,
}

impl ExtensionHandshake {
    /// Creates our handshake with this request limit and no extensions yet.
    pub fn ours(reqq: u32) -> Self {
        Self { client: Some(CLIENT.to_owned()), reqq: Some(reqq), ..Self::default() }
    }

    /// Parses a payload. Fields of the wrong type or out of bounds count as absent, and `yourip` is
    /// ignored.
    ///
    /// # Errors
    /// The payload is not bencoded. Bytes after the dictionary are ignored.
    pub fn parse(payload: &[u8]) -> Result<Self, BencodeError> {
        let document = bencode::parse_prefix(payload)?;
        let root = document.root();
        let number = |key: &str| root.get(key).and_then(Value::uint);
        Ok(Self {
            messages: messages(root),
            client: root
                .get("v")
                .and_then(Value::bytes)
                .map(client)
                .filter(|name| !name.is_empty()),
            reqq: number("reqq")
                .filter(|reqq| (1..=MAX_REQQ).contains(reqq))
                .and_then(|reqq| u32::try_from(reqq).ok()),
            port: number("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            upload_only: number("upload_only") == Some(1),
            metadata_size: number("metadata_size")
                .filter(|size| (1..=MAX_METADATA).contains(size))
                .and_then(|size| u32::try_from(size).ok()),
        })
    }

    /// Encodes the payload.
    pub fn encode(&self) -> Vec<u8> {
        let messages = self
            .messages
            .iter()
            .fold(Dict::new(), |dict, (name, id)| dict.int(name, i64::from(*id)));
        let mut dict = Dict::new().raw("m", messages.encode());
        if let Some(client) = &self.client {
            dict = dict.bytes("v", client);
        }
        let numbers = [
            ("reqq", self.reqq.map(i64::from)),
            ("p", self.port.map(i64::from)),
            ("upload_only", self.upload_only.then_some(1)),
            ("metadata_size", self.metadata_size.map(i64::from)),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                dict = dict.int(key, number);
            }
        }
        dict.encode()
    }

    /// The id that the sender assigned to this extension, if it supports it.
    pub fn id(&self, extension: &str) -> Option<u8> {
        self.next_id(extension, None)
    }

    /// The id of this extension after this handshake, and `before` before it.
    ///
    /// A later handshake may leave an extension out, which changes nothing.
    pub(crate) fn next_id(&self, extension: &str, before: Option<u8>) -> Option<u8> {
        self.messages.get(extension).map_or(before, |&id| (id != 0).then_some(id))
    }
}

fn messages(root: Value<'_>) -> BTreeMap<String, u8> {
    let dict = root.get("m").and_then(Value::dict).into_iter().flatten();
    let usable = dict.filter_map(|(name, id)| {
        let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= MAX_NAME)?;
        let id = id.uint().and_then(|id| u8::try_from(id).ok())?;
        Some((name.to_owned(), id))
    });
    usable.take(MAX_EXTENSIONS).collect()
}

fn client(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(&name[..name.len().min(4 * MAX_CLIENT)]);
    name.chars().filter(|c| !c.is_control()).take(MAX_CLIENT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A shortened handshake of libtorrent.
    const REAL: &[u8] = b"d12:complete_agoi-1e1:md11:lt_donthavei7e12:ut_holepunchi4e\
        11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei31235e1:pi6881e4:reqqi500e\
        11:upload_onlyi1e1:v17:libtorrent/2.0.8 6:yourip4:\x7f\0\0\x01e";

    fn check(payload: &str, expected: ExtensionHandshake) {
        assert_eq!(ExtensionHandshake::parse(payload.as_bytes()), Ok(expected), "{payload}");
    }

    #[test]
    fn a_real_handshake_is_parsed() {
        let real = ExtensionHandshake::parse(REAL).unwrap();
        assert_eq!(
            (real.id("ut_pex"), real.id("ut_metadata"), real.id("lt_trackers")),
            (Some(1), Some(2), None)
        );
        assert_eq!(real.client.as_deref(), Some("libtorrent/2.0.8"));
        assert_eq!(
            (real.reqq, real.port, real.metadata_size),
            (Some(500), Some(6881), Some(31235))
        );
        assert!(real.upload_only);
    }

    #[test]
    fn our_handshake_round_trips() {
        let ours = ExtensionHandshake::ours(250);
        assert_eq!(ExtensionHandshake::parse(&ours.encode()), Ok(ours.clone()));
        assert!(String::from_utf8_lossy(&ours.encode()).starts_with("d1:mde4:reqqi250e1:v"));
    }

    #[test]
    fn numbers_out_of_bounds_are_absent() {
        let nothing = ExtensionHandshake::default;
        check("d4:reqqi1ee", ExtensionHandshake { reqq: Some(1), ..nothing() });
        for reqq in ["0", "-1", "100001", "4294967297", "9223372036854775807"] {
            check(&format!("d4:reqqi{reqq}ee"), nothing());
        }
        for size in ["0", "-1", "33554433", "4294967297", "9999999999"] {
            check(&format!("d13:metadata_sizei{size}ee"), nothing());
        }
        for port in ["0", "-1", "65536"] {
            check(&format!("d1:pi{port}ee"), nothing());
        }
        check("d1:md1:ai-1e1:bi256e1:c1:d1:eleee", nothing());
        check("d1:m1:x13:metadata_sizele4:reqq1:71:v2:\u{1}\u{2}e", nothing());
        check("le", nothing());
    }

    #[test]
    fn an_extension_stays_until_its_id_is_0() {
        let next = |payload: &str| {
            ExtensionHandshake::parse(payload.as_bytes()).unwrap().next_id("a", Some(3))
        };
        assert_eq!(next("d1:md1:ai4eee"), Some(4));
        assert_eq!(next("d1:md1:ai0eee"), None);
        for unchanged in ["de", "d1:mdee", "d1:md1:bi0eee", "d1:md1:ai256eee", "d1:md1:a1:5ee"] {
            assert_eq!(next(unchanged), Some(3), "{unchanged}");
        }
    }

    #[test]
    fn kept_fields_are_bounded() {
        let many = (0..1000)
            .fold(Dict::new(), |dict, i| dict.int(&format!("x{i}"), 1))
            .int(&"n".repeat(65), 1);
        let payload = Dict::new().raw("m", many.encode()).bytes("v", "é".repeat(100_000)).encode();
        let parsed = ExtensionHandshake::parse(&payload).unwrap();
        assert_eq!(parsed.messages.len(), MAX_EXTENSIONS);
        assert_eq!(parsed.client.unwrap().chars().count(), MAX_CLIENT);
    }

    #[test]
    fn every_truncation_is_an_error() {
        for length in 0..REAL.len() {
            assert_eq!(
                ExtensionHandshake::parse(&REAL[..length]),
                Err(BencodeError::UnexpectedEnd),
                "cut to {length}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_payload_panics(
            at in any::<prop::sample::Index>(),
            bytes in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut payload = REAL.to_vec();
            let at = at.index(payload.len());
            payload.splice(at..at, bytes);
            if let Ok(parsed) = ExtensionHandshake::parse(&payload) {
                prop_assert_eq!(ExtensionHandshake::parse(&parsed.encode()), Ok(parsed));
            }
        }
    }
}
