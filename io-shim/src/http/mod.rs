//! HTTP: from an accepted connection to the last byte of a reply.
//!
//! Owns connections, URLs, who may ask, status codes, headers and bodies. Must never know why bytes
//! of a file may be sent: the desk ([`crate::control::desk`]) says so.

pub(crate) mod api;
pub(crate) mod app;
pub mod auth;
pub mod conditions;
pub(crate) mod connections;
pub mod multipart;
pub(crate) mod opener;
pub(crate) mod pages;
pub mod ranges;
pub(crate) mod routes;
pub(crate) mod serve;
pub(crate) mod server;
pub(crate) mod source;
pub mod stream;
pub(crate) mod uploads;
