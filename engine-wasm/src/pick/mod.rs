//! Decides which blocks to request from which peers, and which peers to unchoke.

pub(crate) mod availability;
pub(crate) mod choker;
pub(crate) mod picker;
pub(crate) mod piece_map;
pub(crate) mod priority;
pub(crate) mod scheduler;
#[cfg(test)]
mod simulation;
pub(crate) mod suspects;
pub(crate) mod verified;
pub(crate) mod want;
