//! Definitions of attributes.

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};

/// Kinds of things that have attributes; sections take theirs from the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the noun it names")]
pub enum Kind {
    Media,
    Localization,
    State,
    Leaf,
    File,
    Section,
}

impl Kind {
    /// The name of its types, as `entity_type` and the database spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Media => "MediaType",
            Self::Localization => "LocalizationType",
            Self::State => "StateType",
            Self::Leaf => "LeafType",
            Self::File => "FileType",
            Self::Section => "Section",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Media,
            Self::Localization,
            Self::State,
            Self::Leaf,
            Self::File,
            Self::Section,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }

    /// The table of its instances.
    pub fn table(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Localization => "localization",
            Self::State => "state",
            Self::Leaf => "leaf",
            Self::File => "file",
            Self::Section => "section",
        }
    }
}

/// Data types of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the wire's name of a type")]
pub enum Dtype {
    Bool,
    Int,
    Float,
    Enum,
    String,
    Datetime,
    Geopos,
    FloatArray,
    Blob,
}

impl Dtype {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Bool, "bool"),
        (Self::Int, "int"),
        (Self::Float, "float"),
        (Self::Enum, "enum"),
        (Self::String, "string"),
        (Self::Datetime, "datetime"),
        (Self::Geopos, "geopos"),
        (Self::FloatArray, "float_array"),
        (Self::Blob, "blob"),
    ];

    /// The wire's text.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(dtype, _)| *dtype == self)
            .expect("every type is listed")
            .1
    }

    /// The type of that text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(dtype, _)| *dtype)
    }

    /// Whether values of this type stand in a typed table.
    pub fn is_indexed(self) -> bool {
        !matches!(self, Self::FloatArray | Self::Blob)
    }

    /// Whether a definition may change from this type to another: the stored values then stay as
    /// they are, in the same typed table.
    pub fn may_become(self, other: Self) -> bool {
        self == other
            || matches!(
                (self, other),
                (Self::Int, Self::Float)
                    | (Self::Float, Self::Int)
                    | (Self::Enum, Self::String)
                    | (Self::String, Self::Enum)
            )
    }
}

/// One declared attribute of one type.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its id, stable through renames and mutations.
    pub id: i64,
    /// What it is an attribute of.
    pub kind: Kind,
    /// The type that declares it; for sections the project.
    pub type_id: i64,
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub dtype: Dtype,
    /// The definition as the wire shows it, with its defaults materialized.
    pub wire: Map<String, Json>,
}

/// The attributes of one type, in their order.
pub type Definitions = Vec<Definition>;

impl Definition {
    /// Reads a checked `AttributeType` document; `id`, kind and type are for the store to give.
    ///
    /// Errors: `Invalid` in the wire's words when a part is missing.
    pub fn from_wire(id: i64, kind: Kind, type_id: i64, wire: Map<String, Json>) -> Result<Self> {
        let text = |key: &str| wire.get(key).and_then(Json::as_str).map(str::to_owned);
        let missing =
            |key: &str| Error::invalid(format!("Attribute type definition missing '{key}' field"));
        let name = text("name").ok_or_else(|| missing("name"))?;
        let dtype = text("dtype").ok_or_else(|| missing("dtype"))?;
        if name.starts_with('$') {
            return Err(Error::invalid(
                "Attribute type name can not start with '$' character",
            ));
        }
        if name.contains('\0') {
            return Err(Error::invalid(
                "Attribute type name can not contain a NUL character",
            ));
        }
        let dtype = Dtype::from_name(&dtype).ok_or_else(|| {
            Error::invalid(format!(
                "Invalid dtype {dtype}. Input should be one of the known types (literal_error)"
            ))
        })?;
        if dtype == Dtype::Enum && !wire.contains_key("choices") {
            return Err(Error::invalid(
                "enum attribute type definition missing 'choices' field",
            ));
        }
        if dtype == Dtype::FloatArray && !wire.contains_key("size") {
            return Err(Error::invalid(
                "float_array attribute type definition missing 'size' field",
            ));
        }
        let definition = Self {
            id,
            kind,
            type_id,
            name,
            dtype,
            wire,
        };
        if let Some(default) = definition
            .wire
            .get("default")
            .filter(|value| !value.is_null())
        {
            super::convert(&definition, default)?;
        }
        Ok(definition)
    }

    /// The default, converted as a value is; none when the definition has none.
    pub fn default(&self) -> Result<Option<Json>> {
        let given = self.wire.get("default").filter(|value| !value.is_null());
        given.map(|value| super::convert(self, value)).transpose()
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.wire.get(key).and_then(Json::as_bool).unwrap_or(false)
    }

    pub(super) fn bound(&self, key: &str) -> Option<f64> {
        self.wire.get(key).and_then(Json::as_f64)
    }

    pub(super) fn choices(&self) -> Json {
        self.wire
            .get("choices")
            .cloned()
            .unwrap_or_else(|| json!([]))
    }
}

/// Checks the charset of a new attribute's name, on adding and renaming.
pub fn check_name(name: &str) -> Result<()> {
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || "_-><%:&#;(),@".contains(c);
    if !name.is_empty() && name.chars().all(allowed) {
        return Ok(());
    }
    if name.starts_with('$') {
        return Err(Error::invalid(
            "Attribute type name can not start with '$' character",
        ));
    }
    Err(Error::invalid(format!(
        "Invalid attribute name '{name}': it may hold letters, digits, spaces and _-><%:&#;(),@ only"
    )))
}
