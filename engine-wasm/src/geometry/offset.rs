//! Offsets of bytes in a file, in the torrent and in a piece.
//!
//! This module owns the numbers and the steps that stay inside; it knows no lengths: only the
//! geometry turns a number into an offset. Invariant: an offset is that of a byte of its file,
//! torrent or piece, or of the end.

macro_rules! offset {
    ($(#[$doc:meta])* $name:ident($number:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(pub(super) $number);

        impl $name {
            /// Returns the offset as a number of bytes.
            pub(crate) const fn get(self) -> $number {
                self.0
            }
        }
    };
}

offset! {
    /// An offset in a file.
    FileOffset(u64)
}
offset! {
    /// An offset in the sequence of all files.
    TorrentOffset(u64)
}
offset! {
    /// An offset in a piece.
    PieceOffset(u32)
}

impl FileOffset {
    /// Returns the number of bytes from `earlier` to here; 0 if `earlier` comes later.
    pub(crate) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the number of bytes between two offsets.
    pub(crate) const fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// Returns the offset from `low` to `high` that is the nearest to a number.
    ///
    /// # Panics
    /// If `low` comes after `high`.
    pub(crate) fn nearest(number: u64, low: Self, high: Self) -> Self {
        Self(number.clamp(low.0, high.0))
    }
}

impl PieceOffset {
    /// The first byte of a piece.
    pub(crate) const START: Self = Self(0);
}

/// A range of bytes of a file, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileRange {
    first: FileOffset,
    last: FileOffset,
}

impl FileRange {
    /// Returns the bytes `first..=last`; `None` if there are none.
    pub(super) fn new(first: u64, last: u64) -> Option<Self> {
        (first <= last).then_some(Self { first: FileOffset(first), last: FileOffset(last) })
    }

    /// Returns the offset of the first byte.
    pub(crate) const fn first(self) -> FileOffset {
        self.first
    }

    /// Returns the offset of the last byte.
    pub(crate) const fn last(self) -> FileOffset {
        self.last
    }

    /// Returns the offset after the last byte.
    pub(crate) const fn end(self) -> FileOffset {
        FileOffset(self.last.0 + 1)
    }

    /// Returns the number of bytes.
    pub(crate) const fn length(self) -> u64 {
        self.last.0 - self.first.0 + 1
    }

    /// Returns the offsets of the first and the last byte as numbers.
    pub(crate) const fn get(self) -> (u64, u64) {
        (self.first.0, self.last.0)
    }

    /// Returns whether the range has the byte at `offset`.
    pub(crate) fn contains(self, offset: FileOffset) -> bool {
        self.first <= offset && offset <= self.last
    }

    /// Returns the bytes from `offset` on.
    pub(crate) fn from(self, offset: FileOffset) -> Option<Self> {
        Self::new(self.first.0.max(offset.0), self.last.0)
    }

    /// Returns the bytes before `offset`.
    pub(crate) fn before(self, offset: FileOffset) -> Option<Self> {
        Self::new(self.first.0, self.last.0.min(offset.0.checked_sub(1)?))
    }

    /// Returns the first bytes, at most `length`.
    pub(crate) fn take(self, length: u64) -> Option<Self> {
        let last = self.first.0.saturating_add(length.checked_sub(1)?);
        Self::new(self.first.0, self.last.0.min(last))
    }

    /// Returns the bytes from `first` to `last` that are in the range.
    pub(crate) fn clip(self, first: u64, last: u64) -> Option<Self> {
        Self::new(self.first.0.max(first), self.last.0.min(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_range_never_leaves_it() {
        let range = FileRange::new(10, 19).unwrap();
        let get = |part: Option<FileRange>| part.map(FileRange::get);
        let at = FileOffset;
        assert_eq!([9, 10, 19, 20].map(|it| range.contains(at(it))), [false, true, true, false]);
        assert_eq!(
            [5, 12, 19, 20].map(|it| get(range.from(at(it)))),
            [Some((10, 19)), Some((12, 19)), Some((19, 19)), None]
        );
        assert_eq!(
            [0, 10, 11, 99].map(|it| get(range.before(at(it)))),
            [None, None, Some((10, 10)), Some((10, 19))]
        );
        assert_eq!(
            [0, 1, 10, u64::MAX].map(|it| get(range.take(it))),
            [None, Some((10, 10)), Some((10, 19)), Some((10, 19))]
        );
        assert_eq!(get(range.clip(0, 12)), Some((10, 12)));
        assert_eq!(get(range.clip(15, u64::MAX)), Some((15, 19)));
        assert_eq!((get(range.clip(20, 30)), get(range.clip(0, 9))), (None, None));
        assert_eq!((range.length(), range.end()), (10, at(20)));
        assert_eq!(
            [0, 12, 99].map(|it| FileOffset::nearest(it, at(10), at(15)).get()),
            [10, 12, 15]
        );
    }
}
