//! An HTTP tracker (BEP 3, compact peers of BEP 23) that names the peers it was given, to everybody; an open one names who announces, too.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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

/// Whom a tracker names, whatever it speaks.
#[derive(Debug, Default)]
pub(crate) struct Register {
    given: Vec<SocketAddr>,
    announced: BTreeSet<SocketAddr>,
    /// Whether those who announce are named.
    is_open: bool,
}

impl Register {
    pub(crate) fn new(is_open: bool) -> Arc<RwLock<Self>> {
        Arc::new(RwLock::new(Self { is_open, ..Self::default() }))
    }

    pub(crate) fn give(&mut self, peers: impl IntoIterator<Item = SocketAddr>) {
        self.given = peers.into_iter().collect();
    }

    pub(crate) fn announced(&self) -> Vec<SocketAddr> {
        self.announced.iter().copied().collect()
    }

    /// Somebody announces itself, or takes its leave; the others.
    pub(crate) fn announce(&mut self, who: SocketAddr, leaves: bool) -> Vec<SocketAddr> {
        if leaves {
            self.announced.remove(&who);
        } else if self.is_open && who.port() != 0 {
            self.announced.insert(who);
        }
        let others: BTreeSet<SocketAddr> = self.given.iter().chain(&self.announced).copied().collect();
        others.into_iter().filter(|other| *other != who || self.given.contains(other)).collect()
    }
}

/// IPv4 peers as trackers write them: four bytes of address, two of port.
pub(crate) fn compact(peers: &[SocketAddr]) -> Vec<u8> {
    let mut compact = Vec::new();
    for peer in peers {
        if let SocketAddr::V4(peer) = peer {
            compact.extend_from_slice(&peer.ip().octets());
            compact.extend_from_slice(&peer.port().to_be_bytes());
        }
    }
    compact
}

/// A running tracker; dropping it stops it.
#[derive(Debug)]
pub struct Tracker {
    address: SocketAddr,
    register: Arc<RwLock<Register>>,
    announces: Arc<AtomicU32>,
    accepting: JoinHandle<()>,
}

impl Tracker {
    /// Listens on a free port. It names nobody yet.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        Self::serve(Register::new(false)).await
    }

    /// One that also names everybody who announces, whatever the torrent.
    ///
    /// # Errors
    /// As [`Tracker::start`].
    pub async fn open() -> Result<Self> {
        Self::serve(Register::new(true)).await
    }

    async fn serve(register: Arc<RwLock<Register>>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let announces = Arc::new(AtomicU32::new(0));
        let (shared, count) = (Arc::clone(&register), Arc::clone(&announces));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, from)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(reply(stream, from.ip(), Arc::clone(&shared)));
            }
        });
        Ok(Self { address, register, announces, accepting })
    }

    /// The announce URL.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Names these peers from now on.
    pub async fn name(&self, peers: impl IntoIterator<Item = SocketAddr>) {
        self.register.write().await.give(peers);
    }

    /// How often it was asked.
    pub fn announces(&self) -> u32 {
        self.announces.load(Ordering::Relaxed)
    }

    /// Who announced to an open one, and did not leave since.
    pub async fn announced(&self) -> Vec<SocketAddr> {
        self.register.read().await.announced()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn answer(peers: &[SocketAddr]) -> Vec<u8> {
    dict(vec![
        ("complete", Bencode::Int(peers.len() as u64)),
        ("incomplete", Bencode::Int(0)),
        ("interval", Bencode::Int(60)),
        ("min interval", Bencode::Int(5)),
        ("peers", Bencode::Bytes(compact(peers))),
    ])
    .encode()
}

async fn reply(mut stream: TcpStream, from: IpAddr, register: Arc<RwLock<Register>>) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < MAX_REQUEST {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let port = parameter(&request, "port").and_then(|port| port.parse().ok()).unwrap_or(0);
    let leaves = parameter(&request, "event").as_deref() == Some("stopped");
    let body = answer(&register.write().await.announce((from, port).into(), leaves));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    Ok(stream.shutdown().await?)
}

/// A parameter of the request's query, as it was written.
fn parameter(request: &[u8], name: &str) -> Option<String> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.split(' ').nth(1)?;
    let mut pairs = target.split_once('?')?.1.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    async fn ask(tracker: &Tracker, query: &str, expected: &[u8]) {
        let reply = http::get(&format!("{}?info_hash=x&compact=1{query}", tracker.url())).await.unwrap();
        assert_eq!(reply.status, 200);
        let peers = [format!("5:peers{}:", expected.len()).as_bytes(), expected].concat();
        assert!(reply.body.windows(peers.len()).any(|window| window == peers), "{query}");
    }

    #[tokio::test]
    async fn the_tracker_names_its_peers_in_compact_form() {
        let tracker = Tracker::start().await.unwrap();
        tracker.name(["127.0.0.1:6881".parse().unwrap()]).await;
        ask(&tracker, "", &[127, 0, 0, 1, 0x1a, 0xe1]).await;
        ask(&tracker, "&port=5", &[127, 0, 0, 1, 0x1a, 0xe1]).await;
        assert_eq!(tracker.announces(), 2);
    }

    #[tokio::test]
    async fn an_open_tracker_names_those_who_announced_to_all_others() {
        let tracker = Tracker::open().await.unwrap();
        ask(&tracker, "&port=256&event=started", &[]).await;
        ask(&tracker, "&port=257", &[127, 0, 0, 1, 1, 0]).await;
        ask(&tracker, "&port=256", &[127, 0, 0, 1, 1, 1]).await;
        ask(&tracker, "&port=257&event=stopped", &[127, 0, 0, 1, 1, 0]).await;
        assert_eq!(tracker.announced().await, ["127.0.0.1:256".parse().unwrap()]);
    }
}
