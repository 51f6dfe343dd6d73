//! A viewer that shows every byte of HTTP. A client library would mend, retry or hide some.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::waiting::{QUIET, soon};

/// A viewer's connection, byte by byte.
pub(crate) struct Viewer {
    stream: TcpStream,
    port: u16,
    buffer: Vec<u8>,
}

/// Status and headers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
}

/// A reply, as far as it arrived.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is as long as its `Content-Length`.
    pub(crate) is_complete: bool,
}

impl Viewer {
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Self { stream, port, buffer: vec![] }
    }

    pub(crate) async fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) {
        let mut request = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request += &format!("Host: 127.0.0.1:{}\r\n", self.port);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        self.send(format!("{request}\r\n").as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads more; `false` at the end of the connection.
    async fn fill(&mut self) -> bool {
        let mut chunk = vec![0; 64 << 10];
        match self.stream.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.buffer.extend_from_slice(&chunk[..read]);
                true
            }
        }
    }

    /// The next status and headers; `None` when the connection ends before.
    pub(crate) async fn try_head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let fields = lines.filter_map(|line| line.split_once(": "));
        let headers =
            fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Head { status, headers })
    }

    pub(crate) async fn head(&mut self) -> Head {
        soon(self.try_head()).await.expect("the connection ended before a reply")
    }

    /// Exactly this many bytes of the body, or fewer if the connection ends.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<u8> {
        let filled = async { while self.buffer.len() < count && self.fill().await {} };
        soon(filled).await;
        self.buffer.drain(..count.min(self.buffer.len())).collect()
    }

    /// Asserts that nothing arrives for a while.
    pub(crate) async fn sees_nothing(&mut self) {
        let silent = self.buffer.is_empty() && timeout(QUIET, self.fill()).await.is_err();
        assert!(silent, "{} bytes came", self.buffer.len());
    }

    /// The whole reply to a request.
    pub(crate) async fn reply(&mut self) -> Reply {
        let Head { status, headers } = self.head().await;
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let body = self.take(if status == 304 { 0 } else { length }).await;
        Reply { status, headers, is_complete: body.len() == length, body }
    }

    /// Closes both directions.
    pub(crate) fn leave(self) {}
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Head {
    #[track_caller]
    pub(crate) fn check(&self, status: u16, content_range: &str) {
        let shown = self.headers.get("content-range").map_or("", String::as_str);
        assert_eq!((self.status, shown), (status, content_range));
    }
}
