//! Removes content codings (RFC 9110 §8.4.1) from the body of a reply.
//!
//! Owns which codings are known and how large a decoded body may be; it reads no socket. Servers
//! compress although they are asked not to, and label what they send wrongly or not at all. The
//! body therefore counts more than its label: a body that begins like gzip is gzip, and a body that
//! is not what its label says stays as it is.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use shared_proto::io::{OpError, OpErrorKind};

use crate::files::error::op_error;

/// Maximum number of codings that are removed, one after the other.
const MAX_LAYERS: usize = 3;
/// How a gzip file begins, with its only compression method (RFC 1952 §2.3.1).
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Returns the body without its codings, at most `most` bytes.
///
/// # Errors
/// [`OpErrorKind::Limit`] when the decoded body is longer than `most`; [`OpErrorKind::Network`]
/// when it ends early or is damaged.
pub(crate) fn decoded(headers: &HeaderMap, body: Bytes, most: usize) -> Result<Bytes, OpError> {
    let mut labels: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|label| label.to_str().ok())
        .flat_map(|label| label.split(','))
        .map(|label| label.trim().to_ascii_lowercase())
        .collect();
    let mut body = body;
    for _ in 0..MAX_LAYERS {
        // The last coding was applied last.
        let label = labels.pop();
        body = if body.starts_with(&GZIP_MAGIC) {
            gunzip(&body, most)?.into()
        } else if label.as_deref() == Some("deflate") {
            match inflate(&body, most)? {
                Some(plain) => plain.into(),
                None => body,
            }
        } else if labels.is_empty() {
            break;
        } else {
            body
        };
    }
    Ok(body)
}

/// Decodes a gzip file, which may have several members (RFC 1952 §2.2). What follows is ignored.
fn gunzip(body: &[u8], most: usize) -> Result<Vec<u8>, OpError> {
    let (mut rest, mut plain) = (body, Vec::new());
    while rest.starts_with(&GZIP_MAGIC) {
        let mut member = GzDecoder::new(rest);
        read_to(&mut member, &mut plain, most)?.map_err(|_| damaged())?;
        rest = member.into_inner();
    }
    Ok(plain)
}

/// Decodes zlib (RFC 1950), as HTTP defines `deflate`, or bare deflate (RFC 1951), which some
/// servers send. `None` for a body that is neither.
fn inflate(body: &[u8], most: usize) -> Result<Option<Vec<u8>>, OpError> {
    let mut plain = Vec::new();
    if read_to(&mut ZlibDecoder::new(body), &mut plain, most)?.is_ok() {
        return Ok(Some(plain));
    }
    plain.clear();
    Ok(read_to(&mut DeflateDecoder::new(body), &mut plain, most)?.ok().map(|()| plain))
}

/// Appends what `source` yields to `plain`. The inner result is the decoder's.
fn read_to(
    source: &mut impl Read,
    plain: &mut Vec<u8>,
    most: usize,
) -> Result<std::io::Result<()>, OpError> {
    let room = (most - plain.len()) as u64;
    if let Err(error) = source.by_ref().take(room + 1).read_to_end(plain) {
        return Ok(Err(error));
    }
    if plain.len() > most {
        return Err(op_error(OpErrorKind::Limit, "the reply is too long"));
    }
    Ok(Ok(()))
}

fn damaged() -> OpError {
    op_error(OpErrorKind::Network, "the server's reply is damaged")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const BODY: &[u8] = b"d8:intervali1800e5:peers0:e";

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(body).unwrap();
        packed.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(body).unwrap();
        packed.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        packed.write_all(body).unwrap();
        packed.finish().unwrap()
    }

    fn decode(label: &str, body: Vec<u8>, most: usize) -> Result<Vec<u8>, OpErrorKind> {
        let label = (!label.is_empty()).then(|| (CONTENT_ENCODING, label.parse().unwrap()));
        let headers = HeaderMap::from_iter(label);
        decoded(&headers, body.into(), most).map(|body| body.to_vec()).map_err(|error| error.kind)
    }

    fn check(label: &str, body: Vec<u8>) {
        assert_eq!(decode(label, body, 1 << 10).as_deref(), Ok(BODY), "{label:?}");
    }

    #[test]
    fn every_coding_that_servers_use_is_removed() {
        for label in ["gzip", "x-gzip", "GZIP", "", "identity", "br", "deflate"] {
            check(label, gzip(BODY));
        }
        check("deflate", zlib(BODY));
        check("Deflate", deflate(BODY));
        check("gzip, deflate", zlib(&gzip(BODY)));
        check("deflate, gzip", gzip(&zlib(BODY)));
        check("deflate, identity", zlib(BODY));
        check("gzip, gzip", gzip(&gzip(BODY)));
        check("gzip", [gzip(&BODY[..9]), gzip(&BODY[9..]), b"\n".to_vec()].concat());
    }

    #[test]
    fn a_body_that_is_not_what_its_label_says_stays_as_it_is() {
        for label in ["", "gzip", "x-gzip", "deflate", "br", "gzip, deflate"] {
            check(label, BODY.to_vec());
        }
        assert_eq!(decode("gzip", Vec::new(), 9), Ok(Vec::new()));
    }

    #[test]
    fn the_bound_holds_for_the_decoded_body() {
        for (label, pack) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("deflate", zlib)] {
            assert_eq!(decode(label, pack(&[7; 1000]), 1000), Ok(vec![7; 1000]));
            assert_eq!(decode(label, pack(&[7; 1001]), 1000), Err(OpErrorKind::Limit));
        }
        let bomb = gzip(&gzip(&vec![0; 1 << 20]));
        assert_eq!(decode("gzip, gzip", bomb, 1 << 16), Err(OpErrorKind::Limit));
        let members = [gzip(&[7; 600]), gzip(&[7; 600])].concat();
        assert_eq!(decode("gzip", members, 1000), Err(OpErrorKind::Limit));
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let whole = gzip(BODY);
        assert_eq!(
            decode("gzip", whole[..whole.len() - 9].to_vec(), 99),
            Err(OpErrorKind::Network)
        );
        let mut wrong = whole;
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(decode("", wrong, 99), Err(OpErrorKind::Network));
    }
}
