//! The log of the program: where its lines go, and the last lines of the engine.

use std::io;
use std::sync::OnceLock;

use engine_wasm::log_tail::LogTail;
use tracing_subscriber::EnvFilter;

/// The last log lines of the engine, for reports.
pub(crate) fn tail() -> LogTail {
    static TAIL: OnceLock<LogTail> = OnceLock::new();
    TAIL.get_or_init(LogTail::default).clone()
}

/// Sets up logging, which is silent by default.
///
/// The commands print what users need; the log's last lines are kept for reports.
pub(crate) fn start() {
    let Ok(mut filter) = EnvFilter::try_from_env("JSTORRENT_LOG") else {
        // This fails only if a logger is set already, and nothing runs before.
        let _ = tracing::subscriber::set_global_default(tail().subscriber());
        return;
    };
    // At lower levels these crates log their traffic, with the session token.
    for carrier in ["tungstenite=info", "tokio_tungstenite=info"] {
        filter = filter.add_directive(carrier.parse().expect("a name and a level"));
    }
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}
