//! Hash trees of one v2 torrent (BEP 52).
//!
//! [`trees`] holds the known hashes, [`request`] is the message with which peers ask for others,
//! and `asking` decides which peer to ask.

pub(crate) mod asking;
pub mod request;
pub mod trees;
