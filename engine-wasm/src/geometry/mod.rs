//! The layout of a torrent: converts between bytes, files, pieces and blocks.
//!
//! This module owns the lengths of files and pieces, but neither their names nor which are stored.
//! Invariant: all files lie in one sequence of bytes, and the pieces divide it into equal parts. In
//! a v1 torrent the files are adjacent; in a v2 torrent (BEP 52) each file begins with a piece. The
//! gap behind the last file of a piece may be a padding file (BEP 47). It is not part of the piece:
//! it is neither requested nor stored, and counts as zeros in a v1 hash. Only a [`Geometry`]
//! creates an index or an offset, so each of them exists in its torrent; in another torrent it may
//! panic. Numbers from elsewhere go through [`Geometry::piece`], [`Geometry::file`],
//! [`Geometry::validate`] and [`Geometry::file_range`].

mod index;
mod offset;
mod spans;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use thiserror::Error;

use crate::bitfield::Bitfield;

pub(crate) use index::{
    BLOCK_LENGTH, Block, BlockIndex, Blocks, FileIndex, PieceIndex, count_pieces, each_piece,
    nth_piece,
};
pub(crate) use offset::{FileOffset, FileRange, PieceOffset, TorrentOffset};
pub(crate) use spans::FileSpan;
#[cfg(test)]
pub(crate) use spans::spans_walked;

/// Longest piece in bytes.
///
/// The largest in existing torrents are 32 MiB or 64 MiB; longer ones would delay viewers too much.
pub(crate) const MAX_PIECE_LENGTH: u32 = 64 << 20;
/// Most pieces of a torrent. Their hashes take 20 MiB, a bitfield 128 KiB.
pub(crate) const MAX_PIECES: u32 = 1 << 20;
/// Most files of a torrent.
pub(crate) const MAX_FILES: usize = 100_000;
/// Most bytes of a torrent: every offset is an exact JavaScript number.
pub(crate) const MAX_TOTAL_LENGTH: u64 = (1 << 53) - 1;

/// Why lengths are not valid for a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GeometryError {
    /// The piece length is zero or above [`MAX_PIECE_LENGTH`].
    #[error("pieces of {0} bytes are not supported")]
    PieceLength(u32),
    /// More than [`MAX_FILES`] files.
    #[error("{0} files are too many")]
    Files(usize),
    /// More than [`MAX_TOTAL_LENGTH`] bytes.
    #[error("the files are too long in total")]
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
    /// Start offset of each file in the sequence.
    starts: Vec<u64>,
    /// End offset of each file in the sequence.
    ends: Vec<u64>,
    /// Length of the sequence.
    row: u64,
    /// Total length of all files that are not padding.
    total: u64,
    /// The ranges of files that are neither empty nor padding. `None` if they fill the sequence.
    solid: Option<Vec<(u64, u64)>>,
    padding: Vec<FileIndex>,
    /// Whether each file begins with a piece.
    is_aligned: bool,
}

impl Geometry {
    /// Creates the layout of adjacent files (BEP 3); lengths in bytes, zero allowed.
    ///
    /// # Errors
    /// [`GeometryError`] if a length or a count exceeds its limit.
    #[cfg(test)]
    pub(crate) fn new(piece_length: u32, file_lengths: &[u64]) -> Result<Self, GeometryError> {
        let files: Vec<(u64, bool)> = file_lengths.iter().map(|&length| (length, false)).collect();
        Self::padded(piece_length, &files)
    }

    /// Creates the layout of adjacent files, some of which are padding (BEP 47).
    ///
    /// # Errors
    /// [`GeometryError`] if a length or a count exceeds its limit.
    pub(crate) fn padded(piece_length: u32, files: &[(u64, bool)]) -> Result<Self, GeometryError> {
        Self::layout(piece_length, files, false)
    }

    /// Creates the layout of files that each begin with a piece (BEP 52).
    ///
    /// # Errors
    /// [`GeometryError`] if a length or a count exceeds its limit.
    pub(crate) fn aligned(piece_length: u32, file_lengths: &[u64]) -> Result<Self, GeometryError> {
        let files: Vec<(u64, bool)> = file_lengths.iter().map(|&length| (length, false)).collect();
        Self::layout(piece_length, &files, true)
    }

    fn layout(
        piece_length: u32,
        files: &[(u64, bool)],
        is_aligned: bool,
    ) -> Result<Self, GeometryError> {
        if piece_length == 0 || piece_length > MAX_PIECE_LENGTH {
            return Err(GeometryError::PieceLength(piece_length));
        }
        if files.len() > MAX_FILES {
            return Err(GeometryError::Files(files.len()));
        }
        let (mut starts, mut ends) =
            (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        let align = if is_aligned { u64::from(piece_length) } else { 1 };
        let (mut row, mut total) = (0u64, 0u64);
        for &(length, is_padding) in files {
            // An empty file takes no space: its position is the end of the file before it.
            let start = if length > 0 { row.next_multiple_of(align) } else { row };
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
        Ok(Self { piece_length, piece_count, starts, ends, row, total, solid, padding, is_aligned })
    }

    /// Returns the length in bytes of every piece except the last.
    pub(crate) fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Returns the number of pieces.
    pub fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// Returns the total length in bytes, without padding.
    pub(crate) fn total_length(&self) -> u64 {
        self.total
    }

    /// Returns the piece with this index, if it exists.
    pub(crate) fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.piece_count).then_some(PieceIndex(index))
    }

    /// Iterates over all pieces.
    pub(crate) fn pieces(&self) -> impl DoubleEndedIterator<Item = PieceIndex> + Clone + use<> {
        (0..self.piece_count).map(PieceIndex)
    }

    /// Iterates over the pieces whose bits are set, in order.
    pub(crate) fn marked<'a>(
        &self,
        bits: &'a Bitfield,
    ) -> impl Iterator<Item = PieceIndex> + use<'a> {
        let count = self.piece_count;
        bits.iter_ones().take_while(move |&index| index < count).map(PieceIndex)
    }

    /// Returns the offset of a piece's first byte in the torrent.
    pub(crate) fn piece_start(&self, piece: PieceIndex) -> TorrentOffset {
        assert!(piece.get() < self.piece_count, "piece {piece} of {}", self.piece_count);
        TorrentOffset(u64::from(piece.get()) * u64::from(self.piece_length))
    }

    /// Returns the length of a piece in bytes. The gap behind its last file does not count.
    ///
    /// Zero for a piece that is padding only.
    pub(crate) fn piece_len(&self, piece: PieceIndex) -> u32 {
        let start = self.piece_start(piece).get();
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

    /// Returns the number of zeros after a piece that its v1 hash includes. The zeros stand for
    /// padding files.
    pub(crate) fn zeros_after(&self, piece: PieceIndex) -> u32 {
        if self.padding.is_empty() { 0 } else { self.filled_len(piece) - self.piece_len(piece) }
    }

    /// Returns the length of a piece including the gap behind its last file.
    pub(crate) fn filled_len(&self, piece: PieceIndex) -> u32 {
        let whole = (self.row - self.piece_start(piece).get()).min(u64::from(self.piece_length));
        u32::try_from(whole).expect("a piece is no longer than the piece length")
    }

    /// Returns the number of bytes that peers may request of a piece.
    ///
    /// libtorrent up to 2.0.8 knows no short block in a v2 torrent: it requests 16 KiB of the last
    /// block of the last file, too. The missing bytes are zeros, as behind any other file.
    pub(crate) fn requestable_len(&self, piece: PieceIndex) -> u32 {
        let filled = self.filled_len(piece);
        if self.is_aligned {
            filled.next_multiple_of(BLOCK_LENGTH).min(self.piece_length)
        } else {
            filled
        }
    }

    /// Returns the number of bytes in a piece that are not padding.
    pub(crate) fn content_len(&self, piece: PieceIndex) -> u32 {
        if self.padding.is_empty() {
            return self.piece_len(piece);
        }
        self.piece_spans(piece)
            .filter(|span| !self.is_padding(span.file))
            .map(|span| span.length)
            .sum()
    }

    /// Returns whether a file is padding.
    pub(crate) fn is_padding(&self, file: FileIndex) -> bool {
        self.padding.binary_search(&file).is_ok()
    }

    /// Returns the number of blocks in a piece. Zero only for a piece that is padding only.
    pub(crate) fn block_count(&self, piece: PieceIndex) -> u32 {
        self.piece_len(piece).div_ceil(BLOCK_LENGTH)
    }

    /// Returns the block with this index, if it exists.
    pub(crate) fn block(&self, piece: PieceIndex, index: BlockIndex) -> Option<Block> {
        let piece = self.piece(piece.get())?;
        (index.get() < self.block_count(piece)).then_some(Block { piece, index })
    }

    /// Iterates over all blocks of a piece.
    pub(crate) fn blocks(&self, piece: PieceIndex) -> Blocks {
        Blocks::new(piece, self.block_count(piece))
    }

    /// Returns the block that follows, in the same piece or the next one.
    pub(crate) fn block_after(&self, block: Block) -> Option<Block> {
        let next = BlockIndex(block.index.0 + 1);
        let follows = |piece: u32| self.block(self.piece(piece)?, BlockIndex::FIRST);
        self.block(block.piece, next).or_else(|| follows(block.piece.0 + 1))
    }

    /// Returns a block's offset in its piece and its length, in bytes.
    pub(crate) fn block_range(&self, block: Block) -> (PieceOffset, u32) {
        let begin = block.begin();
        (begin, (self.piece_len(block.piece) - begin.0).min(BLOCK_LENGTH))
    }

    /// Returns the block that a peer's numbers name, if they name exactly one block.
    pub(crate) fn validate(&self, piece: u32, begin: u32, length: u32) -> Option<Block> {
        let block = self.block(self.piece(piece)?, BlockIndex(begin / BLOCK_LENGTH))?;
        (self.block_range(block) == (PieceOffset(begin), length)).then_some(block)
    }

    /// Returns the offset in a piece that a peer's number names.
    ///
    /// It may lie in the gap behind the last file of the piece: peers request its zeros, too.
    pub(crate) fn piece_offset(&self, piece: PieceIndex, begin: u32) -> Option<PieceOffset> {
        (begin <= self.filled_len(piece)).then_some(PieceOffset(begin))
    }

    /// Returns the number of files.
    pub(crate) fn file_count(&self) -> u32 {
        u32::try_from(self.starts.len()).expect("files are bounded by MAX_FILES")
    }

    /// Returns the file with this index, if it exists.
    pub(crate) fn file(&self, index: u32) -> Option<FileIndex> {
        (index < self.file_count()).then_some(FileIndex(index))
    }

    /// Iterates over all files.
    pub(crate) fn files(&self) -> impl DoubleEndedIterator<Item = FileIndex> + Clone + use<> {
        (0..self.file_count()).map(FileIndex)
    }

    /// Returns the offset of a file's first byte in the torrent.
    #[cfg(test)]
    pub(crate) fn file_start(&self, file: FileIndex) -> TorrentOffset {
        TorrentOffset(self.file_bounds(file).0)
    }

    /// Returns the length of a file in bytes.
    pub(crate) fn file_len(&self, file: FileIndex) -> u64 {
        let (start, end) = self.file_bounds(file);
        end - start
    }

    /// Returns the offset after the last byte of a file.
    pub(crate) fn file_end(&self, file: FileIndex) -> FileOffset {
        FileOffset(self.file_len(file))
    }

    /// Returns all bytes of a file; `None` for an empty file.
    pub(crate) fn whole_file(&self, file: FileIndex) -> Option<FileRange> {
        FileRange::new(0, self.file_len(file).checked_sub(1)?)
    }

    /// Returns the bytes `first..=last` of a file; `None` if not all of them exist.
    pub(crate) fn file_range(&self, file: FileIndex, first: u64, last: u64) -> Option<FileRange> {
        FileRange::new(first, last).filter(|_| last < self.file_len(file))
    }

    /// Converts an offset in a file to an offset in the torrent. `None` at the end of the file.
    pub(crate) fn torrent_offset(
        &self,
        file: FileIndex,
        offset: FileOffset,
    ) -> Option<TorrentOffset> {
        let (start, end) = self.file_bounds(file);
        start.checked_add(offset.0).filter(|at| *at < end).map(TorrentOffset)
    }

    /// Converts an offset in the torrent to a file and an offset in it. `None` if no file is there.
    pub(crate) fn file_offset(&self, at: TorrentOffset) -> Option<(FileIndex, FileOffset)> {
        // The last file that starts at or before the offset; empty files with the same start
        // precede it.
        let index = self.starts.partition_point(|start| *start <= at.0).checked_sub(1)?;
        let file = FileIndex(u32::try_from(index).expect("files are bounded by MAX_FILES"));
        (at.0 < self.ends[index]).then(|| (file, FileOffset(at.0 - self.starts[index])))
    }

    /// Returns the piece of a byte of a file, and the byte's offset there.
    ///
    /// `None` at the end of the file.
    pub(crate) fn locate(
        &self,
        file: FileIndex,
        offset: FileOffset,
    ) -> Option<(PieceIndex, PieceOffset)> {
        let at = self.torrent_offset(file, offset)?;
        Some((self.piece_at(at), self.offset_in_piece(at)))
    }

    /// Returns the block of a byte of a file. `None` at the end of the file.
    pub(crate) fn block_at(&self, file: FileIndex, offset: FileOffset) -> Option<Block> {
        let (piece, begin) = self.locate(file, offset)?;
        Some(Block { piece, index: BlockIndex(begin.0 / BLOCK_LENGTH) })
    }

    /// Returns the pieces with these bytes of a file.
    ///
    /// # Panics
    /// If the range is one of a longer file.
    pub(crate) fn pieces_of(
        &self,
        file: FileIndex,
        range: FileRange,
    ) -> RangeInclusive<PieceIndex> {
        let (start, end) = self.file_bounds(file);
        let (first, last) = range.get();
        assert!(last < end - start, "bytes up to {last} of {}", end - start);
        self.piece_at(TorrentOffset(start + first))..=self.piece_at(TorrentOffset(start + last))
    }

    /// Returns the pieces of a file; `None` for an empty file.
    pub(crate) fn pieces_of_file(&self, file: FileIndex) -> Option<RangeInclusive<PieceIndex>> {
        Some(self.pieces_of(file, self.whole_file(file)?))
    }

    /// Returns the part of a file that lies in a piece. `None` if there is none.
    pub(crate) fn range_in_file(&self, piece: PieceIndex, file: FileIndex) -> Option<FileRange> {
        let (start, end) = self.file_bounds(file);
        let piece_start = self.piece_start(piece).get();
        let first = piece_start.max(start);
        let after = (piece_start + u64::from(self.piece_len(piece))).min(end);
        if first < after { FileRange::new(first - start, after - 1 - start) } else { None }
    }

    /// Returns the part of a file that lies in one piece. The piece is that of the byte at
    /// `offset`.
    ///
    /// Once that piece is verified, everything up to the end of this part can be granted. `None` at
    /// the end of the file.
    pub(crate) fn piece_range_at(&self, file: FileIndex, offset: FileOffset) -> Option<FileRange> {
        let (piece, _) = self.locate(file, offset)?;
        self.range_in_file(piece, file)
    }

    /// Returns the start of a piece as an offset in a file. The offset is clipped to the file.
    pub(crate) fn piece_start_in_file(&self, file: FileIndex, piece: PieceIndex) -> FileOffset {
        self.in_file(file, self.piece_start(piece).get())
    }

    /// Returns the start of a block as an offset in a file. The offset is clipped to the file.
    pub(crate) fn block_start_in_file(&self, file: FileIndex, block: Block) -> FileOffset {
        self.in_file(file, self.piece_start(block.piece).get() + u64::from(block.begin().0))
    }

    /// Returns an offset in the torrent as one in a file. The result is clipped to the file.
    fn in_file(&self, file: FileIndex, at: u64) -> FileOffset {
        let (start, end) = self.file_bounds(file);
        FileOffset(at.clamp(start, end) - start)
    }

    fn file_bounds(&self, file: FileIndex) -> (u64, u64) {
        assert!(file.get() < self.file_count(), "file {file} of {}", self.file_count());
        (self.starts[file.as_usize()], self.ends[file.as_usize()])
    }

    /// Returns the piece of a byte of the torrent.
    fn piece_at(&self, at: TorrentOffset) -> PieceIndex {
        let index = at.0 / u64::from(self.piece_length);
        PieceIndex(
            u32::try_from(index).expect("a byte of the torrent is in one of MAX_PIECES pieces"),
        )
    }

    fn offset_in_piece(&self, at: TorrentOffset) -> PieceOffset {
        let offset = at.0 % u64::from(self.piece_length);
        PieceOffset(u32::try_from(offset).expect("a remainder is below the piece length"))
    }
}
