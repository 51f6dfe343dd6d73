//! JSTorrent's brain: a BitTorrent engine without I/O.
#![forbid(unsafe_code)]

pub mod time;
pub mod view;
