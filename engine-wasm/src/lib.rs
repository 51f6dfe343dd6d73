//! JSTorrent's brain: a BitTorrent engine without I/O.
#![forbid(unsafe_code)]

pub mod bitfield;
pub mod geometry;
pub mod time;
pub mod view;
pub mod io;
pub mod limits;
pub mod link;
pub mod pick;
pub mod stream;
