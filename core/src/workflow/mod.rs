//! Workflows: what algorithms do, as steps of programs on this machine.
//!
//! A [`manifest`] is read when it is registered, and refused where this station would run it
//! differently from what it says. The [`engine`] decides which step may begin; a runner runs it.

pub mod engine;
pub mod expression;
pub mod logic;
pub mod manifest;
pub mod runner;
mod settings;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::jobs;

pub(crate) use runner::local::{read_log, try_sandbox};
pub use runner::{KIND, Launch, Local, Memory, WORK};
pub use settings::{Network, Sandbox, Workflows};

/// Removes the folders of workflows whose jobs were called off or are forgotten.
pub async fn tidy(cx: &Context) -> Result<()> {
    for uid in runner::local::uids(cx)? {
        let name = uid.clone();
        let found = cx
            .database
            .read(move |tx| Box::pin(async move { jobs::find(tx, &name).await }));
        match found.await {
            Err(Error::NotFound(_)) => runner::local::forget(cx, &uid).await?,
            other => drop(other?),
        }
    }
    Ok(())
}
