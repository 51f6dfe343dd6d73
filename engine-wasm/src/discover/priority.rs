//! Canonical peer priority (BEP 40): an order of connections on which both ends agree. It mixes a
//! swarm well, and no peer can choose the neighbours of another.
//!
//! Owns the masks and the checksum; it knows no peer. The higher number goes first.

use std::net::{IpAddr, SocketAddr};

/// The priority of a connection between two addresses; `None` if their families differ.
pub fn priority(ours: SocketAddr, theirs: SocketAddr) -> Option<u32> {
    let (ours, theirs) =
        ((ours.ip().to_canonical(), ours.port()), (theirs.ip().to_canonical(), theirs.port()));
    if ours.0 == theirs.0 {
        let (low, high) = (ours.1.min(theirs.1), ours.1.max(theirs.1));
        return Some(crc32c(&[low.to_be_bytes(), high.to_be_bytes()].concat()));
    }
    match (ours.0, theirs.0) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => Some(mixed(ours.octets(), theirs.octets(), 2)),
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => Some(mixed(ours.octets(), theirs.octets(), 6)),
        _ => None,
    }
}

/// Masks both addresses. Keeps `whole` bytes, or one more than the addresses share if that is more,
/// and every second bit of the rest.
fn mixed<const N: usize>(ours: [u8; N], theirs: [u8; N], whole: usize) -> u32 {
    const SPARSE: u8 = 0x55;
    let shared = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let masked = |address: [u8; N]| {
        let mut at = 0;
        address.map(|byte| {
            at += 1;
            if at <= whole.max(shared + 1) { byte } else { byte & SPARSE }
        })
    };
    let mut both = [masked(ours), masked(theirs)];
    both.sort_unstable();
    crc32c(both.as_flattened())
}

/// CRC-32C (RFC 3720 §12.1), bit by bit: the input is a few bytes, once for each peer.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ours: &str, theirs: &str, hashed: &[u8]) {
        let [ours, theirs] = [ours, theirs].map(|addr| addr.parse().unwrap());
        assert_eq!(priority(ours, theirs), Some(crc32c(hashed)), "{ours} {theirs}");
        assert_eq!(priority(theirs, ours), Some(crc32c(hashed)), "{theirs} {ours}");
    }

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!((crc32c(&[0; 32]), crc32c(&[0xff; 32])), (0x8a91_36aa, 0x62a8_ab43));
    }

    /// The examples of BEP 40.
    #[test]
    fn the_priorities_are_those_of_the_bep() {
        let of =
            |theirs: &str| priority("123.213.32.10:0".parse().unwrap(), theirs.parse().unwrap());
        assert_eq!(of("98.76.54.32:0"), Some(0xec2d_7224));
        assert_eq!(of("123.213.32.234:0"), Some(0x9956_8189));
        check("123.213.32.10:0", "98.76.54.32:0", &[0x62, 0x4c, 0x14, 0, 0x7b, 0xd5, 0, 0]);
    }

    #[test]
    fn the_more_two_addresses_share_the_more_of_them_counts() {
        check("230.12.123.3:1", "230.12.123.1:2", &[230, 12, 123, 1, 230, 12, 123, 3]);
        check("230.12.23.1:1", "230.12.123.3:2", &[230, 12, 23, 1, 230, 12, 123, 1]);
        check("230.12.123.3:1234", "230.12.123.3:300", &[0x01, 0x2c, 0x04, 0xd2]);
        let v6 = |eighth: u8, rest: u8| [&[0xff; 7][..], &[eighth], &[rest; 8]].concat();
        let same_56 = [v6(0, 0x55), v6(0xff, 0x55)].concat();
        check(
            "[ffff:ffff:ffff:ff00:ffff:ffff:ffff:ffff]:1",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:2",
            &same_56,
        );
        assert_eq!(priority("1.2.3.4:5".parse().unwrap(), "[::1]:5".parse().unwrap()), None);
    }
}
