//! Which leaves a request means.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::query::{
    self, AttributeFilters, FloatArrayQuery, Node, Page, Schema, Selection, check_searches,
};

/// Query parameters of leaf lists, besides those of attributes and pages.
pub(super) const PARAMETERS: &str = "type: int, name: string, depth: int, leaf_id: [int]";

/// The query parameters of a list, count, bulk change or deletion.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    pub r#type: Option<i64>,
    pub name: Option<String>,
    pub depth: Option<i64>,
    pub leaf_id: Vec<i64>,
    pub encoded_search: Option<String>,
    pub sort_by: Vec<String>,
    pub count: Option<i64>,
    #[serde(flatten)]
    pub attributes: AttributeFilters,
    #[serde(flatten)]
    pub page: Page,
}

/// The part of a body that selects leaves, applied together with the query.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IdQuery {
    /// Unlike other nouns', an empty list selects nothing.
    pub ids: Option<Vec<i64>>,
    pub float_array: Vec<FloatArrayQuery>,
    pub object_search: Option<Json>,
}

impl Filter {
    /// Checks that every name that a bulk change selects by is known to some type.
    ///
    /// Errors: `Invalid`, naming it.
    pub fn check_known(&self, schema: &Schema, ids: &IdQuery) -> Result<()> {
        self.attributes
            .check_known(schema, Kind::Leaf, self.r#type)?;
        check_searches(schema, Kind::Leaf, &self.encoded_search, &ids.object_search)
    }
}

/// The leaves of a project that a request selects, by id unless it says otherwise.
pub(crate) async fn select(
    tx: &mut Tx,
    schema: &Schema,
    project: i64,
    filter: &Filter,
    ids: &IdQuery,
) -> Result<Selection> {
    let mut selection = Selection::new(Kind::Leaf, tx.dialect());
    selection.within_equal("t.project", project);
    selection.within("not t.deleted");
    if let Some(type_id) = filter.r#type {
        selection.within_equal("t.type", type_id);
    }
    if let Some(name) = &filter.name {
        selection.equals("t.name", name);
    }
    if let Some(depth) = filter.depth {
        selection.equals("t.depth", depth);
    }
    if !filter.leaf_id.is_empty() {
        selection.among("t.id", &filter.leaf_id);
        selection.finds_few();
    }
    if let Some(ids) = &ids.ids {
        selection.among("t.id", ids);
        selection.finds_few();
    }
    selection.filter_attributes(schema, filter.r#type, &filter.attributes)?;
    if let Some(encoded) = &filter.encoded_search {
        let search = query::decode(encoded)?;
        selection.search(tx, schema, &search).await?;
    }
    if let Some(search) = &ids.object_search {
        let search = Node::parse(search)?;
        selection.search(tx, schema, &search).await?;
    }
    selection.sort(schema, filter.r#type, &filter.sort_by)?;
    selection.paginate(&filter.page);
    selection
        .rank_by(tx, filter.r#type, &ids.float_array)
        .await?;
    Ok(selection)
}
