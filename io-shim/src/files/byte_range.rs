//! A range of a file's bytes, never empty.

/// Bytes of a file, both ends inclusive, as in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    /// First byte.
    pub(crate) start: u64,
    /// Last byte, never before `start`.
    pub(crate) end: u64,
}

impl ByteRange {
    /// The whole file; `None` for an empty one.
    pub(crate) fn whole(length: u64) -> Option<Self> {
        length.checked_sub(1).map(|end| Self { start: 0, end })
    }

    /// Number of bytes, at least one. Saturates for the one range with more than `u64::MAX` bytes.
    pub(crate) fn count(self) -> u64 {
        (self.end - self.start).saturating_add(1)
    }

    /// The first `most` bytes of the range; at least one.
    pub(crate) fn first(self, most: u64) -> Self {
        Self { end: self.end.min(self.start.saturating_add(most.max(1) - 1)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_a_range_unless_it_is_empty() {
        assert_eq!(ByteRange::whole(0), None);
        assert_eq!(ByteRange::whole(1), Some(ByteRange { start: 0, end: 0 }));
        assert_eq!(ByteRange::whole(10), Some(ByteRange { start: 0, end: 9 }));
    }

    #[test]
    fn both_ends_are_counted() {
        assert_eq!(ByteRange { start: 7, end: 7 }.count(), 1);
        assert_eq!(ByteRange { start: 7, end: 9 }.count(), 3);
        assert_eq!(ByteRange { start: 0, end: u64::MAX }.count(), u64::MAX);
    }

    #[test]
    fn the_first_bytes_are_at_least_one_and_never_beyond_the_end() {
        let range = ByteRange { start: 10, end: 19 };
        let first = |most| (range.first(most).start, range.first(most).end);
        assert_eq!(first(0), (10, 10));
        assert_eq!(first(1), (10, 10));
        assert_eq!(first(3), (10, 12));
        assert_eq!(first(10), (10, 19));
        assert_eq!(first(u64::MAX), (10, 19));
    }
}
