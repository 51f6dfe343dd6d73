//! Finds a mark after padding of unknown length, without reading beyond it.
//!
//! The bytes after the mark may belong to another cipher. Owns the padding read so far. Invariant:
//! it requests only bytes that certainly belong to the padding or the mark.

/// Longest padding, in bytes.
pub(super) const MAX_PADDING: usize = 512;

/// A search for a mark.
#[derive(Debug)]
pub(super) struct Search {
    mark: Vec<u8>,
    read: Vec<u8>,
}

/// The error when the mark did not follow within the longest padding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotFound;

impl Search {
    pub(super) fn new(mark: &[u8]) -> Self {
        Self { mark: mark.to_vec(), read: Vec::new() }
    }

    /// Number of bytes to read next; 0 once the mark is found.
    pub(super) fn wanted(&self) -> usize {
        self.mark.len() - self.overlap()
    }

    /// Handles bytes, at most as many as [`Search::wanted`].
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), NotFound> {
        self.read.extend_from_slice(bytes);
        let could_end = self.read.len() + self.wanted();
        if could_end > MAX_PADDING + self.mark.len() { Err(NotFound) } else { Ok(()) }
    }

    /// Returns how much of the mark the bytes read so far may hold. This is the length of the
    /// longest prefix of the mark that ends those bytes.
    fn overlap(&self) -> usize {
        let most = self.mark.len().min(self.read.len());
        (0..=most).rev().find(|&length| self.read.ends_with(&self.mark[..length])).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many bytes of a stream are read until the mark is found.
    fn read_until_found(mark: &[u8], stream: &[u8], at_once: usize) -> Result<usize, NotFound> {
        let mut search = Search::new(mark);
        let mut at = 0;
        while search.wanted() > 0 {
            let take = search.wanted().min(at_once);
            search.take(&stream[at..at + take])?;
            at += take;
        }
        Ok(at)
    }

    proptest! {
        #[test]
        fn the_search_stops_right_after_the_mark(
            padding in prop::collection::vec(0u8..3, 0..MAX_PADDING),
            at_once in 1usize..9,
        ) {
            let mark = [1, 2, 1, 1, 2, 1, 0, 2];
            let stream = [&padding[..], &mark, &[1; 600]].concat();
            let expected =
                stream.windows(mark.len()).position(|window| window == mark).unwrap() + mark.len();
            prop_assert_eq!(read_until_found(&mark, &stream, at_once), Ok(expected));
        }
    }

    #[test]
    fn padding_is_bounded() {
        assert_eq!(read_until_found(b"mark", &[0; 2000], 4), Err(NotFound));
        let late = [&[0; MAX_PADDING][..], b"mark"].concat();
        assert_eq!(read_until_found(b"mark", &late, 4), Ok(MAX_PADDING + 4));
    }
}
