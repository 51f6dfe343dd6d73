//! Media files for tests: valid containers filled with noise.

/// Returns bytes that differ from position to position.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// Returns an MP4 box.
pub(crate) fn mp4_box(kind: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).expect("a test's box is small");
    [&size.to_be_bytes(), kind.as_bytes(), content].concat()
}

/// Returns an MP4 file whose index is at the end, and the index's offset.
pub(crate) fn mp4_with_index_last(media: usize, index: usize) -> (Vec<u8>, u64) {
    let mut film = [
        mp4_box("ftyp", b"isom\0\0\x02\0isomiso2"),
        mp4_box("free", b""),
        mp4_box("mdat", &noise(media)),
    ]
    .concat();
    let at = film.len() as u64;
    film.extend(mp4_box("moov", &noise(index)));
    (film, at)
}

/// Returns a Matroska element with a size field of eight bytes.
pub(crate) fn element(id: u32, content: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let id = &id[id.iter().take_while(|byte| **byte == 0).count()..];
    let size = (content.len() as u64 | 1 << 56).to_be_bytes();
    [id, &size, content].concat()
}

/// Returns a Matroska seek head with one entry.
pub(crate) fn seek_head(target: u32, position: u64) -> Vec<u8> {
    let seek = [
        element(super::SEEK_ID, &target.to_be_bytes()),
        element(super::SEEK_POSITION, &position.to_be_bytes()),
    ];
    element(super::SEEK_HEAD, &element(super::SEEK, &seek.concat()))
}

/// Returns a Matroska file whose index follows its clusters, and the index's offset.
pub(crate) fn matroska(media: usize, index: usize) -> (Vec<u8>, u64) {
    let info = element(0x1549_A966, &noise(90));
    let cluster = element(super::CLUSTER, &noise(media));
    let cues_at = seek_head(super::CUES, 0).len() + info.len() + cluster.len();
    let contents = seek_head(super::CUES, cues_at as u64);
    let segment = [
        contents,
        info,
        cluster,
        element(super::CUES, &noise(index)),
        element(0x1254_C367, &noise(50)),
    ]
    .concat();
    let head = element(super::EBML, &element(0x4282, b"matroska"));
    let at = head.len() + 12 + cues_at;
    ([head, element(super::SEGMENT, &segment)].concat(), at as u64)
}

/// Returns an AVI chunk.
pub(crate) fn chunk(kind: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("a test's chunk is small");
    let padding = &b"\0"[..content.len() % 2];
    [kind.as_bytes(), &size.to_le_bytes(), content, padding].concat()
}

/// Returns an AVI file and the offset of its index.
pub(crate) fn avi(media: usize, index: usize) -> (Vec<u8>, u64) {
    let movi = [b"movi", &noise(media)[..]].concat();
    // The headers are longer than one read.
    let before = [chunk("LIST", &noise(9_001)), chunk("JUNK", b"x"), chunk("LIST", &movi)].concat();
    let at = 12 + before.len() as u64;
    let content = [b"AVI ", &before[..], &chunk("idx1", &noise(index))].concat();
    (chunk("RIFF", &content), at)
}
