//! Where everything lies: the one place that converts between bytes, files, pieces and blocks.
//!
//! Owns the lengths of a torrent's files and of its pieces, nothing else: not which of them are
//! there, not their names. Invariant: the files lie in one row of bytes, the pieces cut the same
//! row into equal parts. In a torrent of v1 they lie end to end, in one of v2 (BEP 52) each begins
//! with a piece. What fills the row up behind the last file of a piece, be it nothing or a padding
//! file (BEP 47), is no part of the piece: it is neither asked for nor stored, and zeros stand for
//! it in a hash of v1. Offsets in a file and offsets in the torrent are `u64`, offsets in a piece
//! `u32`; `end` and `last` are inclusive, as in HTTP. Indexes that come from our own parts are
//! trusted (a wrong one panics); those of a stranger go through [`Geometry::piece`] and
//! [`Geometry::validate`].

use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

/// Length of every block but the last of a piece, bytes. What all clients request; larger ones are
/// dropped by many.
pub const BLOCK_LENGTH: u32 = 16 << 10;
/// Longest piece, bytes. The largest in the wild are 32 MiB or 64 MiB; a viewer could not wait for
/// more.
pub const MAX_PIECE_LENGTH: u32 = 64 << 20;
/// Most pieces of a torrent: its hashes are 20 MiB, its bitfield 128 KiB.
pub const MAX_PIECES: u32 = 1 << 20;
/// Most files of a torrent.
pub const MAX_FILES: usize = 100_000;
/// Most bytes of a torrent, so that every offset is exact in JavaScript's numbers.
pub const MAX_TOTAL_LENGTH: u64 = (1 << 53) - 1;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index into a slice.
            pub fn as_usize(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

index! {
    /// A piece of a torrent: the unit that a hash verifies.
    PieceIndex
}
index! {
    /// A block within its piece: the unit that is requested.
    BlockIndex
}
index! {
    /// A file of a torrent, in the order of its metainfo.
    FileIndex
}

/// A block that exists. A stranger's numbers become one through [`Geometry::validate`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// Its piece.
    pub piece: PieceIndex,
    /// Its place in the piece.
    pub index: BlockIndex,
}

impl Block {
    /// Its first byte in the piece.
    pub fn begin(self) -> u32 {
        self.index.0 * BLOCK_LENGTH
    }
}

/// Bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileSpan {
    /// The file.
    pub file: FileIndex,
    /// First byte in the file.
    pub offset: u64,
    /// Number of bytes, never zero.
    pub length: u32,
}

/// Why lengths do not make a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GeometryError {
    /// The piece length is zero or above [`MAX_PIECE_LENGTH`].
    #[error("pieces of {0} bytes are not supported")]
    PieceLength(u32),
    /// More than [`MAX_FILES`] files.
    #[error("{0} files are too many")]
    Files(usize),
    /// More than [`MAX_TOTAL_LENGTH`] bytes.
    #[error("the files are too long in all")]
    TotalLength,
    /// More than [`MAX_PIECES`] pieces.
    #[error("{0} pieces are too many")]
    Pieces(u64),
}

/// The layout of one torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    piece_length: u32,
    piece_count: u32,
    /// Where each file starts in the row.
    starts: Vec<u64>,
    /// Where each file ends in the row.
    ends: Vec<u64>,
    /// Length of the row.
    row: u64,
    /// Bytes of all files that are no padding.
    total: u64,
    /// Where the files lie that have bytes and are no padding, if there is anything else in the
    /// row.
    solid: Option<Vec<(u64, u64)>>,
    padding: Vec<FileIndex>,
}

impl Geometry {
    /// A layout of pieces of this length over files of these lengths, any of which may be zero, end
    /// to end.
    ///
    /// # Errors
    /// When a length or a count is beyond its bound.
    pub fn new(piece_length: u32, file_lengths: &[u64]) -> Result<Self, GeometryError> {
        let files: Vec<(u64, bool)> = file_lengths.iter().map(|&length| (length, false)).collect();
        Self::padded(piece_length, &files)
    }

    /// The same, where some files are padding (BEP 47).
    ///
    /// # Errors
    /// When a length or a count is beyond its bound.
    pub fn padded(piece_length: u32, files: &[(u64, bool)]) -> Result<Self, GeometryError> {
        Self::lay(piece_length, files, 1)
    }

    /// A layout in which every file begins with a piece (BEP 52).
    ///
    /// # Errors
    /// When a length or a count is beyond its bound.
    pub fn aligned(piece_length: u32, file_lengths: &[u64]) -> Result<Self, GeometryError> {
        let files: Vec<(u64, bool)> = file_lengths.iter().map(|&length| (length, false)).collect();
        Self::lay(piece_length, &files, piece_length)
    }

    fn lay(piece_length: u32, files: &[(u64, bool)], align: u32) -> Result<Self, GeometryError> {
        if piece_length == 0 || piece_length > MAX_PIECE_LENGTH {
            return Err(GeometryError::PieceLength(piece_length));
        }
        if files.len() > MAX_FILES {
            return Err(GeometryError::Files(files.len()));
        }
        let (mut starts, mut ends) =
            (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        let (mut row, mut total) = (0u64, 0u64);
        for &(length, is_padding) in files {
            // An empty file has no place: it stands where the one before it ends.
            let start = if length > 0 { row.next_multiple_of(u64::from(align)) } else { row };
            row = start
                .checked_add(length)
                .filter(|row| *row <= MAX_TOTAL_LENGTH)
                .ok_or(GeometryError::TotalLength)?;
            total += if is_padding { 0 } else { length };
            starts.push(start);
            ends.push(row);
        }
        let pieces = row.div_ceil(u64::from(piece_length));
        let piece_count = u32::try_from(pieces).ok().filter(|count| *count <= MAX_PIECES);
        let piece_count = piece_count.ok_or(GeometryError::Pieces(pieces))?;
        let places = starts
            .iter()
            .zip(&ends)
            .zip(files)
            .filter(|((start, end), (_, padding))| start < end && !padding);
        let solid = (total < row).then(|| places.map(|((&start, &end), _)| (start, end)).collect());
        let padding = (0u32..)
            .zip(files)
            .filter(|(_, (_, padding))| *padding)
            .map(|(file, _)| FileIndex(file))
            .collect();
        Ok(Self { piece_length, piece_count, starts, ends, row, total, solid, padding })
    }

    /// Length of every piece but the last, bytes.
    pub fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Number of pieces.
    pub fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// Bytes in all, without padding.
    pub fn total_length(&self) -> u64 {
        self.total
    }

    /// The piece of this number, if there is one.
    pub fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.piece_count).then_some(PieceIndex(index))
    }

    /// All pieces.
    pub fn pieces(&self) -> impl DoubleEndedIterator<Item = PieceIndex> + use<> {
        (0..self.piece_count).map(PieceIndex)
    }

    /// Offset of a piece's first byte in the torrent.
    pub fn piece_start(&self, piece: PieceIndex) -> u64 {
        assert!(piece.0 < self.piece_count, "piece {piece} of {}", self.piece_count);
        u64::from(piece.0) * u64::from(self.piece_length)
    }

    /// Length of a piece, bytes, without what fills it up. Zero for one that is padding only.
    pub fn piece_len(&self, piece: PieceIndex) -> u32 {
        let start = self.piece_start(piece);
        let end = (start + u64::from(self.piece_length)).min(self.row);
        let end = match &self.solid {
            None => end,
            Some(solid) => {
                let before = solid.partition_point(|(from, _)| *from < end);
                solid[..before].last().map_or(start, |(_, to)| end.min(*to)).max(start)
            }
        };
        u32::try_from(end - start).expect("a piece is no longer than the piece length")
    }

    /// Zeros behind a piece that a hash of v1 counts: what padding files fill it up with.
    pub fn zeros_after(&self, piece: PieceIndex) -> u32 {
        if self.padding.is_empty() { 0 } else { self.filled_len(piece) - self.piece_len(piece) }
    }

    /// Length of a piece with what fills it up, be it a padding file or, in v2, nothing but the
    /// beginning of the next file.
    pub fn filled_len(&self, piece: PieceIndex) -> u32 {
        let whole = (self.row - self.piece_start(piece)).min(u64::from(self.piece_length));
        u32::try_from(whole).expect("a piece is no longer than the piece length")
    }

    /// Bytes of a piece that are no padding, neither behind nor between files.
    pub fn content_len(&self, piece: PieceIndex) -> u32 {
        if self.padding.is_empty() {
            return self.piece_len(piece);
        }
        self.piece_spans(piece)
            .filter(|span| !self.is_padding(span.file))
            .map(|span| span.length)
            .sum()
    }

    /// Whether a file is padding.
    pub fn is_padding(&self, file: FileIndex) -> bool {
        self.padding.binary_search(&file).is_ok()
    }

    /// Number of blocks of a piece, zero only for one that is padding only.
    pub fn block_count(&self, piece: PieceIndex) -> u32 {
        self.piece_len(piece).div_ceil(BLOCK_LENGTH)
    }

    /// The block of this number, if there is one.
    pub fn block(&self, piece: PieceIndex, index: BlockIndex) -> Option<Block> {
        let piece = self.piece(piece.0)?;
        (index.0 < self.block_count(piece)).then_some(Block { piece, index })
    }

    /// All blocks of a piece.
    pub fn blocks(&self, piece: PieceIndex) -> impl DoubleEndedIterator<Item = Block> + use<> {
        (0..self.block_count(piece)).map(move |index| Block { piece, index: BlockIndex(index) })
    }

    /// Where a block lies in its piece: first byte and length.
    pub fn block_range(&self, block: Block) -> (u32, u32) {
        let begin = block.begin();
        (begin, (self.piece_len(block.piece) - begin).min(BLOCK_LENGTH))
    }

    /// The block that a stranger's numbers name exactly: not a part of one, not two.
    pub fn validate(&self, piece: u32, begin: u32, length: u32) -> Option<Block> {
        let block = self.block(self.piece(piece)?, BlockIndex(begin / BLOCK_LENGTH))?;
        (self.block_range(block) == (begin, length)).then_some(block)
    }

    /// Number of files.
    pub fn file_count(&self) -> u32 {
        u32::try_from(self.starts.len()).expect("files are bounded by MAX_FILES")
    }

    /// The file of this number, if there is one.
    pub fn file(&self, index: u32) -> Option<FileIndex> {
        (index < self.file_count()).then_some(FileIndex(index))
    }

    /// All files.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = FileIndex> + use<> {
        (0..self.file_count()).map(FileIndex)
    }

    /// Offset of a file's first byte in the torrent.
    pub fn file_start(&self, file: FileIndex) -> u64 {
        self.file_bounds(file).0
    }

    /// Length of a file, bytes.
    pub fn file_len(&self, file: FileIndex) -> u64 {
        let (start, end) = self.file_bounds(file);
        end - start
    }

    /// The offset in the torrent of a byte of a file, if the file has it.
    pub fn torrent_offset(&self, file: FileIndex, offset: u64) -> Option<u64> {
        let (start, end) = self.file_bounds(file);
        start.checked_add(offset).filter(|at| *at < end)
    }

    /// The file and the offset in it of a byte of the torrent, if there is one.
    pub fn file_offset(&self, torrent_offset: u64) -> Option<(FileIndex, u64)> {
        // The last file that starts here or before: the ones of length zero at the same place come
        // before it.
        let at = self.starts.partition_point(|start| *start <= torrent_offset).checked_sub(1)?;
        let file = FileIndex(u32::try_from(at).expect("files are bounded by MAX_FILES"));
        (torrent_offset < self.ends[at]).then(|| (file, torrent_offset - self.starts[at]))
    }

    /// The piece of a byte of a file and the byte's offset in it, if the file has it.
    pub fn locate(&self, file: FileIndex, offset: u64) -> Option<(PieceIndex, u32)> {
        let at = self.torrent_offset(file, offset)?;
        Some((self.piece_at(at), self.offset_in_piece(at)))
    }

    /// The block of a byte of a file, if the file has it.
    pub fn block_at(&self, file: FileIndex, offset: u64) -> Option<Block> {
        let (piece, begin) = self.locate(file, offset)?;
        Some(Block { piece, index: BlockIndex(begin / BLOCK_LENGTH) })
    }

    /// The spans of `length` bytes of a piece from `begin`, in order, without files of length zero.
    /// Cut to the piece. Padding between files has spans, too.
    pub fn file_spans(&self, piece: PieceIndex, begin: u32, length: u32) -> FileSpans<'_> {
        let whole = self.piece_len(piece);
        let begin = begin.min(whole);
        FileSpans {
            geometry: self,
            at: self.piece_start(piece) + u64::from(begin),
            left: length.min(whole - begin),
        }
    }

    /// The spans of a block.
    pub fn block_spans(&self, block: Block) -> FileSpans<'_> {
        let (begin, length) = self.block_range(block);
        self.file_spans(block.piece, begin, length)
    }

    /// The spans of a whole piece.
    pub fn piece_spans(&self, piece: PieceIndex) -> FileSpans<'_> {
        self.file_spans(piece, 0, self.piece_len(piece))
    }

    /// The files that have bytes in a piece, in order.
    pub fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileIndex> + '_ {
        self.piece_spans(piece).map(|span| span.file)
    }

    /// The pieces that hold the bytes `first..=last` of a file; the range is cut to the file.
    /// `None` when no byte is left.
    pub fn pieces_of(
        &self,
        file: FileIndex,
        first: u64,
        last: u64,
    ) -> Option<RangeInclusive<PieceIndex>> {
        let last = self.file_len(file).checked_sub(1)?.min(last);
        if first > last {
            return None;
        }
        let start = self.file_start(file);
        Some(self.piece_at(start + first)..=self.piece_at(start + last))
    }

    /// The pieces that hold a whole file; `None` for an empty one.
    pub fn pieces_of_file(&self, file: FileIndex) -> Option<RangeInclusive<PieceIndex>> {
        self.pieces_of(file, 0, u64::MAX)
    }

    /// The bytes of a file that lie in a piece; `None` when there are none.
    pub fn range_in_file(&self, piece: PieceIndex, file: FileIndex) -> Option<RangeInclusive<u64>> {
        let (start, end) = self.file_bounds(file);
        let piece_start = self.piece_start(piece);
        let first = piece_start.max(start);
        let after = (piece_start + u64::from(self.piece_len(piece))).min(end);
        (first < after).then(|| first - start..=after - 1 - start)
    }

    /// Where a piece begins in a file: zero when it begins before the file.
    pub fn piece_start_in_file(&self, file: FileIndex, piece: PieceIndex) -> u64 {
        self.piece_start(piece).saturating_sub(self.file_start(file))
    }

    /// The last byte of a file that lies in the same piece as the byte at `offset`: with that piece
    /// verified, everything up to here can be granted. `None` when the file has no byte at
    /// `offset`.
    pub fn piece_end_in_file(&self, file: FileIndex, offset: u64) -> Option<u64> {
        let (piece, _) = self.locate(file, offset)?;
        self.range_in_file(piece, file).map(|range| *range.end())
    }

    fn file_bounds(&self, file: FileIndex) -> (u64, u64) {
        assert!(file.0 < self.file_count(), "file {file} of {}", self.file_count());
        (self.starts[file.as_usize()], self.ends[file.as_usize()])
    }

    /// The piece of a byte that the torrent has.
    fn piece_at(&self, torrent_offset: u64) -> PieceIndex {
        let index = torrent_offset / u64::from(self.piece_length);
        PieceIndex(
            u32::try_from(index).expect("a byte of the torrent is in one of MAX_PIECES pieces"),
        )
    }

    fn offset_in_piece(&self, torrent_offset: u64) -> u32 {
        let offset = torrent_offset % u64::from(self.piece_length);
        u32::try_from(offset).expect("a remainder is below the piece length")
    }
}

/// The pieces of a range, one by one.
pub fn each_piece(
    range: RangeInclusive<PieceIndex>,
) -> impl DoubleEndedIterator<Item = PieceIndex> {
    (range.start().0..=range.end().0).map(PieceIndex)
}

#[cfg(test)]
std::thread_local! {
    static WALKED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How many spans this thread has walked over: what work costs that goes from pieces to files.
#[cfg(test)]
pub(crate) fn spans_walked() -> u64 {
    WALKED.get()
}

/// What [`Geometry::file_spans`] yields.
#[derive(Clone, Debug)]
pub struct FileSpans<'a> {
    geometry: &'a Geometry,
    at: u64,
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
        let in_file = self.geometry.file_len(file) - offset;
        let length = u32::try_from(in_file).map_or(self.left, |in_file| in_file.min(self.left));
        self.at += u64::from(length);
        self.left -= length;
        Some(FileSpan { file, offset, length })
    }
}

#[cfg(test)]
mod tests;
