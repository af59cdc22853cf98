//! Rules of projects and memberships.

use super::store;
use super::types::Level;
use crate::account::Actor;
use crate::database::Tx;
use crate::error::{Error, Result};

/// Checks that the actor is a member with at least this level.
///
/// Errors: `NotFound` if there is no such project, `Forbidden` without the level.
pub async fn access(tx: &mut Tx, actor: &Actor, project: i64, least: Level) -> Result<()> {
    match store::level(tx, project, actor.id).await? {
        Some(level) if level >= least => Ok(()),
        None if !store::exists(tx, project).await? => Err(Error::no_match("Project")),
        _ => Err(Error::forbidden()),
    }
}

/// How many projects an organization has.
pub async fn count_of_organization(tx: &mut Tx, organization: i64) -> Result<i64> {
    store::count_of_organization(tx, organization).await
}
