//! Every bound of the engine, each with its reason.

use std::time::Duration;

/// Requests of viewers in one torrent: a thousand waiting is ordinary for a server, a hundred times
/// that is an attack.
pub const REQUESTS_PER_TORRENT: usize = 4_096;
/// Viewers of one torrent that are expected back: one that reads here and there leaves one behind
/// at each place, and all of them are looked at whenever somebody asks.
pub const IDLE_VIEWERS: usize = 32;
/// Pieces that viewers' windows name at once: 32 MiB in pieces of 16 KiB.
pub const WANTS: usize = 2_048;
/// Read-ahead of a viewer that just began, bytes; also at most 16 pieces.
pub const WINDOW_MIN: u64 = 4 << 20;
/// Read-ahead of a viewer that has long read in one go, bytes: what a film of 30 Mbit/s plays in 8
/// s.
pub const WINDOW_MAX: u64 = 32 << 20;

/// Torrents at once. Each costs memory for its pieces also while it is idle.
pub const TORRENTS: usize = 1_000;
/// Files of all torrents that are held open at once, if the daemon allows so many: the least
/// recently used gives way.
pub const OPEN_FILES: usize = 2_000;
/// Files of one torrent being looked at at once: keeps the disk busy, and a hundred thousand of
/// them from filling the daemon's queue.
pub const LOOKS: u32 = 256;
/// Folders below each other that a torrent may be moved into: paths have a longest length
/// everywhere.
pub const FOLDERS: usize = 32;
/// Files without bytes being made at once in one torrent.
pub const CREATED_AT_ONCE: usize = 64;
/// Connections of one torrent, also while they are being made.
pub const CONNECTIONS_PER_TORRENT: usize = 30;
/// Most connections that a person may allow a torrent: each costs the daemon a socket, and beyond
/// so many none gives faster.
pub const MOST_CONNECTIONS_PER_TORRENT: u32 = 500;
/// Lowest rate that all connections together may be limited to, bytes a second: at a lower one no
/// block would come before its peer is given up.
pub const LEAST_RATE_LIMIT: u64 = 1_000;
/// Connections of one torrent that are being made: half-open ones fill tables in home routers.
pub const DIALS_PER_TORRENT: usize = 10;
/// Connections that others opened and that have not yet said which torrent they want: each is given
/// ten seconds.
pub const ARRIVALS: usize = 100;
/// Dialling gives up after this, milliseconds.
pub const DIAL_TIMEOUT_MS: u32 = 10_000;
/// Dialling over one transport gives up after this when there is another one, milliseconds: time
/// for two lost packets of TCP's.
pub const FIRST_DIAL_TIMEOUT_MS: u32 = 4_000;
/// Dialling over uTP gives up after this, milliseconds: both transports together take no longer
/// than one.
pub const UTP_DIAL_TIMEOUT_MS: u32 = 6_000;

/// Rendezvous (BEP 55) that one peer may ask of us, so many at once and then one in a while: as
/// many as we name peers to it in one go. Each has us send a short message to another one, and one
/// back.
pub const RENDEZVOUS: (u32, Duration) = (30, Duration::from_secs(2));
/// Those asked for beyond that which are passed over before the peer is a nuisance.
pub const RENDEZVOUS_BEYOND: u32 = 300;
/// Introductions to one peer, whoever asks for them: each has it call somebody, and many could be
/// one.
pub const INTRODUCTIONS: (u32, Duration) = (20, Duration::from_secs(5));
/// Dials at the word of one peer whom we did not ask: each is some datagrams of 20 bytes to an
/// address that it may choose, fewer than it has us send by naming peers.
pub const UNASKED_CONNECTS: (u32, Duration) = (10, Duration::from_secs(10));
/// Dials of one torrent at the word of others that are under way, beside [`DIALS_PER_TORRENT`]:
/// they can't wait for room.
pub const PUNCHES_PER_TORRENT: usize = 5;

/// Peers of a torrent that a page is shown: more than fit on any screen, and few enough to be told
/// twice a second.
pub const PEERS_SHOWN: usize = 100;

/// Peers of a torrent that are written down for the next engine: enough to begin with, until a
/// tracker answers.
pub const KEPT_PEERS: usize = 50;

/// Requests under way to one peer before its rate is known.
pub const FIRST_REQUESTS: u32 = 4;
/// Requests under way to a peer that does not say how many it takes (the number that libtorrent
/// assumes).
pub const DEFAULT_REQQ: u32 = 250;
/// Requests under way to a peer, whatever it says: 8 MiB, a tenth of a second at a gigabyte a
/// second.
pub const MAX_REQQ: u32 = 512;
/// Requests of one peer that wait for an answer, as we announce them.
pub const REQUESTS_PER_PEER: usize = 512;
/// How often a peer may ask for the same info dictionary over one connection: once, and again if
/// something was lost.
pub const METADATA_COPIES: u32 = 3;
/// Blocks of info dictionaries given to one peer a second: a megabyte, which leaves room for what
/// else the brain has to say.
pub const METADATA_PER_SECOND: usize = 64;
/// Keys armed at one peer, cancelled requests that it may still answer included.
pub const ARMED_PER_PEER: usize = 2 * MAX_REQQ as usize;

/// Begun pieces that no viewer wants, beyond one for each peer: what is begun is finished first.
pub const SPARE_BEGUN_PIECES: usize = 8;
/// How many idle pieces are looked at to find one that a peer has.
pub const RAREST_SCAN: usize = 2_048;
/// Bytes being hashed at once when what lies on disk is checked: keeps the disk busy, and leaves
/// room for what just came.
pub const CHECK_AHEAD: u64 = 64 << 20;
/// Pieces being checked at once.
pub const CHECKS: usize = 32;
/// Pieces whose failed blocks are remembered until they pass, so that the guilty can be told from
/// the innocent.
pub const SUSPECT_PIECES: usize = 64;
/// Share of the received bytes that may be asked for twice on purpose, percent.
pub const DUPLICATE_PERCENT: u64 = 5;
/// Bytes that may be asked for twice before that share counts.
pub const DUPLICATE_FLOOR: u64 = 512 << 10;

/// Pieces whose blocks' digests are kept, so that each block can be judged alone: of 64 MiB they
/// take 8 MiB.
pub const LEAF_PIECES: usize = 64;
/// Requests for hashes under way to one peer: 64 KiB of answers.
pub const HASH_REQUESTS: usize = 4;
/// Refusals of hashes that are remembered: a peer that rejects everything is asked for something
/// again, now and then.
pub const HASH_REFUSALS: usize = 4_096;
/// Digests computed at once for peers that ask for hashes: each reads a piece.
pub const HASH_ANSWERS: usize = 8;

/// Longest tracker answer, bytes: thousands of peers.
pub const TRACKER_ANSWER: u32 = 512 << 10;
/// Longest `.torrent` file, bytes: of a hybrid of [`crate::geometry::MAX_PIECES`] the hashes alone
/// are 52 MiB.
pub const METAINFO: usize = 55 << 20;
/// Longest info dictionary taken from peers, bytes: what becomes of it, with its trackers around
/// it, must be a `.torrent` within [`METAINFO`].
pub const METADATA: u32 = 22 << 20;
/// Sizes of one torrent's info dictionary that are fetched at once, when peers say different ones:
/// each may cost [`METADATA`] of memory.
pub const METADATA_SIZES: usize = 3;
/// Blocks of an info dictionary asked of one peer at once: clients that give them ration them.
pub const METADATA_REQUESTS: usize = 4;
/// `.torrent` files being fetched from URLs at once: each may be [`METAINFO`] long.
pub const FETCHES: usize = 8;

/// Longest path or query of an API call, bytes: a magnet link with a hundred trackers is shorter.
pub const API_URI: usize = 64 << 10;
/// Longest JSON that holds a magnet link, bytes: the link may have [`API_URI`], and JSON writes a
/// character in at most six.
pub const API_LINK: usize = 512 << 10;
/// Longest answer of the API, bytes: it must fit into a control message, which writes this JSON as
/// JSON once more and so doubles it at the most.
pub const API_REPLY: usize = 16 << 20;
/// API calls that wait at once for magnet links' descriptions.
pub const API_WAITING: usize = 100;
/// Followers of the API's events at once: each hears twice a second.
pub const API_FOLLOWERS: usize = 64;
