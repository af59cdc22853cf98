//! Search objects (`object_search`, `encoded_search`) and their meaning in SQL.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value as Json;

use super::attribute::{Compare, any_definition, check_name, column_condition, is_known};
use super::builtin;
use super::related::{self, Relation};
use super::schema::Schema;
use super::selection::{Selection, joined};
use crate::attribute::Kind;
use crate::database::{Dialect, Tx};
use crate::error::{Error, Result};

/// Levels of nesting beyond which a search is refused.
const DEEPEST: usize = 32;

/// A parsed search object.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// All must hold; an empty list holds.
    And(Vec<Node>),
    /// One must hold; an empty list holds.
    Or(Vec<Node>),
    /// Must not hold.
    Not(Box<Node>),
    /// A comparison.
    Leaf {
        /// An attribute, a built-in such as `$frame`, a relation such as `$related_media`, or `$text`
        /// for words anywhere.
        attribute: String,
        /// The wire's name of the comparison.
        operation: String,
        /// What is compared with.
        value: Json,
        /// Negates the comparison.
        inverse: bool,
    },
}

/// Reads a base64 search object from a query parameter.
pub fn decode(encoded: &str) -> Result<Node> {
    let encoded = encoded.trim();
    let bytes = STANDARD
        .decode(encoded)
        .or_else(|_| URL_SAFE.decode(encoded))
        .map_err(|error| {
            Error::invalid_because(
                "Invalid encoded search: it is not base64",
                error.to_string(),
            )
        })?;
    let json: Json = serde_json::from_slice(&bytes).map_err(|error| {
        Error::invalid_because("Invalid encoded search: it is not JSON", error.to_string())
    })?;
    Node::parse(&json)
}

impl Node {
    /// Reads a search object.
    ///
    /// Errors: `Invalid`, saying which part is wrong.
    pub fn parse(json: &Json) -> Result<Self> {
        Self::parse_at(json, 0)
    }

    fn parse_at(json: &Json, depth: usize) -> Result<Self> {
        if depth > DEEPEST {
            return Err(Error::invalid(format!(
                "a search object nests at most {DEEPEST} levels deep"
            )));
        }
        let wrong =
            |what: &str| Error::invalid_because("Invalid search object", format!("{what}: {json}"));
        if let Some(method) = json.get("method") {
            let operations = json.get("operations").and_then(Json::as_array);
            let operations = operations.ok_or_else(|| wrong("'operations' must be a list"))?;
            let mut nodes = operations
                .iter()
                .map(|json| Self::parse_at(json, depth + 1))
                .collect::<Result<Vec<_>>>()?;
            return match method.as_str().map(str::to_lowercase).as_deref() {
                Some("and") => Ok(Self::And(nodes)),
                Some("or") => Ok(Self::Or(nodes)),
                Some("not") if nodes.len() == 1 => Ok(Self::Not(Box::new(nodes.remove(0)))),
                Some("not") => Err(wrong("'not' takes exactly one operation")),
                _ => Err(wrong("'method' is one of and, or, not")),
            };
        }
        if json.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(Self::And(Vec::new()));
        }
        let text = |key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
        Ok(Self::Leaf {
            attribute: text("attribute").ok_or_else(|| wrong("'attribute' is missing"))?,
            operation: text("operation").ok_or_else(|| wrong("'operation' is missing"))?,
            value: json.get("value").cloned().unwrap_or(Json::Null),
            inverse: json.get("inverse").and_then(Json::as_bool).unwrap_or(false),
        })
    }
}

impl Node {
    /// Checks that every name is known to some type: what a bulk change selects by a mistyped name
    /// under `not` would be everything.
    ///
    /// Errors: `Invalid`, naming it.
    pub fn check_known(&self, schema: &Schema, kind: Kind) -> Result<()> {
        self.check_known_to(schema, &[kind])
    }

    /// The same for rows of any of some kinds.
    pub(super) fn check_known_to(&self, schema: &Schema, kinds: &[Kind]) -> Result<()> {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes
                .iter()
                .try_for_each(|node| node.check_known_to(schema, kinds)),
            Self::Not(node) => node.check_known_to(schema, kinds),
            Self::Leaf {
                attribute, value, ..
            } => match Relation::from_name(attribute) {
                Some(relation) => Self::parse(value)?.check_known_to(schema, &[relation.other()]),
                None if attribute == "$text" => Ok(()),
                None => check_name(schema, kinds, None, "the search", attribute),
            },
        }
    }
}

/// Checks the search objects of a bulk change, encoded or not; see [`Node::check_known`].
pub fn check_searches(
    schema: &Schema,
    kind: Kind,
    encoded: &Option<String>,
    given: &Option<Json>,
) -> Result<()> {
    let encoded = encoded.as_deref().map(decode).transpose()?;
    let given = given.as_ref().map(Node::parse).transpose()?;
    encoded
        .iter()
        .chain(&given)
        .try_for_each(|node| node.check_known(schema, kind))
}

impl Selection {
    /// Requires a search object to hold.
    pub async fn search(&mut self, tx: &mut Tx, schema: &Schema, node: &Node) -> Result<()> {
        let kind = self.kind;
        let condition = compile(self, tx, schema, kind, "t".into(), node, 0).await?;
        self.require(format!("({condition})"));
        Ok(())
    }
}

/// The condition on rows of `alias` that a node means.
pub(super) fn compile<'c>(
    selection: &'c mut Selection,
    tx: &'c mut Tx,
    schema: &'c Schema,
    kind: Kind,
    alias: String,
    node: &'c Node,
    depth: usize,
) -> BoxFuture<'c, Result<String>> {
    async move {
        if depth > DEEPEST {
            return Err(Error::invalid(format!(
                "searches nest at most {DEEPEST} levels deep"
            )));
        }
        selection.spend()?;
        let (nodes, word) = match node {
            Node::And(nodes) => (nodes, " and "),
            Node::Or(nodes) => (nodes, " or "),
            Node::Not(inner) => {
                let inner = compile(selection, tx, schema, kind, alias, inner, depth + 1).await?;
                return Ok(negate(&inner));
            }
            Node::Leaf {
                attribute,
                operation,
                value,
                inverse,
            } => {
                let leaf = Leaf {
                    attribute,
                    operation,
                    value,
                };
                let condition = leaf
                    .compile(selection, tx, schema, kind, &alias, depth)
                    .await?;
                // A name that means nothing matches nothing, also inversely.
                return Ok(if *inverse && leaf.is_known(schema, kind) {
                    negate(&condition)
                } else {
                    condition
                });
            }
        };
        let mut conditions = Vec::new();
        for node in nodes {
            conditions
                .push(compile(selection, tx, schema, kind, alias.clone(), node, depth + 1).await?);
        }
        Ok(if conditions.is_empty() {
            "true".into()
        } else {
            joined(&conditions, word)
        })
    }
    .boxed()
}

/// The opposite, where unknown (a null in a comparison) counts as false.
fn negate(condition: &str) -> String {
    format!("not coalesce(({condition}), false)")
}

struct Leaf<'n> {
    attribute: &'n str,
    operation: &'n str,
    value: &'n Json,
}

impl Leaf<'_> {
    fn is_known(&self, schema: &Schema, kind: Kind) -> bool {
        self.attribute == "$text"
            || Relation::from_name(self.attribute).is_some()
            || is_known(schema, kind, None, self.attribute)
    }

    async fn compile(
        &self,
        selection: &mut Selection,
        tx: &mut Tx,
        schema: &Schema,
        kind: Kind,
        alias: &str,
        depth: usize,
    ) -> Result<String> {
        if let Some(relation) = Relation::from_name(self.attribute) {
            if self.operation != "search" {
                return Err(self.wrong("only the operation 'search' goes with this name"));
            }
            let node = Node::parse(self.value)?;
            return relation
                .compile(selection, tx, schema, kind, alias, &node, depth)
                .await;
        }
        if self.attribute == "$text" {
            return self.text(selection, tx, schema, kind, alias).await;
        }
        if self.attribute == "$section" || self.attribute == "tator_user_sections" {
            if self.operation == "isnull" && matches!(kind, Kind::Media) {
                let (column, scalar) = ("primary_section", super::builtin::Scalar::Int);
                return column_condition(
                    selection,
                    alias,
                    column,
                    scalar,
                    Compare::Null,
                    self.value,
                );
            }
            let sections = self.sections(tx, schema).await?;
            let mut conditions = Vec::new();
            for section in sections {
                conditions.push(
                    related::section(selection, tx, schema, kind, alias, section, depth).await?,
                );
            }
            return Ok(if conditions.is_empty() {
                "false".into()
            } else {
                joined(&conditions, " or ")
            });
        }
        match self.operation {
            "in" => {
                let items = self
                    .value
                    .as_array()
                    .ok_or_else(|| self.wrong("the value must be a list"))?;
                self.any(selection, schema, kind, alias, Compare::Equal, items)
            }
            "date_range" => {
                let bounds = self.value.as_array().filter(|bounds| bounds.len() == 2);
                let bounds = bounds.ok_or_else(|| self.wrong("the value must be [from, to]"))?;
                let low = self.compare(
                    selection,
                    schema,
                    kind,
                    alias,
                    Compare::GreaterOrEqual,
                    &bounds[0],
                )?;
                let high = self.compare(
                    selection,
                    schema,
                    kind,
                    alias,
                    Compare::LessOrEqual,
                    &bounds[1],
                )?;
                Ok(format!("({low} and {high})"))
            }
            "descendants" => {
                let path = self
                    .value
                    .as_str()
                    .ok_or_else(|| self.wrong("the value must be a path"))?;
                let own =
                    self.compare(selection, schema, kind, alias, Compare::Equal, self.value)?;
                let below = Json::String(format!("{path}."));
                let below =
                    self.compare(selection, schema, kind, alias, Compare::StartsWith, &below)?;
                Ok(format!("({own} or {below})"))
            }
            name => {
                let compare = match name {
                    "eq" | "date_eq" => Compare::Equal,
                    "gt" | "date_gt" => Compare::Greater,
                    "gte" | "date_gte" => Compare::GreaterOrEqual,
                    "lt" | "date_lt" => Compare::Less,
                    "lte" | "date_lte" => Compare::LessOrEqual,
                    "icontains" => Compare::Contains,
                    "istartswith" => Compare::StartsWith,
                    "iendswith" | "iendswidth" => Compare::EndsWith,
                    "isnull" => Compare::Null,
                    "distance_lte" => Compare::Within,
                    _ => return Err(self.wrong("there is no such operation")),
                };
                self.compare(selection, schema, kind, alias, compare, self.value)
            }
        }
    }

    /// Rows that a query of words finds.
    async fn text(
        &self,
        selection: &mut Selection,
        tx: &mut Tx,
        schema: &Schema,
        kind: Kind,
        alias: &str,
    ) -> Result<String> {
        let text = match (self.operation, self.value) {
            ("matches", Json::String(text)) => text,
            ("matches", _) => return Err(self.wrong("the value must be a text")),
            _ => return Err(self.wrong("only the operation 'matches' goes with this name")),
        };
        let ids = crate::search::matching(tx, schema.project, kind, text).await?;
        if ids.is_empty() {
            return Ok("false".into());
        }
        // One value, however many there are.
        let list: Vec<String> = ids.iter().map(i64::to_string).collect();
        let list = list.join(",");
        Ok(match tx.dialect() {
            Dialect::Sqlite => {
                let place = selection.bind(format!("[{list}]"));
                format!("{alias}.id in (select value from json_each({place}))")
            }
            Dialect::Postgres => {
                let place = selection.bind(format!("{{{list}}}"));
                format!("{alias}.id = any(cast(cast({place} as text) as bigint[]))")
            }
        })
    }

    fn any(
        &self,
        selection: &mut Selection,
        schema: &Schema,
        kind: Kind,
        alias: &str,
        compare: Compare,
        items: &[Json],
    ) -> Result<String> {
        let conditions = items
            .iter()
            .map(|item| {
                selection.spend()?;
                self.compare(selection, schema, kind, alias, compare, item)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(if conditions.is_empty() {
            "false".into()
        } else {
            joined(&conditions, " or ")
        })
    }

    /// A comparison with a column or attribute; a name that the project does not know matches nothing.
    fn compare(
        &self,
        selection: &mut Selection,
        schema: &Schema,
        kind: Kind,
        alias: &str,
        compare: Compare,
        value: &Json,
    ) -> Result<String> {
        if let Some((column, scalar)) = builtin::column(kind, self.attribute) {
            return column_condition(selection, alias, column, scalar, compare, value);
        }
        let definitions = schema.named(kind, None, self.attribute);
        if definitions.is_empty() {
            return Ok("false".into());
        }
        any_definition(selection, alias, &definitions, compare, value)
    }

    /// The sections that `$section` (an id) or `tator_user_sections` (a UUID) names.
    async fn sections(&self, tx: &mut Tx, schema: &Schema) -> Result<Vec<i64>> {
        let given: Vec<&Json> = match (self.operation, self.value) {
            ("in", Json::Array(items)) => items.iter().collect(),
            ("eq", value) => vec![value],
            _ => return Err(self.wrong("only 'eq' and 'in' go with this name")),
        };
        let mut sections = Vec::new();
        for value in given {
            if self.attribute == "$section" {
                let id = value.as_i64().or_else(|| value.as_str()?.parse().ok());
                sections
                    .push(id.ok_or_else(|| self.wrong("the value must be the id of a section"))?);
            } else {
                let uuid = value.as_str().unwrap_or_default();
                sections.push(related::section_of_uuid(tx, schema.project, uuid).await?);
            }
        }
        Ok(sections)
    }

    fn wrong(&self, what: &str) -> Error {
        let place = format!(
            "attribute {}, operation {}, value {}",
            self.attribute, self.operation, self.value
        );
        Error::invalid_because("Invalid search object", format!("{what}: {place}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn search_objects_parse_in_any_case_and_say_what_is_wrong() {
        let leaf = json!({"attribute": "Species", "operation": "eq", "value": "cod"});
        let parsed = Node::parse(&json!({"method": "AND", "operations": [leaf]})).unwrap();
        assert!(
            matches!(&parsed, Node::And(nodes) if matches!(nodes[0], Node::Leaf { inverse: false, .. }))
        );
        assert!(Node::parse(&json!({"method": "not", "operations": []})).is_err());
        let encoded = STANDARD.encode(leaf.to_string());
        assert_eq!(decode(&encoded).unwrap(), Node::parse(&leaf).unwrap());
        assert!(decode("%%%").is_err());
    }

    #[test]
    fn a_search_that_nests_without_end_is_refused() {
        let mut search = json!({"attribute": "A", "operation": "eq", "value": 1});
        for _ in 0..40 {
            search = json!({"method": "and", "operations": [search]});
        }
        assert!(Node::parse(&search).is_err());
    }
}
