//! What a part of the engine needs to act: the time, chance, fresh numbers, and the place where
//! outputs gather.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use rand::rngs::ChaCha8Rng;
use sha2::{Digest, Sha256};
use shared_proto::{ConnId, EngineMessage, FileId, IoCommand, OpId};

use crate::calls::Calls;
use crate::discover::Sources;
use crate::discover::dht::requests::{DhtRequests, Wish};
use crate::discover::external::External;
use crate::discover::lsd::Neighbourhood;
use crate::discover::tracker::announcer::{Ask, Inquiry, Job};
use crate::discover::tracker::exchange::Exchanges;
use crate::discover::tracker::http;
use crate::handles::Handles;
use crate::io::Output;
use crate::limits;
use crate::metainfo::InfoHash;
use crate::net::Net;
use crate::peer::local::{Local, Opening};
use crate::peer::mse;
use crate::peer::way::{Transport, Way, Ways};
use crate::time::Instant;
use crate::writes::Writes;

/// What the torrents of an engine share: fresh numbers and whose they are, and the secret that
/// capabilities are made from.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    next: u64,
    next_group: u32,
    /// Commands that wait for their answer.
    pub(crate) ops: BTreeMap<OpId, Owner>,
    /// Something happened that may change whose turn it is.
    pub(crate) queue_is_stale: bool,
    /// Conversations with UDP trackers.
    pub(crate) trackers: Exchanges,
    /// Where peers may come from.
    pub(crate) sources: Sources,
    /// Our own address as others see it.
    pub(crate) external: External,
    /// Connections.
    pub(crate) conns: Calls,
    /// How peers may be reached.
    pub(crate) ways: Ways,
    /// The engine's own sockets.
    pub(crate) net: Net,
    /// What torrents ask of the DHT.
    pub(crate) dht_requests: DhtRequests,
    /// What they ask of the local network.
    pub(crate) lsd: Neighbourhood,
    /// What is not durable yet in the daemon's state.
    pub(crate) writes: Writes,
    /// The engine's secret, empty until it is known.
    pub(crate) secret: Bytes,
    /// Bytes a second that all torrents together may give; `None` for no limit.
    pub(crate) upload_limit_bps: Option<u64>,
    /// The open files of all torrents.
    pub(crate) handles: Handles,
}

impl Shared {
    /// Nothing is numbered and nothing taken yet.
    pub(crate) fn new(mut net: Net, sources: Sources, ways: Ways) -> Self {
        if sources.lsd {
            net.join_groups();
        }
        Self { net, sources, ways, ..Self::default() }
    }

    /// The key that opens one file: a leaked URL leaks that file and no other.
    pub(crate) fn capability(&self, id: &FileId) -> String {
        let digest = Sha256::new().chain_update(&self.secret).chain_update(id.as_str()).finalize();
        HEXLOWER.encode(&digest[..16])
    }
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The engine's own.
    Engine,
    /// A torrent's.
    Torrent(InfoHash),
}

/// One turn.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) peer_id: [u8; 20],
    pub(crate) shared: &'a mut Shared,
    pub(crate) out: &'a mut VecDeque<Output>,
}

impl Context<'_> {
    /// Sends a control message.
    pub(crate) fn say(&mut self, message: EngineMessage) {
        self.out.push_back(Output::Control(message));
    }

    /// Takes back what was granted of these bytes. Neighbours that are revoked one after the other
    /// become one message, so that a large file that is doubted does not cost a message for each of
    /// its pieces.
    pub(crate) fn revoke(&mut self, file_id: &FileId, first: u64, last: u64) {
        if let Some(Output::Control(EngineMessage::RangeRevoke { file_id: before, end, .. })) =
            self.out.back_mut()
            && before == file_id
            && *end + 1 == first
        {
            *end = last;
            return;
        }
        self.say(EngineMessage::RangeRevoke { file_id: file_id.clone(), start: first, end: last });
    }

    /// Orders I/O that has no answer.
    pub(crate) fn order(&mut self, command: IoCommand) {
        self.out.push_back(Output::Io(command));
    }

    /// Orders I/O that has an answer.
    pub(crate) fn ask(&mut self, owner: Owner, command: impl FnOnce(OpId) -> IoCommand) -> OpId {
        let op = self.new_op(owner);
        self.order(command(op));
        op
    }

    /// Writes a value down under a key of the daemon's state, or deletes it; sent again until the
    /// daemon says that it is durable.
    pub(crate) fn write(&mut self, key: String, value: Option<Bytes>) -> OpId {
        let op = self.new_op(Owner::Engine);
        let command = self.shared.writes.begin(key, value, op, self.now);
        self.order(command);
        op
    }

    /// A number for a command whose answer is this owner's.
    pub(crate) fn new_op(&mut self, owner: Owner) -> OpId {
        let op = OpId(self.fresh());
        self.shared.ops.insert(op, owner);
        op
    }

    /// A torrent that is not private wants the DHT's help (BEP 27). False when there is no node to
    /// ask.
    pub(crate) fn ask_dht(&mut self, torrent: InfoHash, wish: Wish) -> bool {
        self.shared.dht_requests.ask(torrent, wish, self.now);
        self.shared.dht_requests.has_node()
    }

    /// Sends a torrent's questions to its trackers. Returns under which numbers the answers come
    /// that somebody waits for.
    pub(crate) fn send_to_trackers(
        &mut self,
        torrent: InfoHash,
        asks: Vec<Ask>,
    ) -> Vec<(OpId, Job)> {
        let mut sent = Vec::new();
        for Ask { inquiry, job } in asks {
            let owner = job.as_ref().map_or(Owner::Engine, |_| Owner::Torrent(torrent));
            let op = self.new_op(owner);
            match inquiry {
                Inquiry::Fetch(url) => self.order(http::fetch(op, url)),
                Inquiry::Resolve { host, port } => {
                    self.order(IoCommand::Resolve { op, host, port });
                }
                Inquiry::Datagram(tracker, question) => {
                    self.shared.trackers.ask(op, tracker, question, self.rng, self.now);
                }
            }
            sent.extend(job.map(|job| (op, job)));
        }
        sent
    }

    /// Our end of every connection, as of now.
    pub(crate) fn local(&self) -> Local {
        Local {
            peer_id: self.peer_id,
            own: self.own_addresses(),
            port: self.shared.net.public_port(),
            has_dht_node: self.shared.dht_requests.has_node(),
            dht_port: self.shared.dht_requests.node_port(),
            ways: self.shared.ways,
            utp: self.shared.net.utp_families(),
            has_utp: self.shared.net.has_utp(),
            awaits_sockets: self.awaits_sockets(),
            pex: self.shared.sources.pex,
        }
    }

    /// Begins to talk on a connection of a torrent that is open now.
    pub(crate) fn open(&mut self, conn: ConnId, torrent: InfoHash, opening: Option<Opening>) {
        match opening {
            Some(Opening::Plain(bytes)) => self.read_raw(conn, bytes),
            Some(Opening::Encrypted(hello)) => self.say_in_secret(conn, torrent, hello),
            None => {}
        }
    }

    /// Closes a connection.
    pub(crate) fn close(&mut self, conn: ConnId) {
        self.shared.conns.remove(&conn);
        self.order(IoCommand::TcpClose { conn });
    }

    /// Where others see us, and at which port.
    fn own_addresses(&self) -> [Option<SocketAddr>; 2] {
        let port = self.shared.net.public_port().unwrap_or_default();
        let v4 = self.shared.external.v4().map(|ip| SocketAddr::from((ip, port)));
        [v4, self.shared.external.v6().map(|ip| SocketAddr::from((ip, port)))]
    }

    /// A number for a connection of this torrent.
    pub(crate) fn new_conn(&mut self, torrent: InfoHash) -> ConnId {
        let conn = ConnId(self.fresh());
        self.shared.conns.insert(conn, torrent);
        conn
    }

    /// Whether nobody can be dialled before the sockets are open, because there is no other way
    /// than uTP.
    fn awaits_sockets(&self) -> bool {
        !self.shared.ways.tcp && self.shared.net.is_opening()
    }

    /// Dials a peer. With another way in reserve it is not waited for as long.
    pub(crate) fn dial(
        &mut self,
        torrent: InfoHash,
        addr: SocketAddr,
        way: Way,
        has_other: bool,
    ) -> ConnId {
        let conn = self.new_conn(torrent);
        let timeout_ms = match (way.transport, has_other) {
            (_, true) => limits::FIRST_DIAL_TIMEOUT_MS,
            (Transport::Tcp, false) => limits::DIAL_TIMEOUT_MS,
            (Transport::Utp, false) => limits::UTP_DIAL_TIMEOUT_MS,
        };
        self.order(
            match self.shared.net.utp_towards(addr).filter(|_| way.transport == Transport::Utp) {
                Some(socket) => IoCommand::UtpConnect { conn, socket, addr, timeout_ms },
                None => IoCommand::TcpConnect { conn, addr, timeout_ms },
            },
        );
        conn
    }

    /// Says hello on a connection that is open now, behind an encrypted handshake; the answer's
    /// bytes come when that is over.
    fn say_in_secret(&mut self, conn: ConnId, torrent: InfoHash, hello: Option<Bytes>) {
        let hello = hello.map(Vec::from).unwrap_or_default();
        let handshake = mse::Handshake::dial(torrent, hello, self.shared.ways.encryption, self.rng);
        let (first, bytes) = self.shared.conns.start_handshake(conn, handshake);
        self.order(IoCommand::TcpSend { conn, data: first.into() });
        self.read_raw(conn, bytes);
    }

    /// Has so many more bytes of a connection handed up.
    pub(crate) fn read_raw(&mut self, conn: ConnId, bytes: usize) {
        if bytes > 0 {
            self.order(IoCommand::TcpRaw {
                conn,
                bytes: u32::try_from(bytes).expect("a handshake is short"),
            });
        }
    }

    /// A number for a group of the rate limits; the group of all connections is 0.
    pub(crate) fn new_group(&mut self) -> u32 {
        self.shared.next_group += 1;
        self.shared.next_group
    }

    /// The snapshot differs in more than numbers.
    pub(crate) fn changed(&mut self) {
        self.shared.queue_is_stale = true;
        if !matches!(self.out.back(), Some(Output::Changed)) {
            self.out.push_back(Output::Changed);
        }
    }

    fn fresh(&mut self) -> u64 {
        self.shared.next += 1;
        self.shared.next
    }
}
