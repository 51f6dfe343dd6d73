//! The part of the peer protocol (BEP 3) that the harness needs. The hostile seeder and the bare
//! leecher speak this part.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// `unchoke`
pub(crate) const UNCHOKE: u8 = 1;
/// `bitfield`
pub(crate) const BITFIELD: u8 = 5;
/// `request`
pub const REQUEST: u8 = 6;
/// `piece`
pub const PIECE: u8 = 7;

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// Longest message that is accepted, bytes.
const MAX_MESSAGE: u32 = 1 << 20;

/// Sends a handshake without extensions.
///
/// # Errors
/// The connection broke.
pub(crate) async fn send_handshake(
    to: &mut (impl AsyncWrite + Unpin),
    info_hash: [u8; 20],
    peer_id: &[u8; 20],
) -> Result<()> {
    let handshake = [PROTOCOL.as_slice(), &[0; 8], &info_hash, peer_id].concat();
    Ok(to.write_all(&handshake).await?)
}

/// Reads a handshake and returns its info hash.
///
/// # Errors
/// The connection broke, or the peer does not speak BitTorrent.
pub async fn read_handshake(from: &mut (impl AsyncRead + Unpin)) -> Result<[u8; 20]> {
    let mut handshake = [0; 68];
    from.read_exact(&mut handshake).await?;
    if handshake[..20] != PROTOCOL[..] {
        bail!("not a BitTorrent handshake");
    }
    Ok(handshake[28..48].try_into()?)
}

/// Sends a message.
///
/// # Errors
/// The connection broke.
pub async fn send(to: &mut (impl AsyncWrite + Unpin), id: u8, body: &[u8]) -> Result<()> {
    let length = u32::try_from(body.len() + 1)?.to_be_bytes();
    Ok(to.write_all(&[&length, &[id][..], body].concat()).await?)
}

/// Reads the next message that is no keep-alive.
///
/// # Errors
/// The connection broke, or the message is too long.
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<(u8, Vec<u8>)> {
    loop {
        let length = from.read_u32().await?;
        if length > MAX_MESSAGE {
            bail!("a message of {length} bytes");
        }
        if length > 0 {
            let mut message = vec![0; length as usize];
            from.read_exact(&mut message).await?;
            let body = message.split_off(1);
            return Ok((message[0], body));
        }
    }
}

/// The bitfield of a peer that has all pieces.
pub(crate) fn full_bitfield(pieces: usize) -> Vec<u8> {
    let mut bits = vec![0xff; pieces.div_ceil(8)];
    if let (Some(last), spare @ 1..) = (bits.last_mut(), bits_spare(pieces)) {
        *last <<= spare;
    }
    bits
}

fn bits_spare(pieces: usize) -> usize {
    pieces.div_ceil(8) * 8 - pieces
}

/// Whether a peer answers for the torrent and has every piece.
pub(crate) async fn has_everything(peer: SocketAddr, info_hash: [u8; 20], pieces: usize) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(peer).await.context("nobody listens")?;
        send_handshake(&mut stream, info_hash, &fresh_peer_id()).await?;
        read_handshake(&mut stream).await?;
        loop {
            let (id, body) = read(&mut stream).await?;
            if id == BITFIELD {
                return Ok::<bool, anyhow::Error>(body == full_bitfield(pieces));
            }
        }
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), ask).await, Ok(Ok(true)))
}

/// A peer id that no other connection has, since clients refuse a known one.
pub(crate) fn fresh_peer_id() -> [u8; 20] {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let text = format!("-TE0001-{:012}", COUNT.fetch_add(1, Ordering::Relaxed));
    text.into_bytes().try_into().expect("eight and twelve characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_bits_of_a_full_bitfield_are_clear() {
        assert_eq!(full_bitfield(8), [0xff]);
        assert_eq!(full_bitfield(10), [0xff, 0xc0]);
    }
}
