//! What a section is.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

/// How a section finds its media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// Media point to it.
    Folder,
    /// It lists its media.
    Playlist,
    /// Its searches match media or their annotations.
    SavedSearch,
}

impl Dtype {
    /// The wire's text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Playlist => "playlist",
            Self::SavedSearch => "saved_search",
        }
    }

    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "playlist" => Self::Playlist,
            "saved_search" => Self::SavedSearch,
            _ => Self::Folder,
        }
    }
}

/// A section as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Section describes them"
)]
pub struct Section {
    pub id: i64,
    pub project: i64,
    pub name: String,
    /// Labels joined by dots.
    pub path: Option<String>,
    pub dtype: Dtype,
    /// The UUID that media in a folder carry as their attribute of this name.
    pub tator_user_sections: Option<String>,
    /// A search object over media, or null.
    pub object_search: Json,
    /// A search object over annotations, or null.
    pub related_search: Json,
    pub visible: bool,
    pub elemental_id: String,
    pub attributes: Map<String, Json>,
    pub explicit_listing: Option<bool>,
    /// UTC milliseconds.
    #[serde(serialize_with = "crate::time::serialize_opt")]
    pub created_datetime: Option<i64>,
    pub created_by: Option<i64>,
    /// Ids of the media that it lists, ascending.
    pub media: Vec<i64>,
    /// Where row protection takes its rights from, which decides nothing here.
    pub master_section: Option<i64>,
    pub effective_permission: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewSection {
    pub name: String,
    pub path: Option<String>,
    pub dtype: Option<Dtype>,
    pub tator_user_sections: Option<String>,
    #[serde(default)]
    pub object_search: Json,
    #[serde(default)]
    pub related_search: Json,
    pub visible: Option<bool>,
    pub elemental_id: Option<String>,
    #[serde(default)]
    pub attributes: Map<String, Json>,
    pub explicit_listing: Option<bool>,
    #[serde(default)]
    pub media: Vec<i64>,
    pub master_section: Option<i64>,
}

impl NewSection {
    /// The kind that was asked for, or that the other keys suggest.
    pub fn dtype(&self) -> Dtype {
        let searches = !self.object_search.is_null() || !self.related_search.is_null();
        match self.dtype {
            Some(dtype) => dtype,
            None if searches => Dtype::SavedSearch,
            None if self.explicit_listing == Some(true) => Dtype::Playlist,
            None => Dtype::Folder,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SectionPatch {
    pub name: Option<String>,
    /// An explicit null takes the section out of the tree.
    #[serde(default, deserialize_with = "given")]
    pub path: Option<Option<String>>,
    pub dtype: Option<Dtype>,
    pub tator_user_sections: Option<String>,
    pub object_search: Option<Json>,
    pub related_search: Option<Json>,
    pub visible: Option<bool>,
    pub elemental_id: Option<String>,
    #[serde(default)]
    pub attributes: Map<String, Json>,
    pub explicit_listing: Option<bool>,
    #[serde(default)]
    pub media_add: Vec<i64>,
    #[serde(default)]
    pub media_del: Vec<i64>,
    /// −1 names none.
    pub master_section: Option<i64>,
}

/// Tells a null from an absent key.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct BulkPatch {
    pub path_substitution: Option<Substitution>,
}

/// A prefix of paths, and what takes its place.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Substitution {
    pub old: Option<String>,
    pub new: Option<String>,
}
