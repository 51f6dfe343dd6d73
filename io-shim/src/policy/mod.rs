//! What is allowed: bounds, addresses and secrets.
//!
//! Owns decisions without state and without I/O. Every other room may use this one; it uses none.

pub mod dial;
pub mod io_config;
pub mod limits;
pub(crate) mod secrets;
