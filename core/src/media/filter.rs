//! Which media a request means.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::id;
use crate::query::{
    AttributeFilters, FloatArrayQuery, Node, Page, RelatedFilters, Schema, Selection,
    check_searches,
};

/// Query parameters of media lists.
pub const PARAMETERS: &str = "media_id: [int], type: int, name: string, section: int, multi_section: [int<1..>], \
     dtype: enum(image|video|multi|live), md5: string, gid: string, uid: string, after: int, \
     after_name: string, archive_lifecycle: enum(live|archived|all), elemental_id: string";

/// The query parameters of a list, count, bulk change or deletion.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the wire's names; the specification describes them"
)]
pub struct Filter {
    pub media_id: Vec<i64>,
    pub r#type: Option<i64>,
    pub name: Option<String>,
    pub section: Option<i64>,
    pub multi_section: Vec<i64>,
    pub dtype: Option<String>,
    pub md5: Option<String>,
    pub gid: Option<String>,
    pub uid: Option<String>,
    pub after: Option<i64>,
    pub after_name: Option<String>,
    pub archive_lifecycle: Option<String>,
    pub elemental_id: Option<String>,
    pub encoded_search: Option<String>,
    pub sort_by: Vec<String>,
    pub fields: Option<String>,
    pub presigned: Option<i64>,
    pub no_cache: bool,
    pub presign_only: Vec<String>,
    pub count: Option<i64>,
    #[serde(flatten)]
    pub attributes: AttributeFilters,
    #[serde(flatten)]
    pub related: RelatedFilters,
    #[serde(flatten)]
    pub page: Page,
}

impl Filter {
    /// Checks that every name that a bulk change selects by is known to some type.
    ///
    /// Errors: `Invalid`, naming it.
    pub fn check_known(&self, schema: &Schema, ids: &IdQuery) -> Result<()> {
        let kind = Kind::Media;
        self.attributes.check_known(schema, kind, self.r#type)?;
        self.related.check_known(schema, kind)?;
        check_searches(schema, kind, &self.encoded_search, &ids.object_search)
    }
}

/// The part of a body that selects media, applied together with the query.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component MediaIdQuery describes them"
)]
pub struct IdQuery {
    pub ids: Vec<i64>,
    pub localization_ids: Vec<i64>,
    pub state_ids: Vec<i64>,
    pub float_array: Vec<FloatArrayQuery>,
    pub object_search: Option<Json>,
}

/// The media of a project that a request selects, by name and id unless it says otherwise.
///
/// Errors: `Invalid` for a filter that makes no sense, `NotFound` for an unknown section.
pub async fn select(
    tx: &mut Tx,
    schema: &Schema,
    project: i64,
    filter: &Filter,
    ids: &IdQuery,
) -> Result<Selection> {
    let mut selection = Selection::new(Kind::Media, tx.dialect());
    selection.within_equal("t.project", project);
    selection.within("not t.deleted");
    selection.order_by("t.name, t.id");
    let listed = [filter.media_id.clone(), ids.ids.clone()].concat();
    if !listed.is_empty() {
        selection.among("t.id", &listed);
        selection.finds_few();
    }
    by_columns(&mut selection, filter)?;
    for (ids, sql) in [
        (
            &ids.localization_ids,
            "t.id in (select media from localization where id in",
        ),
        (
            &ids.state_ids,
            "t.id in (select media from state_media where state in",
        ),
    ] {
        if !ids.is_empty() {
            let list: Vec<String> = ids.iter().map(i64::to_string).collect();
            selection.require(format!("{sql} ({}))", list.join(",")));
        }
    }
    for sections in [filter.section.as_slice(), &filter.multi_section] {
        selection.in_sections(tx, schema, sections).await?;
    }
    selection.filter_attributes(schema, filter.r#type, &filter.attributes)?;
    selection
        .filter_related(tx, schema, &filter.related)
        .await?;
    if let Some(encoded) = &filter.encoded_search {
        selection
            .search(tx, schema, &crate::query::decode(encoded)?)
            .await?;
    }
    if let Some(search) = &ids.object_search {
        selection.search(tx, schema, &Node::parse(search)?).await?;
    }
    selection.sort(schema, filter.r#type, &filter.sort_by)?;
    selection.paginate(&filter.page);
    selection
        .rank_by(tx, filter.r#type, &ids.float_array)
        .await?;
    Ok(selection)
}

fn by_columns(selection: &mut Selection, filter: &Filter) -> Result<()> {
    if let Some(type_id) = filter.r#type {
        selection.within_equal("t.type", type_id);
    }
    if let Some(name) = &filter.name {
        selection.equals_in_any_case("t.name", name);
    }
    for (column, value) in [
        ("t.md5", &filter.md5),
        ("t.gid", &filter.gid),
        ("t.uid", &filter.uid),
    ] {
        if let Some(value) = value {
            selection.equals(column, value);
        }
    }
    if let Some(uuid) = &filter.elemental_id {
        selection.equals("t.elemental_id", id::parse_uuid(uuid)?);
        selection.finds_few();
    }
    if let Some(dtype) = &filter.dtype {
        let place = selection.bind(dtype);
        selection.require(format!(
            "t.type in (select id from entity_type where kind = 'MediaType' and dtype = {place})"
        ));
    }
    if let Some(after) = filter.after {
        let place = selection.bind(after);
        selection.within(format!("t.id > {place}"));
    }
    if let Some(name) = &filter.after_name {
        let place = selection.bind(name);
        selection.require(format!("t.name > {place}"));
    }
    match filter.archive_lifecycle.as_deref() {
        Some("live") => selection.require("t.archive_state = 'live'"),
        Some("archived") => {
            selection.require("t.archive_state in ('to_archive', 'archived', 'to_live')")
        }
        _ => {}
    }
    Ok(())
}
