//! The cryptography of message stream encryption: key exchange (Diffie–Hellman over 768 bits),
//! hashes, and RC4 streams.
//!
//! Owns the group and the inputs of the hashes; it knows no messages. This is obfuscation, not
//! security: the protocol uses RC4 and 768 bits, and peers prove no identity.

use bytes::Bytes;
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U192, U768};
use rc4::{KeyInit, Rc4, StreamCipher};
use sha1::{Digest, Sha1};
use shared_proto::io::Rc4Start;

use crate::metainfo::InfoHash;

/// Length of a public key and of the shared secret, in bytes.
pub(crate) const KEY_LEN: usize = 96;
/// Length of a private key, in bytes; a longer one adds nothing.
pub(super) const PRIVATE_LEN: usize = 20;
/// Bytes of either stream that are discarded before the first is used.
const DISCARDED: u32 = 1024;

const PRIME: U768 = U768::from_be_hex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
);
const GENERATOR: U768 = U768::from_u8(2);

/// A private key.
#[derive(Clone)]
pub(super) struct Private(U192);

impl Private {
    pub(super) fn new(bytes: [u8; PRIVATE_LEN]) -> Self {
        let mut wide = [0; 24];
        wide[24 - PRIVATE_LEN..].copy_from_slice(&bytes);
        Self(U192::from_be_slice(&wide))
    }

    /// The public key.
    pub(super) fn public(&self) -> [u8; KEY_LEN] {
        self.power(&GENERATOR)
    }

    /// The shared secret; `None` for an invalid public key: 0, 1, −1, or a non-residue.
    pub(super) fn secret(&self, theirs: &[u8; KEY_LEN]) -> Option<Secret> {
        let theirs = U768::from_be_slice(theirs);
        let in_order = theirs > U768::ONE && theirs < PRIME.wrapping_sub(&U768::ONE);
        in_order.then(|| Secret(self.power(&theirs)))
    }

    fn power(&self, base: &U768) -> [u8; KEY_LEN] {
        let modulus = Odd::new(PRIME).expect_copied("a prime is odd");
        let params = FixedMontyParams::new_vartime(modulus);
        let power = FixedMontyForm::new(base, &params).pow(&self.0).retrieve();
        let mut bytes = [0; KEY_LEN];
        bytes.copy_from_slice(power.to_be_bytes().as_ref());
        bytes
    }
}

/// The shared secret of both ends.
#[derive(Clone)]
pub(super) struct Secret([u8; KEY_LEN]);

impl Secret {
    /// Returns the mark after the padding of the dialling end. The answering end searches for the
    /// mark.
    pub(super) fn sync_mark(&self) -> [u8; 20] {
        hash(&[b"req1", &self.0])
    }

    /// The mark by which the dialling end names the torrent without revealing it.
    pub(super) fn torrent_mark(&self, info_hash: &InfoHash) -> [u8; 20] {
        let (torrent, mask) = (torrent_name(info_hash), hash(&[b"req3", &self.0]));
        std::array::from_fn(|at| torrent[at] ^ mask[at])
    }

    /// The streams from and to the dialling end.
    pub(super) fn streams(&self, info_hash: &InfoHash) -> [Stream; 2] {
        [b"keyA", b"keyB"].map(|name| Stream::new(hash(&[name, &self.0, &info_hash.0])))
    }
}

/// The hash of a torrent that [`Secret::torrent_mark`] masks.
fn torrent_name(info_hash: &InfoHash) -> [u8; 20] {
    hash(&[b"req2", &info_hash.0])
}

fn hash(parts: &[&[u8]]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// One direction of an encrypted connection, with its position.
pub(super) struct Stream {
    key: [u8; 20],
    cipher: Rc4,
    used: u32,
}

impl Stream {
    fn new(key: [u8; 20]) -> Self {
        let mut cipher =
            Rc4::new_from_slice(&key).expect("a key of 20 bytes is in the cipher's bounds");
        let mut discarded = [0; DISCARDED as usize];
        cipher.apply_keystream(&mut discarded);
        Self { key, cipher, used: DISCARDED }
    }

    /// Encrypts or decrypts in place.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        self.cipher.apply_keystream(bytes);
        self.used += u32::try_from(bytes.len()).expect("a handshake is short");
    }

    /// Encrypts or decrypts a copy.
    pub(super) fn applied(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        self.apply(&mut bytes);
        bytes
    }

    /// The state with which the daemon continues the stream.
    pub(super) fn hand_over(&self) -> Rc4Start {
        Rc4Start { key: Bytes::copy_from_slice(&self.key), skip: self.used }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_derive_the_same_secret() {
        let [one, other] = [[7; PRIVATE_LEN], [0xfe; PRIVATE_LEN]].map(Private::new);
        let secrets = [one.secret(&other.public()).unwrap(), other.secret(&one.public()).unwrap()];
        assert_eq!(secrets[0].0, secrets[1].0);
        assert_ne!(secrets[0].0, one.public());
    }

    #[test]
    fn the_group_is_that_of_other_clients() {
        let mut one = [0; PRIVATE_LEN];
        one[PRIVATE_LEN - 1] = 200;
        // 2^200, below the prime.
        let mut expected = [0; KEY_LEN];
        expected[KEY_LEN - 1 - 25] = 1;
        assert_eq!(Private::new(one).public(), expected);
        // By Fermat, 2^(p−1) = 1. The exponents here are short, so the arithmetic library computes
        // this.
        let params = FixedMontyParams::new_vartime(Odd::new(PRIME).expect_copied("odd"));
        let power = FixedMontyForm::new(&GENERATOR, &params)
            .pow(&PRIME.wrapping_sub(&U768::ONE))
            .retrieve();
        assert_eq!(power, U768::ONE);
    }

    #[test]
    fn keys_that_reveal_the_secret_are_refused() {
        let private = Private::new([3; PRIVATE_LEN]);
        let mut minus_one = [0; KEY_LEN];
        minus_one.copy_from_slice(PRIME.wrapping_sub(&U768::ONE).to_be_bytes().as_ref());
        let mut one = [0; KEY_LEN];
        one[KEY_LEN - 1] = 1;
        for key in [[0; KEY_LEN], one, minus_one, [0xff; KEY_LEN]] {
            assert!(private.secret(&key).is_none());
        }
    }

    #[test]
    fn a_stream_continues_where_it_was_left() {
        let secret = Private::new([1; PRIVATE_LEN])
            .secret(&Private::new([2; PRIVATE_LEN]).public())
            .unwrap();
        let [mut stream, _] = secret.streams(&InfoHash([9; 20]));
        let whole = stream.applied(&[0; 100]);
        let [mut stream, _] = secret.streams(&InfoHash([9; 20]));
        stream.apply(&mut [0; 30]);
        let start = stream.hand_over();
        let mut cipher = Rc4::new_from_slice(&start.key).unwrap();
        let mut all = vec![0; start.skip as usize + 70];
        cipher.apply_keystream(&mut all);
        assert_eq!(all[start.skip as usize..], whole[30..]);
    }
}
