//! A TCP proxy that delays a seeder on loopback and limits its rate.
//!
//! Every byte is passed on `delay` after it came, in both directions. Towards the leecher all
//! connections share one link of `rate` bytes a second. Buffers stay small (about 0.1 s), so
//! requests wait in the seeder, where a CANCEL helps, as with a real client behind a slow line. A
//! client's own upload limit would be too coarse: libtorrent hands out quota twice a second.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::{LIMIT, until};

/// Longest read on a limited link, bytes.
const CHUNK: usize = 8 << 10;
/// How much data a limited link may have to send, as time. While a link has more, the proxy reads
/// nothing more for that link.
const BACKLOG: Duration = Duration::from_millis(30);
/// Kernel buffers of a limited link, bytes.
const SOCKET_BUFFER: u32 = 32 << 10;
/// Most chunks queued in one direction, which bounds memory when the receiver is slow.
const QUEUE: usize = 256;

/// Rate and delay of a link.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Towards the leecher, bytes a second; 0 is without limit.
    pub rate_bps: u64,
    /// One way.
    pub delay: Duration,
}

impl Line {
    /// A line with a rate and a delay of 10 ms.
    pub fn of_rate(rate_bps: u64) -> Self {
        Self { rate_bps, delay: Duration::from_millis(10) }
    }
}

#[derive(Debug)]
struct Link {
    rate_bps: AtomicU64,
    passed: AtomicU64,
    connections: AtomicU64,
    free_at: Mutex<Instant>,
    /// After this many bytes nothing more passes.
    held_at: watch::Sender<u64>,
}

/// A running proxy; dropping it cuts all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: Arc<Link>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and passes every connection on to `target`.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(target: SocketAddr, line: Line) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if line.rate_bps > 0 {
            socket.set_send_buffer_size(SOCKET_BUFFER)?;
        }
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(64)?;
        let address = listener.local_addr()?;
        let link = Arc::new(Link {
            rate_bps: AtomicU64::new(line.rate_bps),
            passed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            free_at: Mutex::new(Instant::now()),
            held_at: watch::Sender::new(u64::MAX),
        });
        let shared = Arc::clone(&link);
        let accepting = tokio::spawn(async move {
            // Dropping the task drops the set and all its connections.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((leecher, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                connections.spawn(carry(leecher, target, line.delay, Arc::clone(&shared)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, link, accepting })
    }

    /// The address that leechers dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes passed towards leechers so far.
    pub fn passed(&self) -> u64 {
        self.link.passed.load(Ordering::Relaxed)
    }

    /// How many connections leechers opened so far.
    pub fn connections(&self) -> u64 {
        self.link.connections.load(Ordering::Relaxed)
    }

    /// Changes the rate from now on; 0 is without limit.
    pub fn set_rate(&self, rate_bps: u64) {
        self.link.rate_bps.store(rate_bps, Ordering::Relaxed);
    }

    /// Cuts all connections and accepts no more.
    pub fn cut(&self) {
        self.accepting.abort();
    }

    /// Stops the line towards leechers after about this many bytes in all. `u64::MAX` releases the
    /// line.
    pub fn hold_at(&self, bytes: u64) {
        self.link.held_at.send_replace(bytes);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Waits until a count of passed bytes has not changed for a second.
///
/// # Errors
/// Bytes pass for a minute.
pub async fn quiet(passed: impl Fn() -> u64) -> Result<()> {
    const QUIET: Duration = Duration::from_secs(1);
    let last = std::sync::Mutex::new((passed(), Instant::now()));
    let look = || async {
        let mut last = last.lock().expect("nobody panics while holding it");
        if last.0 != passed() {
            *last = (passed(), Instant::now());
        }
        Ok((last.1.elapsed() >= QUIET).then_some(()))
    };
    until("the lines to be quiet", LIMIT, look).await
}

async fn carry(leecher: TcpStream, target: SocketAddr, delay: Duration, link: Arc<Link>) {
    let Ok(seeder) = dial(target).await else { return };
    let _ = (leecher.set_nodelay(true), seeder.set_nodelay(true));
    let (from_leecher, to_leecher) = leecher.into_split();
    let (from_seeder, to_seeder) = seeder.into_split();
    tokio::select! {
        () = pump(from_leecher, to_seeder, delay, None) => {}
        () = pump(from_seeder, to_leecher, delay, Some(&link)) => {}
    }
}

async fn dial(target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.connect(target).await
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    link: Option<&Link>,
) {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(QUEUE);
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            let sent_at = match link {
                Some(link) => link.take(n as u64).await,
                None => Instant::now(),
            };
            if queue.send((sent_at + delay, buffer[..n].to_vec())).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = queued.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&chunk).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}

impl Link {
    /// Returns when the link will have sent `bytes` more. Waits first while the link has too much
    /// to send.
    async fn take(&self, bytes: u64) -> Instant {
        let passed = self.passed.fetch_add(bytes, Ordering::Relaxed);
        // The sender lives as long as the link.
        let _ = self.held_at.subscribe().wait_for(|held_at| passed < *held_at).await;
        let rate_bps = self.rate_bps.load(Ordering::Relaxed);
        if rate_bps == 0 {
            return Instant::now();
        }
        let mut free_at = self.free_at.lock().await;
        tokio::time::sleep_until(*free_at - BACKLOG).await;
        let micros = bytes * 1_000_000 / rate_bps;
        *free_at = (*free_at).max(Instant::now()) + Duration::from_micros(micros);
        *free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// How long `bytes` take through a proxy with this line.
    async fn check(line: Line, bytes: usize) -> Duration {
        let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(origin.local_addr().unwrap(), line).unwrap();
        let serve = tokio::spawn(async move {
            let (mut stream, _) = origin.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            stream.write_all(&vec![7; bytes]).await.unwrap();
        });
        let start = Instant::now();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_u8(1).await.unwrap();
        let mut got = vec![0; bytes];
        stream.read_exact(&mut got).await.unwrap();
        assert!(got.iter().all(|b| *b == 7));
        serve.await.unwrap();
        assert_eq!(proxy.passed(), bytes as u64);
        start.elapsed()
    }

    #[tokio::test]
    async fn a_limited_line_takes_the_time_of_its_rate() {
        let took = check(Line { rate_bps: 1 << 20, delay: Duration::ZERO }, 512 << 10).await;
        assert!(took >= Duration::from_millis(400), "512 KiB at 1 MiB/s took {took:?}");
        let faster = check(Line { rate_bps: 16 << 20, delay: Duration::ZERO }, 512 << 10).await;
        assert!(faster < took, "at 16 MiB/s it took {faster:?}, and {took:?} at 1 MiB/s");
    }

    #[tokio::test]
    async fn a_held_line_passes_bytes_up_to_its_limit_until_it_is_released() {
        let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy =
            Proxy::start(origin.local_addr().unwrap(), Line { rate_bps: 0, delay: Duration::ZERO })
                .unwrap();
        proxy.hold_at(1);
        let serve = tokio::spawn(async move {
            let (mut stream, _) = origin.accept().await.unwrap();
            stream.write_all(&[7; 4 * CHUNK]).await.unwrap();
            stream.read_u8().await.unwrap_err();
        });
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let mut got = vec![0; 4 * CHUNK];
        let all =
            tokio::time::timeout(Duration::from_millis(300), stream.read_exact(&mut got)).await;
        assert!(all.is_err(), "nothing was held");
        proxy.hold_at(u64::MAX);
        // The cancelled read has taken the bytes before.
        let mut rest = vec![0; 2 * CHUNK];
        stream.read_exact(&mut rest).await.unwrap();
        drop(stream);
        serve.await.unwrap();
    }

    #[tokio::test]
    async fn a_byte_takes_the_delay_there_and_the_delay_back() {
        let took = check(Line { rate_bps: 0, delay: Duration::from_millis(50) }, 1).await;
        assert!(took >= Duration::from_millis(100), "two ways of 50 ms took {took:?}");
    }
}
