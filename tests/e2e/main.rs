//! End-to-end scenarios: each drives the real programs, a real browser and real BitTorrent clients.
//!
//! A scenario is a function in the module of its subject. Every test has folders, ports and
//! processes of its own, so the tests run side by side, as many as the machine has cores. A test
//! that measures the machine belongs into the binary `measured`, which runs one test at a time.

mod bulk_bytes;
mod invariants;

/// What happens when disks, files, and processes fail.
mod faults {
    mod data;
    mod keeping;
    mod kills;
    mod network;
    mod state;
    mod storing;
}

/// Which torrents are understood: versions, sizes, and the fixtures of others.
mod formats {
    mod fixtures;
    mod v2;
    mod vast;
}

/// The extension's list of torrents, and the extension in Chrome.
mod list {
    mod adding;
    mod chrome;
    mod details;
    mod keyboard;
    mod links;
    mod several;
    mod torrents;
}

/// How peers are found, how they talk, and what is believed of them.
mod peers {
    mod dht;
    mod finding;
    mod punching;
    mod seeding;
    mod talking;
    mod unverified;
}

/// The extension's player.
mod player {
    mod comforts;
    mod films;
    mod stopped;
    mod survival;
}

/// `jstorrent serve`, its HTTP interface, and its page.
mod server {
    mod api;
    mod convert;
    mod side_by_side;
    mod streaming;
}

/// `jstorrent` at a terminal.
mod terminal {
    mod commands;
}
