//! The OpenAPI document. It is written by hand; a test compares it with the API.

/// The contents of `openapi.json`.
pub(crate) const DOCUMENT: &str = include_str!("openapi.json");
