//! Hosted templates: texts elsewhere that algorithms and applets are made from.
//!
//! A row says where a text is and what to send along to get it. The text is fetched anew each time,
//! and rendered as a Jinja template. What is sent along goes out to nobody, and into no journal.

mod render;
pub mod routes;
pub mod service;
mod store;
mod types;

pub use render::render;
pub use types::{HostedTemplate, Parameter};
