//! The pieces that a choked peer may request (BEP 6, “allowed fast set generation”).
//!
//! Computes the set; [`super::upload`] applies it. Invariant: the set depends only on the peer's
//! network, the torrent and the number of pieces, so that a peer gets no more by reconnecting.

use std::net::IpAddr;

use sha1::{Digest as _, Sha1};

use crate::geometry::{Geometry, PieceIndex};
use crate::metainfo::InfoHash;

/// Number of pieces in a set, as BEP 6 suggests.
pub(crate) const SET_LENGTH: usize = 10;

/// Returns the allowed-fast set for a peer at this address. The set has at most `length` pieces, in
/// the order of BEP 6.
///
/// BEP 6 defines it for IPv4, from the first three bytes of the address. For IPv6 we use the first
/// eight, the network of one customer.
pub(crate) fn allowed_fast(
    ip: IpAddr,
    info_hash: InfoHash,
    geometry: &Geometry,
    length: usize,
) -> Vec<PieceIndex> {
    let pieces = geometry.piece_count();
    let length = length.min(pieces as usize);
    let mut set: Vec<PieceIndex> = Vec::with_capacity(length);
    let mut digest = Sha1::new().chain_update(network(ip)).chain_update(info_hash.0).finalize();
    while set.len() < length {
        for &index in digest.as_chunks().0 {
            let piece = geometry.piece(u32::from_be_bytes(index) % pieces);
            let piece = piece.expect("a remainder is below the number of pieces");
            if set.len() < length && !set.contains(&piece) {
                set.push(piece);
            }
        }
        digest = Sha1::digest(digest);
    }
    set
}

/// The part of an address that all machines of one owner share.
fn network(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            vec![a, b, c, 0]
        }
        IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A torrent of this many pieces.
    fn of(pieces: u32) -> Geometry {
        Geometry::new(1, &[u64::from(pieces)]).unwrap()
    }

    fn check(ip: &str, pieces: u32, length: usize, expected: &[u32]) {
        let set = allowed_fast(ip.parse().unwrap(), InfoHash([0xaa; 20]), &of(pieces), length);
        assert_eq!(set.iter().map(|piece| piece.get()).collect::<Vec<_>>(), expected, "{ip}");
    }

    #[test]
    fn the_examples_of_bep_6_are_reproduced() {
        check("80.4.4.200", 1313, 7, &[1059, 431, 808, 1217, 287, 376, 1188]);
        check("80.4.4.200", 1313, 9, &[1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
        check("::ffff:80.4.4.9", 1313, 2, &[1059, 431]);
    }

    #[test]
    fn a_small_torrent_is_allowed_entirely_and_an_empty_one_not_at_all() {
        let set = allowed_fast("1.2.3.4".parse().unwrap(), InfoHash([1; 20]), &of(3), SET_LENGTH);
        assert_eq!(set.len(), 3);
        check("1.2.3.4", 0, SET_LENGTH, &[]);
    }

    #[test]
    fn neighbours_share_a_set_and_other_networks_have_their_own() {
        let set =
            |ip: &str| allowed_fast(ip.parse().unwrap(), InfoHash([7; 20]), &of(5000), SET_LENGTH);
        assert_eq!(set("2001:db8::1"), set("2001:db8:0:0:ffff::2"));
        assert_ne!(set("2001:db8::1"), set("2001:db8:0:1::1"));
        assert_ne!(set("10.0.0.1"), set("10.0.1.1"));
    }
}
