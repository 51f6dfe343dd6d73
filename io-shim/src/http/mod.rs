//! HTTP, from an accepted connection to the last byte of a reply.
//!
//! Owns connections, URLs, access, status codes, headers and bodies. Must never know why a file's
//! bytes may be sent: the desk ([`crate::control::desk`]) decides.

pub(crate) mod api;
pub(crate) mod app;
pub(crate) mod auth;
pub(crate) mod conditions;
pub(crate) mod connections;
pub(crate) mod converting;
pub(crate) mod file_service;
mod flushes;
pub(crate) mod multipart;
pub(crate) mod opener;
pub(crate) mod pages;
pub(crate) mod query;
pub(crate) mod ranges;
pub(crate) mod replies;
pub(crate) mod routes;
pub(crate) mod server;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod upgrade;
pub(crate) mod uploads;
