//! A running station: its data folder and lock, its listener, its control socket, its commands.
//!
//! One process at a time opens a data folder, and holds `station.lock` while it does. A station
//! also listens on `control.sock` in the folder. A [`Command`] therefore works either way:
//! [`perform`] hands it to the station that runs, or opens the folder itself.
//!
//! What is deliberately absent: rules of the product. Commands call the services of the nouns.

mod command;
mod control;
mod doctor;
mod folder;
mod lock;
mod perform;
mod retention;
mod serve;

pub use command::{Command, Progress};
pub(crate) use control::short_path;
pub use doctor::{Finding, Level, examine};
pub use folder::{default_path, settings_file};
pub use lock::{Holder, Lock, Taken};
pub use perform::perform;
pub use serve::serve;
pub(crate) use serve::url_of;
