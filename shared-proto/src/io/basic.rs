//! Types that commands, events and answers share.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::FileRef;

/// Bytes of one open file, or of [`FileRef::ZEROS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The file.
    pub file: FileRef,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u32,
}

impl Span {
    /// Offset of the byte after the last; `None` when it does not fit `u64`.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(u64::from(self.length))
    }
}

/// A family of internet addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6 only.
    V6,
}

/// A port that a router forwards to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The router's port.
    pub port: u16,
    /// The router's external address, if the router tells it.
    pub address: Option<IpAddr>,
    /// The protocol that the router understood.
    pub by: MappedBy,
}

/// A protocol for port mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MappedBy {
    /// Port Control Protocol (RFC 6887).
    Pcp,
    /// NAT Port Mapping Protocol (RFC 6886).
    NatPmp,
    /// UPnP's Internet Gateway Device.
    Upnp,
}

/// Identifies one file, independent of its path.
///
/// Two files never have the same identity, and a file keeps its identity when it is renamed or when
/// its disk is unplugged and plugged in again. It is a hash of the file system's own identity, the
/// file's number in the file system, and the file's time of birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileIdentity(pub [u8; 16]);

/// Names a diverted frame: the eight bytes after the frame's first byte.
pub type DivertKey = [u8; 8];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_after_its_last_byte() {
        let end = |offset, length| Span { file: FileRef(1), offset, length }.end();
        assert_eq!(end(10, 5), Some(15));
        assert_eq!(end(0, 0), Some(0));
        assert_eq!(end(u64::MAX - 1, 1), Some(u64::MAX));
        assert_eq!(end(u64::MAX, 1), None);
    }
}
