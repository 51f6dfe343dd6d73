//! The swarm of one torrent or magnet link: its connections, candidates and web seeds.
//!
//! A magnet link is a torrent without content, so both use the same swarm. The swarm knows no
//! files, no ledger and no daemon: each method takes what it needs and returns what its owner has
//! to do. Invariants: `most` limits the connections, including those being dialled; a private
//! torrent gets peers from its trackers and the user only (BEP 27).

mod choking;
mod connections;
mod discovery;
mod outcomes;
mod punching;
mod runs;
mod state;
mod uploads;
pub(in crate::torrent) mod web_seeds;

pub(crate) use outcomes::{Dial, Discovered, EndedConnection, Offered, Shaking, Totals};
pub(in crate::torrent) use outcomes::{Interests, Slots};
pub(in crate::torrent) use runs::Demand;
pub(crate) use state::Swarm;

#[cfg(test)]
mod tests;
