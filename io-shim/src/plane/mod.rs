//! The engine's binary messages: commands in, events out.
//!
//! Owns the routing of commands, and fetching and name resolution. Sockets, files and state are
//! rooms of their own, beneath this one.

pub(crate) mod http_client;
pub(crate) mod http_fetch;
pub mod io_plane;
pub(crate) mod resolve;
