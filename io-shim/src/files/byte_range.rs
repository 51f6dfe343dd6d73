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
