//! Simple attribute filters (`attribute=Name::value`) and comparisons with typed values.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::builtin::{self, Scalar};
use super::page::{json_is_number, json_text_of, json_type};
use super::plan::{InDocument, Typed};
use super::schema::Schema;
use super::search::decode;
use super::selection::Selection;
use super::value::{flag, integer, number, text, truth};
use super::{folder, related};
use crate::attribute::{Definition, Dtype, Kind};
use crate::database::Dialect;
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
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
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
    /// Checks that every name is known to some type of the rows one hop away; see
    /// [`AttributeFilters::check_known`].
    pub fn check_known(&self, schema: &Schema, kind: Kind) -> Result<()> {
        let far = related::far(kind);
        for (parameter, _, item) in self.attributes().items() {
            check_name(schema, far, None, parameter, name_of(item))?;
        }
        match &self.encoded_related_search {
            Some(encoded) => decode(encoded)?.check_known_to(schema, far),
            None => Ok(()),
        }
    }

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

    /// Whether a search may compare values of this type so: texts have an order there.
    fn fits(self, dtype: Dtype) -> bool {
        let text = matches!(dtype, Dtype::String | Dtype::Enum);
        self.allows(dtype) || (text && self.is_order())
    }

    fn is_order(self) -> bool {
        matches!(
            self,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual
        )
    }

    /// The same, but holding for equal values too.
    fn or_equal(self) -> Self {
        match self {
            Self::Less => Self::LessOrEqual,
            Self::Greater => Self::GreaterOrEqual,
            other => other,
        }
    }

    /// Whether a simple filter may compare values of this type so.
    fn allows(self, dtype: Dtype) -> bool {
        let number = matches!(dtype, Dtype::Int | Dtype::Float | Dtype::Datetime);
        let text = matches!(dtype, Dtype::String | Dtype::Enum);
        match self {
            Self::Equal => number || text || dtype == Dtype::Bool,
            order if order.is_order() => number,
            Self::Contains | Self::StartsWith | Self::EndsWith => text,
            Self::Within => dtype == Dtype::Geopos,
            _ => true,
        }
    }
}

/// The name of an item `name::value`.
fn name_of(item: &str) -> &str {
    item.split_once("::").map_or(item, |(name, _)| name)
}

/// Whether a name is a column, the folder, or an attribute of some type.
pub(super) fn is_known(schema: &Schema, kind: Kind, type_id: Option<i64>, name: &str) -> bool {
    builtin::column(kind, name).is_some()
        || (folder::is_name(name) && folder::has(kind))
        || !schema.named(kind, type_id, name).is_empty()
}

/// Checks that a name by which a bulk change selects is known to rows of some kind.
///
/// Errors: `Invalid`, with what has the name.
pub(super) fn check_name(
    schema: &Schema,
    kinds: &[Kind],
    type_id: Option<i64>,
    place: &str,
    name: &str,
) -> Result<()> {
    if kinds
        .iter()
        .any(|kind| is_known(schema, *kind, type_id, name))
    {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "No type has the attribute '{name}' that {place} names; nothing was changed."
    )))
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
            check_name(schema, &[kind], type_id, parameter, name_of(item))?;
        }
        Ok(())
    }

    /// The names that mean something for rows of a kind.
    pub(super) fn known_names(&self, schema: &Schema, kind: Kind) -> HashSet<&str> {
        let names = self.items().map(|(_, _, item)| name_of(item));
        names
            .filter(|name| is_known(schema, kind, None, name))
            .collect()
    }

    /// The filters, with what their names mean; names unknown to every type are left out.
    ///
    /// Errors: `Invalid` for an item without `::`, or a type that does not fit.
    fn parsed<'s>(
        &self,
        schema: &'s Schema,
        kind: Kind,
        type_id: Option<i64>,
    ) -> Result<Vec<Filter<'s>>> {
        let mut filters = Vec::new();
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
            let folder = folder::is_name(name) && folder::has(kind);
            if folder {
                filters.push(Filter {
                    compare,
                    value,
                    subject: Subject::Folder(kind, name.to_owned(), text.to_owned()),
                    definitions: Vec::new(),
                });
                continue;
            }
            let column = builtin::column(kind, name);
            let mut definitions = match column {
                Some(_) => Vec::new(),
                None => schema.named(kind, type_id, name),
            };
            let first = match (column, definitions.first()) {
                (Some((_, scalar)), _) => scalar.dtype(),
                (None, Some(definition)) => definition.dtype,
                (None, None) => continue,
            };
            definitions.retain(|definition| compare.allows(definition.dtype));
            if definitions.is_empty() && !(column.is_some() && compare.allows(first)) {
                return Err(Error::invalid(format!(
                    "Filter operation '{parameter}' not allowed for dtype '{}'!",
                    first.name()
                )));
            }
            filters.push(Filter {
                compare,
                value,
                subject: column.map_or(Subject::Attribute, |(column, scalar)| {
                    Subject::Column(column, scalar)
                }),
                definitions,
            });
        }
        Ok(filters)
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
        let filters = self.parsed(schema, kind, type_id)?;
        filters
            .iter()
            .map(|filter| filter.condition(selection, alias))
            .collect()
    }
}

/// One filter.
struct Filter<'s> {
    compare: Compare,
    value: Json,
    subject: Subject,
    /// The attributes of that name.
    definitions: Vec<&'s Definition>,
}

/// What a filter's name means.
enum Subject {
    /// A built-in column.
    Column(&'static str, Scalar),
    /// The folder, by this name and text.
    Folder(Kind, String, String),
    /// The attributes of that name.
    Attribute,
}

impl Filter<'_> {
    fn condition(&self, selection: &mut Selection, alias: &str) -> Result<String> {
        let (compare, value) = (self.compare, &self.value);
        match &self.subject {
            Subject::Column(column, scalar) => {
                column_condition(selection, alias, column, *scalar, compare, value)
            }
            Subject::Folder(kind, name, text) => {
                folder::condition(selection, *kind, alias, name, compare, text)
            }
            Subject::Attribute => {
                any_definition(selection, alias, &self.definitions, compare, value)
            }
        }
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
        let kind = self.kind;
        for filter in filters.parsed(schema, kind, type_id)? {
            match &filter.definitions[..] {
                // One attribute: the plan decides how it is compared.
                [definition]
                    if filter.compare != Compare::Null
                        && beyond_floats(definition, &filter.value).is_none() =>
                {
                    let typed = compared(self, definition, filter.compare, &filter.value)?;
                    self.compare(typed);
                }
                _ => {
                    let condition = filter.condition(self, "t")?;
                    self.require(condition);
                }
            }
        }
        Ok(())
    }
}

/// A comparison that holds for any of the definitions that a name has; `Null` for all of them.
///
/// Errors: `Invalid` for a comparison that fits none of them, or a value that none of them can read.
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
    let (mut alternatives, mut unread) = (Vec::new(), None);
    for definition in definitions
        .iter()
        .filter(|definition| compare.fits(definition.dtype))
    {
        match typed_condition(selection, alias, definition, compare, value) {
            Ok(condition) => alternatives.push(condition),
            Err(error) => unread = Some(error),
        }
    }
    match (alternatives.len(), unread) {
        (0, Some(error)) => Err(error),
        (0, None) => Err(Error::invalid(format!(
            "attribute {} of type {} can not be compared so",
            definitions[0].name,
            definitions[0].dtype.name()
        ))),
        (1, _) => Ok(alternatives.remove(0)),
        _ => Ok(format!("({})", alternatives.join(" or "))),
    }
}

pub(super) fn table(dtype: Dtype) -> Option<&'static str> {
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
    let exact = beyond_floats(definition, value);
    let in_table = match exact {
        // The table holds floats: those that are as near as can be, and more exactly below.
        Some(_) => compare.or_equal(),
        None => compare,
    };
    let condition = typed_test(selection, definition, in_table, value)?.0;
    let table = table(definition.dtype).expect("types without a table allow no comparison");
    let found = format!(
        "{alias}.id in (select entity from {table} where attribute = {} and {condition})",
        definition.id
    );
    Ok(match exact {
        None => found,
        Some(number) => {
            let exactly = exactly(selection, alias, &definition.name, compare, number);
            format!("({found} and {exactly})")
        }
    })
}

/// The integer that an attribute of integers is compared with, where floats have no neighbours of it.
fn beyond_floats(definition: &Definition, value: &Json) -> Option<i64> {
    const EXACT: u64 = 1 << 53;
    let number = integer(value)?;
    (definition.dtype == Dtype::Int && i64::unsigned_abs(number) >= EXACT).then_some(number)
}

/// A comparison of integers in the document; other values pass.
fn exactly(
    selection: &mut Selection,
    alias: &str,
    name: &str,
    compare: Compare,
    number: i64,
) -> String {
    let is_number = json_is_number(selection, alias, name);
    let value = json_text_of(selection, alias, name);
    let (value, place) = match selection.dialect {
        Dialect::Postgres => (format!("cast({value} as numeric)"), selection.bind(number)),
        Dialect::Sqlite => (value, selection.bind(number)),
    };
    format!(
        "case when {is_number} then {value} {} cast({place} as bigint) else true end",
        compare.sql()
    )
}

/// A comparison as the plan wants it: over the typed table, and over documents where that is the same.
fn compared(
    selection: &mut Selection,
    definition: &Definition,
    compare: Compare,
    value: &Json,
) -> Result<Typed> {
    let (test, bound) = typed_test(selection, definition, compare, value)?;
    let table = table(definition.dtype).expect("types without a table allow no comparison");
    Ok(Typed {
        attribute: definition.id,
        type_id: definition.type_id,
        table,
        tests: vec![test],
        document: bound.and_then(|bound| in_document(selection, definition, compare, &bound)),
    })
}

/// The comparison in the document of `t` with a bound value; none where documents hold the values
/// in another form.
fn in_document(
    selection: &mut Selection,
    definition: &Definition,
    compare: Compare,
    bound: &str,
) -> Option<InDocument> {
    let sqlite = selection.dialect == Dialect::Sqlite;
    let expected = match (definition.dtype, sqlite) {
        (Dtype::Bool, true) => "'true', 'false'",
        (Dtype::Bool, false) => "'boolean'",
        (Dtype::Int | Dtype::Float, true) => "'integer', 'real'",
        (Dtype::Int | Dtype::Float, false) => "'number'",
        (Dtype::String | Dtype::Enum, true) => "'text'",
        (Dtype::String | Dtype::Enum, false) => "'string'",
        _ => return None,
    };
    let json_type = json_type(selection, "t", &definition.name);
    let value = json_text_of(selection, "t", &definition.name);
    let value = match definition.dtype {
        Dtype::Bool if !sqlite => {
            format!("cast(case {value} when 'true' then 1 else 0 end as double precision)")
        }
        Dtype::Int | Dtype::Float if !sqlite => format!("cast({value} as double precision)"),
        _ => value,
    };
    Some(InDocument {
        json_type,
        expected,
        tests: vec![format!("{value} {} {bound}", compare.sql())],
    })
}

/// A comparison over the columns of the typed table, and the place of what a value is compared
/// with as a whole, if it is.
fn typed_test(
    selection: &mut Selection,
    definition: &Definition,
    compare: Compare,
    value: &Json,
) -> Result<(String, Option<String>)> {
    let does_not_parse = || {
        Error::invalid(format!(
            "Invalid value {value} for {} attribute {}",
            definition.dtype.name(),
            definition.name
        ))
    };
    let number = match definition.dtype {
        Dtype::Bool => f64::from(u8::from(truth(value).ok_or_else(does_not_parse)?)),
        Dtype::Int | Dtype::Float => number(value).ok_or_else(does_not_parse)?,
        Dtype::Datetime => {
            let at_ms = value.as_str().and_then(time::parse);
            at_ms.ok_or_else(does_not_parse)? as f64
        }
        Dtype::Geopos => {
            let near = within(selection, value).ok_or_else(does_not_parse)?;
            return Ok((near, None));
        }
        _ => return Ok(text_test(selection, compare, &text(value))),
    };
    let place = selection.bind(number);
    let sign = match definition.dtype {
        Dtype::Bool => "=",
        _ => compare.sql(),
    };
    Ok((format!("value {sign} {place}"), Some(place)))
}

fn text_test(selection: &mut Selection, compare: Compare, text: &str) -> (String, Option<String>) {
    if compare.is_order() {
        return (text_order(selection, compare, text), None);
    }
    if compare != Compare::Equal {
        let pattern = selection.bind(pattern(compare, text));
        let folded = selection.dialect.lower("(value || coalesce(rest, ''))");
        return (format!("{folded} like {pattern} escape '\\'"), None);
    }
    // The table orders by the first characters; what is beyond them stands in `rest`.
    let (start, rest) = crate::attribute::split_text(text);
    let start = selection.bind(start);
    match rest {
        Some(rest) => {
            let rest = selection.bind(rest);
            (format!("value = {start} and rest = {rest}"), None)
        }
        None => (format!("value = {start} and rest is null"), Some(start)),
    }
}

/// A comparison by the order of code points: of the first characters, and where these are equal of
/// what is beyond them.
fn text_order(selection: &mut Selection, compare: Compare, text: &str) -> String {
    let (start, rest) = crate::attribute::split_text(text);
    let (start, rest) = (selection.bind(start), selection.bind(rest.unwrap_or("")));
    let beyond = match selection.dialect {
        Dialect::Postgres => "coalesce(rest, '') collate \"C\"",
        Dialect::Sqlite => "coalesce(rest, '')",
    };
    format!(
        "value {} {start} and (value <> {start} or {beyond} {} {rest})",
        compare.or_equal().sql(),
        compare.sql()
    )
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

/// A comparison with a text, which an expression is.
pub(super) fn text_condition(
    selection: &mut Selection,
    expression: &str,
    compare: Compare,
    text: &str,
) -> String {
    match compare {
        Compare::Contains | Compare::StartsWith | Compare::EndsWith => {
            let place = selection.bind(pattern(compare, text));
            let folded = selection.dialect.lower(expression);
            format!("{folded} like {place} escape '\\'")
        }
        _ => {
            let place = selection.bind(text);
            format!("{expression} {} {place}", compare.sql())
        }
    }
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
    if !compare.fits(scalar.dtype()) {
        let dtype = scalar.dtype().name();
        return Err(Error::invalid(format!(
            "{column} of type {dtype} can not be compared so"
        )));
    }
    if compare == Compare::Null {
        let wanted = flag(value)
            .ok_or_else(|| Error::invalid(format!("{value} is neither true nor false")))?;
        return Ok(format!(
            "{column} is {}null",
            if wanted { "" } else { "not " }
        ));
    }
    let does_not_parse = || Error::invalid(format!("Invalid value {value} for {column}"));
    let bound = match scalar {
        Scalar::Text => return Ok(text_condition(selection, &column, compare, &text(value))),
        Scalar::Time => {
            let at_ms = value
                .as_str()
                .and_then(time::parse)
                .ok_or_else(does_not_parse)?;
            selection.bind(at_ms)
        }
        Scalar::Int | Scalar::Real => {
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
