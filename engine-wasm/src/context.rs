//! The context of one step: the time, randomness, new ids, and the queue of outputs.

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
use crate::discover::tracker::exchange::Exchanges;
use crate::handles::Handles;
use crate::io::Output;
use crate::limits;
use crate::metainfo::InfoHash;
use crate::net::Net;
use crate::peer::local::{Local, Opening};
use crate::peer::mse;
use crate::peer::policy::{ConnectionPolicy, DialMethod, Transport};
use crate::precedence::Precedence;
use crate::time::Instant;
use crate::writes::Writes;

/// The numbers that were assigned last.
#[derive(Debug, Default)]
struct Numbers {
    /// Of commands and connections.
    id: u64,
    /// Of rate-limit groups.
    group: u32,
}

/// The state that all torrents of an engine share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    last: Numbers,
    /// Commands without an answer yet, with their owners.
    pub(crate) ops: BTreeMap<OpId, Owner>,
    /// Whether something may have changed which torrents the queue lets run.
    pub(crate) queue_is_stale: bool,
    /// Exchanges with UDP trackers.
    pub(crate) trackers: Exchanges,
    /// The sources of peers that the user allows.
    pub(crate) sources: Sources,
    /// Our own address as others see it.
    pub(crate) external: External,
    /// All connections.
    pub(crate) conns: Calls,
    /// The allowed ways to connect to peers.
    pub(crate) policy: ConnectionPolicy,
    /// The engine's own sockets.
    pub(crate) net: Net,
    /// Requests of torrents to the DHT.
    pub(crate) dht_requests: DhtRequests,
    /// Torrents that use local discovery.
    pub(crate) lsd: Neighbourhood,
    /// Changes to the daemon's state that are not durable yet.
    pub(crate) writes: Writes,
    /// The engine's secret; empty until it is loaded.
    pub(crate) secret: Bytes,
    /// Upload limit of all torrents together, bytes per second; `None` for no limit.
    pub(crate) upload_limit_bps: Option<u64>,
    /// The open files of all torrents.
    pub(crate) handles: Handles,
    /// What torrents may request while a viewer is short of bytes.
    pub(crate) precedence: Precedence,
}

impl Shared {
    /// Creates the state with no ids and no connections.
    pub(crate) fn new(mut net: Net, sources: Sources, policy: ConnectionPolicy) -> Self {
        if sources.lsd {
            net.join_groups();
        }
        Self { net, sources, policy, ..Self::default() }
    }

    /// The key that opens one file; a leaked URL reveals that file only.
    pub(crate) fn capability(&self, id: &FileId) -> String {
        let digest = Sha256::new().chain_update(&self.secret).chain_update(id.as_str()).finalize();
        HEXLOWER.encode(&digest[..16])
    }
}

/// The owner of a command, which receives its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The engine itself.
    Engine,
    /// A torrent or magnet link.
    Torrent(InfoHash),
}

/// The context of one step of the engine.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) peer_id: [u8; 20],
    pub(crate) shared: &'a mut Shared,
    out: &'a mut VecDeque<Output>,
}

impl<'a> Context<'a> {
    /// Creates the context of one step, whose outputs go to `out`.
    pub(crate) fn new(
        rng: &'a mut ChaCha8Rng,
        peer_id: [u8; 20],
        shared: &'a mut Shared,
        out: &'a mut VecDeque<Output>,
        now: Instant,
    ) -> Self {
        Self { now, rng, peer_id, shared, out }
    }

    /// Sends a control message.
    pub(crate) fn send_control(&mut self, message: EngineMessage) {
        self.out.push_back(Output::Control(message));
    }

    /// Revokes the grants for these bytes.
    ///
    /// Adjacent ranges that are revoked one after the other become one message, so that a doubtful
    /// large file does not cost one message per piece.
    pub(crate) fn revoke(&mut self, file_id: &FileId, first: u64, last: u64) {
        if let Some(Output::Control(EngineMessage::RangeRevoke { file_id: before, end, .. })) =
            self.out.back_mut()
            && before == file_id
            && *end + 1 == first
        {
            *end = last;
            return;
        }
        self.send_control(EngineMessage::RangeRevoke {
            file_id: file_id.clone(),
            start: first,
            end: last,
        });
    }

    /// Sends a command that has no answer.
    pub(crate) fn order(&mut self, command: IoCommand) {
        self.out.push_back(Output::Io(command));
    }

    /// Sends a command that has an answer.
    pub(crate) fn ask(&mut self, owner: Owner, command: impl FnOnce(OpId) -> IoCommand) -> OpId {
        let op = self.new_op(owner);
        self.order(command(op));
        op
    }

    /// Stores a value under a key of the daemon's state, or deletes the key.
    ///
    /// The command is repeated until the daemon confirms that the change is durable.
    pub(crate) fn write(&mut self, key: String, value: Option<Bytes>) -> OpId {
        let op = self.new_op(Owner::Engine);
        let command = self.shared.writes.begin(key, value, op, self.now);
        self.order(command);
        op
    }

    /// Returns a new id for a command of this owner.
    pub(crate) fn new_op(&mut self, owner: Owner) -> OpId {
        let op = OpId(self.fresh());
        self.shared.ops.insert(op, owner);
        op
    }

    /// Asks the DHT on behalf of a torrent that is not private (BEP 27).
    ///
    /// False if no DHT node is running.
    pub(crate) fn ask_dht(&mut self, torrent: InfoHash, wish: Wish) -> bool {
        self.shared.dht_requests.ask(torrent, wish, self.now);
        self.shared.dht_requests.has_node()
    }

    /// Returns our current properties, on which every connection depends.
    pub(crate) fn local(&self) -> Local {
        Local {
            peer_id: self.peer_id,
            own: self.own_addresses(),
            port: self.shared.net.public_port(),
            has_dht_node: self.shared.dht_requests.has_node(),
            dht_port: self.shared.dht_requests.node_port(),
            policy: self.shared.policy,
            utp: self.shared.net.utp_families(),
            has_utp: self.shared.net.has_utp(),
            awaits_sockets: self.awaits_sockets(),
            pex: self.shared.sources.pex,
            pex_interval: self.shared.sources.pex_interval,
        }
    }

    /// Starts the handshake on a connection of a torrent that has just opened.
    pub(crate) fn open(&mut self, conn: ConnId, torrent: InfoHash, opening: Option<Opening>) {
        match opening {
            Some(Opening::Plain(bytes)) => self.read_raw(conn, bytes),
            Some(Opening::Encrypted(hello)) => self.start_encrypted(conn, torrent, hello),
            None => {}
        }
    }

    /// Closes a connection.
    pub(crate) fn close(&mut self, conn: ConnId) {
        self.shared.conns.remove(&conn);
        self.order(IoCommand::TcpClose { conn });
    }

    /// Our own addresses as others see them, with the public port.
    fn own_addresses(&self) -> [Option<SocketAddr>; 2] {
        let port = self.shared.net.public_port().unwrap_or_default();
        let v4 = self.shared.external.v4().map(|ip| SocketAddr::from((ip, port)));
        [v4, self.shared.external.v6().map(|ip| SocketAddr::from((ip, port)))]
    }

    /// Returns a new id for a connection of this torrent.
    pub(crate) fn new_conn(&mut self, torrent: InfoHash) -> ConnId {
        let conn = ConnId(self.fresh());
        self.shared.conns.insert(conn, torrent);
        conn
    }

    /// Whether dialling has to wait for sockets, because uTP is the only allowed transport.
    fn awaits_sockets(&self) -> bool {
        !self.shared.policy.tcp && self.shared.net.is_opening()
    }

    /// Dials a peer. The timeout is shorter if another way remains to be tried.
    pub(crate) fn dial(
        &mut self,
        torrent: InfoHash,
        addr: SocketAddr,
        method: DialMethod,
        has_other: bool,
    ) -> ConnId {
        let conn = self.new_conn(torrent);
        let timeout_ms = match (method.transport, has_other) {
            (_, true) => limits::FIRST_DIAL_TIMEOUT_MS,
            (Transport::Tcp, false) => limits::DIAL_TIMEOUT_MS,
            (Transport::Utp, false) => limits::UTP_DIAL_TIMEOUT_MS,
        };
        self.order(
            match self.shared.net.utp_towards(addr).filter(|_| method.transport == Transport::Utp) {
                Some(socket) => IoCommand::UtpConnect { conn, socket, addr, timeout_ms },
                None => IoCommand::TcpConnect { conn, addr, timeout_ms },
            },
        );
        conn
    }

    /// Starts an encrypted handshake on a new connection. The peer's plain bytes arrive once it is
    /// done.
    fn start_encrypted(&mut self, conn: ConnId, torrent: InfoHash, hello: Option<Bytes>) {
        let hello = hello.map(Vec::from).unwrap_or_default();
        let handshake =
            mse::Handshake::dial(torrent, hello, self.shared.policy.encryption, self.rng);
        let (first, bytes) = self.shared.conns.start_handshake(conn, handshake);
        self.order(IoCommand::TcpSend { conn, data: first.into() });
        self.read_raw(conn, bytes);
    }

    /// Requests this many more raw bytes of a connection.
    pub(crate) fn read_raw(&mut self, conn: ConnId, bytes: usize) {
        if bytes > 0 {
            self.order(IoCommand::TcpRaw {
                conn,
                bytes: u32::try_from(bytes).expect("a handshake is short"),
            });
        }
    }

    /// Returns a new rate-limit group; group 0 holds all connections.
    pub(crate) fn new_group(&mut self) -> u32 {
        self.shared.last.group += 1;
        self.shared.last.group
    }

    /// Reports that the snapshot differs in more than numbers.
    pub(crate) fn changed(&mut self) {
        self.shared.queue_is_stale = true;
        if !matches!(self.out.back(), Some(Output::Changed)) {
            self.out.push_back(Output::Changed);
        }
    }

    fn fresh(&mut self) -> u64 {
        self.shared.last.id += 1;
        self.shared.last.id
    }
}
