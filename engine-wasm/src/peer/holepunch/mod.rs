//! Hole punching (BEP 55, `ut_holepunch`): how two peers that nobody can dial come together through
//! a third one that both are connected to.
//!
//! One asks the third, the *relay*, for a *rendezvous* with the other; the relay tells both to
//! connect, and each dials the other over uTP at the same time: what either sends first makes its
//! own router let in what the other sends. Owns the messages' form; whom we may introduce is
//! `relay`'s, whom we ask for an introduction `seeking`'s, and how often `allowance`'s.
//! Nothing here knows a connection.
//!
//! Invariant: a message holds one address and is as long as that, whatever a stranger sends.

pub(crate) mod allowance;
pub(crate) mod relay;
pub(crate) mod seeking;

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

/// The extension's name in the handshake of extensions.
pub const EXTENSION: &str = "ut_holepunch";
/// The id under which we want these messages.
pub(crate) const OUR_ID: u8 = 3;

const RENDEZVOUS: u8 = 0;
const CONNECT: u8 = 1;
const ERROR: u8 = 2;
const V4: u8 = 0;
const V6: u8 = 1;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolepunchMessage {
    /// To the relay: bring me together with the peer at this address.
    Rendezvous(SocketAddr),
    /// From the relay, to both: dial this address over uTP now.
    Connect(SocketAddr),
    /// From the relay: nothing comes of the rendezvous with this address.
    Error(SocketAddr, Refusal),
}

/// Why nothing comes of a rendezvous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody can be at this address.
    NoSuchPeer,
    /// The relay is not connected to it.
    NotConnected,
    /// It does not speak the extension.
    NoSupport,
    /// It is the relay's own address.
    NoSelf,
    /// A number that BEP 55 does not name.
    Other(u32),
}

impl Refusal {
    /// From the number in a message.
    pub(crate) fn from_code(code: u32) -> Self {
        match code {
            1 => Self::NoSuchPeer,
            2 => Self::NotConnected,
            3 => Self::NoSupport,
            4 => Self::NoSelf,
            other => Self::Other(other),
        }
    }

    /// The number in a message.
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
    /// It ends too soon.
    #[error("a holepunch message is cut")]
    Cut,
    /// No message of this type is known.
    #[error("a holepunch message of an unknown type")]
    Type,
    /// No address of this kind is known.
    #[error("a holepunch message with an address of an unknown kind")]
    Family,
}

impl HolepunchMessage {
    /// Reads a payload. What follows the message is ignored, and so is the error's number in a
    /// message that is none: libtorrent leaves it out.
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

    /// Its payload.
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
    fn messages_are_read_with_and_without_the_number_that_means_nothing() {
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
    fn what_can_not_be_acted_upon_is_an_error() {
        check(b"", Err(HolepunchError::Cut));
        check(b"\x00", Err(HolepunchError::Cut));
        check(b"\x00\x00\x01\x02\x03\x04\x1a", Err(HolepunchError::Cut));
        check(b"\x00\x01\x01\x02\x03\x04\x1a\xe1", Err(HolepunchError::Cut));
        check(b"\x02\x00\x01\x02\x03\x04\x1a\xe1\x00\x00\x00", Err(HolepunchError::Cut));
        check(b"\x03\x00\x01\x02\x03\x04\x1a\xe1", Err(HolepunchError::Type));
        check(b"\x00\x02\x01\x02\x03\x04\x1a\xe1", Err(HolepunchError::Family));
    }

    #[test]
    fn what_is_written_has_the_length_that_the_bep_gives() {
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
        fn what_is_written_is_read_again(message in message(), more in prop::collection::vec(any::<u8>(), 0..8)) {
            prop_assert_eq!(HolepunchMessage::parse(&message.encode()), Ok(message));
            prop_assert_eq!(HolepunchMessage::parse(&[message.encode(), more].concat()), Ok(message));
        }

        #[test]
        fn no_payload_of_a_stranger_panics(bytes in prop::collection::vec(any::<u8>(), 0..40), cut in any::<prop::sample::Index>(), message in message()) {
            let _ = HolepunchMessage::parse(&bytes);
            let mut real = message.encode();
            real.truncate(cut.index(real.len()));
            let _ = HolepunchMessage::parse(&real);
        }
    }
}
