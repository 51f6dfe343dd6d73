//! A plain HTTP/1.1 client, one connection a request, that reports exactly what came.
//!
//! It keeps what a comfortable client hides: a body that ended too early, and every byte that
//! arrived before that.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Longest wait for the next bytes of a reply.
const PATIENCE: Duration = Duration::from_secs(130);

/// A reply, as far as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// Whether the body came to its announced end.
    pub whole: bool,
}

impl Reply {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// GET of a whole resource.
///
/// # Errors
/// As [`request`].
pub async fn get(url: &str) -> Result<Reply> {
    request(url, &[]).await
}

/// GET of a range, both ends inclusive.
///
/// # Errors
/// As [`request`].
pub async fn get_range(url: &str, start: u64, end: u64) -> Result<Reply> {
    request(url, &[("Range", &format!("bytes={start}-{end}"))]).await
}

/// GET with headers.
///
/// # Errors
/// Nobody listens, the head is no HTTP, or nothing came for too long. A truncated body is no error.
pub async fn request(url: &str, headers: &[(&str, &str)]) -> Result<Reply> {
    send("GET", url, headers, &[]).await
}

/// A request of any method, with a body if there is one.
///
/// # Errors
/// As [`request`].
pub async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply> {
    let mut open = open_with(method, url, headers, body).await?;
    let mut body = Vec::new();
    let whole = open.read_to_end(&mut body).await?;
    Ok(Reply { status: open.status, headers: open.headers, body, whole })
}

/// A reply whose head is here and whose body is read step by step.
#[derive(Debug)]
pub struct Open {
    /// Status code.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    left: Option<u64>,
}

/// Sends a GET and waits for the head of the reply.
///
/// # Errors
/// Nobody listens, the head is no HTTP, or it did not come in time.
pub async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Open> {
    open_with("GET", url, headers, &[]).await
}

async fn open_with(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Open> {
    let rest = url.strip_prefix("http://").with_context(|| format!("not an http URL: {url}"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream =
        TcpStream::connect(host).await.with_context(|| format!("connecting to {host}"))?;
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut stream = BufReader::new(stream);
    let (status, headers) =
        tokio::time::timeout(PATIENCE, read_head(&mut stream)).await.context("no reply")??;
    let left =
        headers.iter().find(|(n, _)| n == "content-length").map(|(_, v)| v.parse()).transpose()?;
    Ok(Open { status, headers, stream, left })
}

impl Open {
    /// More of the body: how many bytes were added, 0 at its end or where it was cut.
    ///
    /// # Errors
    /// Nothing came for too long.
    pub async fn read_some(&mut self, body: &mut Vec<u8>) -> Result<usize> {
        if self.left == Some(0) {
            return Ok(0);
        }
        let mut limited = (&mut self.stream).take(self.left.unwrap_or(u64::MAX));
        let read = tokio::time::timeout(PATIENCE, limited.read_buf(body))
            .await
            .context("the body stands still")?;
        // A connection that is reset has ended, too.
        let read = read.unwrap_or(0);
        if let Some(left) = &mut self.left {
            *left -= read as u64;
        }
        Ok(read)
    }

    /// The rest of the body; whether it came to its announced end.
    ///
    /// # Errors
    /// Nothing came for too long.
    pub async fn read_to_end(&mut self, body: &mut Vec<u8>) -> Result<bool> {
        while self.read_some(body).await? > 0 {}
        Ok(self.left.is_none_or(|left| left == 0))
    }
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let Some(status) = line.split(' ').nth(1).and_then(|s| s.parse().ok()) else {
        bail!("not an HTTP reply: {line:?}");
    };
    let mut headers = Vec::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            bail!("the reply ended in its head");
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
            None => return Ok((status, headers)),
        }
    }
}
