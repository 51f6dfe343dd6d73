//! The ranges of files that make up a range of a piece.

use super::offset::{FileOffset, FileRange, PieceOffset, TorrentOffset};
use super::{Block, FileIndex, Geometry, PieceIndex};

/// A range of bytes in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileSpan {
    /// The file.
    pub file: FileIndex,
    /// Offset of the first byte in the file.
    pub offset: FileOffset,
    /// Number of bytes, never zero.
    pub length: u32,
}

impl FileSpan {
    /// Returns the bytes of the span.
    pub(crate) fn range(&self) -> FileRange {
        let first = self.offset.0;
        FileRange::new(first, first + u64::from(self.length) - 1).expect("a span is not empty")
    }
}

impl Geometry {
    /// Returns the file spans of `length` bytes of a piece from `begin`, in order.
    ///
    /// The range is clipped to the piece. Empty files have no span; padding files between others
    /// do.
    pub(crate) fn file_spans(
        &self,
        piece: PieceIndex,
        begin: PieceOffset,
        length: u32,
    ) -> FileSpans<'_> {
        let whole = self.piece_len(piece);
        let begin = begin.0.min(whole);
        FileSpans {
            geometry: self,
            at: TorrentOffset(self.piece_start(piece).get() + u64::from(begin)),
            left: length.min(whole - begin),
        }
    }

    /// Returns the file spans of a block.
    pub(crate) fn block_spans(&self, block: Block) -> FileSpans<'_> {
        let (begin, length) = self.block_range(block);
        self.file_spans(block.piece, begin, length)
    }

    /// Returns the file spans of a whole piece.
    pub(crate) fn piece_spans(&self, piece: PieceIndex) -> FileSpans<'_> {
        self.file_spans(piece, PieceOffset::START, self.piece_len(piece))
    }

    /// Iterates over the files that have bytes in a piece, in order.
    pub(crate) fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileIndex> + '_ {
        self.piece_spans(piece).map(|span| span.file)
    }
}

#[cfg(test)]
std::thread_local! {
    static WALKED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Returns how many spans this thread has visited: the cost of work that maps pieces to files.
#[cfg(test)]
pub(crate) fn spans_walked() -> u64 {
    WALKED.get()
}

/// The iterator of [`Geometry::file_spans`].
#[derive(Clone, Debug)]
pub(crate) struct FileSpans<'a> {
    geometry: &'a Geometry,
    at: TorrentOffset,
    left: u32,
}

impl Iterator for FileSpans<'_> {
    type Item = FileSpan;

    fn next(&mut self) -> Option<FileSpan> {
        if self.left == 0 {
            return None;
        }
        #[cfg(test)]
        WALKED.set(WALKED.get() + 1);
        let (file, offset) = self.geometry.file_offset(self.at)?;
        let in_file = self.geometry.file_len(file) - offset.0;
        let length = u32::try_from(in_file).map_or(self.left, |in_file| in_file.min(self.left));
        self.at = TorrentOffset(self.at.0 + u64::from(length));
        self.left -= length;
        Some(FileSpan { file, offset, length })
    }
}
