//! A hostile seeder that claims to have everything and sends wrong blocks.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::torrent::Torrent;
use crate::wire::{self, BITFIELD, PIECE, REQUEST, UNCHOKE};

/// What a hostile seeder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It flips the first byte of every block.
    EveryBlock,
    /// It never answers a request.
    NoAnswer,
}

#[derive(Debug, Default)]
struct Tally {
    connections: AtomicU32,
    open: AtomicU32,
    requests: AtomicU32,
    blocks: AtomicU32,
}

/// A running hostile seeder; dropping it closes all its connections.
#[derive(Debug)]
pub struct Liar {
    address: SocketAddr,
    tally: Arc<Tally>,
    accepting: JoinHandle<()>,
}

struct Content {
    bytes: Vec<u8>,
    info_hash: [u8; 20],
    pieces: usize,
    piece_length: usize,
    lie: Lie,
}

impl Liar {
    /// Listens on a free port.
    ///
    /// # Errors
    /// No port is free, or the content cannot be read.
    pub async fn start(torrent: &Torrent, lie: Lie) -> Result<Self> {
        let content = Arc::new(Content {
            bytes: read_all(&torrent.paths)?,
            info_hash: torrent.info_hash_bytes,
            pieces: torrent.piece_count(),
            piece_length: torrent.piece_length,
            lie,
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally::default());
        let shared = Arc::clone(&tally);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (content, tally) = (Arc::clone(&content), Arc::clone(&shared));
                connections.spawn(async move {
                    tally.connections.fetch_add(1, Ordering::Relaxed);
                    tally.open.fetch_add(1, Ordering::Relaxed);
                    let _ = serve(stream, &content, &tally).await;
                    tally.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(Self { address, tally, accepting })
    }

    /// Where it listens for peers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it got.
    pub fn connections(&self) -> u32 {
        self.tally.connections.load(Ordering::Relaxed)
    }

    /// How many connections to it are open.
    pub fn open(&self) -> u32 {
        self.tally.open.load(Ordering::Relaxed)
    }

    /// How many blocks were requested of it.
    pub fn requests(&self) -> u32 {
        self.tally.requests.load(Ordering::Relaxed)
    }

    /// How many false blocks it sent.
    pub fn blocks(&self) -> u32 {
        self.tally.blocks.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, content: &Content, tally: &Tally) -> Result<()> {
    stream.set_nodelay(true)?;
    ensure!(wire::read_handshake(&mut stream).await? == content.info_hash, "another torrent");
    wire::send_handshake(&mut stream, content.info_hash, b"-LI0001-aaaaaaaaaaaa").await?;
    wire::send(&mut stream, BITFIELD, &wire::full_bitfield(content.pieces)).await?;
    wire::send(&mut stream, UNCHOKE, &[]).await?;
    loop {
        let (id, body) = wire::read(&mut stream).await?;
        if id != REQUEST {
            continue;
        }
        tally.requests.fetch_add(1, Ordering::Relaxed);
        if content.lie == Lie::EveryBlock {
            wire::send(&mut stream, PIECE, &content.false_block(&body)?).await?;
            stream.flush().await?;
            tally.blocks.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Content {
    fn false_block(&self, request: &[u8]) -> Result<Vec<u8>> {
        ensure!(request.len() == 12, "a request has three numbers");
        let number = |at: usize| {
            u32::from_be_bytes([request[at], request[at + 1], request[at + 2], request[at + 3]])
                as usize
        };
        let (piece, begin, length) = (number(0), number(4), number(8));
        let start = piece * self.piece_length + begin;
        ensure!(length > 0 && start + length <= self.bytes.len(), "a request beyond the end");
        let mut body = request[..8].to_vec();
        body.extend_from_slice(&self.bytes[start..start + length]);
        body[8] ^= 0xff;
        Ok(body)
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(std::fs::read(path)?);
    }
    Ok(all)
}
