//! Hashes spans. Blocking code for threads of its own.
//!
//! Owns no threads and no files. The hash crates use SHA instructions where the processor has them.
//! Invariant: a digest covers every requested byte.

use std::sync::Arc;

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use shared_proto::io::{DigestKind, OpError, OpErrorKind};

use crate::files::positional::read_at;
use crate::files::{
    error::{from_io, op_error},
    handle::Handle,
};

/// Bytes of one leaf of [`DigestKind::Sha256Leaves`].
const LEAF: usize = 16 << 10;
/// Bytes per read, a whole number of leaves. Enough to make system calls cheap, few enough for the
/// second-level cache.
const CHUNK: usize = 512 << 10;

/// Bytes of an open file to hash, or zeros.
pub(crate) struct Part {
    pub(crate) file: Option<Arc<Handle>>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Hashes all parts, in order. `cancelled` is asked between chunks.
///
/// # Errors
/// [`OpErrorKind::NotFound`] when a file ends inside a part, and errors of reading.
pub(crate) fn digest(
    kind: DigestKind,
    parts: &[Part],
    cancelled: impl Fn() -> bool,
) -> Result<Bytes, OpError> {
    let mut hasher = Hasher::new(kind);
    let longest = parts.iter().map(|part| part.length).max().unwrap_or(0);
    let mut buffer = vec![0; CHUNK.min(usize::try_from(longest).unwrap_or(CHUNK))];
    for part in parts {
        let mut done = 0;
        while done < part.length {
            if cancelled() {
                return Err(op_error(OpErrorKind::Other, "given up"));
            }
            let wanted =
                buffer.len().min(usize::try_from(part.length - done).unwrap_or(usize::MAX));
            let chunk = &mut buffer[..wanted];
            match &part.file {
                None => chunk.fill(0),
                Some(file) => {
                    if read_at(file, chunk, part.offset + done).map_err(|error| from_io(&error))?
                        < wanted
                    {
                        return Err(op_error(
                            OpErrorKind::NotFound,
                            "the file ends before these bytes do",
                        ));
                    }
                }
            }
            hasher.update(chunk);
            done += wanted as u64;
        }
    }
    Ok(hasher.finish())
}

enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
    Leaves { leaf: Sha256, filled: usize, digests: Vec<u8> },
}

impl Hasher {
    fn new(kind: DigestKind) -> Self {
        match kind {
            DigestKind::Sha1 => Self::Sha1(Sha1::new()),
            DigestKind::Sha256 => Self::Sha256(Sha256::new()),
            DigestKind::Sha256Leaves => {
                Self::Leaves { leaf: Sha256::new(), filled: 0, digests: Vec::new() }
            }
        }
    }

    fn update(&mut self, mut data: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(data),
            Self::Sha256(hash) => hash.update(data),
            Self::Leaves { leaf, filled, digests } => {
                while !data.is_empty() {
                    let (now, rest) = data.split_at(data.len().min(LEAF - *filled));
                    leaf.update(now);
                    *filled += now.len();
                    data = rest;
                    if *filled == LEAF {
                        digests.extend(leaf.finalize_reset());
                        *filled = 0;
                    }
                }
            }
        }
    }

    fn finish(self) -> Bytes {
        match self {
            Self::Sha1(hash) => Bytes::copy_from_slice(&hash.finalize()),
            Self::Sha256(hash) => Bytes::copy_from_slice(&hash.finalize()),
            Self::Leaves { leaf, filled, mut digests } => {
                if filled > 0 {
                    digests.extend(leaf.finalize());
                }
                digests.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{File, OpenOptions},
        io::Write,
    };

    use data_encoding::HEXLOWER;

    use super::*;
    use crate::testing::TempDir;

    /// An open file without a name.
    fn unnamed_file() -> File {
        let dir = TempDir::new();
        let path = dir.path().join("file");
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .expect("the temporary folder can be written")
    }

    /// The digest of `data`, split at `at` into two files. Other bytes surround each part.
    fn digest_of(kind: DigestKind, data: &[u8], at: usize) -> Result<Bytes, OpError> {
        let part = |bytes: &[u8]| {
            let mut file = unnamed_file();
            file.write_all(b"before").unwrap();
            file.write_all(bytes).unwrap();
            file.write_all(b"behind").unwrap();
            Part { file: Some(Arc::new(file.into())), offset: 6, length: bytes.len() as u64 }
        };
        let (head, tail) = data.split_at(at);
        digest(kind, &[part(head), part(tail)], || false)
    }

    fn check(kind: DigestKind, data: &[u8], expected: &str) {
        for at in [0, data.len() / 3, data.len()] {
            assert_eq!(
                HEXLOWER.encode(&digest_of(kind, data, at).expect("all bytes are there")),
                expected,
                "{kind:?} split at {at}"
            );
        }
    }

    #[test]
    fn the_standards_own_vectors_come_out() {
        // From FIPS 180-4, with its million repetitions of "a".
        check(DigestKind::Sha1, b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(
            DigestKind::Sha256,
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
        check(DigestKind::Sha1, &[b'a'; 1_000_000], "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
        check(DigestKind::Sha1, b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }

    #[test]
    fn leaves_are_cut_across_spans_and_the_last_may_be_short() {
        let data: Vec<u8> = (0..2 * LEAF + 100).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let expected: Vec<u8> = data.chunks(LEAF).flat_map(Sha256::digest).collect();
        for at in [0, 1, LEAF, LEAF + 7, data.len()] {
            assert_eq!(
                digest_of(DigestKind::Sha256Leaves, &data, at).unwrap(),
                expected,
                "split at {at}"
            );
        }
        assert_eq!(
            digest_of(DigestKind::Sha256Leaves, &data[..LEAF], 9).unwrap(),
            Sha256::digest(&data[..LEAF]).as_slice()
        );
        assert_eq!(digest_of(DigestKind::Sha256Leaves, b"", 0).unwrap(), b"".as_slice());
    }

    #[test]
    fn zeros_are_hashed_like_bytes_of_a_file() {
        let mut file = unnamed_file();
        file.write_all(&[7; 10]).unwrap();
        let file = Part { file: Some(Arc::new(file.into())), offset: 0, length: 10 };
        let parts = [file, Part { file: None, offset: 1 << 40, length: CHUNK as u64 + 3 }];
        let expected = Sha1::digest([&[7; 10][..], &vec![0; CHUNK + 3]].concat());
        assert_eq!(digest(DigestKind::Sha1, &parts, || false).unwrap(), expected.as_slice());
    }

    #[test]
    fn a_file_that_ends_early_has_no_digest() {
        let part = Part { file: Some(Arc::new(unnamed_file().into())), offset: 0, length: 1 };
        assert_eq!(
            digest(DigestKind::Sha1, &[part], || false).unwrap_err().kind,
            OpErrorKind::NotFound
        );
    }
}
