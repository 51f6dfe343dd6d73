//! Decides which blocks to request from which peers, and which peers to unchoke.

pub mod availability;
pub mod choker;
pub mod picker;
pub mod piece_map;
pub mod priority;
pub mod scheduler;
#[cfg(test)]
mod simulation;
pub mod suspects;
pub(crate) mod verified;
pub mod want;
