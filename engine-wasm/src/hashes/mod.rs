//! The hash trees of one torrent of v2 (BEP 52): what of them is known ([`trees`]), how peers are
//! asked for the rest ([`request`]), and whom to ask for what ([`asking`]).

pub mod asking;
pub mod request;
pub mod trees;
