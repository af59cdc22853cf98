//! How a selection is read: which of its conditions finds rows, and what walks them in order.
//!
//! A comparison of a declared attribute can be answered twice: by its typed table (a set of ids,
//! found at once, but made whole before the first row is known) or in the documents of rows that
//! something else has found. Small sets find rows; large ones are better tested. How large a set is
//! is counted, up to a bound, in the typed table's index. An attribute that leads the order walks
//! its typed table, and after (or before) it what `attribute_absent` lists.

use super::page::Page;
use super::selection::{Selection, among, used};
use crate::database::{Dialect, Tx, Value};
use crate::error::Result;
use crate::values;

/// Sets up to this many ids find rows; counted first with the smaller bound, which costs less.
const SMALL: [i64; 2] = [1_000, 32_000];
/// A page that ends this early is found by testing rows in their order.
const EARLY: u64 = 1_000;
/// Ids in the order of similarity that one statement names.
const RANKED: usize = 500;

/// Comparisons of one attribute's values; all must hold.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub attribute: i64,
    pub type_id: i64,
    /// The table of its values.
    pub table: &'static str,
    /// The comparisons, over the columns of that table.
    pub tests: Vec<String>,
    /// The same, in documents; where one is not possible, none are.
    pub document: Option<InDocument>,
}

/// Comparisons of a value in the document of `t`.
#[derive(Debug, Clone)]
pub(super) struct InDocument {
    /// The value's JSON type.
    pub json_type: String,
    /// The JSON types that the comparisons are meant for, as a list of SQL texts.
    pub expected: &'static str,
    /// The comparisons, over the value.
    pub tests: Vec<String>,
}

/// An attribute that leads the order.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub attribute: i64,
    pub type_id: i64,
    pub table: &'static str,
    pub reverse: bool,
    /// Whether rows of other types can be selected, too.
    pub others: bool,
    /// What orders rows of equal values, `t.id` last.
    pub rest: String,
}

/// Which way each comparison goes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// For each of [`Selection::typed`]: whether documents are tested.
    in_documents: Vec<bool>,
    /// Whether something finds few rows: what finds many must not be started from.
    found: bool,
    /// Whether the leading attribute's table is walked.
    led: bool,
}

impl Typed {
    fn values(&self) -> String {
        format!(
            "attribute = {} and {}",
            self.attribute,
            self.tests.join(" and ")
        )
    }

    fn subquery(&self) -> String {
        format!(
            "t.id in (select entity from {} where {})",
            self.table,
            self.values()
        )
    }

    /// The same answer from the document; a value of an unexpected type asks the typed table.
    fn in_document(&self) -> Option<String> {
        let document = self.document.as_ref()?;
        Some(format!(
            "(t.type = {} and case when {json_type} in ({}) then {} \
             when coalesce({json_type}, 'null') = 'null' then false else {} end)",
            self.type_id,
            document.expected,
            document.tests.join(" and "),
            self.subquery(),
            json_type = document.json_type,
        ))
    }
}

impl Selection {
    /// Requires a comparison of one attribute's values.
    pub(super) fn compare(&mut self, typed: Typed) {
        let same = |known: &&mut Typed| {
            known.attribute == typed.attribute
                && known.document.is_some() == typed.document.is_some()
        };
        match self.typed.iter_mut().find(same) {
            Some(known) => {
                known.tests.extend(typed.tests);
                if let (Some(known), Some(more)) = (&mut known.document, typed.document) {
                    known.tests.extend(more.tests);
                }
            }
            None => self.typed.push(typed),
        }
    }

    /// The conditions as one expression, as a plan has them.
    pub(super) fn condition_of(&self, plan: &Plan) -> String {
        let mut parts = Vec::new();
        // A plus sign keeps SQLite from starting at that column's index.
        let hidden = plan.found && self.dialect == Dialect::Sqlite;
        for condition in &self.base {
            let plus = if hidden && condition.starts_with("t.") {
                "+"
            } else {
                ""
            };
            parts.push(format!("{plus}{condition}"));
        }
        parts.extend(self.conditions.iter().cloned());
        for (number, typed) in self.typed.iter().enumerate() {
            let tested = plan.in_documents.get(number).copied().unwrap_or(false);
            let document = if tested { typed.in_document() } else { None };
            parts.push(document.unwrap_or_else(|| typed.subquery()));
        }
        if parts.is_empty() {
            return "true".into();
        }
        parts.join(" and ")
    }

    /// The conditions as one expression that tests a row which something else has found. None where
    /// some of them look at more than the row, and are better answered once for all rows.
    pub fn condition_of_a_row(&self) -> Option<String> {
        let plan = Plan {
            in_documents: vec![true; self.typed.len()],
            found: true,
            led: false,
        };
        self.conditions.is_empty().then(|| self.condition_of(&plan))
    }

    /// Decides how to read.
    pub(super) async fn plan(&self, tx: &mut Tx) -> Result<Plan> {
        let mut plan = Plan {
            found: self.narrow,
            led: self.lead.is_some() && !self.narrow && self.conditions.is_empty(),
            in_documents: vec![true; self.typed.len()],
        };
        if self.typed.is_empty() || self.narrow {
            return Ok(plan);
        }
        for bound in SMALL {
            let sizes = self.sizes(tx, bound).await?;
            let smallest = (0..sizes.len()).min_by_key(|number| sizes[*number]);
            let Some(smallest) = smallest.filter(|number| sizes[*number] < bound) else {
                continue;
            };
            plan.in_documents = sizes.iter().map(|size| *size >= SMALL[0]).collect();
            plan.in_documents[smallest] = false;
            plan.found = true;
            plan.led = false;
            return Ok(plan);
        }
        if !plan.led && self.page.stop.is_none_or(|stop| stop > EARLY) {
            plan.in_documents[0] = false;
        }
        Ok(plan)
    }

    /// How many values each comparison finds, up to a bound.
    async fn sizes(&self, tx: &mut Tx, bound: i64) -> Result<Vec<i64>> {
        let mut sizes = Vec::with_capacity(self.typed.len());
        for typed in &self.typed {
            let sql = format!(
                "select count(*) from (select 1 from {} where {} limit {bound}) found",
                typed.table,
                typed.values()
            );
            let (sql, values) = used(sql, &self.values);
            sizes.push(tx.scalar(&sql, &values).await?.unwrap_or_default());
        }
        Ok(sizes)
    }

    /// The statements that read some columns of the rows, one after another.
    pub(super) async fn turns<'s>(&'s self, tx: &mut Tx, columns: &'s str) -> Result<Turns<'s>> {
        let turns = |plan, parts| Turns {
            selection: self,
            columns,
            plan,
            parts,
            next: 0,
            left: self.page.clone(),
        };
        if let Some(ranked) = &self.ranked {
            let page = self.page.slice(ranked).chunks(RANKED);
            return Ok(turns(Plan::default(), page.map(Part::Ranked).collect()));
        }
        let plan = self.plan(tx).await?;
        let lead = self.lead.as_ref().filter(|_| plan.led);
        let Some(lead) = lead else {
            return Ok(turns(plan, vec![Part::All]));
        };
        let mut parts = vec![Part::Valued(lead), self.absent(tx, lead).await?];
        if lead.reverse {
            parts.reverse();
        }
        Ok(turns(plan, parts))
    }

    /// The rows that have no value of the attribute that leads.
    async fn absent<'s>(&'s self, tx: &mut Tx, lead: &'s Lead) -> Result<Part<'s>> {
        if !lead.others {
            return Ok(Part::Absent(lead));
        }
        let sql = "select id from entity_type where kind = $1 and id <> $2 and project = \
                   (select project from entity_type where kind = $1 and id = $2)";
        let mut types: Vec<i64> = Vec::new();
        for mut row in tx
            .rows(sql, &values![self.kind.name(), lead.type_id])
            .await?
        {
            types.push(row.take()?);
        }
        if types.is_empty() {
            return Ok(Part::Absent(lead));
        }
        let sql = "select entity from attribute_absent where attribute = $1 limit 1";
        let any: Option<i64> = tx.scalar(sql, &values![lead.attribute]).await?;
        let condition = match any {
            None => among("t.type", &types),
            Some(_) => format!(
                "(t.type <> {} or t.id in (select entity from attribute_absent where attribute = {}))",
                lead.type_id, lead.attribute
            ),
        };
        Ok(Part::Others(lead, condition))
    }
}

/// Some of the rows, in order.
#[derive(Debug, Clone)]
enum Part<'s> {
    /// All of them.
    All,
    /// Those of some ids, in the order of these.
    Ranked(&'s [i64]),
    /// Those that have a value of the attribute that leads.
    Valued(&'s Lead),
    /// Those that have none.
    Absent(&'s Lead),
    /// Those that have none, where other types are selected, too.
    Others(&'s Lead, String),
}

/// Statements that are run one after another.
pub(super) struct Turns<'s> {
    selection: &'s Selection,
    columns: &'s str,
    plan: Plan,
    parts: Vec<Part<'s>>,
    next: usize,
    /// The page among the parts that are left.
    left: Page,
}

impl Turns<'_> {
    /// The next statement, once the last one has found so many rows.
    pub async fn next(&mut self, tx: &mut Tx, found: u64) -> Result<Option<(String, Vec<Value>)>> {
        if self.next >= self.parts.len() {
            return Ok(None);
        }
        if self.next > 0 && !matches!(self.parts[self.next], Part::Ranked(_)) {
            self.pass(tx, found).await?;
            if self.left.stop == Some(0) {
                return Ok(None);
            }
        }
        self.next += 1;
        let part = &self.parts[self.next - 1];
        Ok(Some(self.statement(part, self.columns, &self.left)))
    }

    /// Takes the rows of the last part off the page.
    async fn pass(&mut self, tx: &mut Tx, found: u64) -> Result<()> {
        let start = self.left.start.unwrap_or(0);
        let passed = if found > 0 || start == 0 {
            start + found
        } else {
            // The page begins beyond it: how long was it?
            let whole = Page::default();
            let (sql, values) = self.statement(&self.parts[self.next - 1], "t.id", &whole);
            let sql = format!("select count(*) from ({sql}) part");
            let count: i64 = tx.scalar(&sql, &values).await?.unwrap_or_default();
            count.unsigned_abs()
        };
        self.left = Page {
            start: Some(start.saturating_sub(passed)),
            stop: self.left.stop.map(|stop| stop.saturating_sub(passed)),
        };
        Ok(())
    }

    fn statement(&self, part: &Part<'_>, columns: &str, page: &Page) -> (String, Vec<Value>) {
        let (selection, table) = (self.selection, self.selection.kind.table());
        let condition = selection.condition_of(&self.plan);
        let sql = match part {
            Part::All => {
                format!(
                    "select {columns} from {table} t where {condition} order by {}",
                    selection.order
                )
            }
            Part::Ranked(ids) => {
                let list: Vec<String> = ids
                    .iter()
                    .enumerate()
                    .map(|(place, id)| format!("({id}, {place})"))
                    .collect();
                return used(
                    format!(
                        "with ranked (id, place) as (values {}) select {columns} \
                         from ranked cross join {table} t where t.id = ranked.id and {condition} \
                         order by ranked.place",
                        list.join(", ")
                    ),
                    &selection.values,
                );
            }
            Part::Valued(lead) => {
                let direction = if lead.reverse { "desc" } else { "asc" };
                let last = if lead.rest == "t.id" {
                    format!("a.entity {direction}")
                } else {
                    lead.rest.clone()
                };
                format!(
                    "select {columns} from {} a cross join {table} t \
                     where a.attribute = {}{} and t.id in (a.entity) and {} \
                     order by a.value {direction}, {last}",
                    lead.table,
                    lead.attribute,
                    selection.beside(lead),
                    selection.condition_without(&self.plan, lead),
                )
            }
            Part::Absent(lead) => format!(
                "select {columns} from attribute_absent a cross join {table} t \
                 where a.attribute = {} and t.id in (a.entity) and {condition} order by {}",
                lead.attribute,
                lead.absent_order("a.entity"),
            ),
            Part::Others(lead, others) => format!(
                "select {columns} from {table} t where {condition} and {others} order by {}",
                lead.absent_order("t.id")
            ),
        };
        used(format!("{sql}{}", page.sql()), &selection.values)
    }
}

impl Lead {
    fn absent_order(&self, id: &str) -> String {
        match (self.rest == "t.id", self.reverse) {
            (true, true) => format!("{id} desc"),
            (true, false) => id.to_owned(),
            (false, _) => self.rest.clone(),
        }
    }
}

impl Selection {
    /// Comparisons of the very attribute that leads: they bound the walk.
    fn beside(&self, lead: &Lead) -> String {
        let own = self
            .typed
            .iter()
            .filter(|typed| typed.attribute == lead.attribute);
        let tests = own.flat_map(|typed| &typed.tests);
        tests.map(|test| format!(" and {test}")).collect()
    }

    /// The conditions but those.
    fn condition_without(&self, plan: &Plan, lead: &Lead) -> String {
        let mut parts: Vec<String> = self.base.iter().chain(&self.conditions).cloned().collect();
        for (number, typed) in self.typed.iter().enumerate() {
            if typed.attribute == lead.attribute {
                continue;
            }
            let document = if plan.in_documents[number] {
                typed.in_document()
            } else {
                None
            };
            parts.push(document.unwrap_or_else(|| typed.subquery()));
        }
        if parts.is_empty() {
            "true".into()
        } else {
            parts.join(" and ")
        }
    }
}
