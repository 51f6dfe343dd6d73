//! The swarm of one torrent or magnet link: its connections, the addresses that it may dial, and
//! its web seeds.
//!
//! A magnet link is a torrent without content, so both use the same swarm. The swarm knows no
//! files, no ledger and no daemon: each method takes what it needs and returns what the owner is to
//! do. Invariants: `most` bounds connections, those being dialled included; a private torrent hears
//! of peers from its trackers and from people alone (BEP 27).

mod choking;
mod connections;
mod discovery;
mod outcomes;
mod punching;
mod runs;
mod state;
mod uploads;
pub(in crate::torrent) mod web_seeds;

pub(crate) use outcomes::{Dial, Discovered, Parted, Shaking, Told, Totals};
pub(in crate::torrent) use outcomes::{Interests, Slots};
pub(in crate::torrent) use runs::Demand;
pub(crate) use state::Swarm;

#[cfg(test)]
mod tests;
