//! The text around the parts of a `multipart/byteranges` reply (RFC 9110 §14.6). The format is that
//! of nginx.
//!
//! Owns what precedes each part, what follows the last, and the length of it all. Never sees the
//! bytes of the parts.

use bytes::Bytes;

use crate::files::byte_range::ByteRange;

/// The text of a reply with several parts.
#[derive(Debug)]
pub(crate) struct Multipart {
    boundary: String,
    heads: Vec<Bytes>,
    tail: Bytes,
    payload: u64,
}

impl Multipart {
    /// Lays out the parts of a file of `length` bytes. The author of the file must not be able to
    /// guess the boundary.
    pub(crate) fn new(
        ranges: &[ByteRange],
        length: u64,
        content_type: &str,
        boundary: String,
    ) -> Self {
        let head = |range: &ByteRange| {
            let ByteRange { start, end } = range;
            Bytes::from(format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes \
                    {start}-{end}/{length}\r\n\r\n"
            ))
        };
        let heads = ranges.iter().map(head).collect();
        let tail = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let payload = ranges.iter().map(|range| range.count()).sum();
        Self { boundary, heads, tail, payload }
    }

    /// `Content-Type` of the reply.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// `Content-Length` of the reply.
    pub(crate) fn content_length(&self) -> u64 {
        let frame: usize = self.heads.iter().map(Bytes::len).sum::<usize>() + self.tail.len();
        self.payload + frame as u64
    }

    /// The text before each part, in order.
    pub(crate) fn heads(&self) -> &[Bytes] {
        &self.heads
    }

    /// The text after the last part.
    pub(crate) fn tail(&self) -> Bytes {
        self.tail.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_and_its_length_are_those_of_the_rfc() {
        let ranges = [ByteRange { start: 0, end: 1 }, ByteRange { start: 5, end: 9 }];
        let parts = Multipart::new(&ranges, 10, "video/mp4", "XYZ".into());
        assert_eq!(parts.content_type(), "multipart/byteranges; boundary=XYZ");
        let body =
            [&parts.heads()[0][..], b"01", &parts.heads()[1], b"56789", &parts.tail()].concat();
        assert_eq!(
            String::from_utf8_lossy(&body),
            "\r\n--XYZ\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
             \r\n--XYZ\r\nContent-Type: video/mp4\r\nContent-Range: bytes 5-9/10\r\n\r\n56789\
             \r\n--XYZ--\r\n"
        );
        assert_eq!(parts.content_length(), body.len() as u64);
    }
}
