//! File descriptors: how many this process may have, and how many each part may use.
//!
//! Owns the process's own limit and its division. Invariant: all shares together stay below the
//! limit, so that the daemon's limits take effect before those of the operating system.

/// Descriptors that are enough for every part's maximum.
#[cfg(unix)]
const WANTED: u64 = 16_384;
/// Limits to ask for if the system refuses [`WANTED`] despite a higher hard limit. An example is
/// macOS, which allows no more than `OPEN_MAX`.
#[cfg(unix)]
const WANTED_OR: [u64; 2] = [10_240, 4_096];

/// Most connections of an engine.
const MAX_CONNS: u64 = 1_000;
/// Most open files of an engine: a few folders of thousands of small files.
const MAX_FILES: u64 = 4_096;
/// Descriptors of a file that is open for writing: the file and its lock.
const PER_FILE: u64 = 2;
/// Most HTTP connections. Chrome opens six and a WebSocket; the rest is for other players.
const MAX_HTTP: u64 = 1_024;
/// Descriptors for everything else: log and state, fetches, control connections, the runtime.
const SPARE: u64 = 192;

/// How many of its objects each part may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Connections of an engine.
    pub(crate) conns: u32,
    /// Open files of an engine.
    pub(crate) files: u32,
    /// HTTP connections.
    pub(crate) http: u32,
    /// Replies, each with an open file.
    pub(crate) replies: u32,
}

impl Shares {
    /// Divides what this process may have now, with `replies` replies if possible.
    pub(crate) fn of_process(replies: usize) -> Self {
        Self::of(limit().unwrap_or(u64::MAX), replies as u64)
    }

    /// Divides `limit` descriptors.
    fn of(limit: u64, replies: u64) -> Self {
        let replies = replies.min(limit / 8);
        let left = limit.saturating_sub(SPARE + replies);
        let http = share(left / 4, MAX_HTTP);
        let conns = share((left - left.min(http)) / 3, MAX_CONNS);
        let files = share((left - left.min(http + conns)) / PER_FILE, MAX_FILES);
        let narrow = |share: u64| u32::try_from(share).unwrap_or(u32::MAX);
        Self {
            conns: narrow(conns),
            files: narrow(files),
            http: narrow(http),
            replies: narrow(replies),
        }
    }
}

/// With fewer than 16 of anything nothing works; the operating system will report that.
fn share(available: u64, most: u64) -> u64 {
    available.clamp(16, most)
}

/// Raises this process's limit. Many systems start processes with 256 or 1024 descriptors but allow
/// more.
#[cfg(unix)]
pub fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    for wanted in std::iter::once(WANTED).chain(WANTED_OR) {
        let wanted = maximum.unwrap_or(wanted).min(wanted);
        let is_enough = current.is_none_or(|current| current >= wanted);
        // Without a higher limit the shares are smaller.
        if is_enough
            || setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok()
        {
            return;
        }
    }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn raise_limit() {}

#[cfg(unix)]
fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limit: u64, expected: (u32, u32, u32)) {
        let Shares { conns, files, http, .. } = Shares::of(limit, 64);
        assert_eq!((conns, files, http), expected, "{limit}");
    }

    #[test]
    fn where_there_is_room_everybody_gets_the_most() {
        check(u64::MAX, (1_000, 4_096, 1_024));
        check(16_384, (1_000, 4_096, 1_024));
        check(10_240, (1_000, 3_980, 1_024));
    }

    #[test]
    fn where_there_is_little_everybody_gets_less() {
        check(4_096, (960, 960, 960));
        check(1_024, (192, 192, 192));
        check(0, (16, 16, 16));
    }

    #[test]
    fn the_shares_together_stay_below_the_limit() {
        for limit in (512..20_000).step_by(7) {
            for replies in [0, 64, 1_000, 100_000] {
                let Shares { conns, files, http, replies } = Shares::of(limit, replies);
                let held = u64::from(conns + http + replies) + PER_FILE * u64::from(files);
                assert!(held <= limit - SPARE / 2, "{held} of {limit}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        use rustix::process::{Resource, getrlimit};
        raise_limit();
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert!(limit().is_none_or(|limit| limit >= hard.min(4_096)));
    }
}
