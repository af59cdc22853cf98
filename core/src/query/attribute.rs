//! Simple attribute filters (`attribute=Name::value`) and comparisons with typed values.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::builtin::{self, Scalar};
use super::folder;
use super::page::json_text_of;
use super::schema::Schema;
use super::selection::Selection;
use crate::attribute::{Definition, Dtype, Kind};
use crate::error::{Error, Result};
use crate::time;

/// The eight filters on a row's own attributes, as query parameters.
pub const ATTRIBUTE_PARAMETERS: &str = "attribute: [string], attribute_lt: [string], attribute_lte: [string], \
     attribute_gt: [string], attribute_gte: [string], attribute_contains: [string], \
     attribute_distance: [string], attribute_null: [string]";

/// The same on related rows, and a search object for them.
pub const RELATED_PARAMETERS: &str = "related_attribute: [string], related_attribute_lt: [string], \
     related_attribute_lte: [string], related_attribute_gt: [string], related_attribute_gte: [string], \
     related_attribute_contains: [string], related_attribute_distance: [string], \
     related_attribute_null: [string], encoded_related_search: string";

/// Items `key::value` of each filter; all must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the wire's names; the specification describes them"
)]
pub struct AttributeFilters {
    pub attribute: Vec<String>,
    pub attribute_lt: Vec<String>,
    pub attribute_lte: Vec<String>,
    pub attribute_gt: Vec<String>,
    pub attribute_gte: Vec<String>,
    pub attribute_contains: Vec<String>,
    pub attribute_distance: Vec<String>,
    pub attribute_null: Vec<String>,
}

/// The filters on rows one hop away.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the wire's names; the specification describes them"
)]
pub struct RelatedFilters {
    pub related_attribute: Vec<String>,
    pub related_attribute_lt: Vec<String>,
    pub related_attribute_lte: Vec<String>,
    pub related_attribute_gt: Vec<String>,
    pub related_attribute_gte: Vec<String>,
    pub related_attribute_contains: Vec<String>,
    pub related_attribute_distance: Vec<String>,
    pub related_attribute_null: Vec<String>,
    pub encoded_related_search: Option<String>,
}

impl RelatedFilters {
    /// The attribute filters, as the related rows see them.
    pub(super) fn attributes(&self) -> AttributeFilters {
        AttributeFilters {
            attribute: self.related_attribute.clone(),
            attribute_lt: self.related_attribute_lt.clone(),
            attribute_lte: self.related_attribute_lte.clone(),
            attribute_gt: self.related_attribute_gt.clone(),
            attribute_gte: self.related_attribute_gte.clone(),
            attribute_contains: self.related_attribute_contains.clone(),
            attribute_distance: self.related_attribute_distance.clone(),
            attribute_null: self.related_attribute_null.clone(),
        }
    }
}

/// What a value is compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
    Within,
    Null,
}

impl Compare {
    fn sql(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            _ => "=",
        }
    }

    fn allows(self, dtype: Dtype) -> bool {
        let number = matches!(dtype, Dtype::Int | Dtype::Float | Dtype::Datetime);
        let text = matches!(dtype, Dtype::String | Dtype::Enum);
        match self {
            Self::Equal => number || text || dtype == Dtype::Bool,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => number,
            Self::Contains | Self::StartsWith | Self::EndsWith => text,
            Self::Within => dtype == Dtype::Geopos,
            Self::Null => true,
        }
    }
}

impl AttributeFilters {
    fn items(&self) -> impl Iterator<Item = (&'static str, Compare, &String)> {
        [
            ("attribute", Compare::Equal, &self.attribute),
            ("attribute_lt", Compare::Less, &self.attribute_lt),
            ("attribute_lte", Compare::LessOrEqual, &self.attribute_lte),
            ("attribute_gt", Compare::Greater, &self.attribute_gt),
            (
                "attribute_gte",
                Compare::GreaterOrEqual,
                &self.attribute_gte,
            ),
            (
                "attribute_contains",
                Compare::Contains,
                &self.attribute_contains,
            ),
            (
                "attribute_distance",
                Compare::Within,
                &self.attribute_distance,
            ),
            ("attribute_null", Compare::Null, &self.attribute_null),
        ]
        .into_iter()
        .flat_map(|(name, compare, items)| items.iter().map(move |item| (name, compare, item)))
    }

    /// Checks that every name is known to some type: a filter with a mistyped name would select
    /// everything, which is for readers to see and not for writers to change.
    ///
    /// Errors: `Invalid`, naming it.
    pub fn check_known(&self, schema: &Schema, kind: Kind, type_id: Option<i64>) -> Result<()> {
        for (parameter, _, item) in self.items() {
            let name = item
                .split_once("::")
                .map_or(item.as_str(), |(name, _)| name);
            let known = builtin::column(kind, name).is_some()
                || (folder::is_name(name) && folder::has(kind))
                || !schema.named(kind, type_id, name).is_empty();
            if !known {
                return Err(Error::invalid(format!(
                    "No type has the attribute '{name}' that {parameter} names; nothing was changed."
                )));
            }
        }
        Ok(())
    }

    /// Conditions on the rows of `alias`, one per item; names unknown to every type are ignored.
    ///
    /// Errors: `Invalid` for an item without `::`, a type that does not fit, or a value that does not parse.
    pub(super) fn conditions(
        &self,
        selection: &mut Selection,
        schema: &Schema,
        kind: Kind,
        type_id: Option<i64>,
        alias: &str,
    ) -> Result<Vec<String>> {
        let mut conditions = Vec::new();
        for (parameter, compare, item) in self.items() {
            let (name, text) = item.split_once("::").ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid {parameter} item '{item}': it is written name::value"
                ))
            })?;
            let value = match compare {
                Compare::Within => json!(text.split("::").collect::<Vec<_>>()),
                _ => json!(text),
            };
            if let Some((column, scalar)) = builtin::column(kind, name) {
                conditions.push(column_condition(
                    selection, alias, column, scalar, compare, &value,
                )?);
                continue;
            }
            if folder::is_name(name) && folder::has(kind) {
                conditions.push(folder::condition(
                    selection, kind, alias, name, compare, text,
                )?);
                continue;
            }
            let definitions = schema.named(kind, type_id, name);
            if definitions.is_empty() {
                continue;
            }
            if !definitions
                .iter()
                .any(|definition| compare.allows(definition.dtype))
            {
                return Err(Error::invalid(format!(
                    "Filter operation '{parameter}' not allowed for dtype '{}'!",
                    definitions[0].dtype.name()
                )));
            }
            conditions.push(any_definition(
                selection,
                alias,
                &definitions,
                compare,
                &value,
            )?);
        }
        Ok(conditions)
    }
}

impl Selection {
    /// Requires every simple filter to hold.
    pub fn filter_attributes(
        &mut self,
        schema: &Schema,
        type_id: Option<i64>,
        filters: &AttributeFilters,
    ) -> Result<()> {
        for condition in filters.conditions(self, schema, self.kind, type_id, "t")? {
            self.require(condition);
        }
        Ok(())
    }
}

/// A comparison that holds for any of the definitions that a name has; `Null` for all of them.
pub(super) fn any_definition(
    selection: &mut Selection,
    alias: &str,
    definitions: &[&Definition],
    compare: Compare,
    value: &Json,
) -> Result<String> {
    if compare == Compare::Null {
        let wanted = flag(value)
            .ok_or_else(|| Error::invalid(format!("{value} is neither true nor false")))?;
        let present: Vec<String> = definitions
            .iter()
            .map(|definition| presence(selection, alias, definition))
            .collect();
        let present = present.join(" or ");
        return Ok(if wanted {
            format!("not ({present})")
        } else {
            format!("({present})")
        });
    }
    let mut alternatives = Vec::new();
    for definition in definitions
        .iter()
        .filter(|definition| compare.allows(definition.dtype))
    {
        alternatives.push(typed_condition(
            selection, alias, definition, compare, value,
        )?);
    }
    Ok(match alternatives.len() {
        0 => "false".into(),
        1 => alternatives.remove(0),
        _ => format!("({})", alternatives.join(" or ")),
    })
}

fn flag(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(flag) => Some(*flag),
        Json::Number(number) => number.as_i64().map(|number| number != 0),
        Json::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Json::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        _ => None,
    }
}

fn table(dtype: Dtype) -> Option<&'static str> {
    match dtype {
        Dtype::Bool | Dtype::Int | Dtype::Float | Dtype::Datetime => Some("attribute_number"),
        Dtype::String | Dtype::Enum => Some("attribute_text"),
        Dtype::Geopos => Some("attribute_place"),
        Dtype::FloatArray | Dtype::Blob => None,
    }
}

fn presence(selection: &mut Selection, alias: &str, definition: &Definition) -> String {
    match table(definition.dtype) {
        Some(table) => format!(
            "{alias}.id in (select entity from {table} where attribute = {})",
            definition.id
        ),
        None => {
            let text = json_text_of(selection, alias, &definition.name);
            format!(
                "({alias}.type = {} and {text} is not null)",
                definition.type_id
            )
        }
    }
}

fn typed_condition(
    selection: &mut Selection,
    alias: &str,
    definition: &Definition,
    compare: Compare,
    value: &Json,
) -> Result<String> {
    let does_not_parse = || {
        Error::invalid(format!(
            "Invalid value {value} for {} attribute {}",
            definition.dtype.name(),
            definition.name
        ))
    };
    let condition = match definition.dtype {
        Dtype::Bool => {
            // Every text but "false" is true.
            let wanted = match value {
                Json::Bool(flag) => *flag,
                Json::String(text) => !text.eq_ignore_ascii_case("false"),
                other => flag(other).ok_or_else(does_not_parse)?,
            };
            format!("value = {}", selection.bind(f64::from(u8::from(wanted))))
        }
        Dtype::Int | Dtype::Float => {
            let number = number(value).ok_or_else(does_not_parse)?;
            format!("value {} {}", compare.sql(), selection.bind(number))
        }
        Dtype::Datetime => {
            let at_ms = value
                .as_str()
                .and_then(time::parse)
                .ok_or_else(does_not_parse)?;
            format!("value {} {}", compare.sql(), selection.bind(at_ms as f64))
        }
        Dtype::Geopos => within(selection, value).ok_or_else(does_not_parse)?,
        _ => text_condition(selection, compare, &text(value)),
    };
    let table = table(definition.dtype).expect("types without a table allow no comparison");
    Ok(format!(
        "{alias}.id in (select entity from {table} where attribute = {} and {condition})",
        definition.id
    ))
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Json::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()),
        other => other.as_f64(),
    }
}

fn text(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn text_condition(selection: &mut Selection, compare: Compare, text: &str) -> String {
    if compare != Compare::Equal {
        let pattern = selection.bind(pattern(compare, text));
        let folded = selection.dialect.lower("(value || coalesce(rest, ''))");
        return format!("{folded} like {pattern} escape '\\'");
    }
    // The table orders by the first characters; what is beyond them stands in `rest`.
    let (start, rest) = crate::attribute::split_text(text);
    let start = selection.bind(start);
    match rest {
        Some(rest) => format!("value = {start} and rest = {}", selection.bind(rest)),
        None => format!("value = {start} and rest is null"),
    }
}

/// A lower-case LIKE pattern in which the text stands for itself.
fn pattern(compare: Compare, text: &str) -> String {
    let text = text
        .to_lowercase()
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    match compare {
        Compare::StartsWith => format!("{text}%"),
        Compare::EndsWith => format!("%{text}"),
        _ => format!("%{text}%"),
    }
}

/// `[km, lat, lon]`: a band of latitudes first, then the exact distance.
fn within(selection: &mut Selection, value: &Json) -> Option<String> {
    let parts: Vec<f64> = value
        .as_array()?
        .iter()
        .map(number)
        .collect::<Option<_>>()?;
    let [km, latitude, longitude] = parts[..] else {
        return None;
    };
    // A degree of latitude is at least 110.5 km long.
    let band = km / 110.5;
    let (low, high) = (
        selection.bind(latitude - band),
        selection.bind(latitude + band),
    );
    let (latitude, longitude, km) = (
        selection.bind(latitude),
        selection.bind(longitude),
        selection.bind(km),
    );
    Some(format!(
        "latitude between {low} and {high} and \
         geo_distance_km(latitude, longitude, {latitude}, {longitude}) <= {km}"
    ))
}

/// A comparison with a built-in column.
pub(super) fn column_condition(
    selection: &mut Selection,
    alias: &str,
    column: &str,
    scalar: Scalar,
    compare: Compare,
    value: &Json,
) -> Result<String> {
    let column = format!("{alias}.{column}");
    if compare == Compare::Null {
        let wanted = flag(value)
            .ok_or_else(|| Error::invalid(format!("{value} is neither true nor false")))?;
        return Ok(format!(
            "{column} is {}null",
            if wanted { "" } else { "not " }
        ));
    }
    let does_not_parse = || Error::invalid(format!("Invalid value {value} for {column}"));
    let bound = match (scalar, compare) {
        (_, Compare::Within) => return Err(Error::invalid(format!("{column} is no place"))),
        (_, Compare::Contains | Compare::StartsWith | Compare::EndsWith) => {
            let place = selection.bind(pattern(compare, &text(value)));
            let folded = selection.dialect.lower(&format!("cast({column} as text)"));
            return Ok(format!("{folded} like {place} escape '\\'"));
        }
        (Scalar::Text, _) => selection.bind(text(value)),
        (Scalar::Time, _) => {
            let at_ms = value
                .as_str()
                .and_then(time::parse)
                .ok_or_else(does_not_parse)?;
            selection.bind(at_ms)
        }
        (Scalar::Int | Scalar::Real, _) => {
            let number = number(value).ok_or_else(does_not_parse)?;
            let place = selection.bind(number);
            return Ok(format!(
                "{column} {} cast({place} as double precision)",
                compare.sql()
            ));
        }
    };
    Ok(format!("{column} {} {bound}", compare.sql()))
}
