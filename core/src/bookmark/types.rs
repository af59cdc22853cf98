//! What a bookmark and a favorite are.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::attribute::Kind;

/// A bookmark as the wire shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Bookmark {
    pub id: i64,
    pub project: i64,
    pub user: i64,
    pub name: String,
    /// Relative to the site.
    pub uri: String,
    pub effective_permission: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BookmarkPatch {
    pub name: Option<String>,
    pub uri: Option<String>,
}

/// What the values of a favorite are meant for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    #[default]
    Localization,
    State,
}

impl Target {
    /// The wire's text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Localization => "Localization",
            Self::State => "State",
        }
    }

    pub(super) fn from_name(name: &str) -> Self {
        if name == "State" {
            Self::State
        } else {
            Self::Localization
        }
    }

    /// The kind of its types.
    pub fn type_kind(self) -> Kind {
        match self {
            Self::Localization => Kind::Localization,
            Self::State => Kind::State,
        }
    }

    /// What instances of a kind are called, if they can be filled in.
    pub(super) fn of_kind(kind: Kind) -> Option<Self> {
        [Self::Localization, Self::State]
            .into_iter()
            .find(|target| target.type_kind() == kind)
    }
}

/// A favorite as the wire shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Favorite {
    pub id: i64,
    pub project: i64,
    pub user: i64,
    pub entity_type_name: Target,
    #[serde(rename = "type")]
    pub type_id: i64,
    pub localization_type_id: Option<i64>,
    pub state_type_id: Option<i64>,
    pub name: String,
    pub page: i64,
    pub values: Map<String, Json>,
    pub effective_permission: i64,
}

impl Favorite {
    /// Says what it is for, in each of the wire's ways.
    pub fn aim(&mut self, target: Target) {
        self.entity_type_name = target;
        self.localization_type_id = (target == Target::Localization).then_some(self.type_id);
        self.state_type_id = (target == Target::State).then_some(self.type_id);
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct NewFavorite {
    #[serde(rename = "type")]
    pub type_id: Option<i64>,
    pub name: Option<String>,
    pub values: Option<Map<String, Json>>,
    pub page: i64,
    #[serde(default)]
    pub entity_type_name: Target,
}

#[derive(Debug, Clone, Deserialize)]
pub struct FavoritePatch {
    pub name: Option<String>,
    pub entity_type_name: Option<Target>,
}
