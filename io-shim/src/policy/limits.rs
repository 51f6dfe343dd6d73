//! Bounds that protect the daemon from its engine and from strangers. Each bound comes with its
//! reason.
//!
//! Nobody needs to tune them. The user's settings are in [`crate::policy::io_config::IoConfig`].

use std::time::Duration;

/// Bytes of events that wait for credit before senders wait, too. Enough for one read of every busy
/// connection; few enough that a stopped engine costs megabytes only.
pub(crate) const EVENT_QUEUE_BYTES: usize = 4 << 20;

/// Queued events before refusals are dropped. An engine that reads its answers never has nearly as
/// many.
pub(crate) const MAX_REFUSALS: usize = 200_000;

/// Commands with an answer that may run at a time. An engine that checks a large folder asks for
/// thousands of digests at once; each costs a few hundred bytes while it waits.
pub const MAX_PENDING_OPS: usize = 16_384;

/// Bytes that running commands may carry (`FileWrite`, `KvPut`). Enough for one of the largest
/// values, and other writes.
pub(crate) const MAX_PENDING_BYTES: usize = 64 << 20;

/// Bytes of state that wait in memory while the disk accepts nothing. Enough for two of the largest
/// values, or the changes of days.
pub(crate) const MAX_UNWRITTEN_BYTES: usize = 128 << 20;

/// Reads of files whose bytes may be in memory at a time. Each has at most `MAX_READ` bytes.
pub(crate) const MAX_READS: usize = 32;

/// Blocking file jobs at a time. They mostly copy to and from the page cache, so more threads would
/// contend; on a slow disk a few more than cores keep its queue filled.
pub(crate) const MAX_DISK_JOBS: usize = 32;

/// Copies from file to file at a time. More of them would only make one disk seek.
pub(crate) const MAX_COPY_JOBS: usize = 2;

/// Spans in one command. A payload rarely touches more than a few files, but a unit of verification
/// over tiny files can touch thousands.
pub(crate) const MAX_SPANS: usize = 16_384;

/// Bytes of one digest. This is the largest sensible unit of verification, and a job of about a
/// second.
pub(crate) const MAX_DIGEST_BYTES: u64 = 1 << 30;

/// Armed keys of one connection. In frames of 16 KiB they are 128 MiB under way, more than any
/// round trip holds.
pub(crate) const MAX_ARMED_KEYS: usize = 8_192;

/// Bytes queued on one connection before it closes because its peer does not read. Enough for 250
/// frames of 16 KiB.
pub(crate) const MAX_UNSENT_BYTES: usize = 4 << 20;

/// Cost of a queued send besides its bytes. It bounds the number of empty sends, too.
pub(crate) const SEND_OVERHEAD: usize = 64;

/// Groups of connections with a rate limit: more than any engine needs.
pub(crate) const MAX_GROUPS: usize = 16_384;

/// Longest frame, whatever the engine allows. A frame is buffered whole.
pub(crate) const MAX_FRAME: usize = 4 << 20;

/// Largest read from a framed socket, bytes. Many frames come with one system call and go to disk
/// in one job.
pub(crate) const READ_MAX: usize = 256 << 10;

/// Smallest read from a framed socket, bytes. A quiet connection should cost no more.
pub(crate) const READ_MIN: usize = 16 << 10;

/// Longest timeout of a connection attempt.
pub(crate) const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of keys that one scan may return. With [`shared_proto::frame::BATCH_TARGET`] they fit a
/// frame.
pub(crate) const MAX_SCAN_BYTES: usize = 8 << 20;

/// HTTP requests at a time. Many silent servers should not delay others, nor hold thousands of
/// sockets.
pub(crate) const MAX_FETCHES: usize = 256;

/// Redirects followed by one fetch.
pub(crate) const MAX_REDIRECTS: usize = 5;

/// Longest URL, bytes.
pub(crate) const MAX_URL_BYTES: usize = 8 << 10;

/// Longest timeout of one fetch.
pub(crate) const MAX_FETCH_TIMEOUT: Duration = Duration::from_secs(120);

/// Listening and UDP sockets of one engine: a few protocols in two families, and reserve.
pub(crate) const MAX_PORTS: usize = 16;

/// Local addresses of one port.
pub(crate) const MAX_INTERFACES: usize = 16;

/// Datagrams that wait to be sent from one socket. Further ones are dropped, as any network may do.
pub(crate) const MAX_UNSENT_DATAGRAMS: usize = 1_024;

/// One in this many connections is reserved for the engine. Incoming connections thus cannot take
/// all.
pub(crate) const DIALLED_SHARE: usize = 8;

/// Name lookups at a time that began a moment ago. Each holds a process.
pub const MAX_LOOKUPS: usize = 16;

/// Further lookups at a time, which their name servers keep waiting. Names that are not answered
/// thus do not delay others.
pub const MAX_SLOW_LOOKUPS: usize = 48;

/// Bytes of a lookup's answer: far more than the addresses of any name.
pub(crate) const MAX_LOOKUP_BYTES: u64 = 64 << 10;

/// Longest name of a host, bytes (RFC 1035 §2.3.4).
pub(crate) const MAX_HOST_BYTES: usize = 255;

/// Addresses returned for one name.
pub(crate) const MAX_ADDRESSES: usize = 32;

/// Bytes that one connection reads from files ahead of its socket. Enough for one vectored write,
/// few enough for a thousand slow readers.
pub(crate) const SEND_STEP: usize = 256 << 10;

/// Bytes of a fetched body per write.
pub(crate) const FETCH_STEP: usize = 256 << 10;

/// Fetches into files at a time, besides those of [`MAX_FETCHES`]. Slow ones thus do not delay
/// short requests.
pub(crate) const MAX_TRANSFERS: usize = 64;

/// Longest timeout for the server of a fetch into files.
pub(crate) const MAX_TRANSFER_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Datagrams of uTP that wait to be processed. Further ones are dropped, and the sender repeats
/// them.
pub(crate) const MAX_UTP_INBOX: usize = 1_024;

/// Bytes that one uTP connection may hold in each direction. As many are under way on a line of 40
/// Mbit/s with a round trip of 100 ms.
pub(crate) const UTP_BUFFER: usize = 512 << 10;

/// Bytes of datagrams that the operating system keeps for one socket.
pub(crate) const UDP_BUFFER: usize = 1 << 20;

/// Bytes that a connection over another protocol than TCP reads ahead. Half of [`UTP_BUFFER`], so
/// that the connection's window opens by as much.
pub(crate) const POLLED_LUMP: usize = UTP_BUFFER / 2;

/// Port mappings at a time, those included that are being removed.
pub(crate) const MAX_MAPPINGS: usize = 2 * MAX_PORTS;

/// Longest timeout for a new port mapping: all protocols, one after the other.
pub(crate) const MAP_WITHIN: Duration = Duration::from_secs(30);

/// How often to check whether another program wrote notes. A person who changes programs takes
/// longer.
pub(crate) const LOOK_AT_NOTES_EVERY: Duration = Duration::from_secs(2);

/// Longest timeout for removing a port mapping. The router removes it anyway when the lease ends.
pub(crate) const UNMAP_WITHIN: Duration = Duration::from_secs(2);
