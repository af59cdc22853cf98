//! Which files a request means.

use serde::Deserialize;

use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::id;
use crate::query::{self, AttributeFilters, Page, Schema, Selection};

/// Query parameters of file lists, besides those of attributes and pages.
pub(super) const PARAMETERS: &str = "type: int, name: string, after: int, elemental_id: string";

/// The query parameters of a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    pub r#type: Option<i64>,
    pub name: Option<String>,
    pub after: Option<i64>,
    pub elemental_id: Option<String>,
    pub encoded_search: Option<String>,
    pub sort_by: Vec<String>,
    #[serde(flatten)]
    pub attributes: AttributeFilters,
    #[serde(flatten)]
    pub page: Page,
}

/// The files of a project that a request selects, by id unless it says otherwise.
pub(crate) async fn select(tx: &mut Tx, project: i64, filter: &Filter) -> Result<Selection> {
    let schema = Schema::load(tx, project).await?;
    let mut selection = Selection::new(Kind::File, tx.dialect());
    selection.within_equal("t.project", project);
    selection.within("not t.deleted");
    if let Some(type_id) = filter.r#type {
        selection.within_equal("t.type", type_id);
    }
    if let Some(name) = &filter.name {
        selection.equals("t.name", name);
    }
    if let Some(after) = filter.after {
        let place = selection.bind(after);
        selection.within(format!("t.id > {place}"));
    }
    if let Some(uuid) = &filter.elemental_id {
        selection.equals("t.elemental_id", id::parse_uuid(uuid)?);
        selection.finds_few();
    }
    selection.filter_attributes(&schema, filter.r#type, &filter.attributes)?;
    if let Some(encoded) = &filter.encoded_search {
        let search = query::decode(encoded)?;
        selection.search(tx, &schema, &search).await?;
    }
    selection.sort(&schema, filter.r#type, &filter.sort_by)?;
    selection.paginate(&filter.page);
    Ok(selection)
}
