//! The document of the API. It is written by hand; a test compares every path, method and field
//! with what the API does.

/// `openapi.json`.
pub(crate) const DOCUMENT: &str = include_str!("openapi.json");
