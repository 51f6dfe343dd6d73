//! Simulations of a whole swarm on a virtual clock, from one seed.
//!
//! A simulation runs the real engine, a daemon with a disk in memory, and seeders behind lines of a
//! given rate and latency. The same seed gives the same run to the last byte. At every grant, the
//! world compares the granted bytes on the disk with the film. Every simulation therefore checks
//! the invariant that no unverified byte is served.

mod adding_again;
mod cutter;
mod deciding;
mod dht;
mod disk;
mod engines;
mod exchange;
mod fairness;
mod finding;
mod giving;
mod http;
mod intents;
mod keeping;
mod lifecycle;
mod magnets;
mod mapping;
mod menagerie;
mod moving;
mod network;
mod odd;
mod ownership;
mod pacing;
mod places;
mod placing;
mod punching;
mod recovering;
mod removing;
mod scenarios;
mod seeder;
mod sending;
mod settings;
mod state;
mod storing;
mod talking;
mod timeline;
mod tracker;
mod trouble;
mod undoing;
mod unwanted;
mod v2;
mod vast;
mod warming;
mod watching;
mod web_seeds;
mod world;
