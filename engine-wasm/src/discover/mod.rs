//! Where peers come from: what trackers say ([`tracker`]), and who is worth a dial ([`candidates`]).

pub mod candidates;
pub mod tracker;
