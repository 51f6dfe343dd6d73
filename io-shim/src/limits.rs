//! Every bound of the I/O plane, each with its reason.
//!
//! What the user may set lives in [`crate::plane::io_plane::IoConfig`]; these are the bounds that protect
//! the daemon from its engine and from strangers, and that nobody needs to tune.

use std::time::Duration;

/// Bytes of events that wait for credit before senders wait too. Enough that a read burst of every
/// busy connection fits, small enough that an engine that stands still costs megabytes, not the
/// machine.
pub const EVENT_QUEUE_BYTES: usize = 4 << 20;

/// Events that may be queued before refusals are dropped: far more than any engine that reads its
/// answers lets gather.
pub const MAX_REFUSALS: usize = 200_000;

/// Commands with an answer that may be under way at once. An engine that checks a large folder asks
/// for thousands of digests in one go; each costs a few hundred bytes while it waits.
pub const MAX_PENDING_OPS: usize = 16_384;

/// Bytes that commands under way may carry (`FileWrite`, `KvPut`): one of the largest values, and
/// what else is written meanwhile.
pub const MAX_PENDING_BYTES: usize = 64 << 20;

/// Bytes of state that wait in memory while the disk takes nothing: two of the largest values, or
/// the changes of days.
pub const MAX_UNWRITTEN_BYTES: usize = 128 << 20;

/// Reads of files whose bytes may be in memory at once; each is at most `MAX_READ`.
pub const MAX_READS: usize = 32;

/// Blocking file jobs at once. They mostly copy to and from the page cache, so more threads would
/// only contend; but on a slow disk a few more than cores keep its queue filled.
pub const MAX_DISK_JOBS: usize = 32;

/// Copies from file to file at once: more of them only make one disk seek between them.
pub const MAX_COPY_JOBS: usize = 2;

/// Spans in one command. A payload rarely touches more than a few files, but a unit of verification
/// over tiny files can touch thousands.
pub const MAX_SPANS: usize = 16_384;

/// Bytes that one digest may cover: the largest sensible unit of verification, and a job of about a
/// second.
pub const MAX_DIGEST_BYTES: u64 = 1 << 30;

/// Keys armed on one connection: 128 MiB under way in frames of 16 KiB, more than any connection's
/// round trip holds.
pub const MAX_ARMED_KEYS: usize = 8_192;

/// Bytes queued on one connection before it is closed as one that does not read: 250 frames of 16
/// KiB.
pub const MAX_UNSENT_BYTES: usize = 4 << 20;

/// What a queued send costs besides its bytes, so that a million empty ones are bounded too.
pub const SEND_OVERHEAD: usize = 64;

/// Groups of connections that a limit of their own may be set for: more than any engine has tasks.
pub const MAX_GROUPS: usize = 16_384;

/// Longest frame taken, whatever the engine allows: one is buffered whole before it is acted upon.
pub const MAX_FRAME: usize = 4 << 20;

/// Largest read from a framed socket: many frames come with one system call and go to disk in one
/// job.
pub const READ_MAX: usize = 256 << 10;

/// Smallest read from a framed socket: a quiet connection should not cost more.
pub const READ_MIN: usize = 16 << 10;

/// Longest patience with a connection attempt.
pub const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of keys that one scan may return: with [`shared_proto::frame::BATCH_TARGET`] it fits a
/// frame.
pub const MAX_SCAN_BYTES: usize = 8 << 20;

/// HTTP requests at once: servers are many, but slow ones should not hold hundreds of sockets.
pub const MAX_FETCHES: usize = 64;

/// Redirects followed by one fetch.
pub const MAX_REDIRECTS: usize = 5;

/// Longest URL, bytes.
pub const MAX_URL_BYTES: usize = 8 << 10;

/// Longest patience with one fetch.
pub const MAX_FETCH_TIMEOUT: Duration = Duration::from_secs(120);

/// Listening and UDP sockets of one engine: a few protocols in two families, and room.
pub const MAX_PORTS: usize = 16;

/// Addresses of this machine that one port is opened at.
pub const MAX_INTERFACES: usize = 16;

/// Datagrams that wait to be sent from one socket. What does not fit is lost, as it may be anywhere
/// on its way.
pub const MAX_UNSENT_DATAGRAMS: usize = 1_024;

/// Share of the connections that only the engine opens: strangers who connect can't take them all.
pub const DIALLED_SHARE: usize = 8;

/// Names looked up at once. Each holds a process.
pub const MAX_LOOKUPS: usize = 16;

/// Bytes that a lookup may answer: far more than the addresses of any name.
pub const MAX_LOOKUP_BYTES: u64 = 64 << 10;

/// Longest name of a host, bytes (RFC 1035 §2.3.4).
pub const MAX_HOST_BYTES: usize = 255;

/// Addresses given back for one name.
pub const MAX_ADDRESSES: usize = 32;

/// Bytes of one connection that are read from files ahead of its socket: enough for one vectored
/// write, little enough for a thousand slow readers.
pub const SEND_STEP: usize = 256 << 10;

/// Bytes of a fetched body that are written at once.
pub const FETCH_STEP: usize = 256 << 10;

/// Fetches into files at once, besides those of [`MAX_FETCHES`]: slow ones do not keep short
/// questions waiting.
pub const MAX_TRANSFERS: usize = 64;

/// Longest patience with the server of a fetch into files.
pub const MAX_TRANSFER_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Datagrams of uTP that wait to be worked off. What does not fit is lost, and sent again by who
/// sent it.
pub const MAX_UTP_INBOX: usize = 1_024;

/// Bytes that one uTP connection may hold in each direction: what is under way on a line of 40
/// Mbit/s with a round trip of 100 ms.
pub const UTP_BUFFER: usize = 512 << 10;

/// Bytes of datagrams that the system keeps for one socket.
pub const UDP_BUFFER: usize = 1 << 20;

/// Bytes that a connection over another protocol than TCP is read ahead: half of [`UTP_BUFFER`], so
/// that its window opens by as much.
pub const POLLED_LUMP: usize = UTP_BUFFER / 2;

/// Ports that a router is asked for at once, those included that it is just asked to forget.
pub const MAX_MAPPINGS: usize = 2 * MAX_PORTS;

/// Longest patience with a router that is asked to let a port in: all protocols, one after the
/// other.
pub const MAP_WITHIN: Duration = Duration::from_secs(30);

/// How often one looks whether another program wrote notes: a person who goes from one to the other
/// takes longer.
pub const LOOK_AT_NOTES_EVERY: Duration = Duration::from_secs(2);

/// Longest patience with one that is asked to forget it. It forgets by itself when nobody asks
/// again.
pub const UNMAP_WITHIN: Duration = Duration::from_secs(2);
