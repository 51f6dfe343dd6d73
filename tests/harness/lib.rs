//! One harness for every end to end scenario: real Chrome, real daemon, real BitTorrent clients, on
//! loopback.
//!
//! A scenario puts a film into a [`swarm::Swarm`] (seeders behind slow lines, a tracker that names
//! them), opens a [`browser::Browser`] with the extension, adds the torrent and looks at what a
//! person would see. Everything is owned: whatever a scenario started ends when its value is
//! dropped, ports are chosen by the system, folders lie below the target folder, and every wait has
//! a limit and says what it waited for.
//!
//! It knows the product only from outside: the pages' test ids and their snapshot, the daemon's
//! HTTP.
#![forbid(unsafe_code)]

pub mod browser;
pub mod cdp;
pub mod clock;
pub mod cpu;
pub mod daemon;
pub mod dht;
pub mod dice;
pub mod fixture;
pub mod floor;
pub mod home;
pub mod http;
pub mod leecher;
pub mod liar;
pub mod made;
pub mod media;
pub mod mounts;
pub mod nginx;
pub mod pages;
pub mod party;
pub mod peers;
pub mod plain;
pub mod process;
pub mod proxy;
pub mod scene;
pub mod signals;
pub mod steps;
pub mod swarm;
pub mod terminal;
pub mod torrent;
pub mod tracker;
pub mod wire;
pub mod workspace;
