//! Hole punching (BEP 55, `ut_holepunch`): two unreachable peers connect with the help of a third.
//!
//! A peer asks the third one, the *relay*, for a *rendezvous* with the other. The relay tells both
//! to connect, and each dials the other over uTP at the same time. What either sends first makes
//! its own router admit what the other sends. This module owns the messages' form; `relay` decides
//! which peers we introduce, `seeking` which peer we ask for an introduction, and `allowance` how
//! often. None of them knows a connection.
//!
//! Invariant: a message holds one address and has the matching length, whatever a peer sends.

pub(crate) mod allowance;
pub(super) mod punching;
pub(crate) mod relay;
pub(crate) mod seeking;

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

/// The extension's name in extension handshakes.
pub const EXTENSION: &str = "ut_holepunch";
/// The message id that we assign to the extension.
pub(crate) const OUR_ID: u8 = 3;

const RENDEZVOUS: u8 = 0;
const CONNECT: u8 = 1;
const ERROR: u8 = 2;
const V4: u8 = 0;
const V6: u8 = 1;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolepunchMessage {
    /// To the relay: connect me with the peer at this address.
    Rendezvous(SocketAddr),
    /// From the relay to both peers: dial this address over uTP now.
    Connect(SocketAddr),
    /// From the relay: the rendezvous with this address is impossible.
    Error(SocketAddr, Refusal),
}

/// Why a rendezvous is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No peer can exist at this address.
    NoSuchPeer,
    /// The relay is not connected to the peer.
    NotConnected,
    /// The peer does not support the extension.
    NoSupport,
    /// The address is the relay's own.
    NoSelf,
    /// A code that BEP 55 does not define.
    Other(u32),
}

impl Refusal {
    /// Decodes the error code of a message.
    pub(crate) fn from_code(code: u32) -> Self {
        match code {
            1 => Self::NoSuchPeer,
            2 => Self::NotConnected,
            3 => Self::NoSupport,
            4 => Self::NoSelf,
            other => Self::Other(other),
        }
    }

    /// The error code for a message.
    pub fn code(self) -> u32 {
        match self {
            Self::NoSuchPeer => 1,
            Self::NotConnected => 2,
            Self::NoSupport => 3,
            Self::NoSelf => 4,
            Self::Other(code) => code,
        }
    }
}

/// Why a payload is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HolepunchError {
    /// The payload ends too early.
    #[error("a truncated holepunch message")]
    Cut,
    /// The message type is unknown.
    #[error("a holepunch message of an unknown type")]
    Type,
    /// The address type is unknown.
    #[error("a holepunch message with an address of an unknown kind")]
    Family,
}

impl HolepunchMessage {
    /// Parses a payload.
    ///
    /// Ignores bytes after the message, and an error code in messages other than errors: libtorrent
    /// omits it.
    ///
    /// # Errors
    /// [`HolepunchError`]: there is nothing to act upon.
    pub fn parse(payload: &[u8]) -> Result<Self, HolepunchError> {
        let (&[kind, family], rest) = payload.split_first_chunk().ok_or(HolepunchError::Cut)?;
        let (ip, rest) = match family {
            V4 => take::<4>(rest).map(|(ip, rest)| (IpAddr::from(ip), rest))?,
            V6 => take::<16>(rest).map(|(ip, rest)| (IpAddr::from(ip), rest))?,
            _ => return Err(HolepunchError::Family),
        };
        let (port, rest) = take(rest)?;
        let addr = SocketAddr::new(ip, u16::from_be_bytes(port));
        match kind {
            RENDEZVOUS => Ok(Self::Rendezvous(addr)),
            CONNECT => Ok(Self::Connect(addr)),
            ERROR => take(rest)
                .map(|(code, _)| Self::Error(addr, Refusal::from_code(u32::from_be_bytes(code)))),
            _ => Err(HolepunchError::Type),
        }
    }

    /// Encodes the payload.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, addr, code) = match *self {
            Self::Rendezvous(addr) => (RENDEZVOUS, addr, 0),
            Self::Connect(addr) => (CONNECT, addr, 0),
            Self::Error(addr, refusal) => (ERROR, addr, refusal.code()),
        };
        let mut out = vec![kind];
        match addr.ip() {
            IpAddr::V4(ip) => {
                out.push(V4);
                out.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(V6);
                out.extend(ip.octets());
            }
        }
        out.extend(addr.port().to_be_bytes());
        out.extend(code.to_be_bytes());
        out
    }
}

fn take<const LENGTH: usize>(bytes: &[u8]) -> Result<([u8; LENGTH], &[u8]), HolepunchError> {
    bytes.split_first_chunk().map(|(&taken, rest)| (taken, rest)).ok_or(HolepunchError::Cut)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(payload: &[u8], expected: Result<HolepunchMessage, HolepunchError>) {
        assert_eq!(HolepunchMessage::parse(payload), expected, "{payload:x?}");
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn messages_are_parsed_with_and_without_the_unused_code() {
        let rendezvous = Ok(HolepunchMessage::Rendezvous(addr("1.2.3.4:6881")));
        check(b"\x00\x00\x01\x02\x03\x04\x1a\xe1", rendezvous);
        check(b"\x00\x00\x01\x02\x03\x04\x1a\xe1\x00\x00\x00\x00", rendezvous);
        check(b"\x00\x00\x01\x02\x03\x04\x1a\xe1\x00\x00\x00\x02and more", rendezvous);
        let v6 = b"\x01\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1";
        check(v6, Ok(HolepunchMessage::Connect(addr("[2001:db8::1]:6881"))));
        let refused = HolepunchMessage::Error(addr("1.2.3.4:1"), Refusal::NotConnected);
        check(b"\x02\x00\x01\x02\x03\x04\x00\x01\x00\x00\x00\x02", Ok(refused));
    }

    #[test]
    fn unusable_messages_are_errors() {
        check(b"", Err(HolepunchError::Cut));
        check(b"\x00", Err(HolepunchError::Cut));
        check(b"\x00\x00\x01\x02\x03\x04\x1a", Err(HolepunchError::Cut));
        check(b"\x00\x01\x01\x02\x03\x04\x1a\xe1", Err(HolepunchError::Cut));
        check(b"\x02\x00\x01\x02\x03\x04\x1a\xe1\x00\x00\x00", Err(HolepunchError::Cut));
        check(b"\x03\x00\x01\x02\x03\x04\x1a\xe1", Err(HolepunchError::Type));
        check(b"\x00\x02\x01\x02\x03\x04\x1a\xe1", Err(HolepunchError::Family));
    }

    #[test]
    fn messages_have_the_length_of_the_bep() {
        assert_eq!(HolepunchMessage::Connect(addr("1.2.3.4:5")).encode().len(), 12);
        assert_eq!(HolepunchMessage::Connect(addr("[::1]:5")).encode().len(), 24);
    }

    fn message() -> impl Strategy<Value = HolepunchMessage> {
        let v4 = any::<([u8; 4], u16)>().prop_map(SocketAddr::from);
        let addr = prop_oneof![v4, any::<([u8; 16], u16)>().prop_map(SocketAddr::from)];
        let code = prop_oneof![0..6u32, any::<u32>()];
        (0..3u8, addr, code).prop_map(|(kind, addr, code)| match kind {
            0 => HolepunchMessage::Rendezvous(addr),
            1 => HolepunchMessage::Connect(addr),
            _ => HolepunchMessage::Error(addr, Refusal::from_code(code)),
        })
    }

    proptest! {
        #[test]
        fn messages_round_trip(
            message in message(),
            more in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            prop_assert_eq!(HolepunchMessage::parse(&message.encode()), Ok(message));
            prop_assert_eq!(
                HolepunchMessage::parse(&[message.encode(), more].concat()),
                Ok(message)
            );
        }

        #[test]
        fn no_payload_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            cut in any::<prop::sample::Index>(),
            message in message(),
        ) {
            let _ = HolepunchMessage::parse(&bytes);
            let mut real = message.encode();
            real.truncate(cut.index(real.len()));
            let _ = HolepunchMessage::parse(&real);
        }
    }
}
