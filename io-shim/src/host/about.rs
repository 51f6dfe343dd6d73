//! A description of the daemon for problem reports.

use shared_proto::io::About;

use crate::SERVICE;
use crate::VERSION;
use crate::host::log;

/// The program, its system, and the last lines of its log.
pub(crate) fn about() -> About {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    About {
        program: format!("{SERVICE} {VERSION}"),
        system: format!("{os} {arch}"),
        log: log::last_lines(),
    }
}
