//! Keys: what rows may be grouped by.

use crate::attribute::{Definition, Dtype, Kind};
use crate::error::{Error, Result};
use crate::query::{Scalar, Schema, builtin_column};

/// A key that a request names.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// As it is named: `$` and a column, or an attribute.
    pub name: String,
    /// Where its values come from.
    pub origin: Origin,
}

/// Where the values of a key come from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A column of the kind's table.
    Column(&'static str, Scalar),
    /// The list of media that a state is about.
    StateMedia,
    /// The folder of the media that an annotation is on.
    SectionOfMedia,
    /// Attributes of that name, of one type or several.
    Attribute(Vec<Definition>),
}

impl Key {
    /// The key of that name.
    ///
    /// Errors: `Invalid` for a name that neither a column nor an attribute has, and for an attribute
    /// whose values cannot be counted by.
    pub fn find(schema: &Schema, kind: Kind, type_id: Option<i64>, name: &str) -> Result<Self> {
        let origin = match (name, kind) {
            ("$media", Kind::State) => Some(Origin::StateMedia),
            ("$section", Kind::Media) => Some(Origin::Column("primary_section", Scalar::Int)),
            ("$section", Kind::Localization | Kind::State) => Some(Origin::SectionOfMedia),
            _ => builtin_column(kind, name).map(|(column, scalar)| Origin::Column(column, scalar)),
        };
        let origin = match origin {
            Some(origin) => origin,
            None => attribute(schema, kind, type_id, name)?,
        };
        Ok(Self {
            name: name.to_owned(),
            origin,
        })
    }

    /// What tells its column from others of a table. An attribute keeps its through a rename.
    pub fn identity(&self) -> String {
        match &self.origin {
            Origin::Column(column, _) => (*column).to_owned(),
            Origin::StateMedia | Origin::SectionOfMedia => "media".to_owned(),
            Origin::Attribute(definitions) => {
                let ids: Vec<String> = definitions.iter().map(|one| one.id.to_string()).collect();
                format!("attributes {}", ids.join(" "))
            }
        }
    }

    /// Whether most of its values are different numbers, and whether they are times.
    pub fn numbers(&self) -> Option<bool> {
        match &self.origin {
            Origin::Column(_, Scalar::Real) => Some(false),
            Origin::Column(_, Scalar::Time) => Some(true),
            Origin::Attribute(definitions) => {
                let all = |dtype| definitions.iter().all(|one| one.dtype == dtype);
                match (all(Dtype::Float), all(Dtype::Datetime)) {
                    (true, _) => Some(false),
                    (_, true) => Some(true),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether it has values that are numbers.
    pub fn is_numeric(&self) -> bool {
        let numeric = |dtype| {
            matches!(
                dtype,
                Dtype::Bool | Dtype::Int | Dtype::Float | Dtype::Datetime
            )
        };
        match &self.origin {
            Origin::Column(_, scalar) => *scalar != Scalar::Text,
            Origin::StateMedia | Origin::SectionOfMedia => false,
            Origin::Attribute(definitions) => definitions.iter().any(|one| numeric(one.dtype)),
        }
    }
}

fn attribute(schema: &Schema, kind: Kind, type_id: Option<i64>, name: &str) -> Result<Origin> {
    let definitions: Vec<Definition> = schema
        .named(kind, type_id, name)
        .into_iter()
        .cloned()
        .collect();
    let Some(first) = definitions.first() else {
        let of = type_id.map_or_else(String::new, |id| format!(" of type {id}"));
        return Err(Error::invalid(format!(
            "'{name}' is neither an attribute{of} nor a column; columns are written with a dollar sign, such as $type"
        )));
    };
    let countable =
        |one: &Definition| !matches!(one.dtype, Dtype::Geopos | Dtype::FloatArray | Dtype::Blob);
    let definitions: Vec<Definition> = definitions
        .iter()
        .filter(|one| countable(one))
        .cloned()
        .collect();
    if definitions.is_empty() {
        return Err(Error::invalid(format!(
            "rows cannot be counted by '{name}', whose values are of dtype {}",
            first.dtype.name()
        )));
    }
    Ok(Origin::Attribute(definitions))
}
