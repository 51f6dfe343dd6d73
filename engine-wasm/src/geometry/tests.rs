//! Layouts by example, and a property that compares with a map of every byte.
#![expect(clippy::cast_possible_truncation, reason = "the numbers are small")]

use proptest::prelude::*;

use super::*;

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

fn geometry(piece_length: u32, files: &[u64]) -> Geometry {
    Geometry::new(piece_length, files).unwrap()
}

fn span(file: u32, offset: u64, length: u32) -> FileSpan {
    FileSpan { file: FileIndex(file), offset: FileOffset(offset), length }
}

/// Returns the last byte of a file in one piece. The piece is that of the byte at `offset`.
fn piece_end(geometry: &Geometry, file: FileIndex, offset: u64) -> Option<u64> {
    geometry.piece_range_at(file, FileOffset(offset)).map(|range| range.last().get())
}

/// Checks the spans of a whole piece.
fn check_piece(geometry: &Geometry, piece: u32, spans: &[FileSpan]) {
    assert_eq!(geometry.piece_spans(PieceIndex(piece)).collect::<Vec<_>>(), spans);
}

#[test]
fn files_of_length_zero_have_no_span_wherever_they_are() {
    let geometry = geometry(4, &[0, 3, 0, 0, 3, 0]);
    assert_eq!(geometry.piece_count(), 2);
    check_piece(&geometry, 0, &[span(1, 0, 3), span(4, 0, 1)]);
    check_piece(&geometry, 1, &[span(4, 1, 2)]);
    for empty in [0, 2, 3, 5] {
        let file = FileIndex(empty);
        assert_eq!(geometry.pieces_of_file(file), None);
        assert_eq!(geometry.locate(file, FileOffset(0)), None);
        assert_eq!(geometry.range_in_file(PieceIndex(0), file), None);
        assert_eq!(piece_end(&geometry, file, 0), None);
    }
}

#[test]
fn a_torrent_without_a_byte_has_no_piece() {
    let geometry = geometry(4, &[0, 0]);
    assert_eq!(geometry.piece_count(), 0);
    assert_eq!(geometry.piece(0), None);
    assert_eq!(geometry.validate(0, 0, 0), None);
    assert_eq!(geometry.file_offset(TorrentOffset(0)), None);
}

#[test]
fn a_file_of_one_byte_is_one_short_piece_of_one_block() {
    let geometry = geometry(32768, &[1]);
    assert_eq!((geometry.piece_count(), geometry.piece_len(PieceIndex(0))), (1, 1));
    assert_eq!(geometry.block_count(PieceIndex(0)), 1);
    assert!(geometry.validate(0, 0, 1).is_some());
    assert!(geometry.validate(0, 0, 16384).is_none());
}

#[test]
fn a_file_of_exactly_one_piece_does_not_reach_into_the_next() {
    let geometry = geometry(32768, &[32768, 32768]);
    assert_eq!(geometry.pieces_of_file(FileIndex(0)), Some(PieceIndex(0)..=PieceIndex(0)));
    assert_eq!(geometry.pieces_of_file(FileIndex(1)), Some(PieceIndex(1)..=PieceIndex(1)));
    assert_eq!(geometry.files_of(PieceIndex(1)).collect::<Vec<_>>(), [FileIndex(1)]);
    assert_eq!(piece_end(&geometry, FileIndex(0), 0), Some(32767));
}

#[test]
fn the_last_piece_and_its_last_block_are_as_short_as_what_is_left() {
    let geometry = geometry(32768, &[32768 + 16384 + 5]);
    let last = PieceIndex(1);
    assert_eq!((geometry.piece_len(last), geometry.block_count(last)), (16389, 2));
    let block = geometry.validate(1, 16384, 5).unwrap();
    assert_eq!(geometry.block_range(block), (PieceOffset(16384), 5));
    assert_eq!((block.piece, block.index), (last, BlockIndex(1)));
}

#[test]
fn only_the_exact_numbers_of_a_block_are_a_block() {
    let geometry = geometry(40000, &[100_000]);
    for (piece, begin, length) in
        [(0, 0, 16384), (0, 16384, 16384), (0, 32768, 7232), (2, 16384, 3616)]
    {
        assert!(geometry.validate(piece, begin, length).is_some(), "{piece} {begin} {length}");
    }
    for (piece, begin, length) in [
        (3, 0, 16384),
        (u32::MAX, u32::MAX, u32::MAX),
        (0, 1, 16384),
        (0, 0, 16383),
        (0, 0, 32768),
        (0, 0, 0),
        (0, 32768, 16384),
        (0, 49152, 0),
        (2, 16384, 16384),
    ] {
        assert!(geometry.validate(piece, begin, length).is_none(), "{piece} {begin} {length}");
    }
}

#[test]
fn offsets_beyond_four_gib_are_exact() {
    let geometry = geometry(16 << 20, &[5 * GIB, 9 * GIB + 1]);
    let file = FileIndex(1);
    let (start, last) = (TorrentOffset(5 * GIB), TorrentOffset(14 * GIB));
    assert_eq!(geometry.file_start(file), start);
    assert_eq!(geometry.torrent_offset(file, FileOffset(9 * GIB)), Some(last));
    let place = Some((PieceIndex(14 * 64), PieceOffset::START));
    assert_eq!(geometry.locate(file, FileOffset(9 * GIB)), place);
    assert_eq!(geometry.piece_len(PieceIndex(14 * 64)), 1);
    assert_eq!(geometry.file_offset(last), Some((file, FileOffset(9 * GIB))));
    assert_eq!(geometry.file_offset(TorrentOffset(14 * GIB + 1)), None);
    check_piece(&geometry, 0, &[span(0, 0, 16 << 20)]);
}

#[test]
fn as_many_pieces_as_allowed_work_and_one_more_does_not() {
    let most = u64::from(MAX_PIECES);
    let geometry = geometry(16384, &[most * 16 * KIB]);
    assert_eq!(
        geometry.pieces_of_file(FileIndex(0)),
        Some(PieceIndex(0)..=PieceIndex(MAX_PIECES - 1))
    );
    assert_eq!(Geometry::new(16384, &[most * 16 * KIB + 1]), Err(GeometryError::Pieces(most + 1)));
}

#[test]
fn lengths_beyond_their_bounds_are_refused() {
    assert_eq!(Geometry::new(0, &[1]), Err(GeometryError::PieceLength(0)));
    assert_eq!(
        Geometry::new(MAX_PIECE_LENGTH + 1, &[1]),
        Err(GeometryError::PieceLength(MAX_PIECE_LENGTH + 1))
    );
    assert_eq!(Geometry::new(1 << 20, &[u64::MAX, 1]), Err(GeometryError::TotalLength));
    assert_eq!(Geometry::new(1 << 20, &[MAX_TOTAL_LENGTH, 1]), Err(GeometryError::TotalLength));
    assert_eq!(Geometry::new(1, &vec![0; MAX_FILES + 1]), Err(GeometryError::Files(MAX_FILES + 1)));
}

#[test]
fn only_bytes_of_a_file_have_pieces() {
    let geometry = geometry(10, &[5, 30]);
    let file = FileIndex(1);
    let pieces = |first, last| {
        let range = geometry.file_range(file, first, last)?;
        let pieces = geometry.pieces_of(file, range);
        Some((pieces.start().get(), pieces.end().get()))
    };
    assert_eq!(
        [pieces(0, 4), pieces(5, 5), pieces(29, 29)],
        [Some((0, 0)), Some((1, 1)), Some((3, 3))]
    );
    assert_eq!([pieces(29, 30), pieces(30, 30), pieces(5, 4)], [None; 3]);
    assert_eq!(geometry.pieces_of_file(file), Some(PieceIndex(0)..=PieceIndex(3)));
}

#[test]
fn a_verified_piece_reaches_to_its_end_or_that_of_the_file() {
    let geometry = geometry(10, &[5, 30]);
    let end = |offset| piece_end(&geometry, FileIndex(1), offset);
    assert_eq!([end(0), end(4), end(5), end(14)], [Some(4), Some(4), Some(14), Some(14)]);
    assert_eq!([end(25), end(29), end(30)], [Some(29), Some(29), None]);
    assert_eq!(piece_end(&geometry, FileIndex(0), 0), Some(4));
}

#[test]
fn padding_is_not_part_of_a_piece() {
    let geometry =
        Geometry::padded(10, &[(13, false), (7, true), (0, false), (25, false), (5, true)])
            .unwrap();
    assert_eq!((geometry.total_length(), geometry.piece_count()), (38, 5));
    let lengths: Vec<(u32, u32)> = geometry
        .pieces()
        .map(|piece| (geometry.piece_len(piece), geometry.zeros_after(piece)))
        .collect();
    assert_eq!(lengths, [(10, 0), (3, 7), (10, 0), (10, 0), (5, 5)]);
    check_piece(&geometry, 1, &[span(0, 10, 3)]);
    assert_eq!(geometry.pieces_of_file(FileIndex(3)), Some(PieceIndex(2)..=PieceIndex(4)));
    assert!(geometry.validate(1, 0, 3).is_some() && geometry.validate(1, 0, 10).is_none());
}

#[test]
fn padding_between_files_of_one_piece_is_part_of_it_but_no_content() {
    let geometry =
        Geometry::padded(100, &[(10, false), (20, true), (30, false), (40, true), (100, true)])
            .unwrap();
    assert_eq!((geometry.piece_count(), geometry.total_length()), (2, 40));
    check_piece(&geometry, 0, &[span(0, 0, 10), span(1, 0, 20), span(2, 0, 30)]);
    let all = |piece| {
        (geometry.piece_len(piece), geometry.content_len(piece), geometry.zeros_after(piece))
    };
    assert_eq!([all(PieceIndex(0)), all(PieceIndex(1))], [(60, 40, 40), (0, 0, 100)]);
    assert_eq!(geometry.block_count(PieceIndex(1)), 0);
    assert_eq!(geometry.validate(1, 0, 0), None);
}

#[test]
fn in_v2_every_file_begins_with_a_piece_and_empty_ones_have_none() {
    let geometry = Geometry::aligned(10, &[0, 13, 0, 10, 1]).unwrap();
    assert_eq!((geometry.piece_count(), geometry.total_length()), (4, 24));
    check_piece(&geometry, 1, &[span(1, 10, 3)]);
    check_piece(&geometry, 2, &[span(3, 0, 10)]);
    check_piece(&geometry, 3, &[span(4, 0, 1)]);
    assert_eq!(
        geometry.locate(FileIndex(4), FileOffset(0)),
        Some((PieceIndex(3), PieceOffset::START))
    );
    assert_eq!(geometry.file_offset(TorrentOffset(13)), None);
    assert_eq!(geometry.zeros_after(PieceIndex(3)), 0);
}

#[test]
#[should_panic(expected = "piece 2 of 2")]
fn an_invalid_piece_index_panics() {
    geometry(4, &[8]).piece_len(PieceIndex(2));
}

/// Maps every byte of a torrent to its file and the offset in it.
fn naive(files: &[u64]) -> Vec<(u32, u64)> {
    (0..)
        .zip(files)
        .flat_map(|(file, length)| (0..*length).map(move |offset| (file, offset)))
        .collect()
}

/// Maps every byte of the spans to its file and the offset in it.
fn bytes_of(spans: impl Iterator<Item = FileSpan>) -> Vec<(u32, u64)> {
    spans
        .flat_map(|span| {
            (0..u64::from(span.length)).map(move |i| (span.file.get(), span.offset.get() + i))
        })
        .collect()
}

proptest! {
    #[test]
    fn it_agrees_with_a_map_of_every_byte(
        piece_length in 1u32..40,
        files in prop::collection::vec(prop_oneof![Just(0u64), 1u64..60], 0..12),
        begin in 0u32..45,
        length in 0u32..45,
        first in 0u64..70,
        last in 0u64..70,
    ) {
        let geometry = geometry(piece_length, &files);
        let model = naive(&files);
        let whole = piece_length as usize;
        prop_assert_eq!(geometry.total_length() as usize, model.len());
        prop_assert_eq!(geometry.piece_count() as usize, model.chunks(whole).count());

        for (piece, bytes) in geometry.pieces().zip(model.chunks(whole)) {
            prop_assert_eq!(geometry.piece_len(piece) as usize, bytes.len());
            prop_assert_eq!(&bytes_of(geometry.piece_spans(piece))[..], bytes);
            let from = (begin as usize).min(bytes.len());
            let to = (from + length as usize).min(bytes.len());
            prop_assert_eq!(
                &bytes_of(geometry.file_spans(piece, PieceOffset(begin), length))[..],
                &bytes[from..to]
            );
            for file in geometry.files() {
                let inside: Vec<u64> = bytes
                    .iter()
                    .filter(|(f, _)| *f == file.get())
                    .map(|(_, offset)| *offset)
                    .collect();
                if let Some(first) = inside.first() {
                    prop_assert_eq!(geometry.piece_start_in_file(file, piece).get(), *first);
                }
                let range = geometry.range_in_file(piece, file);
                let offsets: Vec<u64> = range.map_or(Vec::new(), |range| {
                    (range.first().get()..range.end().get()).collect()
                });
                prop_assert_eq!(offsets, inside);
            }
        }

        for (at, (file, offset)) in model.iter().enumerate() {
            let (file, offset) = (FileIndex(*file), FileOffset(*offset));
            let whole_at = TorrentOffset(at as u64);
            prop_assert_eq!(geometry.file_offset(whole_at), Some((file, offset)));
            prop_assert_eq!(geometry.torrent_offset(file, offset), Some(whole_at));
            let place = (PieceIndex((at / whole) as u32), PieceOffset((at % whole) as u32));
            prop_assert_eq!(geometry.locate(file, offset), Some(place));
        }

        for file in geometry.files() {
            let pieces: Vec<u32> = (0u32..).zip(model.chunks(whole))
                .filter(|(_, bytes)| {
                    bytes.iter().any(|(f, o)| *f == file.get() && (first..=last).contains(o))
                })
                .map(|(piece, _)| piece)
                .collect();
            let range = geometry.whole_file(file).and_then(|whole| whole.clip(first, last));
            let got = range.map(|range| geometry.pieces_of(file, range));
            prop_assert_eq!(
                got.map(|range| each_piece(range).map(|p| p.get()).collect()).unwrap_or(vec![]),
                pieces
            );
        }
    }

    #[test]
    fn a_row_with_holes_agrees_with_a_map_of_every_byte(
        piece_length in 1u32..40,
        files in prop::collection::vec((prop_oneof![Just(0u64), 1u64..60], any::<bool>()), 0..12),
        align in any::<bool>(),
    ) {
        let lengths: Vec<u64> = files.iter().map(|file| file.0).collect();
        let (geometry, files) = if align {
            (
                Geometry::aligned(piece_length, &lengths).unwrap(),
                lengths.iter().map(|&length| (length, false)).collect(),
            )
        } else {
            (Geometry::padded(piece_length, &files).unwrap(), files)
        };
        // Each byte of the sequence: file, offset, and whether it is content; `None` in gaps.
        let mut row: Vec<Option<(u32, u64, bool)>> = Vec::new();
        for (file, &(length, padding)) in (0u32..).zip(&files) {
            if align && length > 0 {
                row.resize(row.len().next_multiple_of(piece_length as usize), None);
            }
            row.extend((0..length).map(|offset| Some((file, offset, !padding))));
        }
        let is_content =
            |byte: &Option<(u32, u64, bool)>| byte.is_some_and(|(_, _, content)| content);
        let pieces: Vec<_> = row.chunks(piece_length as usize).collect();
        prop_assert_eq!(geometry.piece_count() as usize, pieces.len());
        prop_assert_eq!(
            geometry.total_length() as usize,
            row.iter().filter(|byte| is_content(byte)).count()
        );
        for (piece, bytes) in geometry.pieces().zip(pieces) {
            let length = bytes.iter().rposition(is_content).map_or(0, |last| last + 1);
            prop_assert_eq!(geometry.piece_len(piece) as usize, length);
            let zeros = bytes[length..].iter().flatten().count();
            prop_assert_eq!(geometry.zeros_after(piece) as usize, zeros);
            prop_assert_eq!(
                geometry.content_len(piece) as usize,
                bytes.iter().filter(|byte| is_content(byte)).count()
            );
            let expected: Vec<(u32, u64)> =
                bytes[..length].iter().flatten().map(|byte| (byte.0, byte.1)).collect();
            prop_assert_eq!(bytes_of(geometry.piece_spans(piece)), expected);
        }
        for (at, byte) in
            row.iter().enumerate().filter_map(|(at, byte)| Some((at as u64, (*byte)?)))
        {
            let (file, offset) = (FileIndex(byte.0), FileOffset(byte.1));
            prop_assert_eq!(geometry.file_offset(TorrentOffset(at)), Some((file, offset)));
            prop_assert_eq!(geometry.torrent_offset(file, offset), Some(TorrentOffset(at)));
        }
    }

    #[test]
    fn the_blocks_of_a_piece_cover_it_and_each_validates(
        piece_length in 1u32..100_000,
        total in 1u64..300_000,
    ) {
        let geometry = geometry(piece_length, &[total]);
        for piece in geometry.pieces() {
            let mut at = 0;
            for block in geometry.blocks(piece) {
                let (begin, length) = geometry.block_range(block);
                prop_assert_eq!(begin.get(), at);
                prop_assert!(length > 0 && length <= BLOCK_LENGTH);
                prop_assert_eq!(geometry.validate(piece.get(), begin.get(), length), Some(block));
                let start = geometry.piece_start(piece).get() + u64::from(begin.get());
                let last = FileOffset(start + u64::from(length - 1));
                let file = FileIndex(0);
                prop_assert_eq!(geometry.block_at(file, last), Some(block));
                prop_assert_eq!(geometry.block_start_in_file(file, block).get(), start);
                at += length;
            }
            prop_assert_eq!(at, geometry.piece_len(piece));
        }
    }

    #[test]
    fn no_numbers_of_a_peer_panic(piece: u32, begin: u32, length: u32) {
        let geometry = geometry(32768, &[1000, 0, 200_000]);
        if let Some(block) = geometry.validate(piece, begin, length) {
            prop_assert_eq!(geometry.block_range(block), (PieceOffset(begin), length));
        }
    }
}
