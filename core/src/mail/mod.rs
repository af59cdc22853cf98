//! Letters and notices: what the station tells people elsewhere.
//!
//! Letters go to the mail server of the settings, one connection each; without one, whatever needs
//! a letter is refused with `Email not enabled`. Notices to administrators go to a webhook. Nothing
//! is queued: who asked for a letter learns whether the server took it.

pub mod routes;
pub mod service;
mod smtp;
mod types;
mod webhook;

pub use service::{base_url, check, deliver, send};
pub use smtp::{Mail, is_address};
pub use types::{Attachment, EmailSpec, Enclosure, Letter};
