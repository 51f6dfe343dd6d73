//! All limits of the engine, each with its reason.

use std::time::Duration;

/// Most waiting requests of viewers in one torrent. A thousand is normal for a server; a hundred
/// times as many is an attack.
pub(crate) const REQUESTS_PER_TORRENT: usize = 4_096;
/// Most viewers of one torrent that are kept after their connection closed. A client that reads at
/// random leaves one behind at each position, and every request searches all of them.
pub(crate) const IDLE_VIEWERS: usize = 32;
/// Most pieces that viewers' windows may name at once: 32 MiB in pieces of 16 KiB.
pub(crate) const WANTS: usize = 2_048;
/// Read-ahead of a new viewer, bytes; also at most 16 pieces.
pub(crate) const WINDOW_MIN: u64 = 4 << 20;
/// Read-ahead of a viewer that has read sequentially for long, bytes: 8 s of a 30 Mbit/s film.
pub(crate) const WINDOW_MAX: u64 = 32 << 20;

/// Most torrents at once. Each uses memory for its pieces even while idle.
pub const TORRENTS: usize = 1_000;
/// Most open files of all torrents, if the daemon allows as many.
pub(crate) const OPEN_FILES: usize = 2_000;
/// Most files of one torrent whose metadata is read at once. Enough to keep the disk busy; prevents
/// a torrent with a hundred thousand files from filling the daemon's queue.
pub(crate) const LOOKS: u32 = 256;
/// Most nested folders that a torrent may be moved into. Every system limits the length of paths.
pub(crate) const FOLDERS: usize = 32;
/// Most empty files that one torrent creates at once.
pub(crate) const CREATED_AT_ONCE: usize = 64;
/// Most connections of one torrent, including those being opened.
pub(crate) const CONNECTIONS_PER_TORRENT: usize = 30;
/// Largest connection limit that the user may set. Each connection uses a socket of the daemon, and
/// more of them do not increase the download rate.
pub(crate) const MOST_CONNECTIONS_PER_TORRENT: u32 = 500;
/// Smallest rate limit that the user may set, bytes per second. The limit holds for all connections
/// together. At lower rates every peer would time out before a block arrives.
pub(crate) const LEAST_RATE_LIMIT: u64 = 1_000;
/// Most connections of one torrent being opened: half-open ones fill tables in home routers.
pub(crate) const DIALS_PER_TORRENT: usize = 10;
/// Most incoming connections that have not named a torrent yet. Each has ten seconds to do so.
pub(crate) const ARRIVALS: usize = 100;
/// Most of them from one machine. A household behind one address has fewer at a time.
pub(crate) const ARRIVALS_PER_MACHINE: usize = 10;
/// Most encrypted handshakes of incoming connections that begin in a period. Each costs two powers
/// of 768-bit numbers, some milliseconds as WebAssembly; 40 a second serve every real swarm.
pub(crate) const EXCHANGES: (u32, Duration) = (4, Duration::from_millis(100));
/// Dial timeout, milliseconds.
pub(crate) const DIAL_TIMEOUT_MS: u32 = 10_000;
/// Dial timeout over the first of two transports, milliseconds: enough for two lost TCP packets.
pub(crate) const FIRST_DIAL_TIMEOUT_MS: u32 = 4_000;
/// Dial timeout over uTP, milliseconds. With it, both transports together take as long as one
/// alone.
pub(crate) const UTP_DIAL_TIMEOUT_MS: u32 = 6_000;

/// Token bucket for the rendezvous requests (BEP 55) of one peer: burst and interval.
///
/// The burst is one PEX message's peers. Each request makes us send two short messages.
pub const RENDEZVOUS: (u32, Duration) = (30, Duration::from_secs(2));
/// Rendezvous requests beyond the token bucket that are ignored before the peer is disconnected.
pub(crate) const RENDEZVOUS_EXCESS: u32 = 300;
/// Token bucket for introductions to one peer (BEP 55), counted over all requesting peers.
///
/// Each introduction makes the peer dial, and all requests may come from one attacker.
pub(crate) const INTRODUCTIONS: (u32, Duration) = (20, Duration::from_secs(5));
/// Token bucket for unsolicited dials on behalf of one peer (BEP 55): burst and interval.
///
/// Each dial sends a few 20-byte datagrams to an address that the peer chooses, which is less than
/// the peer can cause with PEX messages.
pub(crate) const UNSOLICITED_DIALS: (u32, Duration) = (10, Duration::from_secs(10));
/// Most unsolicited dials of one torrent at once, in addition to [`DIALS_PER_TORRENT`]. Hole
/// punching depends on timing, so these dials do not queue.
pub(crate) const PUNCHES_PER_TORRENT: usize = 5;

/// Most peers of a torrent that a page shows. More than fit on a screen, and few enough to be sent
/// twice a second.
pub(crate) const PEERS_SHOWN: usize = 100;

/// Most peers of a torrent that are stored for the next session: enough until a tracker answers.
pub(crate) const KEPT_PEERS: usize = 50;

/// Most outstanding requests to a peer whose rate is unknown.
pub(crate) const FIRST_REQUESTS: u32 = 4;
/// Most outstanding requests to a peer that sends no `reqq` (libtorrent assumes the same).
pub(crate) const DEFAULT_REQQ: u32 = 250;
/// Most outstanding requests to any peer: 8 MiB, which is 70 ms at 1 Gbit/s.
pub(crate) const MAX_REQQ: u32 = 512;
/// Most unanswered requests that a peer may have with us. We announce the number as `reqq`.
pub(crate) const REQUESTS_PER_PEER: usize = 512;
/// How often a peer may request the info dictionary on one connection. The second and third time
/// allow for lost blocks.
pub(crate) const METADATA_COPIES: u32 = 3;
/// Most info dictionary blocks sent to one peer per second: 1 MiB, which leaves room for other
/// messages.
pub(crate) const METADATA_PER_SECOND: usize = 64;
/// Most blocks that one peer may still send, including cancelled requests.
pub(crate) const ARMED_PER_PEER: usize = 2 * MAX_REQQ as usize;

/// Most begun pieces that no viewer needs, in addition to one per peer: begun pieces are finished
/// first.
pub(crate) const SPARE_BEGUN_PIECES: usize = 8;
/// Most idle pieces searched for one that a peer has.
pub(crate) const RAREST_SCAN: usize = 2_048;
/// Most bytes hashed at once while existing files are checked. Enough to keep the disk busy; leaves
/// room for hashing downloaded pieces.
pub(crate) const CHECK_AHEAD: u64 = 64 << 20;
/// Most pieces checked at once.
pub(crate) const CHECKS: usize = 32;
/// Most pieces whose failed blocks are remembered until the piece passes. The blocks reveal the
/// guilty peers.
pub(crate) const SUSPECT_PIECES: usize = 64;
/// Share of the received bytes that may be requested twice on purpose, percent.
pub(crate) const DUPLICATE_PERCENT: u64 = 5;
/// Bytes that may be requested twice regardless of that share.
pub(crate) const DUPLICATE_FLOOR: u64 = 512 << 10;

/// Most pieces whose block digests are in memory, to verify blocks separately: for 64 MiB pieces
/// they take 8 MiB.
pub(crate) const LEAF_PIECES: usize = 64;
/// Most outstanding hash requests to one peer: 64 KiB of answers.
pub(crate) const HASH_REQUESTS: usize = 4;
/// Most hash refusals that are remembered. Beyond it, a peer that rejects everything is
/// occasionally asked again.
pub(crate) const HASH_REFUSALS: usize = 4_096;
/// Most hash requests of peers for which digests are computed at once. Each reads a piece.
pub(crate) const HASH_ANSWERS: usize = 8;

/// Longest tracker response, bytes: thousands of peers.
pub(crate) const TRACKER_ANSWER: u32 = 512 << 10;
/// Longest `.torrent` file, bytes: the hashes of a hybrid with `crate::geometry::MAX_PIECES`
/// pieces alone take 52 MiB.
pub const METAINFO: usize = 55 << 20;
/// Longest info dictionary accepted from peers, bytes. With its trackers and piece layers it must
/// fit into [`METAINFO`].
pub(crate) const METADATA: u32 = 22 << 20;
/// Most sizes of one info dictionary that are downloaded at once, if peers disagree. Each may use
/// [`METADATA`] bytes of memory.
pub(crate) const METADATA_SIZES: usize = 3;
/// Most outstanding requests for info dictionary blocks to one peer: clients limit their rate.
pub(crate) const METADATA_REQUESTS: usize = 4;
/// Most `.torrent` files downloaded from URLs at once; each may be [`METAINFO`] bytes long.
pub(crate) const FETCHES: usize = 8;

/// Longest path or query of an API call, bytes: a magnet link with a hundred trackers is shorter.
pub(crate) const API_URI: usize = 64 << 10;
/// Longest JSON body with a magnet link, bytes: the link may be [`API_URI`] bytes long, and JSON
/// escapes a character with at most six.
pub(crate) const API_LINK: usize = 512 << 10;
/// Longest API response, bytes. It is sent in a control message, whose JSON encoding at most
/// doubles it.
pub(crate) const API_REPLY: usize = 16 << 20;
/// Most API calls that wait for the metadata of magnet links at once.
pub(crate) const API_WAITING: usize = 100;
/// Most subscribers to the API's events at once; each receives two events per second.
pub(crate) const API_FOLLOWERS: usize = 64;
