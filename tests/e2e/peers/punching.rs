//! Hole punching (BEP 55) with libtorrent: as the one who brings us together with somebody, and as
//! the one who is brought together by us.
//!
//! Nothing on loopback is behind a router, so what is looked at is who is told what, and where the
//! first datagram of uTP then comes from.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::party::{Part, Party};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::wire;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Longest wait: peers speak of others once a minute, and every way to them must have led nowhere
/// first.
const LIMIT: Duration = Duration::from_secs(100);
/// Sooner after being introduced than any other dial would come: a dial that failed is repeated
/// after five seconds.
const AT_ONCE: Duration = Duration::from_secs(4);
/// What comes so soon before is told and seen in another order.
const MOMENT: Duration = Duration::from_secs(1);
const EXTENDED: u8 = 20;
/// The id under which the stranger wants messages.
const THEIRS: u8 = 9;
const RENDEZVOUS: u8 = 0;
const CONNECT: u8 = 1;
/// A datagram that opens a connection (BEP 29): its type and version.
const SYN: u8 = 0x41;

/// A torrent of which nobody has anything, so that all stay.
async fn nobodys(dice: u64) -> Result<Fixture> {
    Fixture::random("film.bin", 100_000).dice(dice).pieces_of(16 << 10).linked().build().await
}

/// How `jstorrent` is told to talk plainly, and to find nobody by itself.
const PLAINLY: [&str; 3] = ["--no-lsd", "--encryption", "off"];

type Callers = Arc<Mutex<Vec<(Instant, SocketAddr)>>>;

/// Somebody who dials and at whose port nobody answers.
struct Stranger {
    stream: TcpStream,
    /// Who wanted to open a connection to it over uTP, and when.
    callers: Callers,
    /// The id under which the other end wants messages about holes.
    id: u8,
}

impl Stranger {
    /// Connects as soon as the other end takes it: while that looks at its folder it takes nobody.
    async fn taken_by(to: SocketAddr, fixture: &Fixture) -> Result<Self> {
        until("the stranger to be taken", LIMIT, || async {
            Ok(Self::dial(fixture, to).await.ok())
        })
        .await
    }

    /// Connects from the port at which it says that it listens, and waits for the other end's
    /// extensions.
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

    /// The next extended message under this id, without it.
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

    /// Waits until a peer tells it to dial an address; the address.
    async fn introduced(&mut self) -> Result<SocketAddr> {
        let told =
            timeout(LIMIT, self.extended(THEIRS)).await.context("nobody told it anything")??;
        ensure!(told.len() >= 8 && told[..2] == [CONNECT, 0], "{told:?}");
        let ip: [u8; 4] = told[2..6].try_into()?;
        Ok(SocketAddr::from((ip, u16::from_be_bytes([told[6], told[7]]))))
    }

    /// Waits until it is dialled from an address, or was in the last moment.
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

/// The number that a handshake of extensions gives the one about holes.
fn id_of(handshake: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"12:ut_holepunchi";
    let at = handshake.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let digits = handshake[at..].split(|byte| *byte == b'e').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|id| *id != 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_brings_us_together_with_somebody_whom_we_can_not_dial() -> Result<()> {
    let fixture = nobodys(1).await?;
    let hub =
        Party::start(&Part { pex: true, ..Part::new(Client::Libtorrent, &fixture.torrent, false) })
            .await?;
    let peer = hub.address().to_string();
    let mut terminal = fixture.get(&[&PLAINLY[..], &["--peer", &peer]].concat())?;
    let us = terminal.address().await?;
    let mut stranger =
        Stranger::taken_by(hub.address(), &fixture).await.with_context(|| hub.log())?;
    // We heard of it, found that nobody answers there, and asked.
    stranger.introduced().await.with_context(|| hub.log())?;
    stranger.is_dialled_by(us, AT_ONCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn we_bring_libtorrent_together_with_somebody_who_asks_for_it() -> Result<()> {
    let fixture = nobodys(2).await?;
    let mut terminal = fixture.get(&PLAINLY)?;
    let us = terminal.address().await?;
    let mut stranger = Stranger::taken_by(us, &fixture).await?;
    let part =
        Part { utp: true, peers: &[us], ..Part::new(Client::Libtorrent, &fixture.torrent, false) };
    let libtorrent = Party::start(&part).await?;
    // It may not be connected yet.
    let told = loop {
        stranger.ask_for(libtorrent.address()).await?;
        let told = timeout(LIMIT, stranger.extended(THEIRS)).await.context("no answer")??;
        if told[0] == CONNECT {
            break told;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    ensure!(told[6..8] == libtorrent.address().port().to_be_bytes(), "another port: {told:?}");
    // It knows the stranger from nobody else.
    let dialled = stranger.is_dialled_by(libtorrent.address(), LIMIT).await;
    dialled.with_context(|| libtorrent.log())
}
