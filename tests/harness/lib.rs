//! The harness of the end-to-end scenarios: real programs on loopback.
//!
//! A scenario begins with a [`fixture::Fixture`]: a torrent, seeders behind slow lines, and folders
//! for a program. A [`scene::Scene`] adds Chrome with the extension, whose pages are
//! [`page::Page`]s; a [`terminal::Terminal`] or a [`plain::Server`] is `jstorrent` without Chrome.
//!
//! Everything that a scenario starts has an owner and ends when the owner is dropped. The system or
//! [`ports`] chooses ports, folders lie below the target folder, and every wait has a limit and
//! says what it waited for.
//!
//! The harness knows the product only from outside: the pages' test ids and their snapshot, the
//! daemon's HTTP.
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
pub mod keys;
pub mod leecher;
pub mod liar;
pub mod made;
pub mod media;
pub mod mounts;
mod namespaces;
pub mod networks;
pub mod nginx;
pub mod page;
pub mod pages;
pub mod party;
pub mod peers;
pub mod plain;
pub mod player;
pub mod ports;
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
