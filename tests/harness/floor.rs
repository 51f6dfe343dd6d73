//! What a swarm allows at best: a bare leecher that requests only the blocks it needs.
//!
//! The leecher has no picker, no disk and no hashes, and knows in advance which pieces it wants.
//! Hardly any client can be faster in the same swarm; the difference is the client's overhead. The
//! leecher spreads blocks evenly, sends all requests at once, and compares every byte with the file
//! on disk.

use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::torrent::Torrent;
use crate::wire;

/// `interested`
const INTERESTED: u8 = 2;
/// Length of a block, bytes: what every client requests.
const BLOCK: u32 = 16 << 10;
/// Longest wait for an unchoke, or for requested blocks.
const PATIENCE: Duration = Duration::from_secs(30);

/// Unchoked connections to all seeders of a torrent of one file.
#[derive(Debug)]
pub struct Leecher {
    peers: Vec<TcpStream>,
    truth: Arc<std::fs::File>,
    length: u64,
    piece_length: u32,
}

/// How long pieces took that were requested together.
#[derive(Clone, Copy, Debug)]
pub struct Fetched {
    /// The first of them.
    pub first: Duration,
    /// All of them.
    pub all: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    piece: u32,
    offset: u32,
    length: u32,
}

impl Leecher {
    /// Connects to these seeders and waits until each of them has unchoked.
    ///
    /// # Errors
    /// One of them does not answer, or does not unchoke in time.
    pub async fn connect(
        torrent: &Torrent,
        seeders: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Self> {
        let info_hash = torrent.info_hash_bytes;
        let mut opening: JoinSet<_> =
            seeders.into_iter().map(|seeder| open(seeder, info_hash)).collect();
        let mut peers = Vec::new();
        while let Some(peer) = opening.join_next().await {
            peers.push(peer??);
        }
        ensure!(!peers.is_empty(), "a swarm without seeders");
        let truth =
            Arc::new(std::fs::File::open(torrent.paths.first().context("a torrent of one file")?)?);
        Ok(Self {
            peers,
            truth,
            length: torrent.length,
            piece_length: u32::try_from(torrent.piece_length)?,
        })
    }

    /// Fetches pieces, the first one first, from all seeders at once.
    ///
    /// # Errors
    /// A connection broke, a byte is wrong, or they did not come in time.
    pub async fn fetch(&mut self, pieces: Range<u32>) -> Result<Fetched> {
        let start = Instant::now();
        let blocks: Vec<Block> = pieces.clone().flat_map(|piece| self.blocks_of(piece)).collect();
        let count = self.peers.len();
        let mut asking = JoinSet::new();
        for (turn, peer) in self.peers.drain(..).enumerate() {
            let mine = blocks.iter().copied().skip(turn).step_by(count).collect();
            asking.spawn(take(peer, mine, self.piece_length, Arc::clone(&self.truth)));
        }
        let mut fetched = Fetched { first: Duration::ZERO, all: Duration::ZERO };
        while let Some(taken) = asking.join_next().await {
            let (peer, arrivals) = taken??;
            self.peers.push(peer);
            for (piece, at) in arrivals {
                let after = at - start;
                fetched.all = fetched.all.max(after);
                if piece == pieces.start {
                    fetched.first = fetched.first.max(after);
                }
            }
        }
        Ok(fetched)
    }

    fn blocks_of(&self, piece: u32) -> impl Iterator<Item = Block> + use<> {
        let begin = u64::from(piece) * u64::from(self.piece_length);
        let left = self.length.saturating_sub(begin).min(u64::from(self.piece_length));
        let length = u32::try_from(left).expect("at most a piece");
        (0..length).step_by(BLOCK as usize).map(move |offset| Block {
            piece,
            offset,
            length: BLOCK.min(length - offset),
        })
    }
}

async fn open(seeder: SocketAddr, info_hash: [u8; 20]) -> Result<TcpStream> {
    let connect = async {
        let mut stream = TcpStream::connect(seeder).await?;
        stream.set_nodelay(true)?;
        wire::send_handshake(&mut stream, info_hash, &wire::fresh_peer_id()).await?;
        wire::send(&mut stream, INTERESTED, &[]).await?;
        wire::read_handshake(&mut stream).await?;
        while wire::read(&mut stream).await?.0 != wire::UNCHOKE {}
        Ok(stream)
    };
    tokio::time::timeout(PATIENCE, connect)
        .await
        .with_context(|| format!("{seeder} does not unchoke"))?
}

/// Requests blocks of one peer; returns when each block of a piece came.
async fn take(
    mut peer: TcpStream,
    blocks: Vec<Block>,
    piece_length: u32,
    truth: Arc<std::fs::File>,
) -> Result<(TcpStream, Vec<(u32, Instant)>)> {
    let mut arrivals = Vec::with_capacity(blocks.len());
    let work = async {
        for block in &blocks {
            let body = [block.piece, block.offset, block.length].map(u32::to_be_bytes).concat();
            wire::send(&mut peer, wire::REQUEST, &body).await?;
        }
        while arrivals.len() < blocks.len() {
            let (id, body) = wire::read(&mut peer).await?;
            if id != wire::PIECE {
                continue;
            }
            let at = Instant::now();
            let (head, data) = body.split_at_checked(8).context("a block without a head")?;
            let piece = u32::from_be_bytes(head[..4].try_into()?);
            let offset = u32::from_be_bytes(head[4..].try_into()?);
            let mut expected = vec![0; data.len()];
            truth.read_exact_at(
                &mut expected,
                u64::from(piece) * u64::from(piece_length) + u64::from(offset),
            )?;
            ensure!(data == expected, "wrong bytes in piece {piece} at {offset}");
            arrivals.push((piece, at));
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, work).await.context("the seeder stands still")??;
    Ok((peer, arrivals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::proxy::{Line, Proxy};
    use crate::swarm::{Client, Swarm};
    use crate::workspace::Scratch;

    #[tokio::test]
    async fn a_bare_leecher_is_as_fast_as_the_lines() {
        let scratch = Scratch::new("floor").unwrap();
        let file = scratch.path().join("content.bin");
        std::fs::write(&file, Dice::new(1).bytes(800_000)).unwrap();
        let line = Line { rate_bps: 512 << 10, delay: Duration::from_millis(10) };
        let seeders = [(Client::Libtorrent, line), (Client::Libtorrent, line)];
        let swarm = Swarm::of_file(&file, 256 << 10, &seeders).await.unwrap();
        let near = swarm.lines.iter().map(Proxy::address);
        let mut leecher = Leecher::connect(&swarm.torrent, near).await.unwrap();
        let fetched = leecher.fetch(1..3).await.unwrap();
        // 512 KiB over two lines of 512 KiB a second, and one round trip.
        assert!(fetched.all >= Duration::from_millis(400), "{fetched:?}");
        // Each line carried half of the bytes, and the seeder's other messages.
        let carried: Vec<u64> = swarm.lines.iter().map(Proxy::passed).collect();
        assert!(carried.iter().all(|bytes| (256 << 10..320 << 10).contains(bytes)), "{carried:?}");
        assert!(fetched.first < fetched.all, "{fetched:?}");
        // The last piece is shorter.
        leecher.fetch(3..4).await.unwrap();
    }
}
