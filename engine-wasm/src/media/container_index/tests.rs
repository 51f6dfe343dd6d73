//! Tests of the search for an index: valid, invalid and arbitrary files of every container.

use proptest::prelude::*;

use super::samples::{
    avi, chunk, element, matroska, mp4_box, mp4_with_index_last, noise, seek_head,
};
use super::*;

/// Searches a file. Returns the index and the offsets of all reads.
fn search(film: &[u8]) -> (Option<Bytes>, Vec<u64>) {
    let mut search = Search::new(film.len() as u64);
    let mut reads = Vec::new();
    while let Some((first, last)) = search.reads() {
        assert!(first <= last && last < film.len() as u64, "{first} to {last} of {}", film.len());
        reads.push(first);
        search.feed(&film[usize::try_from(first).unwrap()..=usize::try_from(last).unwrap()]);
    }
    if let Some((first, last)) = search.index() {
        assert!(
            first <= last && last < film.len() as u64 && last - first < MAX_INDEX,
            "{first} to {last}"
        );
    }
    assert!(reads.len() <= usize::from(READS));
    (search.index(), reads)
}

/// Checks where the index of a file is found, and with how many reads.
fn check((film, at): (Vec<u8>, u64), length: u64, reads: usize) {
    let (index, took) = search(&film);
    assert_eq!((index, took.len()), (Some((at, at + length - 1)), reads), "{took:?}");
}

#[test]
fn an_index_at_the_end_is_found_in_every_container() {
    check(mp4_with_index_last(300_000, 5_000), 5_008, 2);
    check(matroska(300_000, 5_000), 5_012, 2);
    check(avi(300_000, 5_000), 5_008, 3);
}

#[test]
fn an_index_at_the_beginning_is_found_where_it_is() {
    let film = [
        mp4_box("ftyp", b"isom\0\0\0\0"),
        mp4_box("moov", &noise(70_000)),
        mp4_box("mdat", &noise(99)),
    ]
    .concat();
    check((film, 16), 70_008, 1);
    let head = element(EBML, b"");
    let segment =
        [element(0xEC, &noise(5_000)), element(CUES, &noise(30)), element(CLUSTER, &noise(900))]
            .concat();
    let at = head.len() as u64 + 12 + 5_000 + 9;
    check(([head, element(SEGMENT, &segment)].concat(), at), 42, 2);
}

#[test]
fn boxes_with_64_bit_sizes_and_after_the_media_are_visited() {
    let wide = [&b"\0\0\0\x01mdat"[..], &(16 + 70_000u64).to_be_bytes(), &noise(70_000)].concat();
    let film =
        [mp4_box("ftyp", b"qt  "), wide, mp4_box("free", &noise(9)), mp4_box("moov", &noise(80))]
            .concat();
    let at = film.len() as u64 - 88;
    check((film, at), 88, 2);
    let unending = [mp4_box("ftyp", b"qt  "), b"\0\0\0\0mdat".to_vec(), noise(70_000)].concat();
    assert_eq!(search(&unending), (None, vec![0]), "media to the end of the file");
}

#[test]
fn a_second_seek_head_is_followed() {
    let head = element(EBML, b"");
    let cluster = element(CLUSTER, &noise(20_000));
    let first = seek_head(SEEK_HEAD, 0).len() as u64;
    let behind = first + cluster.len() as u64;
    let second = seek_head(CUES, behind + first);
    let segment =
        [seek_head(SEEK_HEAD, behind), cluster, second, element(CUES, &noise(60))].concat();
    let at = head.len() as u64 + 12 + behind + first;
    check(([head, element(SEGMENT, &segment)].concat(), at), 72, 3);
}

#[test]
fn invalid_references_end_the_search() {
    for film in [
        Vec::new(),
        noise(10_000),
        b"RIFF\0\0\0\0WAVE".to_vec(),
        mp4_box("ftyp", b""),
        // A box that is shorter than its own header.
        [mp4_box("ftyp", b"isom"), b"\0\0\0\x04free".to_vec(), noise(10_000)].concat(),
        // The seek head points at another element, or beyond the end of the file.
        [element(EBML, b""), element(SEGMENT, &[seek_head(CUES, 0), noise(9_000)].concat())]
            .concat(),
        [
            element(EBML, b""),
            element(SEGMENT, &[seek_head(CUES, u64::MAX - 4), noise(9_000)].concat()),
        ]
        .concat(),
        // Without a seek head the index is unknown before the first cluster.
        [element(EBML, b""), element(SEGMENT, &element(CLUSTER, &noise(9_000)))].concat(),
        chunk("RIFF", &[b"AVI ", &chunk("LIST", &noise(10_000))[..]].concat()),
    ] {
        let (index, reads) = search(&film);
        assert_eq!(index, None);
        assert!(reads.len() <= 2, "{reads:?}");
    }
}

#[test]
fn a_search_has_a_limited_number_of_reads() {
    let film: Vec<u8> = (0..100).flat_map(|_| mp4_box("free", &noise(5_000))).collect();
    assert_eq!(search(&film).1.len(), usize::from(READS));
}

#[test]
fn an_index_that_claims_to_be_huge_is_cut() {
    let mut search = Search::new(1 << 40);
    search.feed(
        &[
            mp4_box("ftyp", b"isom"),
            b"\0\0\0\x01moov".to_vec(),
            (1u64 << 39).to_be_bytes().to_vec(),
        ]
        .concat(),
    );
    assert_eq!((search.index(), search.reads()), (Some((12, 12 + MAX_INDEX - 1)), None));
}

proptest! {
    #[test]
    fn arbitrary_bytes_yield_a_range_within_the_file(
        bytes in proptest::collection::vec(any::<u8>(), 0..9_000),
        kind in 0..4,
    ) {
        let beginning = match kind {
            0 => mp4_box("ftyp", b"isom"),
            1 => [element(EBML, b""), b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".to_vec()]
                .concat(),
            2 => b"RIFF\xff\xff\xff\x7fAVI ".to_vec(),
            _ => Vec::new(),
        };
        search(&[beginning, bytes].concat());
    }

    #[test]
    fn a_corrupted_film_yields_a_range_within_the_file(
        kind in 0..3,
        changes in proptest::collection::vec((0..200usize, any::<u8>()), 1..8),
        length in 0..u64::MAX,
    ) {
        let (mut film, _) = match kind {
            0 => mp4_with_index_last(9_000, 500),
            1 => matroska(9_000, 500),
            _ => avi(9_000, 500),
        };
        for (at, byte) in changes {
            film[at] = byte;
        }
        search(&film);
        // Every read returns the same bytes, in a file of any length.
        let mut search = Search::new(length);
        while let Some((first, last)) = search.reads() {
            prop_assert!(first <= last && last < length);
            search.feed(&film[..film.len().min(usize::try_from(last - first + 1).unwrap())]);
        }
        prop_assert!(search.index().is_none_or(|(first, last)| first <= last
            && last < length
            && last - first < MAX_INDEX));
    }
}
