//! Paging and order.

use serde::Deserialize;

use super::builtin;
use super::plan::Lead;
use super::schema::Schema;
use super::selection::Selection;
use crate::attribute::{Definition, Dtype, TEXT_PREFIX};
use crate::database::Dialect;
use crate::error::Result;

/// The query parameters of a page.
pub const PAGE_PARAMETERS: &str =
    "start: int<0..>, stop: int<0..>, encoded_search: string, sort_by: [string]";

/// A slice of an ordered list; `start` is inclusive, `stop` exclusive, both count from zero.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Page {
    /// The first row.
    pub start: Option<u64>,
    /// The row after the last.
    pub stop: Option<u64>,
}

impl Page {
    /// Whether it is the whole list.
    pub fn is_whole(&self) -> bool {
        self.start.unwrap_or(0) == 0 && self.stop.is_none()
    }

    /// What goes behind the order of a statement.
    pub fn sql(&self) -> String {
        let start = self.start.unwrap_or(0);
        match self.stop {
            Some(stop) => format!(" limit {} offset {start}", stop.saturating_sub(start)),
            // SQLite takes no offset without a limit.
            None if start > 0 => format!(" limit {} offset {start}", i64::MAX),
            None => String::new(),
        }
    }

    pub(super) fn slice<'i>(&self, items: &'i [i64]) -> &'i [i64] {
        let clamp = |place: u64| {
            usize::try_from(place)
                .unwrap_or(usize::MAX)
                .min(items.len())
        };
        let start = clamp(self.start.unwrap_or(0));
        let stop = clamp(self.stop.unwrap_or(u64::MAX));
        &items[start.min(stop)..stop]
    }
}

impl Selection {
    /// Orders by `sort_by` keys: `$name` is a column, a bare name an attribute, `-` reverses.
    ///
    /// Keys that name nothing are ignored. Ties are broken by id, in the direction of the only key
    /// if that is an attribute.
    pub fn sort(&mut self, schema: &Schema, type_id: Option<i64>, keys: &[String]) -> Result<()> {
        let mut orders: Vec<Vec<String>> = Vec::new();
        let mut lead = None;
        for key in keys {
            let (reverse, name) = key
                .strip_prefix('-')
                .map_or((false, key.as_str()), |name| (true, name));
            let expressions = match builtin::column(self.kind, name) {
                Some((column, _)) => vec![format!("t.{column}")],
                None => self.attribute_order(schema, type_id, name),
            };
            if expressions.is_empty() {
                continue;
            }
            if orders.is_empty() {
                lead = self.leading(schema, type_id, name, reverse);
            }
            let direction = if reverse {
                "desc nulls first"
            } else {
                "asc nulls last"
            };
            let ordered = |expression| format!("{expression} {direction}");
            orders.push(expressions.into_iter().map(ordered).collect());
        }
        if orders.is_empty() {
            return Ok(());
        }
        let single = orders.len() == 1 && lead.is_some();
        let rest = [orders[1..].concat(), vec!["t.id".into()]]
            .concat()
            .join(", ");
        let last = match &lead {
            Some(lead) if single && lead.reverse => "t.id desc",
            _ => "t.id",
        };
        self.order_by([orders.concat(), vec![last.into()]].concat().join(", "));
        self.lead = lead.map(|lead| Lead { rest, ..lead });
        Ok(())
    }

    /// The attribute of that name as what leads the order: the only one of its name, which has a
    /// table in the order of its values.
    fn leading(
        &self,
        schema: &Schema,
        type_id: Option<i64>,
        name: &str,
        reverse: bool,
    ) -> Option<Lead> {
        if builtin::column(self.kind, name).is_some() {
            return None;
        }
        let definitions = schema.named(self.kind, type_id, name);
        let [definition] = definitions[..] else {
            return None;
        };
        let table = super::attribute::table(definition.dtype)?;
        (definition.dtype != Dtype::Geopos).then(|| Lead {
            attribute: definition.id,
            type_id: definition.type_id,
            table,
            reverse,
            others: type_id.is_none(),
            rest: String::new(),
        })
    }

    /// What an attribute is ordered by, most significant first; nothing for an unknown name.
    ///
    /// Two types may give one name to a number and to a text: numbers come first, then texts.
    fn attribute_order(
        &mut self,
        schema: &Schema,
        type_id: Option<i64>,
        name: &str,
    ) -> Vec<String> {
        let definitions = schema.named(self.kind, type_id, name);
        let numeric =
            |definition: &&Definition| matches!(definition.dtype, Dtype::Int | Dtype::Float);
        if definitions.is_empty() {
            return Vec::new();
        }
        let value = json_text(self, name);
        if definitions.iter().all(|one| one.dtype == Dtype::Datetime) {
            return vec![instant(self.dialect, &value)];
        }
        let text = match self.dialect {
            Dialect::Postgres => format!("substr({value}, 1, {TEXT_PREFIX}) collate \"C\""),
            Dialect::Sqlite => format!("substr(cast({value} as text), 1, {TEXT_PREFIX})"),
        };
        if !definitions.iter().any(numeric) {
            return vec![text];
        }
        let is_number = json_is_number(self, "t", name);
        let mut orders = vec![format!(
            "case when {is_number} then cast({value} as double precision) end"
        )];
        if !definitions.iter().all(numeric) {
            orders.push(format!("case when not {is_number} then {text} end"));
        }
        orders
    }
}

/// The instant that a stored date-time names, whatever its zone; one without a zone is UTC.
fn instant(dialect: Dialect, value: &str) -> String {
    match dialect {
        Dialect::Postgres => format!(
            "case when {value} ~ '[+-][0-9]{{2}}:[0-9]{{2}}\\Z' then cast({value} as timestamptz) \
             else cast({value} as timestamp) at time zone 'UTC' end"
        ),
        Dialect::Sqlite => format!("unixepoch({value}, 'subsec')"),
    }
}

/// The text of an attribute in the document of `t`; SQL null when it is null or absent.
pub(super) fn json_text(selection: &mut Selection, name: &str) -> String {
    json_text_of(selection, "t", name)
}

pub(super) fn json_text_of(selection: &mut Selection, alias: &str, name: &str) -> String {
    match selection.dialect {
        Dialect::Postgres => {
            let place = selection.bind(name);
            format!("(cast({alias}.attributes as jsonb) ->> cast({place} as text))")
        }
        Dialect::Sqlite => {
            let place = selection.bind(json_path(name));
            format!("json_extract({alias}.attributes, {place})")
        }
    }
}

/// Whether an attribute in the document of `alias` is a number; SQL null when it is absent.
pub(super) fn json_is_number(selection: &mut Selection, alias: &str, name: &str) -> String {
    let json_type = json_type(selection, alias, name);
    match selection.dialect {
        Dialect::Postgres => format!("({json_type} = 'number')"),
        Dialect::Sqlite => format!("({json_type} in ('integer', 'real'))"),
    }
}

/// The JSON type of an attribute in the document of `alias`, in the engine's words; SQL null when it
/// is absent.
pub(super) fn json_type(selection: &mut Selection, alias: &str, name: &str) -> String {
    match selection.dialect {
        Dialect::Postgres => {
            let place = selection.bind(name);
            format!("jsonb_typeof(cast({alias}.attributes as jsonb) -> cast({place} as text))")
        }
        Dialect::Sqlite => {
            let place = selection.bind(json_path(name));
            format!("json_type({alias}.attributes, {place})")
        }
    }
}

/// An attribute's place in a document, as SQLite writes it.
fn json_path(name: &str) -> String {
    format!("$.\"{}\"", name.replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_half_open_and_never_fail() {
        let page = |start, stop| Page { start, stop };
        assert_eq!(page(Some(2), Some(5)).sql(), " limit 3 offset 2");
        assert_eq!(page(Some(5), Some(2)).sql(), " limit 0 offset 5");
        assert_eq!(page(Some(1), None).slice(&[7, 8, 9]), [8, 9]);
        assert!(page(Some(9), Some(12)).slice(&[7, 8, 9]).is_empty());
        assert!(page(None, None).is_whole());
    }
}
