//! Paging and order.

use serde::Deserialize;

use super::builtin;
use super::schema::Schema;
use super::selection::Selection;
use crate::attribute::Dtype;
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

    pub(super) fn sql(&self) -> String {
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
    /// Keys that name nothing are ignored; ties are broken by id.
    pub fn sort(&mut self, schema: &Schema, type_id: Option<i64>, keys: &[String]) -> Result<()> {
        let mut orders = Vec::new();
        for key in keys {
            let (reverse, name) = key
                .strip_prefix('-')
                .map_or((false, key.as_str()), |name| (true, name));
            let expression = match builtin::column(self.kind, name) {
                Some((column, _)) => Some(format!("t.{column}")),
                None => self.attribute_order(schema, type_id, name),
            };
            if let Some(expression) = expression {
                let direction = if reverse {
                    "desc nulls first"
                } else {
                    "asc nulls last"
                };
                orders.push(format!("{expression} {direction}"));
            }
        }
        if !orders.is_empty() {
            orders.push("t.id".into());
            self.order_by(orders.join(", "));
        }
        Ok(())
    }

    fn attribute_order(
        &mut self,
        schema: &Schema,
        type_id: Option<i64>,
        name: &str,
    ) -> Option<String> {
        let definitions = schema.named(self.kind, type_id, name);
        let definition = definitions.last()?;
        let text = json_text(self, name);
        let number = matches!(definition.dtype, Dtype::Int | Dtype::Float);
        Some(match (self.dialect, number) {
            (Dialect::Postgres, true) => format!("cast({text} as double precision)"),
            (Dialect::Sqlite, true) => format!("cast({text} as real)"),
            (Dialect::Postgres, false) => format!("{text} collate \"C\""),
            (Dialect::Sqlite, false) => text,
        })
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
            let place = selection.bind(format!("$.\"{}\"", name.replace('"', "\\\"")));
            format!("json_extract({alias}.attributes, {place})")
        }
    }
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
