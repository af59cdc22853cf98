//! Changes of one request, noted as they are made and written as one entry per noun and action.

use serde::Serialize;

use super::clock::Stamp;
use super::store;
use super::types::{Action, Changes};
use crate::database::Tx;
use crate::error::Result;

/// What a request has changed so far.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<(&'static str, Changes)>,
}

impl Ledger {
    /// Notes an entity that came to be.
    pub fn created(&mut self, noun: &'static str, id: i64, after: &impl Serialize) -> Result<()> {
        self.note(noun, Action::Create, id, None::<&()>, Some(after))
    }

    /// Notes an entity that changed.
    pub fn updated(
        &mut self,
        noun: &'static str,
        id: i64,
        before: &impl Serialize,
        after: &impl Serialize,
    ) -> Result<()> {
        self.note(noun, Action::Update, id, Some(before), Some(after))
    }

    /// Notes an entity that went away.
    pub fn deleted(&mut self, noun: &'static str, id: i64, before: &impl Serialize) -> Result<()> {
        self.note(noun, Action::Delete, id, Some(before), None::<&()>)
    }

    /// Notes an entity that had gone and came back.
    pub fn restored(&mut self, noun: &'static str, id: i64, after: &impl Serialize) -> Result<()> {
        self.note(noun, Action::Restore, id, None::<&()>, Some(after))
    }

    fn note(
        &mut self,
        noun: &'static str,
        action: Action,
        id: i64,
        before: Option<&impl Serialize>,
        after: Option<&impl Serialize>,
    ) -> Result<()> {
        let one = Changes::new(action, [(id, before, after)])?;
        let same =
            |(other, changes): &&mut (&str, Changes)| *other == noun && changes.action == action;
        match self.entries.iter_mut().find(same) {
            Some((_, changes)) => changes.entities.extend(one.entities),
            None => self.entries.push((noun, one)),
        }
        Ok(())
    }

    /// Writes what was noted, in the transaction that made the changes.
    pub async fn write(self, tx: &mut Tx, stamp: &Stamp, project: i64) -> Result<()> {
        for (noun, changes) in self.entries {
            store::record(tx, stamp, Some(project), noun, changes).await?;
        }
        Ok(())
    }
}
