//! An HTTP tracker (BEP 3, compact peers of BEP 23) that names the peers it was given, to everybody.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::torrent::{Bencode, dict};

/// Longest request that is read, bytes.
const MAX_REQUEST: usize = 8 << 10;

/// A running tracker; dropping it stops it.
#[derive(Debug)]
pub struct Tracker {
    address: SocketAddr,
    peers: Arc<RwLock<Vec<SocketAddr>>>,
    announces: Arc<AtomicU32>,
    accepting: JoinHandle<()>,
}

impl Tracker {
    /// Listens on a free port. It names nobody yet.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let peers = Arc::new(RwLock::new(Vec::new()));
        let announces = Arc::new(AtomicU32::new(0));
        let (shared, count) = (Arc::clone(&peers), Arc::clone(&announces));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let body = answer(&shared.read().await);
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(reply(stream, body));
            }
        });
        Ok(Self { address, peers, announces, accepting })
    }

    /// The announce URL.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Names these peers from now on.
    pub async fn name(&self, peers: impl IntoIterator<Item = SocketAddr>) {
        *self.peers.write().await = peers.into_iter().collect();
    }

    /// How often it was asked.
    pub fn announces(&self) -> u32 {
        self.announces.load(Ordering::Relaxed)
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn answer(peers: &[SocketAddr]) -> Vec<u8> {
    let mut compact = Vec::new();
    for peer in peers {
        if let SocketAddr::V4(peer) = peer {
            compact.extend_from_slice(&peer.ip().octets());
            compact.extend_from_slice(&peer.port().to_be_bytes());
        }
    }
    dict(vec![
        ("complete", Bencode::Int(peers.len() as u64)),
        ("incomplete", Bencode::Int(0)),
        ("interval", Bencode::Int(60)),
        ("min interval", Bencode::Int(5)),
        ("peers", Bencode::Bytes(compact)),
    ])
    .encode()
}

async fn reply(mut stream: TcpStream, body: Vec<u8>) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < MAX_REQUEST {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    Ok(stream.shutdown().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[tokio::test]
    async fn the_tracker_names_its_peers_in_compact_form() {
        let tracker = Tracker::start().await.unwrap();
        tracker.name(["127.0.0.1:6881".parse().unwrap()]).await;
        let reply = http::get(&format!("{}?info_hash=x&compact=1", tracker.url())).await.unwrap();
        assert_eq!(reply.status, 200);
        let peers = [b"5:peers6:".as_slice(), &[127, 0, 0, 1, 0x1a, 0xe1]].concat();
        assert!(reply.body.windows(peers.len()).any(|window| window == peers));
        assert_eq!(tracker.announces(), 1);
    }
}
