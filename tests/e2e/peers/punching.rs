//! Hole punching (BEP 55) with libtorrent: it relays for us, and we relay to it.
//!
//! Nothing on loopback is behind a router. So the tests look at the messages, and at the sender of
//! the first uTP datagram.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::party::{Kind, Part, Party};
use jstorrent_tests::wire;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Longest wait: libtorrent sends PEX once a minute, and all dials must fail first.
const LIMIT: Duration = Duration::from_secs(100);
/// Longest wait for the dial after an introduction. An ordinary dial is repeated only after five
/// seconds.
const AT_ONCE: Duration = Duration::from_secs(4);
/// How much earlier the datagram may arrive than the message that causes it.
const MOMENT: Duration = Duration::from_secs(1);
const EXTENDED: u8 = 20;
/// The extension id that the stranger chooses.
const THEIRS: u8 = 9;
const RENDEZVOUS: u8 = 0;
const CONNECT: u8 = 1;
/// Type and version of a datagram that opens a connection (BEP 29).
const SYN: u8 = 0x41;

/// A torrent without content anywhere, so that no peer completes it and leaves.
async fn nobodys(dice: u64) -> Result<Fixture> {
    Fixture::random("film.bin", 100_000).dice(dice).pieces_of(16 << 10).linked().build().await
}

/// Options for plain connections and no local discovery.
const PLAINLY: [&str; 3] = ["--no-lsd", "--encryption", "off"];

type Callers = Arc<Mutex<Vec<(Instant, SocketAddr)>>>;

/// A peer that dials us, and whose listen port does not answer.
struct Stranger {
    stream: TcpStream,
    /// The senders of uTP SYNs to its port, with the time.
    callers: Callers,
    /// The id that the other end chose for hole punching.
    id: u8,
}

impl Stranger {
    /// Connects as soon as the other end accepts peers. The other end checks its folder first.
    async fn taken_by(to: SocketAddr, fixture: &Fixture) -> Result<Self> {
        until("the stranger to be taken", LIMIT, || async {
            Ok(Self::dial(fixture, to).await.ok())
        })
        .await
    }

    /// Connects from its announced listen port, and waits for the other end's extension handshake.
    async fn dial(fixture: &Fixture, to: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = socket.local_addr()?;
        let callers = Callers::default();
        tokio::spawn(note_callers(UdpSocket::bind(address).await?, Arc::clone(&callers)));
        let mut stream = socket.connect(to).await?;
        let extensions = [0, 0, 0, 0, 0, 0x10, 0, 0];
        let hello = [
            b"\x13BitTorrent protocol",
            &extensions[..],
            &fixture.torrent.info_hash_bytes,
            b"-TE0001-punchpunchpu",
        ];
        tokio::io::AsyncWriteExt::write_all(&mut stream, &hello.concat()).await?;
        wire::read_handshake(&mut stream).await?;
        let port = address.port();
        let ours = format!("\0d1:md12:ut_holepunchi{THEIRS}ee1:pi{port}ee");
        wire::send(&mut stream, EXTENDED, ours.as_bytes()).await?;
        let mut stranger = Self { stream, callers, id: 0 };
        let theirs = stranger.extended(0).await?;
        stranger.id = id_of(&theirs).context("it does not speak the extension")?;
        Ok(stranger)
    }

    /// The payload of the next extended message with this id.
    async fn extended(&mut self, id: u8) -> Result<Vec<u8>> {
        loop {
            let (kind, mut body) = wire::read(&mut self.stream).await?;
            if kind == EXTENDED && body.first() == Some(&id) {
                return Ok(body.split_off(1));
            }
        }
    }

    async fn ask_for(&mut self, addr: SocketAddr) -> Result<()> {
        let SocketAddr::V4(addr) = addr else { anyhow::bail!("only IPv4 here") };
        let body = [
            &[self.id, RENDEZVOUS, 0][..],
            &addr.ip().octets(),
            &addr.port().to_be_bytes(),
            &[0; 4],
        ]
        .concat();
        wire::send(&mut self.stream, EXTENDED, &body).await
    }

    /// Waits for a `connect` message and returns its address.
    async fn introduced(&mut self) -> Result<SocketAddr> {
        let told =
            timeout(LIMIT, self.extended(THEIRS)).await.context("nobody told it anything")??;
        ensure!(told.len() >= 8 && told[..2] == [CONNECT, 0], "{told:?}");
        let ip: [u8; 4] = told[2..6].try_into()?;
        Ok(SocketAddr::from((ip, u16::from_be_bytes([told[6], told[7]]))))
    }

    /// Waits until an address dials it, or did in the last moment.
    async fn is_dialled_by(&self, address: SocketAddr, limit: Duration) -> Result<()> {
        let earliest = Instant::now().checked_sub(MOMENT).context("a clock that just began")?;
        let is_it = |&(at, from): &(Instant, SocketAddr)| at >= earliest && from == address;
        let dialled = || async {
            let callers = self.callers.lock().map_err(|_| anyhow::anyhow!("the listener broke"))?;
            Ok(callers.iter().any(is_it).then_some(()))
        };
        until("somebody to dial the stranger", limit, dialled).await
    }
}

async fn note_callers(socket: UdpSocket, callers: Callers) {
    let mut buffer = [0; 2_000];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        if length >= 20
            && buffer[0] == SYN
            && callers.lock().map(|mut all| all.push((Instant::now(), from))).is_err()
        {
            return;
        }
    }
}

/// The id of hole punching in an extension handshake.
fn id_of(handshake: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"12:ut_holepunchi";
    let at = handshake.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let digits = handshake[at..].split(|byte| *byte == b'e').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|id| *id != 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_relays_us_to_a_peer_that_we_cannot_dial() -> Result<()> {
    let fixture = nobodys(1).await?;
    let hub =
        Party::start(&Part { pex: true, ..Part::new(Kind::Libtorrent, &fixture.torrent, false) })
            .await?;
    let peer = hub.address().to_string();
    let mut terminal = fixture.get(&[&PLAINLY[..], &["--peer", &peer]].concat())?;
    let us = terminal.address().await?;
    let mut stranger =
        Stranger::taken_by(hub.address(), &fixture).await.with_context(|| hub.log())?;
    // We got its address by PEX, dialled in vain, and asked the relay.
    stranger.introduced().await.with_context(|| hub.log())?;
    stranger.is_dialled_by(us, AT_ONCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn we_relay_a_peer_to_libtorrent() -> Result<()> {
    let fixture = nobodys(2).await?;
    let mut terminal = fixture.get(&PLAINLY)?;
    let us = terminal.address().await?;
    let mut stranger = Stranger::taken_by(us, &fixture).await?;
    let part =
        Part { utp: true, peers: &[us], ..Part::new(Kind::Libtorrent, &fixture.torrent, false) };
    let libtorrent = Party::start(&part).await?;
    // libtorrent may not be connected yet.
    let told = loop {
        stranger.ask_for(libtorrent.address()).await?;
        let told = timeout(LIMIT, stranger.extended(THEIRS)).await.context("no answer")??;
        if told[0] == CONNECT {
            break told;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    ensure!(told[6..8] == libtorrent.address().port().to_be_bytes(), "another port: {told:?}");
    // libtorrent has no other source for the stranger's address.
    let dialled = stranger.is_dialled_by(libtorrent.address(), LIMIT).await;
    dialled.with_context(|| libtorrent.log())
}
