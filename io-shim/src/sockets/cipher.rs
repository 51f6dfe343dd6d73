//! RC4 for one direction of a connection.
//!
//! It is no protection: protocols use it to hide their shape from traffic filters. Owns its
//! position in the key stream.

use rc4::{KeyInit, Rc4, StreamCipher};
use shared_proto::{frame::MAX_RC4_SKIP, io::Rc4Start};

/// The cipher of one direction. Encryption and decryption are the same.
pub(super) struct Cipher(Box<Rc4>);

impl Cipher {
    /// Starts a cipher. `None` when RC4 allows no key of this length, or too many bytes would be
    /// skipped.
    pub(super) fn new(start: &Rc4Start) -> Option<Self> {
        let skip = usize::try_from(start.skip.min(MAX_RC4_SKIP)).ok()?;
        let mut rc4 =
            Rc4::new_from_slice(&start.key).ok().filter(|_| start.skip <= MAX_RC4_SKIP)?;
        rc4.apply_keystream(&mut vec![0; skip]);
        Some(Self(Box::new(rc4)))
    }

    /// Encrypts or decrypts the next bytes of the stream.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Expects bytes of the key stream from RFC 6229.
    fn check(key: &[u8], skip: u32, stream: &[u8]) {
        let start = Rc4Start { key: Bytes::copy_from_slice(key), skip };
        let mut bytes = vec![0; stream.len()];
        Cipher::new(&start).expect("a key").apply(&mut bytes);
        assert_eq!(bytes, stream, "{key:?} after {skip}");
    }

    #[test]
    fn the_standards_own_vectors_come_out() {
        check(&[1, 2, 3, 4, 5], 0, &[0xb2, 0x39, 0x63, 0x05, 0xf0, 0x3d, 0xc0, 0x27]);
        let key: Vec<u8> = (1..=16).collect();
        check(&key, 0, &[0x9a, 0xc7, 0xcc, 0x9a, 0x60, 0x9d, 0x1e, 0xf7]);
    }

    #[test]
    fn where_it_begins_is_where_another_one_would_be() {
        let key = Bytes::from_static(b"key");
        let mut whole = vec![0; 3000];
        Cipher::new(&Rc4Start { key: key.clone(), skip: 0 }).unwrap().apply(&mut whole);
        for skip in [0, 1, 768, 1024] {
            let mut late = Cipher::new(&Rc4Start { key: key.clone(), skip }).unwrap();
            let (mut head, mut tail) = (vec![0; 100], vec![0; 400]);
            late.apply(&mut head);
            late.apply(&mut tail);
            let at = skip as usize;
            assert_eq!([head, tail].concat(), whole[at..at + 500], "{skip}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let start = |length: usize, skip| Rc4Start { key: Bytes::from(vec![7; length]), skip };
        assert!(Cipher::new(&start(0, 0)).is_none());
        assert!(Cipher::new(&start(257, 0)).is_none());
        assert!(Cipher::new(&start(256, MAX_RC4_SKIP)).is_some());
        assert!(Cipher::new(&start(1, MAX_RC4_SKIP + 1)).is_none());
        assert!(Cipher::new(&start(1, u32::MAX)).is_none());
    }
}
