//! Conditions, order and page of one query.

use crate::attribute::Kind;
use crate::database::{Dialect, Row, Tx, Value};
use crate::error::{Error, Result};

use super::page::Page;
use super::plan::{Lead, Plan, Typed};

/// Conditions of one request's searches beyond which it is refused.
const MOST_CONDITIONS: usize = 2_000;

/// Which rows of a kind's table, in which order. The table's alias is `t`.
pub struct Selection {
    /// The kind whose table is asked.
    pub kind: Kind,
    pub(super) dialect: Dialect,
    pub(super) values: Vec<Value>,
    /// Conditions that leave most rows, such as the project: a poor start for a plan.
    pub(super) base: Vec<String>,
    pub(super) conditions: Vec<String>,
    /// Comparisons of declared attributes, each either through its typed table or in documents.
    pub(super) typed: Vec<Typed>,
    /// Whether the conditions name few rows, such as ids.
    pub(super) narrow: bool,
    pub(super) order: String,
    /// The attribute that leads the order, where its typed table can be walked.
    pub(super) lead: Option<Lead>,
    pub(super) page: Page,
    aliases: usize,
    /// Conditions that searches have added so far.
    spent: usize,
    /// Saved searches whose meaning is being compiled.
    pub(super) open_sections: Vec<i64>,
    /// Ids in the order of similarity, when that decides.
    pub(super) ranked: Option<Vec<i64>>,
}

impl Selection {
    /// Every row, ordered by id.
    pub fn new(kind: Kind, dialect: Dialect) -> Self {
        Self {
            kind,
            dialect,
            values: Vec::new(),
            base: Vec::new(),
            conditions: Vec::new(),
            typed: Vec::new(),
            narrow: false,
            order: "t.id".into(),
            lead: None,
            page: Page::default(),
            aliases: 0,
            spent: 0,
            open_sections: Vec::new(),
            ranked: None,
        }
    }

    /// Adds a condition that must hold as well.
    pub fn require(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }

    /// Adds a condition that leaves most rows, such as `not t.deleted`.
    pub fn within(&mut self, condition: impl Into<String>) {
        self.base.push(condition.into());
    }

    /// Requires `column = value` where that leaves most rows, such as the project.
    pub fn within_equal(&mut self, column: &str, value: impl Into<Value>) {
        let place = self.bind(value);
        self.within(format!("{column} = {place}"));
    }

    /// Says that the conditions name few rows, such as ids: no plan should start elsewhere.
    pub fn finds_few(&mut self) {
        self.narrow = true;
    }

    /// Adds a value and returns its place, such as `$3`.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Requires `column = value`.
    pub fn equals(&mut self, column: &str, value: impl Into<Value>) {
        let place = self.bind(value);
        self.require(format!("{column} = {place}"));
    }

    /// Requires a text column to equal a text, in any case of letters.
    pub fn equals_in_any_case(&mut self, column: &str, text: &str) {
        let column = self.dialect.lower(column);
        self.equals(&column, text.to_lowercase());
    }

    /// Requires the column to be one of some integers.
    pub fn among(&mut self, column: &str, ids: &[i64]) {
        self.require(among(column, ids));
    }

    /// Replaces the order.
    pub fn order_by(&mut self, order: impl Into<String>) {
        self.order = order.into();
        self.lead = None;
    }

    /// Sets the page.
    pub fn paginate(&mut self, page: &Page) {
        self.page = page.clone();
    }

    /// Counts one condition of a search.
    ///
    /// Errors: `Invalid` when there are too many. Saved searches that refer to others multiply.
    pub(super) fn spend(&mut self) -> Result<()> {
        self.spent += 1;
        if self.spent <= MOST_CONDITIONS {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "a search has at most {MOST_CONDITIONS} conditions, those of the saved searches that it \
             refers to included"
        )))
    }

    /// A fresh alias for a subquery's table.
    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    /// The conditions as one expression.
    pub fn condition(&self) -> String {
        self.condition_of(&Plan::default())
    }

    /// The whole query for some columns of the table, and its values.
    pub fn select(&self, columns: &str) -> (String, Vec<Value>) {
        self.select_by(&Plan::default(), columns)
    }

    pub(super) fn select_by(&self, plan: &Plan, columns: &str) -> (String, Vec<Value>) {
        let mut sql = format!(
            "select {columns} from {} t where {}",
            self.kind.table(),
            self.condition_of(plan)
        );
        if let Some(ranked) = &self.ranked {
            let page = self.page.slice(ranked);
            sql.push_str(&format!(" and {}", among("t.id", page)));
        } else {
            sql.push_str(&format!(" order by {}{}", self.order, self.page.sql()));
        }
        used(sql, &self.values)
    }

    /// Whether similarity orders the answer.
    pub fn is_ranked(&self) -> bool {
        self.ranked.is_some()
    }

    /// The place of a row in the answer when similarity orders it.
    pub fn rank(&self, id: i64) -> Option<usize> {
        self.ranked
            .as_ref()?
            .iter()
            .position(|ranked| *ranked == id)
    }

    /// How many rows are selected.
    pub async fn count(&self, tx: &mut Tx) -> Result<i64> {
        if let Some(ranked) = &self.ranked {
            return Ok(self.page.slice(ranked).len() as i64);
        }
        let plan = self.plan(tx).await?;
        let (table, condition) = (self.kind.table(), self.condition_of(&plan));
        let sql = if self.page.is_whole() {
            format!("select count(*) from {table} t where {condition}")
        } else {
            let page = self.page.sql();
            format!(
                "select count(*) from (select t.id from {table} t where {condition}{page}) page"
            )
        };
        let (sql, values) = used(sql, &self.values);
        Ok(tx.scalar(&sql, &values).await?.unwrap_or_default())
    }

    /// The ids of the selected rows, in order.
    pub async fn ids(&self, tx: &mut Tx) -> Result<Vec<i64>> {
        if let Some(ranked) = &self.ranked {
            return Ok(self.page.slice(ranked).to_vec());
        }
        let mut ids = Vec::new();
        self.each(tx, "t.id", |mut row| {
            ids.push(row.take()?);
            Ok(())
        })
        .await?;
        Ok(ids)
    }

    /// Hands some columns of each selected row to `visit`, in order.
    pub async fn each(
        &self,
        tx: &mut Tx,
        columns: &str,
        mut visit: impl FnMut(Row) -> Result<()> + Send,
    ) -> Result<()> {
        let mut turns = self.turns(tx, columns).await?;
        let mut found = 0;
        while let Some((sql, values)) = turns.next(tx, found).await? {
            found = 0;
            tx.each(&sql, &values, |row| {
                found += 1;
                visit(row)
            })
            .await?;
        }
        Ok(())
    }
}

/// The statement with the values that it names, numbered anew: PostgreSQL refuses a value that
/// stands nowhere, and SQLite's statements are the same whatever was bound besides.
pub(super) fn used(sql: String, values: &[Value]) -> (String, Vec<Value>) {
    let mut places: Vec<usize> = Vec::new();
    let mut renumbered = String::with_capacity(sql.len());
    let mut rest = sql.as_str();
    while let Some(at) = rest.find('$') {
        let digits = &rest[at + 1..];
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let place: usize = digits[..end].parse().unwrap_or_default();
        let number = places.iter().position(|known| *known == place);
        let number = number.unwrap_or_else(|| {
            places.push(place);
            places.len() - 1
        });
        renumbered.push_str(&rest[..=at]);
        renumbered.push_str(&(number + 1).to_string());
        rest = &digits[end..];
    }
    renumbered.push_str(rest);
    let values = places
        .iter()
        .map(|place| values[place - 1].clone())
        .collect();
    (renumbered, values)
}

/// Conditions joined by ` and ` or ` or `, halved again and again: SQLite limits how deep an
/// expression nests, and a plain chain nests once per link.
pub(super) fn joined(conditions: &[String], word: &str) -> String {
    match conditions {
        [] => String::new(),
        [only] => only.clone(),
        _ => {
            let (left, right) = conditions.split_at(conditions.len() / 2);
            format!("({}{word}{})", joined(left, word), joined(right, word))
        }
    }
}

/// `column in (…)`; false for no ids.
pub fn among(column: &str, ids: &[i64]) -> String {
    if ids.is_empty() {
        return "false".into();
    }
    let list: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("{column} in ({})", list.join(","))
}

/// The condition for a row of the kind that lists show at all: latest, neither deleted nor a tombstone.
pub(super) fn visible(kind: Kind, alias: &str) -> String {
    match kind {
        Kind::Localization | Kind::State => {
            format!("{alias}.latest and not {alias}.variant_deleted and not {alias}.deleted")
        }
        Kind::Section => "true".into(),
        Kind::Media | Kind::Leaf | Kind::File => format!("not {alias}.deleted"),
    }
}

/// Checks the safety count of a bulk change. Errors: `Invalid` in the wire's words.
pub fn check_count(expected: Option<i64>, found: usize, verb: &str) -> Result<()> {
    match expected {
        Some(expected) if expected != found as i64 => Err(Error::invalid(format!(
            "Safety check failed - expected {expected} but would {verb} {found}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_a_statement_names_go_with_it() {
        let values = crate::values![1, 2, 3];
        let (sql, values) = used("a = $3 and b < $1 and c > $3".into(), &values);
        assert_eq!(sql, "a = $1 and b < $2 and c > $1");
        assert_eq!(values, crate::values![3, 1]);
    }
}
