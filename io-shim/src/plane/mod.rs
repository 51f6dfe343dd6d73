//! The engine's binary messages: commands in, events out.
//!
//! Owns the routing of commands, HTTP fetches and name resolution. [`crate::sockets`],
//! [`crate::files`] and [`crate::state`] lie beneath.

pub(crate) mod decoding;
pub(crate) mod http_client;
pub(crate) mod http_fetch;
pub mod io_plane;
pub(crate) mod resolve;
