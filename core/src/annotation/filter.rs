//! Which annotations a request means.

use serde::Deserialize;
use serde_json::Value as Json;

use super::types::Annotation;
use crate::attribute::Kind;
use crate::database::Tx;
use crate::error::Result;
use crate::query::{
    AttributeFilters, FloatArrayQuery, Node, Page, RelatedFilters, Schema, Selection, among,
    check_searches,
};
use crate::{id, media};

/// Query parameters that both kinds share.
pub const PARAMETERS: &str = "media_id: [int], related_id: [int], section: int, multi_section: [int<1..>], \
     type: int, version: [int], after: int, elemental_id: string, merge: int<0..1>=1, \
     show_deleted: int<0..1>=0, show_all_marks: int<0..1>=0";

/// The query parameters of a list, count, bulk change or deletion.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the wire's names; the specification describes them"
)]
pub struct Filter {
    pub media_id: Vec<i64>,
    pub related_id: Vec<i64>,
    pub section: Option<i64>,
    pub multi_section: Vec<i64>,
    pub r#type: Option<i64>,
    pub version: Vec<i64>,
    pub after: Option<i64>,
    pub elemental_id: Option<String>,
    pub merge: i64,
    pub show_deleted: i64,
    pub show_all_marks: i64,
    pub frame: Option<i64>,
    pub encoded_search: Option<String>,
    pub sort_by: Vec<String>,
    pub fields: Option<String>,
    pub count: Option<i64>,
    #[serde(flatten)]
    pub attributes: AttributeFilters,
    #[serde(flatten)]
    pub related: RelatedFilters,
    #[serde(flatten)]
    pub page: Page,
}

/// The part of a body that selects annotations, applied together with the query.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the wire's names; the specification describes them"
)]
pub struct IdQuery {
    pub ids: Vec<i64>,
    pub media_ids: Vec<i64>,
    pub media_query: Option<String>,
    pub elemental_ids: Vec<String>,
    pub state_ids: Vec<i64>,
    pub frame_state_ids: Vec<i64>,
    pub localization_ids: Vec<i64>,
    pub float_array: Vec<FloatArrayQuery>,
    pub object_search: Option<Json>,
}

impl Filter {
    /// Whether a row's own columns alone decide if it is selected, and rows come by id.
    pub fn looks_at_rows_alone(&self, ids: &IdQuery) -> bool {
        let of_others = !self.related_id.is_empty()
            || self.section.is_some()
            || !self.multi_section.is_empty()
            || self.encoded_search.is_some()
            || self.related != RelatedFilters::default()
            || (self.version.len() > 1 && self.merge != 0);
        !of_others && self.sort_by.is_empty() && self.page.is_whole() && ids.is_empty()
    }

    /// Checks that every name that a bulk change selects by is known to some type.
    ///
    /// Errors: `Invalid`, naming it.
    pub fn check_known(&self, schema: &Schema, kind: Kind, ids: &IdQuery) -> Result<()> {
        self.attributes.check_known(schema, kind, self.r#type)?;
        self.related.check_known(schema, kind)?;
        if let Some(text) = &ids.media_query {
            media::service::check_query(schema, text)?;
        }
        check_searches(schema, kind, &self.encoded_search, &ids.object_search)
    }
}

impl IdQuery {
    /// Whether it selects nothing in particular.
    pub fn is_empty(&self) -> bool {
        let lists = [
            &self.ids,
            &self.media_ids,
            &self.state_ids,
            &self.frame_state_ids,
            &self.localization_ids,
        ];
        lists.into_iter().all(Vec::is_empty)
            && self.elemental_ids.is_empty()
            && self.float_array.is_empty()
            && self.media_query.is_none()
            && self.object_search.is_none()
    }
}

/// The annotations of a project that a request selects.
///
/// Errors: `Invalid` for a filter that makes no sense, `NotFound` for an unknown section.
pub async fn select<T: Annotation>(
    tx: &mut Tx,
    schema: &Schema,
    project: i64,
    filter: &Filter,
    ids: &IdQuery,
) -> Result<Selection> {
    let mut selection = Selection::new(T::KIND, tx.dialect());
    selection.within_equal("t.project", project);
    selection.within("not t.deleted");
    if filter.show_all_marks == 0 {
        selection.within("t.latest");
    }
    by_media(tx, &mut selection, project, filter, ids).await?;
    if let Some(type_id) = filter.r#type {
        selection.within_equal("t.type", type_id);
    }
    if !filter.version.is_empty() {
        selection.within(among("t.version", &filter.version));
    }
    if let Some(frame) = filter.frame {
        selection.equals("t.frame", frame);
    }
    if let Some(uuid) = &filter.elemental_id {
        selection.equals("t.elemental_id", id::parse_uuid(uuid)?);
        selection.finds_few();
    }
    by_identity(&mut selection, filter, ids)?;
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
    if filter.version.len() > 1 && filter.merge != 0 {
        hide_replaced(&mut selection);
    }
    if filter.show_deleted == 0 {
        selection.within("not t.variant_deleted");
    }
    if let Some(after) = filter.after {
        let place = selection.bind(after);
        selection.within(format!("t.id > {place}"));
    }
    selection.sort(schema, filter.r#type, &filter.sort_by)?;
    selection.paginate(&filter.page);
    selection
        .rank_by(tx, filter.r#type, &ids.float_array)
        .await?;
    Ok(selection)
}

async fn by_media(
    tx: &mut Tx,
    selection: &mut Selection,
    project: i64,
    filter: &Filter,
    ids: &IdQuery,
) -> Result<()> {
    let mut lists = vec![filter.media_id.clone(), ids.media_ids.clone()];
    // Ids given in the query and in the body are united.
    lists = vec![lists.concat()];
    if let Some(text) = &ids.media_query {
        lists.push(media::service::matching(tx, project, text).await?);
        if lists[1].is_empty() {
            selection.require("false");
        }
    }
    for media in lists.iter().filter(|media| !media.is_empty()) {
        selection.finds_few();
        match selection.kind {
            Kind::Localization => selection.among("t.media", media),
            _ => selection.require(format!(
                "t.id in (select state from state_media where {})",
                among("media", media)
            )),
        }
    }
    Ok(())
}

fn by_identity(selection: &mut Selection, filter: &Filter, ids: &IdQuery) -> Result<()> {
    if !ids.ids.is_empty() {
        selection.among("t.id", &ids.ids);
        selection.finds_few();
    }
    if !ids.elemental_ids.is_empty() {
        let mut places = Vec::new();
        for uuid in &ids.elemental_ids {
            places.push(selection.bind(id::parse_uuid(uuid)?));
        }
        selection.require(format!("t.elemental_id in ({})", places.join(", ")));
        selection.finds_few();
    }
    let localization = selection.kind == Kind::Localization;
    let (own, other) = if localization {
        ("localization", "state")
    } else {
        ("state", "localization")
    };
    let related = if localization {
        &ids.state_ids
    } else {
        &ids.localization_ids
    };
    for related in [&filter.related_id, related] {
        if !related.is_empty() {
            selection.require(format!(
                "t.id in (select {own} from state_localization where {})",
                among(other, related)
            ));
            selection.finds_few();
        }
    }
    if localization && !ids.frame_state_ids.is_empty() {
        selection.require(format!(
            "exists (select 1 from state s join state_media sm on sm.state = s.id \
             where {} and sm.media = t.media and s.frame = t.frame)",
            among("s.id", &ids.frame_state_ids)
        ));
    }
    Ok(())
}

/// With several layers merged, an annotation is hidden that another one of the selected set replaces.
/// That set is what the filters select: a child that they leave out hides nothing. Tombstones belong to
/// it whether or not they are shown, and the pages into which it is cut are no filter.
fn hide_replaced(selection: &mut Selection) {
    let table = selection.kind.table();
    // Inside, `t` is the child.
    let selected = match selection.condition_of_a_row() {
        Some(row) => format!("exists (select 1 from {table} t where t.id = child.id and {row})"),
        None => format!(
            "child.id in (select t.id from {table} t where t.parent is not null and {})",
            selection.condition()
        ),
    };
    // A parent stays the same annotation in whatever revision it is, and no
    // annotation replaces itself.
    selection.require(format!(
        "not exists (select 1 from {table} replaced join {table} child on child.parent = replaced.id \
         where replaced.elemental_id = t.elemental_id and replaced.version = t.version \
         and (child.version <> t.version or child.elemental_id <> t.elemental_id) \
         and {selected})"
    ));
}
