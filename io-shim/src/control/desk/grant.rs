//! How far a request is granted, and why it is granted no further.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::files::byte_range::ByteRange;

/// Why no more bytes will be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The engine rejected the request.
    Rejected {
        /// The HTTP status that the engine wants.
        status: Option<u16>,
        /// A phrase for a person.
        reason: Option<String>,
        /// `Retry-After`, seconds.
        retry_after: Option<u64>,
    },
    /// The bytes may come later, and the client does not wait.
    NotNow,
    /// All permits for viewers are taken.
    Busy,
    /// The engine forgot the file: the reply is cut at once.
    Forgotten,
    /// The engine announced other bytes under the same name: the reply is cut at once.
    Changed,
    /// The reply has read bytes that are no longer verified: it is cut at once.
    Revoked,
    /// No engine connected within the grace.
    EngineGone,
    /// The engine said nothing for longer than the maximum wait.
    Silence,
    /// The daemon is stopping: the reply is cut at once.
    Stopping,
}

impl End {
    /// Whether granted bytes that were not sent must stay unsent.
    pub(super) fn cuts(&self) -> bool {
        matches!(self, Self::Forgotten | Self::Changed | Self::Revoked | Self::Stopping)
    }
}

/// The state of a request, as its reply sees it.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// First byte that is not granted.
    pub(super) watermark: u64,
    /// When the engine last sent a message about the request.
    pub(super) renewed: Instant,
    /// Since when no engine knows of the request.
    pub(super) orphaned: Option<Instant>,
    /// Why nothing more will be granted, once that is certain.
    pub(super) end: Option<End>,
    /// The daemon is stopping: no reply may begin.
    pub(super) stopping: bool,
}

impl Grant {
    pub(super) fn nothing(start: u64) -> Self {
        Self {
            watermark: start,
            renewed: Instant::now(),
            orphaned: None,
            end: None,
            stopping: false,
        }
    }

    pub(super) fn has_begun(&self, range: ByteRange) -> bool {
        self.watermark > range.start
    }
}

/// Permission to send bytes that were read while they were granted.
#[derive(Clone, Debug)]
pub(crate) struct Lease(pub(super) watch::Receiver<Grant>);

impl Lease {
    /// Whether the reply was cut since the bytes were read. They must not be sent then.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.borrow().end.as_ref().is_some_and(End::cuts)
    }
}
