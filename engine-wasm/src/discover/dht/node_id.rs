//! Node IDs: their distance (BEP 5), and which IDs an IP address may have (BEP 42).
//!
//! Invariant: an ID made for an address fits that address.
//!
//! If nodes chose their IDs freely, one machine could place itself next to every torrent. BEP 42
//! derives the first 21 bits from the IP address; an ID that does not fit its address is called
//! *unproven* here. Every ID fits an address of a local network, because nodes elsewhere never see
//! it.

use std::fmt;
use std::net::IpAddr;

use rand::Rng;

use crate::addresses::is_local;
use crate::metainfo::InfoHash;

/// The bits of an IPv4 address that determine the ID (BEP 42).
const V4_MASK: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
/// The bits of an IPv6 address's first half that determine the ID (BEP 42).
const V6_MASK: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];
/// The reflected polynomial of CRC-32C (Castagnoli).
const CASTAGNOLI: u32 = 0x82f6_3b78;

/// The ID of a node, or the target of a lookup. Both share one space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

/// The XOR distance between two IDs, as a big-endian number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Distance([u8; 20]);

impl Distance {
    /// Returns the number of leading bits that both IDs share, at most 160.
    pub(crate) fn common_bits(self) -> u32 {
        let whole = self.0.iter().take_while(|byte| **byte == 0).count();
        let part = self.0.get(whole).map_or(0, |byte| byte.leading_zeros());
        u32::try_from(whole).expect("an ID has 20 bytes") * 8 + part
    }
}

impl NodeId {
    /// Returns a random ID.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut id = [0; 20];
        rng.fill_bytes(&mut id);
        Self(id)
    }

    /// Returns a random ID that fits an address (BEP 42).
    pub fn for_address(ip: IpAddr, rng: &mut impl Rng) -> Self {
        let mut id = Self::random(rng);
        if !is_local(ip) {
            let prefix = prefix(ip, id.0[19]);
            id.0[..2].copy_from_slice(&prefix[..2]);
            id.0[2] = (prefix[2] & 0xf8) | (id.0[2] & 0x07);
        }
        id
    }

    /// Returns a random ID that shares exactly the first `bits` bits. `bits` is below 160.
    pub(crate) fn with_common_bits(self, bits: u32, rng: &mut impl Rng) -> Self {
        let (whole, part) = ((bits / 8) as usize, bits % 8);
        let mut id = Self::random(rng);
        id.0[..whole].copy_from_slice(&self.0[..whole]);
        let kept = !(0xffu8 >> part);
        let flipped = 0x80u8 >> part;
        id.0[whole] =
            (self.0[whole] & kept) | (!self.0[whole] & flipped) | (id.0[whole] & !(kept | flipped));
        id
    }

    /// Returns whether a node at this address may have the ID (BEP 42).
    pub fn fits(self, ip: IpAddr) -> bool {
        let prefix = prefix(ip, self.0[19]);
        is_local(ip) || (self.0[..2] == prefix[..2] && (self.0[2] ^ prefix[2]) & 0xf8 == 0)
    }

    /// Returns the distance to another ID.
    pub(crate) fn distance(self, other: NodeId) -> Distance {
        Distance(std::array::from_fn(|at| self.0[at] ^ other.0[at]))
    }
}

impl From<InfoHash> for NodeId {
    fn from(info_hash: InfoHash) -> Self {
        Self(info_hash.0)
    }
}

impl TryFrom<&[u8]> for NodeId {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", InfoHash(self.0))
    }
}

/// Returns the bytes whose first 21 bits must equal the ID's first 21 bits.
fn prefix(ip: IpAddr, last_byte: u8) -> [u8; 4] {
    let salt = (last_byte & 0x07) << 5;
    let crc = match ip {
        IpAddr::V4(ip) => {
            let mut masked: [u8; 4] = std::array::from_fn(|at| ip.octets()[at] & V4_MASK[at]);
            masked[0] |= salt;
            crc32c(&masked)
        }
        IpAddr::V6(ip) => {
            let mut masked: [u8; 8] = std::array::from_fn(|at| ip.octets()[at] & V6_MASK[at]);
            masked[0] |= salt;
            crc32c(&masked)
        }
    };
    crc.to_be_bytes()
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ CASTAGNOLI } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn id(hex: &str) -> NodeId {
        NodeId(hex.replace(' ', "").parse::<InfoHash>().unwrap().0)
    }

    /// Checks a vector of BEP 42: the ID fits the address, and not if a relevant bit differs.
    fn check(ip: &str, hex: &str) {
        let (ip, id) = (ip.parse().unwrap(), id(hex));
        assert!(id.fits(ip), "{hex} at {ip}");
        for bit in 0..21 {
            let mut other = id;
            other.0[bit / 8] ^= 0x80 >> (bit % 8);
            assert!(!other.fits(ip), "{hex} at {ip} with bit {bit} turned");
        }
        for bit in 21..157 {
            let mut other = id;
            other.0[bit / 8] ^= 0x80 >> (bit % 8);
            assert!(other.fits(ip), "{hex} at {ip} with bit {bit} turned");
        }
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn the_vectors_of_bep_42_fit() {
        check("124.31.75.21", "5fbfbf f10c5d6a4ec8a88e4c6ab4c28b95eee4 01");
        check("21.75.31.124", "5a3ce9 c14e7a08645677bbd1cfe7d8f956d532 56");
        check("65.23.51.170", "a5d432 20bc8f112a3d426c84764f8c2a1150e6 16");
        check("84.124.73.14", "1b0321 dd1bb1fe518101ceef99462b947a01ff 41");
        check("43.213.53.83", "e56f6c bf5b7c4be0237986d5243b87aa6d5130 5a");
    }

    #[test]
    fn every_name_fits_a_local_address() {
        for ip in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "127.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(id(&"00".repeat(20)).fits(ip.parse().unwrap()), "{ip}");
        }
        assert!(!id(&"00".repeat(20)).fits("172.32.0.1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn an_id_made_for_an_address_fits_it(ip: IpAddr, seed: u64) {
            prop_assert!(NodeId::for_address(ip, &mut ChaCha8Rng::seed_from_u64(seed)).fits(ip));
        }

        #[test]
        fn an_id_shares_exactly_the_requested_bits(own: [u8; 20], bits in 0u32..160, seed: u64) {
            let own = NodeId(own);
            let other = own.with_common_bits(bits, &mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert_eq!(own.distance(other).common_bits(), bits);
        }
    }
}
