//! The protocol of an HTTP tracker (BEP 3) with compact peers (BEP 23).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::register::{SharedRegister, compact};
use crate::torrent::{Bencode, dict};

/// Longest request that is read, bytes.
const MAX_REQUEST: usize = 8 << 10;

/// Answers on a free port.
pub(super) async fn serve(register: SharedRegister) -> Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let accepting = tokio::spawn(async move {
        while let Ok((stream, from)) = listener.accept().await {
            tokio::spawn(reply(stream, from.ip(), register.clone()));
        }
    });
    Ok((address, accepting))
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

async fn reply(mut stream: TcpStream, from: IpAddr, register: SharedRegister) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < MAX_REQUEST {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let port = parameter(&request, "port").and_then(|port| port.parse().ok()).unwrap_or(0);
    let leaves = parameter(&request, "event").as_deref() == Some("stopped");
    let body = answer(&register.announce((from, port).into(), leaves));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
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
    use crate::http;
    use crate::tracker::{Front, Tracker};

    async fn ask(tracker: &Tracker, query: &str, expected: &[u8]) {
        let reply =
            http::get(&format!("{}?info_hash=x&compact=1{query}", tracker.url())).await.unwrap();
        assert_eq!(reply.status, 200);
        let peers = [format!("5:peers{}:", expected.len()).as_bytes(), expected].concat();
        assert!(reply.body.windows(peers.len()).any(|window| window == peers), "{query}");
    }

    #[tokio::test]
    async fn the_tracker_names_its_peers_in_compact_form() {
        let tracker = Tracker::start().await.unwrap();
        tracker.name(["127.0.0.1:6881".parse().unwrap()]);
        ask(&tracker, "", &[127, 0, 0, 1, 0x1a, 0xe1]).await;
        ask(&tracker, "&port=5", &[127, 0, 0, 1, 0x1a, 0xe1]).await;
        assert_eq!(tracker.announces(), 2);
    }

    #[tokio::test]
    async fn an_open_tracker_names_each_announced_peer_to_the_others() {
        let tracker = Tracker::open(Front::Http).await.unwrap();
        ask(&tracker, "&port=256&event=started", &[]).await;
        ask(&tracker, "&port=257", &[127, 0, 0, 1, 1, 0]).await;
        ask(&tracker, "&port=256", &[127, 0, 0, 1, 1, 1]).await;
        ask(&tracker, "&port=257&event=stopped", &[127, 0, 0, 1, 1, 0]).await;
        assert_eq!(tracker.announced(), ["127.0.0.1:256".parse().unwrap()]);
    }
}
