//! The engine's WebSocket: who speaks, what viewers ask, and what the engine grants.
//!
//! Owns the conversation in text frames. Binary frames pass through to [`crate::plane`].

pub mod desk;
pub(crate) mod doorstep;
pub(crate) mod session;
pub(crate) mod websocket;
