//! The engine's WebSocket: the conversation in text frames.
//!
//! Owns the control connections, and with [`desk`] what viewers ask and what the engine grants.
//! Passes binary frames on to [`crate::plane`].

pub(crate) mod context;
pub mod desk;
pub(crate) mod session;
pub(crate) mod unidentified;
pub(crate) mod websocket;
