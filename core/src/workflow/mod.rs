//! Workflows: what algorithms do, as steps of programs on this machine.
//!
//! A [`manifest`] is read when it is registered, and refused where this station would run it
//! differently from what it says. The [`engine`] decides which step may begin; a runner runs it.

pub mod engine;
pub mod expression;
pub mod logic;
pub mod manifest;
pub mod runner;

pub use runner::{KIND, Launch, Local, Memory, work};
