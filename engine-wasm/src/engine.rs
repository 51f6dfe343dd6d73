//! The engine: routes inputs to its torrents and owns no algorithm.

mod dht;
mod http;
mod incoming;
mod magnets;
mod sockets;
mod trackers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{DaemonMessage, EngineMessage, FileId, IoCommand, IoEvent, OpId, RequestId, RootKey};

use crate::api::{Api, ApiConfig, temporary};
use crate::arrivals::Arrivals;
use crate::context::{Context, Owner, Shared};
use crate::discover::Sources;
use crate::discover::candidates::Source;
use crate::discover::dht::DhtConfig;
use crate::geometry::FileIndex;
use crate::io::{Input, Output};
use crate::limits;
use crate::magnet::{self, Patience, Pending};
use crate::metainfo::{InfoHash, Metainfo, sanitise};
use crate::net::{Net, NetConfig};
use crate::queue::{self, QueueConfig};
use crate::time::Instant;
use crate::torrent::{self, Goals, Place, Record, Torrent};
use crate::view::{Intent, PiecesView, Snapshot, TorrentView};

/// State key of the secret that capabilities are made from.
const SECRET_KEY: &str = "secret";
/// Length of that secret, bytes.
const SECRET_LEN: usize = 32;
/// First part of the peer id (BEP 20).
const PEER_ID_PREFIX: &[u8; 8] = b"-JS0100-";

/// Whose turn it is is looked at this often when nothing happens: viewers leave silently.
const QUEUE_EVERY: Duration = Duration::from_secs(1);

/// The group of all connections in [`EngineMessage::RateLimit`].
const ALL_CONNECTIONS: u32 = 0;

/// What the engine is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// When to give up on a magnet link that nobody describes; `None` for never.
    pub magnet_patience: Option<Patience>,
    /// The plain HTTP API.
    pub api: ApiConfig,
    /// Connections of one torrent.
    pub max_connections: usize,
    /// Where peers may come from.
    pub sources: Sources,
    /// Bytes a second from all peers of all torrents together; `None` for no limit.
    pub download_limit_bps: Option<u64>,
    /// Bytes a second to all of them; `None` for no limit.
    pub upload_limit_bps: Option<u64>,
    /// The engine's own sockets.
    pub net: NetConfig,
    /// The DHT, which needs the datagrams of [`Config::net`]; `None` for none.
    pub dht: Option<DhtConfig>,
    /// When a torrent has given enough.
    pub goals: Goals,
    /// How many torrents are at work at once.
    pub queue: QueueConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            magnet_patience: None,
            api: ApiConfig::default(),
            max_connections: limits::CONNECTIONS_PER_TORRENT,
            sources: Sources::default(),
            download_limit_bps: None,
            upload_limit_bps: None,
            net: NetConfig::default(),
            dht: None,
            goals: Goals::default(),
            queue: QueueConfig::default(),
        }
    }
}

/// What is still to be read from the daemon's state before the engine can work.
#[derive(Debug, Default)]
struct Loading {
    secret: Option<OpId>,
    scan: Option<OpId>,
    magnet_scan: Option<OpId>,
    temporary_scan: Option<OpId>,
    magnets: BTreeMap<OpId, InfoHash>,
    metainfos: BTreeMap<OpId, InfoHash>,
    records: BTreeMap<OpId, (InfoHash, Bytes)>,
    deferred: VecDeque<(u64, Intent)>,
}

impl Loading {
    fn is_done(&self) -> bool {
        let asked = [self.secret, self.scan, self.magnet_scan, self.temporary_scan];
        asked == [None; 4] && self.metainfos.is_empty() && self.records.is_empty() && self.magnets.is_empty()
    }
}

/// A complete BitTorrent engine without I/O.
///
/// Give it one [`Input`] and the time ([`Engine::handle_input`]), then drain its outputs ([`Engine::poll_output`]) until there are none, then ask when it
/// wants to be woken ([`Engine::poll_timeout`]) and hand it [`Input::Timeout`] at that moment. It reads no clock, no random source and no
/// socket: the same seed and the same inputs at the same times give the same outputs.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: ChaCha8Rng,
    peer_id: [u8; 20],
    shared: Shared,
    arrivals: Arrivals,
    out: VecDeque<Output>,
    root: Option<RootKey>,
    loading: Loading,
    loaded: bool,
    torrents: BTreeMap<InfoHash, Torrent>,
    magnets: BTreeMap<InfoHash, Pending>,
    /// Fetches of `.torrent` files, with the intents that want them.
    fetches: BTreeMap<OpId, u64>,
    files: BTreeMap<FileId, (InfoHash, FileIndex)>,
    requests: BTreeMap<RequestId, InfoHash>,
    unsettled: BTreeSet<InfoHash>,
    api: Api,
    node: Option<Box<dht::Node>>,
    added: u64,
    queued: Instant,
    now: Instant,
}

impl Engine {
    /// An engine with no daemon. All its chance comes from `seed`.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mut peer_id = [0; 20];
        peer_id[..PEER_ID_PREFIX.len()].copy_from_slice(PEER_ID_PREFIX);
        rng.fill_bytes(&mut peer_id[PEER_ID_PREFIX.len()..]);
        Self {
            shared: Shared::new(Net::new(config.net), config.sources),
            config,
            rng,
            peer_id,
            arrivals: Arrivals::default(),
            out: VecDeque::new(),
            root: None,
            loading: Loading::default(),
            loaded: false,
            torrents: BTreeMap::new(),
            magnets: BTreeMap::new(),
            fetches: BTreeMap::new(),
            files: BTreeMap::new(),
            requests: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            api: Api::default(),
            node: None,
            added: 0,
            queued: now,
            now,
        }
    }

    /// Something happened. Times never go back.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Linked { roots, .. } => self.link(roots.into_iter().next().map(|root| root.key), now),
            Input::Unlinked => self.unlink(now),
            Input::Control(message) => self.handle_control(message, now),
            Input::Io(event) => self.handle_io(event, now),
            Input::Intent { id, intent } => self.handle_intent(id, intent, now),
            Input::Timeout => self.tend_api(now),
        }
        self.tend_arrivals(now);
        self.tend_queue(now);
        self.wake_torrents(now);
        self.tend_dht(now);
        self.tend_trackers(now);
        self.tend_adding(now);
        self.now = now;
    }

    /// What is to be done next; `None` when nothing is. Inputs that came together may all be handed in before the first call: what
    /// they make possible is then worked out once.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.out.is_empty() {
            self.settle();
        }
        self.out.pop_front()
    }

    /// When to come back with [`Input::Timeout`], if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let torrents = self.torrents.values().filter_map(Torrent::next_wakeup);
        let magnets = self.magnets.values().filter_map(Pending::next_wakeup);
        let others =
            [self.api_timeout(), self.arrivals.next_wakeup(), self.dht_timeout(), self.shared.trackers.poll_timeout()];
        torrents.chain(magnets).chain(others.into_iter().flatten()).min()
    }

    /// Everything, for a page.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let url = |id: &FileId| self.stream_url(id);
        let mut torrents: Vec<&Torrent> = self.torrents.values().collect();
        torrents.sort_by_key(|torrent| std::cmp::Reverse(torrent.added()));
        let mut views: Vec<(u64, TorrentView)> =
            torrents.iter().map(|torrent| (torrent.added(), torrent.view(now, &url))).collect();
        views.extend(self.magnets.values().map(|pending| (pending.added(), pending.view(now))));
        views.sort_by_key(|(added, _)| std::cmp::Reverse(*added));
        Snapshot {
            streams: torrents.iter().flat_map(|torrent| torrent.streams(now)).collect(),
            torrents: views.into_iter().map(|(_, view)| view).collect(),
            listen_port: self.shared.net.listen_port(),
        }
    }

    /// The pieces of one file, in at most `cells` cells. `None` when there is no such file, or it is empty.
    pub fn pieces(&self, info_hash: &str, file: u32, cells: u32) -> Option<PiecesView> {
        self.torrents.get(&info_hash.parse().ok()?)?.pieces_view(FileIndex(file), cells)
    }

    fn link(&mut self, root: Option<RootKey>, now: Instant) {
        self.root = root;
        self.api.temporary.touch_all(now);
        self.say_limits();
        self.shared.net.link();
        self.open_sockets(now);
        self.link_dht(now);
        if self.loaded {
            return self.link_torrents(now);
        }
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        self.loading.secret = Some(cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key: SECRET_KEY.to_owned() }));
        let prefix = torrent::METAINFO_PREFIX.to_owned();
        self.loading.scan = Some(cx.ask(Owner::Engine, |op| IoCommand::KvScan { op, prefix }));
        let prefix = magnet::PREFIX.to_owned();
        self.loading.magnet_scan = Some(cx.ask(Owner::Engine, |op| IoCommand::KvScan { op, prefix }));
        let prefix = temporary::PREFIX.to_owned();
        self.loading.temporary_scan = Some(cx.ask(Owner::Engine, |op| IoCommand::KvScan { op, prefix }));
    }

    /// The daemon forgets limits with the engine that set them.
    fn say_limits(&mut self) {
        let (down_bps, up_bps) = (self.config.download_limit_bps, self.config.upload_limit_bps);
        self.shared.upload_limit_bps = up_bps;
        if down_bps.is_some() || up_bps.is_some() {
            self.out.push_back(Output::Control(EngineMessage::RateLimit { group: ALL_CONNECTIONS, down_bps, up_bps }));
        }
    }

    fn link_torrents(&mut self, now: Instant) {
        for (&info_hash, torrent) in &mut self.torrents {
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            torrent.link(&mut cx);
            self.unsettled.insert(info_hash);
        }
        self.link_magnets(now);
        self.out.push_back(Output::Changed);
    }

    fn unlink(&mut self, now: Instant) {
        self.root = None;
        self.shared.ops.clear();
        self.shared.conns.clear();
        self.shared.net.unlink();
        self.arrivals.clear();
        self.unlink_dht();
        self.shared.trackers.unlink();
        self.requests.clear();
        self.api.unlink();
        let deferred = std::mem::take(&mut self.loading.deferred);
        self.loading = Loading { deferred, ..Loading::default() };
        self.torrents.values_mut().for_each(|torrent| torrent.unlink(now));
        self.magnets.values_mut().for_each(|pending| pending.unlink(now));
        self.out.clear();
        self.lose_fetches();
        self.out.push_back(Output::Changed);
    }

    fn handle_control(&mut self, message: DaemonMessage, now: Instant) {
        match message {
            DaemonMessage::RangeRequest { request_id, file_id, start, end } => {
                let Some(&(info_hash, file)) = self.files.get(&file_id) else {
                    let reason = Some("unknown file".to_owned());
                    let reject =
                        EngineMessage::RangeReject { request_id, status: Some(404), reason, retry_after: None };
                    return self.out.push_back(Output::Control(reject));
                };
                self.requests.insert(request_id, info_hash);
                self.with(info_hash, now, |torrent, cx| torrent.range_request(request_id, file, (start, end), cx));
            }
            DaemonMessage::RangeProgress { request_id, position } => {
                if let Some(&info_hash) = self.requests.get(&request_id) {
                    self.with(info_hash, now, |torrent, cx| torrent.range_progress(request_id, position, cx));
                }
            }
            DaemonMessage::RangeCancel { request_id } => {
                if let Some(info_hash) = self.requests.remove(&request_id) {
                    self.with(info_hash, now, |torrent, cx| torrent.range_cancel(request_id, cx));
                } else {
                    self.cancel_call(request_id);
                }
            }
            question @ (DaemonMessage::HttpCall { .. } | DaemonMessage::FileResolve { .. }) => {
                self.handle_question(question, now);
            }
            DaemonMessage::Welcome { .. } => {}
        }
    }

    fn handle_io(&mut self, event: IoEvent, now: Instant) {
        let event = match event {
            IoEvent::TcpAccepted { socket, conn, addr } => return self.accepted(socket, conn, addr, now),
            IoEvent::UdpReceived { socket, from, data } => return self.datagram(socket, from, &data, now),
            IoEvent::TcpData { conn, data } if self.arrival_data(conn, &data, now) => return,
            IoEvent::TcpClosed { conn, .. } if self.arrivals.closed(conn) => return,
            event => event,
        };
        let conn = match &event {
            IoEvent::Credit { .. } => return,
            IoEvent::Done { .. } => None,
            IoEvent::TcpConnected { conn }
            | IoEvent::TcpClosed { conn, .. }
            | IoEvent::TcpData { conn, .. }
            | IoEvent::TcpFrame { conn, .. }
            | IoEvent::Stored { conn, .. }
            | IoEvent::NotStored { conn, .. } => Some(*conn),
            IoEvent::TcpAccepted { .. } | IoEvent::UdpReceived { .. } => None,
        };
        if let IoEvent::Done { op, result } = event {
            return self.answered(op, result, now);
        }
        let Some(&info_hash) = conn.and_then(|conn| self.shared.conns.get(&conn)) else { return };
        if self.magnets.contains_key(&info_hash) {
            return self.with_magnet(info_hash, now, |pending, cx| match event {
                IoEvent::TcpConnected { conn } => pending.connected(conn, cx),
                IoEvent::TcpClosed { conn, reason } => pending.closed(conn, reason, cx),
                IoEvent::TcpData { conn, data } => pending.data(conn, &data, cx),
                IoEvent::TcpFrame { conn, data } => pending.frame(conn, &data, cx),
                // No block was asked for.
                IoEvent::Stored { .. } | IoEvent::NotStored { .. } => {}
                IoEvent::Credit { .. }
                | IoEvent::Done { .. }
                | IoEvent::TcpAccepted { .. }
                | IoEvent::UdpReceived { .. } => {}
            });
        }
        self.with(info_hash, now, |torrent, cx| match event {
            IoEvent::TcpConnected { conn } => torrent.connected(conn, cx),
            IoEvent::TcpClosed { conn, reason } => torrent.closed(conn, reason, cx),
            IoEvent::TcpData { conn, data } => torrent.data(conn, &data, cx),
            IoEvent::TcpFrame { conn, data } => torrent.frame(conn, &data, cx),
            IoEvent::Stored { conn, key } => torrent.stored(conn, key, cx),
            IoEvent::NotStored { conn, key, length, reason } => torrent.not_stored(conn, key, length, reason, cx),
            IoEvent::Credit { .. }
            | IoEvent::Done { .. }
            | IoEvent::TcpAccepted { .. }
            | IoEvent::UdpReceived { .. } => {}
        });
    }

    fn answered(&mut self, op: OpId, result: Result<OpOutput, OpError>, now: Instant) {
        match self.shared.ops.remove(&op) {
            Some(Owner::Torrent(info_hash)) if self.magnets.contains_key(&info_hash) => {
                self.with_magnet(info_hash, now, |pending, cx| pending.handle_done(op, result, cx));
            }
            Some(Owner::Torrent(info_hash)) => {
                self.with(info_hash, now, |torrent, cx| torrent.handle_done(op, result, cx));
            }
            Some(Owner::Engine) => self.handle_done(op, result, now),
            None => {}
        }
    }

    fn handle_done(&mut self, op: OpId, result: Result<OpOutput, OpError>, now: Instant) {
        if self.shared.net.answered(op, &result) {
            return self.open_sockets(now);
        }
        if self.dht_answered(op, &result, now) {
            return;
        }
        if self.fetched(op, &result, now) || self.loaded {
            return;
        }
        if self.loading.secret == Some(op) {
            self.loading.secret = None;
            self.got_secret(result, now);
        } else if self.loading.scan == Some(op) {
            self.loading.scan = None;
            self.loading.metainfos = self.read_all(result, torrent::METAINFO_PREFIX, now);
        } else if self.loading.magnet_scan == Some(op) {
            self.loading.magnet_scan = None;
            self.loading.magnets = self.read_all(result, magnet::PREFIX, now);
        } else if self.loading.temporary_scan == Some(op) {
            self.loading.temporary_scan = None;
            if let Ok(OpOutput::Keys(keys)) = result {
                self.restore_temporary(keys, now);
            }
        } else if let Some(info_hash) = self.loading.magnets.remove(&op) {
            self.restore_magnet(info_hash, result, now);
        } else if let Some(info_hash) = self.loading.metainfos.remove(&op) {
            if let Ok(OpOutput::Value(Some(source))) = result {
                let [_, key] = torrent::keys(info_hash);
                let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
                let op = cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key });
                self.loading.records.insert(op, (info_hash, source));
            }
        } else if let Some((info_hash, source)) = self.loading.records.remove(&op) {
            self.restore(info_hash, source, result, now);
        }
        if self.loading.is_done() {
            self.loaded = true;
            self.link_torrents(now);
            for (id, intent) in std::mem::take(&mut self.loading.deferred) {
                self.handle_intent(id, intent, now);
            }
            self.begin_api(now);
        }
    }

    fn got_secret(&mut self, result: Result<OpOutput, OpError>, now: Instant) {
        if let Ok(OpOutput::Value(Some(secret))) = result
            && secret.len() == SECRET_LEN
        {
            self.shared.secret = secret;
            return;
        }
        let mut secret = [0; SECRET_LEN];
        self.rng.fill_bytes(&mut secret);
        let value = Bytes::copy_from_slice(&secret);
        self.shared.secret = value.clone();
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        cx.ask(Owner::Engine, |op| IoCommand::KvPut { op, key: SECRET_KEY.to_owned(), value });
    }

    /// Asks for the values of all keys that are a prefix and an info hash.
    fn read_all(&mut self, keys: Result<OpOutput, OpError>, prefix: &str, now: Instant) -> BTreeMap<OpId, InfoHash> {
        let Ok(OpOutput::Keys(keys)) = keys else { return BTreeMap::new() };
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        let named = keys.into_iter().take(limits::TORRENTS).filter_map(|key| {
            let info_hash = key.strip_prefix(prefix)?.parse::<InfoHash>().ok()?;
            Some((cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key }), info_hash))
        });
        named.collect()
    }

    /// A torrent that an earlier engine wrote down. One that can't be read is left where it is and not touched.
    fn restore(&mut self, info_hash: InfoHash, source: Bytes, record: Result<OpOutput, OpError>, now: Instant) {
        let meta = match Metainfo::parse(&source) {
            Ok(mut meta) if meta.identity().answers_to(info_hash) => {
                meta.know_as(info_hash);
                meta
            }
            _ => return tracing::warn!(%info_hash, "a torrent in the state store can't be read"),
        };
        let record = match record {
            Ok(OpOutput::Value(Some(bytes))) => Record::decode(&bytes, meta.geometry().piece_count()),
            _ => None,
        };
        let place = match &record {
            Some(record) => Place { root: RootKey(record.root.clone()), name: record.place.clone() },
            None => match self.root.clone() {
                Some(root) => self.free_place(&meta, root),
                None => return,
            },
        };
        let added = record.as_ref().map_or(self.added, |record| record.added);
        self.added = self.added.max(added + 1);
        if let Err(error) = self.insert(meta, source, place, added, record, now) {
            tracing::warn!(%info_hash, %error, "a torrent in the state store can't be used");
        }
    }

    fn handle_intent(&mut self, id: u64, intent: Intent, now: Instant) {
        if !self.loaded {
            self.loading.deferred.push_back((id, intent));
            return;
        }
        if let Some(outcome) = self.carry_out(id, intent, now).transpose() {
            self.reply(id, outcome);
        }
    }

    /// Which torrent it was about; `None` when the answer comes later.
    fn carry_out(&mut self, id: u64, intent: Intent, now: Instant) -> Result<Option<InfoHash>, String> {
        let info_hash = match intent {
            Intent::AddTorrent { metainfo } => {
                let info_hash = self.add(metainfo, now)?;
                self.keep(info_hash, now);
                info_hash
            }
            Intent::AddMagnet { uri } => {
                let info_hash = self.add_magnet(&uri, now)?;
                self.keep(info_hash, now);
                info_hash
            }
            Intent::AddUrl { url } => {
                self.fetch(id, url, now)?;
                return Ok(None);
            }
            Intent::AddPeers { info_hash, peers } => {
                let info_hash = self.known(&info_hash)?;
                let peers: Vec<SocketAddr> = peers
                    .iter()
                    .map(|peer| {
                        peer.trim().parse().map_err(|_| format!("“{peer}” is not an address like 192.0.2.1:6881"))
                    })
                    .collect::<Result<_, _>>()?;
                self.with(info_hash, now, |torrent, cx| torrent.add_peers(peers.iter().copied(), Source::Hand, cx));
                self.with_magnet(info_hash, now, |it, cx| it.add_peers(peers.into_iter(), Source::Hand, cx));
                info_hash
            }
            Intent::SetSharing { info_hash, sharing } => {
                let info_hash = self.known(&info_hash)?;
                if self.magnets.contains_key(&info_hash) {
                    return Err("It is not known yet what is in this torrent.".to_owned());
                }
                self.with(info_hash, now, |torrent, cx| torrent.set_sharing(sharing, cx));
                info_hash
            }
            Intent::Pause { info_hash } => {
                let info_hash = self.known(&info_hash)?;
                self.with(info_hash, now, Torrent::pause);
                self.with_magnet(info_hash, now, Pending::pause);
                info_hash
            }
            Intent::Resume { info_hash } => {
                let info_hash = self.known(&info_hash)?;
                let linked = self.root.is_some();
                self.with(info_hash, now, |torrent, cx| torrent.resume(linked, cx));
                self.with_magnet(info_hash, now, Pending::resume);
                info_hash
            }
            Intent::Remove { info_hash, delete_data } => {
                let info_hash = self.known(&info_hash)?;
                self.with(info_hash, now, |torrent, cx| torrent.remove(delete_data, cx));
                self.torrents.remove(&info_hash);
                self.with_magnet(info_hash, now, Pending::remove);
                self.magnets.remove(&info_hash);
                self.shared.release(info_hash);
                self.files.retain(|_, (owner, _)| *owner != info_hash);
                self.requests.retain(|_, owner| *owner != info_hash);
                self.keep(info_hash, now);
                info_hash
            }
        };
        Ok(Some(info_hash))
    }

    fn known(&self, info_hash: &str) -> Result<InfoHash, String> {
        info_hash
            .parse::<InfoHash>()
            .ok()
            .filter(|info_hash| self.torrents.contains_key(info_hash) || self.magnets.contains_key(info_hash))
            .ok_or_else(|| "There is no such torrent.".to_owned())
    }

    fn add(&mut self, metainfo: Bytes, now: Instant) -> Result<InfoHash, String> {
        if metainfo.len() > limits::METAINFO {
            return Err(format!("The file is larger than {} MiB: not a torrent.", limits::METAINFO >> 20));
        }
        let mut meta =
            Metainfo::parse(&metainfo).map_err(|error| format!("This is not a usable torrent file: {error}."))?;
        let info_hash = self.known_name(meta.identity());
        meta.know_as(info_hash);
        if self.torrents.contains_key(&info_hash) {
            return Ok(info_hash);
        }
        let added = match self.magnets.get(&info_hash) {
            Some(pending) => pending.added(),
            None => {
                self.check_room()?;
                self.added += 1;
                self.added - 1
            }
        };
        self.add_new(meta, metainfo, added, now).map_err(|error| format!("This torrent can't be used: {error}."))?;
        Ok(info_hash)
    }

    /// Begins with a torrent; a magnet link for it gives way.
    fn add_new(&mut self, meta: Metainfo, source: Bytes, added: u64, now: Instant) -> Result<(), String> {
        let info_hash = meta.info_hash;
        let root = self.root.clone().ok_or("the daemon is not there")?;
        let place = self.free_place(&meta, root);
        self.insert(meta, source, place, added, None, now)?;
        let pending = self.magnets.remove(&info_hash);
        self.with(info_hash, now, |torrent, cx| {
            if let Some(pending) = pending {
                let (candidates, trackers) = pending.hand_over(cx);
                torrent.take_over(candidates, trackers, cx);
                torrent.save(cx);
                magnet::forget(info_hash, cx);
            } else {
                torrent.save(cx);
            }
            torrent.link(cx);
        });
        Ok(())
    }

    /// A name that no other torrent has in that folder: its own, or that with a number.
    fn free_place(&self, meta: &Metainfo, root: RootKey) -> Place {
        let top = meta.files.first().and_then(|file| file.path.first()).map_or("", String::as_str);
        let taken = |name: &str| self.shared.is_taken(&root, name, meta.info_hash);
        if !taken(top) {
            return Place { root, name: None };
        }
        let is_file = meta.files.iter().all(|file| file.path.len() == 1);
        let name = (2u32..).map(|number| sanitise::numbered(top, number, is_file)).find(|name| !taken(name));
        Place { root, name }
    }

    fn insert(
        &mut self,
        meta: Metainfo,
        source: Bytes,
        place: Place,
        added: u64,
        record: Option<Record>,
        now: Instant,
    ) -> Result<(), String> {
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        let mut torrent = Torrent::new(meta, source, place, added, record, &mut cx)?;
        torrent.set_max_connections(self.config.max_connections);
        torrent.set_goals(self.config.goals);
        let info_hash = torrent.info_hash();
        self.files.extend(torrent.file_ids().map(|(file, id)| (id.clone(), (info_hash, file))));
        let (root, name) = torrent.lies_at();
        let (root, name) = (root.clone(), name.to_owned());
        self.shared.claim(&root, &name, info_hash);
        self.torrents.insert(info_hash, torrent);
        Ok(())
    }

    fn with(&mut self, info_hash: InfoHash, now: Instant, act: impl FnOnce(&mut Torrent, &mut Context<'_>)) {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return };
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        act(torrent, &mut cx);
        self.unsettled.insert(info_hash);
    }

    fn wake_torrents(&mut self, now: Instant) {
        let due: Vec<InfoHash> = self
            .torrents
            .iter()
            .filter(|(_, torrent)| torrent.next_wakeup().is_some_and(|at| at <= now))
            .map(|(&info_hash, _)| info_hash)
            .collect();
        for info_hash in due {
            self.with(info_hash, now, Torrent::handle_timeout);
        }
        let due = self.magnets.values().filter(|pending| pending.next_wakeup().is_some_and(|at| at <= now));
        let due: Vec<InfoHash> = due.map(Pending::info_hash).collect();
        for info_hash in due {
            self.with_magnet(info_hash, now, Pending::handle_timeout);
        }
    }

    /// Whose turn it is, when not all torrents may be at work at once.
    fn tend_queue(&mut self, now: Instant) {
        let is_time = self.shared.queue_is_stale || now.saturating_since(self.queued) >= QUEUE_EVERY;
        if !self.config.queue.is_limited() || self.root.is_none() || !is_time {
            return;
        }
        (self.shared.queue_is_stale, self.queued) = (false, now);
        let entries: Vec<queue::Entry> = self.torrents.values().filter_map(Torrent::queue_entry).collect();
        let turns = queue::turns(self.config.queue, entries.clone());
        for queue::Entry { torrent, .. } in entries {
            let turn = turns.contains(&torrent);
            if self.torrents.get(&torrent).is_some_and(|it| it.is_at_work() != turn) {
                self.with(torrent, now, |it, cx| it.take_turn(turn, cx));
            }
        }
    }

    fn settle(&mut self) {
        let now = self.now;
        for info_hash in std::mem::take(&mut self.unsettled) {
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            if let Some(torrent) = self.torrents.get_mut(&info_hash) {
                torrent.settle(&mut cx);
            } else if let Some(pending) = self.magnets.get_mut(&info_hash) {
                pending.settle(&mut cx);
            }
        }
    }

    fn stream_url(&self, id: &FileId) -> String {
        format!("/stream/{id}?key={}", self.shared.capability(id))
    }
}

fn context<'a>(
    rng: &'a mut ChaCha8Rng,
    peer_id: [u8; 20],
    shared: &'a mut Shared,
    out: &'a mut VecDeque<Output>,
    now: Instant,
) -> Context<'a> {
    Context { now, rng, peer_id, shared, out }
}
