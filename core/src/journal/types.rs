//! What a change is.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Result;

/// What happened to the entities of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// They came to be; there is no before.
    Create,
    /// They changed.
    Update,
    /// They went away; there is no after.
    Delete,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One entity before and after, as the wire shows it.
#[derive(Debug, Serialize)]
pub struct Change {
    /// The entity.
    pub id: i64,
    /// Absent for a creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<RawValue>>,
    /// Absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<RawValue>>,
}

/// Changes of one kind, made together.
#[derive(Debug)]
pub struct Changes {
    /// What happened.
    pub action: Action,
    /// To which entities.
    pub entities: Vec<Change>,
}

impl Change {
    /// One entity that came to be.
    pub fn created(id: i64, after: &impl Serialize) -> Result<Changes> {
        Changes::new(Action::Create, [(id, None::<&()>, Some(after))])
    }

    /// One entity that changed.
    pub fn updated<T: Serialize>(id: i64, before: &T, after: &T) -> Result<Changes> {
        Changes::new(Action::Update, [(id, Some(before), Some(after))])
    }

    /// One entity that went away.
    pub fn deleted(id: i64, before: &impl Serialize) -> Result<Changes> {
        Changes::new(Action::Delete, [(id, Some(before), None::<&()>)])
    }
}

impl Changes {
    /// Changes from (id, before, after).
    pub fn new<B: Serialize, A: Serialize>(
        action: Action,
        entities: impl IntoIterator<Item = (i64, Option<B>, Option<A>)>,
    ) -> Result<Self> {
        let entities = entities
            .into_iter()
            .map(|(id, before, after)| {
                let before = before
                    .map(|before| serde_json::value::to_raw_value(&before))
                    .transpose()?;
                let after = after
                    .map(|after| serde_json::value::to_raw_value(&after))
                    .transpose()?;
                Ok(Change { id, before, after })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { action, entities })
    }
}
