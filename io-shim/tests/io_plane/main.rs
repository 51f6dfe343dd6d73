//! The I/O plane as an engine sees it: commands in, events out, with real files and loopback sockets.

mod bench;
mod fetch;
mod files;
mod order;
mod ports;
mod resolve;
mod sockets;
#[path = "../../src/testing.rs"]
mod testing;
