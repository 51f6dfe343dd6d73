//! The frame of a `multipart/byteranges` reply (RFC 9110 §14.6), laid out as nginx does it.
//!
//! Pure text: what goes before each part, what goes after the last, and how long it all is. The
//! bytes of the parts are none of its business.

use bytes::Bytes;

use crate::http::ranges::ByteRange;

/// A reply of several parts.
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    heads: Vec<Bytes>,
    tail: Bytes,
    payload: u64,
}

impl Multipart {
    /// Lays out the parts of a file of `length` bytes. The boundary must not be guessable by who
    /// wrote the file.
    pub fn new(ranges: &[ByteRange], length: u64, content_type: &str, boundary: String) -> Self {
        let head = |range: &ByteRange| {
            let ByteRange { start, end } = range;
            Bytes::from(format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {start}-{end}/{length}\r\n\r\n"
            ))
        };
        let heads = ranges.iter().map(head).collect();
        let tail = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let payload = ranges.iter().map(|range| range.count()).sum();
        Self { boundary, heads, tail, payload }
    }

    /// `Content-Type` of the reply.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// `Content-Length` of the reply.
    pub fn content_length(&self) -> u64 {
        let frame: usize = self.heads.iter().map(Bytes::len).sum::<usize>() + self.tail.len();
        self.payload + frame as u64
    }

    /// What goes before each part, in order.
    pub fn heads(&self) -> &[Bytes] {
        &self.heads
    }

    /// What goes after the last part.
    pub fn tail(&self) -> Bytes {
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
             \r\n--XYZ\r\nContent-Type: video/mp4\r\nContent-Range: bytes 5-9/10\r\n\r\n56789\r\n--XYZ--\r\n"
        );
        assert_eq!(parts.content_length(), body.len() as u64);
    }
}
