//! The I/O plane as an engine sees it: commands, events, real files and sockets.

mod bench;
mod cipher;
mod fetch;
mod fetch_range;
mod files;
mod moving;
mod notes;
mod opening;
mod order;
mod owning;
// Only Linux has addresses in 127/8 besides the first.
#[cfg(target_os = "linux")]
mod port_map;
mod ports;
mod resolve;
#[cfg(target_os = "linux")]
mod routers;
mod sending;
mod sockets;
#[path = "../../src/testing.rs"]
mod testing;
mod utp;
