//! The I/O plane as an engine sees it: commands in, events out, with real files and loopback sockets.

mod bench;
mod cipher;
mod fetch;
mod fetch_range;
mod files;
mod moving;
mod order;
mod ports;
mod resolve;
mod sending;
mod sockets;
#[path = "../../src/testing.rs"]
mod testing;
mod utp;
