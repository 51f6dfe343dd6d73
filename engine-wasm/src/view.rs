//! The contract between the engine and a user interface: snapshots and intents.
//!
//! `cargo xtask bindings` generates the extension's TypeScript types from these types. A
//! [`Snapshot`] is the state of everything; pages follow [`topics`], which send only what changed.

mod file;
mod intent;
mod notice;
mod peer;
mod reply;
mod sentence;
mod settings;
mod snapshot;
mod stream;
pub mod topics;
mod torrent;
mod tracker;
mod why;

pub use self::file::{FileView, PiecesView, SubtitleView};
pub use self::intent::{Choice, FilePriority, Intent, Position, QueueMove};
pub use self::notice::{NoticeKind, NoticeView, RemovedView, SpaceView};
pub use self::peer::{PeerTransport, PeerView};
pub use self::reply::IntentReply;
pub use self::sentence::Sentence;
pub(crate) use self::sentence::decimal;
pub use self::settings::{Settings, Sharing};
pub use self::snapshot::{MappedBy, MappingState, PortMappingView, RootView, Snapshot};
pub use self::stream::{StreamView, WaitReason, WaitView};
pub use self::torrent::{Giving, NextFilm, TorrentState, TorrentVersion, TorrentView, Trouble};
pub use self::tracker::{TrackerState, TrackerView};
pub use self::why::{Why, WhyKind};
pub use crate::peer::mse::Encryption;
pub use crate::pick::priority::Priority;
