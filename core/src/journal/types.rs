//! What a change is.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

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
    /// They had gone and came back; there is no before.
    Restore,
}

impl Action {
    /// As rows and the wire spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Restore => "restore",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Delete, Self::Restore]
            .into_iter()
            .find(|action| action.name() == name)
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

/// An entry as it is read back.
#[derive(Debug)]
pub struct Entry {
    /// Its place in the journal.
    pub seq: i64,
    /// When, in UTC milliseconds.
    pub at_ms: i64,
    /// What all entries of one request share.
    pub clock: String,
    /// Who.
    pub account: Option<i64>,
    /// To what.
    pub noun: String,
    /// What happened.
    pub action: Action,
    /// To each of them.
    pub changes: Vec<Recorded>,
}

/// One entity of an entry.
#[derive(Debug, Deserialize)]
pub struct Recorded {
    /// The entity.
    pub id: i64,
    /// Empty for what came to be.
    #[serde(default)]
    pub before: Map<String, Json>,
    /// Empty for what went away.
    #[serde(default)]
    pub after: Map<String, Json>,
}

/// An entry as lists show it.
#[derive(Debug)]
pub struct Summary {
    /// Its place in the journal.
    pub seq: i64,
    /// When, in UTC milliseconds.
    pub at_ms: i64,
    /// What all entries of one request share.
    pub clock: String,
    /// Who.
    pub account: Option<i64>,
    /// To what.
    pub noun: String,
    /// What happened, as people say it: `create`, `update`, `delete`, `restore`.
    pub action: String,
    /// The lowest id among the entities.
    pub first_id: i64,
    /// The highest.
    pub last_id: i64,
    /// How many they are.
    pub count: i64,
    /// A JSON list of `{"id", "before", "after"}`, when it was asked for.
    pub rows: Option<Box<RawValue>>,
}

/// Which entries of a project a list wants.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Only entries with a greater place.
    pub after: Option<i64>,
    /// Only entries before this place.
    pub before: Option<i64>,
    /// Of this noun.
    pub noun: Option<String>,
    /// About this entity of that noun.
    pub entity: Option<i64>,
    /// By this account.
    pub account: Option<i64>,
    /// By jobs, or by nobody but people and their scripts.
    pub by_job: Option<bool>,
    /// The newest first.
    pub newest: bool,
    /// At most so many.
    pub limit: i64,
    /// With what changed.
    pub detail: bool,
}

/// What entries of the journal concern.
#[derive(Debug, Default)]
pub struct Touched {
    /// Ranges of ids that came to be, first and last.
    pub created: Vec<(i64, i64)>,
    /// Ids that changed or went away.
    pub ids: Vec<i64>,
    /// Their identities, where they have any.
    pub elemental_ids: Vec<String>,
}

/// An entry without its changes.
#[derive(Debug)]
pub(super) struct Head {
    pub seq: i64,
    pub noun: String,
    pub action: Action,
    pub first_id: i64,
    pub last_id: i64,
    pub count: i64,
}

/// Which entries are wanted.
#[derive(Debug)]
pub(super) struct EntryFilter {
    pub nouns: Vec<&'static str>,
    pub account: Option<i64>,
    pub entity: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ChangeLogQuery {
    pub user_id: Option<i64>,
    pub entity_id: Option<i64>,
    pub entity_type: Option<String>,
}
