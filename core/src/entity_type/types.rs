//! What an entity type is, and what may be said of a new or changed one.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::attribute::{Definition, Kind};
use crate::error::{Error, Result};

/// The one name that no type may have.
const RESERVED_NAME: &str = "filename";

/// One type of media, localizations, states, leaves or files.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityType {
    /// What it is a type of; never `Section`, whose attributes belong to the project.
    pub kind: Kind,
    /// Its id, unique within its kind.
    pub id: i64,
    /// The project that it belongs to.
    pub project: i64,
    /// Its name; names may repeat within a project.
    pub name: String,
    /// A sentence about it.
    pub description: String,
    /// `image`, `video`, `multi`, `live`; `box`, `line`, `dot`, `poly`; `state`; `leaf`; `file`.
    pub dtype: String,
    /// Its identity across stations.
    pub elemental_id: String,
    /// The fields of its kind, under the wire's names, each present.
    pub detail: Map<String, Json>,
}

impl EntityType {
    /// `Media`, `Frame` or `Localization` for a state type; empty for every other kind.
    pub fn association(&self) -> &str {
        self.text("association")
    }

    /// `none`, `latest` or `attr_style_range` for a state type; empty for every other kind.
    pub fn interpolation(&self) -> &str {
        self.text("interpolation")
    }

    /// Whether deleting a state of this type deletes its localizations.
    pub fn delete_child_localizations(&self) -> bool {
        self.flag("delete_child_localizations")
    }

    /// Whether user interfaces show its instances.
    pub fn visible(&self) -> bool {
        self.flag("visible")
    }

    /// The media types that a localization or state type applies to; empty for every other kind.
    pub fn media_types(&self) -> Vec<i64> {
        let ids = self.detail.get("media").and_then(Json::as_array);
        ids.into_iter().flatten().filter_map(Json::as_i64).collect()
    }

    pub(super) fn set_media_types(&mut self, ids: &[i64]) {
        self.detail.insert("media".into(), json!(ids));
    }

    fn text(&self, key: &str) -> &str {
        self.detail.get(key).and_then(Json::as_str).unwrap_or("")
    }

    fn flag(&self, key: &str) -> bool {
        self.detail
            .get(key)
            .and_then(Json::as_bool)
            .unwrap_or(false)
    }

    /// The row as the wire shows it, every key present; `definitions` are its attributes.
    pub fn wire(&self, definitions: &[Definition]) -> Json {
        let mut row = Map::new();
        row.insert("id".into(), json!(self.id));
        row.insert("project".into(), json!(self.project));
        row.insert("name".into(), json!(self.name));
        row.insert("description".into(), json!(self.description));
        if self.kind != Kind::File {
            row.insert("dtype".into(), json!(self.dtype));
        }
        row.extend(self.detail.clone());
        let attributes = definitions.iter().map(|one| Json::Object(one.wire.clone()));
        row.insert("attribute_types".into(), attributes.collect());
        row.insert("elemental_id".into(), json!(self.elemental_id));
        if !matches!(self.kind, Kind::Leaf | Kind::File) {
            row.insert("effective_permission".into(), json!(0));
        }
        Json::Object(row)
    }
}

/// A field that only one kind has.
struct Field {
    name: &'static str,
    /// JSON of the value when nobody gives one.
    unset: &'static str,
    /// May be given for a new type.
    create: bool,
    /// May be changed later.
    patch: bool,
}

const fn field(name: &'static str, unset: &'static str) -> Field {
    Field {
        name,
        unset,
        create: true,
        patch: true,
    }
}

const fn fixed(name: &'static str, unset: &'static str) -> Field {
    Field {
        patch: false,
        ..field(name, unset)
    }
}

const fn constant(name: &'static str, value: &'static str) -> Field {
    Field {
        create: false,
        ..fixed(name, value)
    }
}

const MEDIA: &[Field] = &[
    field("file_format", "null"),
    field("default_volume", "0"),
    field("archive_config", "null"),
    field("streaming_config", "null"),
    fixed("overlay_config", "null"),
    field("visible", "true"),
    field("default_box", "null"),
    field("default_line", "null"),
    field("default_dot", "null"),
    field("extended_info", "{}"),
];
const LOCALIZATION: &[Field] = &[
    constant("media", "[]"),
    field("color_map", "null"),
    field("line_width", "3"),
    field("visible", "true"),
    field("drawable", "true"),
    field("grouping_default", "true"),
    field("extended_info", "{}"),
];
const STATE: &[Field] = &[
    constant("media", "[]"),
    fixed("association", "\"Media\""),
    fixed("interpolation", "\"latest\""),
    field("visible", "true"),
    field("grouping_default", "true"),
    field("delete_child_localizations", "false"),
    fixed("default_localization", "null"),
    field("extended_info", "{}"),
];
const LEAF: &[Field] = &[constant("visible", "true"), field("extended_info", "{}")];

fn fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Media => MEDIA,
        Kind::Localization => LOCALIZATION,
        Kind::State => STATE,
        Kind::Leaf => LEAF,
        Kind::File | Kind::Section => &[],
    }
}

/// Fields that name a localization type, by the kind that has them.
pub(super) fn localization_type_fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Media => &["default_box", "default_line", "default_dot"],
        Kind::State => &["default_localization"],
        _ => &[],
    }
}

/// A body that makes a type, checked against the component of its kind.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewEntityType {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub dtype: Option<String>,
    pub elemental_id: Option<String>,
    #[serde(default)]
    pub attribute_types: Vec<Map<String, Json>>,
    #[serde(default)]
    pub media_types: Vec<i64>,
    /// The fields of the kind.
    #[serde(flatten)]
    pub rest: Map<String, Json>,
}

impl NewEntityType {
    /// The `detail` document of the new type, without its media types.
    pub fn detail(&self, kind: Kind) -> Map<String, Json> {
        let value = |field: &Field| {
            let given = self.rest.get(field.name).filter(|_| field.create);
            given
                .filter(|value| !value.is_null())
                .cloned()
                .unwrap_or_else(|| {
                    serde_json::from_str(field.unset).expect("the tables above hold JSON")
                })
        };
        let fields = fields(kind).iter();
        fields
            .map(|field| (field.name.to_owned(), value(field)))
            .collect()
    }

    /// The given or the constant `dtype`.
    pub fn dtype(&self, kind: Kind) -> String {
        match kind {
            Kind::State => "state".into(),
            Kind::Leaf => "leaf".into(),
            Kind::File => "file".into(),
            _ => self.dtype.clone().unwrap_or_default(),
        }
    }
}

/// A body that changes a type: absent keys stay as they are.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct EntityTypePatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub elemental_id: Option<String>,
    /// Media types to add.
    #[serde(default)]
    pub media_types: Vec<i64>,
    /// The fields of the kind.
    #[serde(flatten)]
    pub rest: Map<String, Json>,
}

impl EntityTypePatch {
    /// Writes the changes of the kind's fields into `detail`.
    pub fn apply(&self, kind: Kind, detail: &mut Map<String, Json>) {
        for field in fields(kind).iter().filter(|field| field.patch) {
            if let Some(value) = self.rest.get(field.name).filter(|value| !value.is_null()) {
                detail.insert(field.name.to_owned(), value.clone());
            }
        }
    }
}

/// Checks the name of a type: at most 64 characters, and not the reserved one.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > 64 {
        return Err(Error::invalid("a type's name has at most 64 characters"));
    }
    if name == RESERVED_NAME {
        return Err(Error::invalid(format!(
            "the name {RESERVED_NAME} is reserved; choose another for the type"
        )));
    }
    Ok(())
}

/// Checks the description of a type: at most 256 characters.
pub(super) fn check_description(description: &str) -> Result<()> {
    if description.chars().count() > 256 {
        return Err(Error::invalid(
            "a type's description has at most 256 characters",
        ));
    }
    Ok(())
}

/// What a list of types is narrowed by.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TypeFilter {
    pub elemental_id: Option<String>,
    /// Types that apply to every one of these media.
    #[serde(default)]
    pub media_id: Vec<i64>,
    #[serde(rename = "type")]
    pub type_id: Option<i64>,
}

/// The noun of a type in the journal and the sequence of its ids.
pub(super) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Media => "media_type",
        Kind::Localization => "localization_type",
        Kind::State => "state_type",
        Kind::Leaf => "leaf_type",
        Kind::File => "file_type",
        Kind::Section => "project",
    }
}
