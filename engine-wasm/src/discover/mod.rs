//! Where peers come from: what trackers say ([`tracker`]), what a network of nodes says ([`dht`]), and who is worth a dial ([`candidates`]).

pub mod candidates;
pub mod dht;
pub mod tracker;
