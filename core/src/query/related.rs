//! Conditions on rows one hop away: relations, sections, related filters.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::attribute::RelatedFilters;
use super::schema::Schema;
use super::search::{Node, compile, decode};
use super::selection::{Selection, joined, visible};
use crate::attribute::Kind;
use crate::database::{Tx, Value};
use crate::error::{Error, Result};
use crate::values;

/// The annotations (as `{far}`) of a media `t`.
const ON_MEDIA: [(Kind, &str); 2] = [
    (
        Kind::Localization,
        "localization {far} where {far}.media = t.id",
    ),
    (
        Kind::State,
        "state {far} join state_media sm on sm.state = {far}.id where sm.media = t.id",
    ),
];

/// A name whose value is a nested search over other rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Relation {
    RelatedMedia,
    RelatedLocalizations,
    RelatedStates,
    CoincidentLocalizations,
    CoincidentStates,
    TrackMembership,
}

impl Relation {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "$related_media" => Self::RelatedMedia,
            "$related_localizations" => Self::RelatedLocalizations,
            "$related_states" => Self::RelatedStates,
            "$coincident_localizations" => Self::CoincidentLocalizations,
            "$coincident_states" => Self::CoincidentStates,
            "$track_membership" => Self::TrackMembership,
            _ => return None,
        })
    }

    /// The kind of the other rows.
    pub(super) fn other(self) -> Kind {
        match self {
            Self::RelatedMedia => Kind::Media,
            Self::RelatedLocalizations | Self::CoincidentLocalizations => Kind::Localization,
            Self::RelatedStates | Self::CoincidentStates | Self::TrackMembership => Kind::State,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the place in the search is part of the question"
    )]
    pub(super) async fn compile(
        self,
        selection: &mut Selection,
        tx: &mut Tx,
        schema: &Schema,
        kind: Kind,
        alias: &str,
        node: &Node,
        depth: usize,
    ) -> Result<String> {
        let (other, far) = (self.other(), selection.alias());
        let (from, link) = self.link(kind, alias, &far).ok_or_else(|| {
            Error::invalid(format!("{self:?} can not be searched on {}", kind.table()))
        })?;
        let inner = compile(selection, tx, schema, other, far.clone(), node, depth + 1).await?;
        Ok(format!(
            "exists (select 1 from {from} where {link} and {} and ({inner}))",
            visible(other, &far)
        ))
    }

    /// The tables of the subquery (the far rows as `far`) and how they meet `alias`.
    fn link(self, kind: Kind, alias: &str, far: &str) -> Option<(String, String)> {
        let states = format!("state {far} join state_media sm on sm.state = {far}.id");
        let same_media = format!(
            "sm.media in (select own.media from state_media own where own.state = {alias}.id)"
        );
        Some(match (self, kind) {
            (Self::RelatedMedia, Kind::Localization) => {
                (format!("media {far}"), format!("{far}.id = {alias}.media"))
            }
            (Self::RelatedMedia, Kind::State) => (
                format!("state_media sm join media {far} on {far}.id = sm.media"),
                format!("sm.state = {alias}.id"),
            ),
            (Self::RelatedLocalizations, Kind::Media) => (
                format!("localization {far}"),
                format!("{far}.media = {alias}.id"),
            ),
            (Self::RelatedStates, Kind::Media) => (states, format!("sm.media = {alias}.id")),
            (Self::CoincidentStates, Kind::Localization) => (
                states,
                format!("sm.media = {alias}.media and {far}.frame = {alias}.frame"),
            ),
            (Self::CoincidentStates, Kind::State) => (
                states,
                format!("{same_media} and {far}.frame = {alias}.frame and {far}.id <> {alias}.id"),
            ),
            (Self::CoincidentLocalizations, Kind::Localization) => (
                format!("localization {far}"),
                format!(
                    "{far}.media = {alias}.media and {far}.frame = {alias}.frame and {far}.id <> {alias}.id"
                ),
            ),
            (Self::CoincidentLocalizations, Kind::State) => (
                format!("localization {far} join state_media sm on sm.media = {far}.media"),
                format!("sm.state = {alias}.id and {far}.frame = {alias}.frame"),
            ),
            (Self::TrackMembership, Kind::Localization) => (
                format!("state_localization sl join state {far} on {far}.id = sl.state"),
                format!("sl.localization = {alias}.id"),
            ),
            _ => return None,
        })
    }
}

/// What is one hop away from rows of a kind.
pub(super) fn far(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Media => &[Kind::Localization, Kind::State],
        _ => &[Kind::Media],
    }
}

/// Turns a condition on media (as `far`) into one on rows of the kind.
fn through_media(kind: Kind, alias: &str, far: &str, condition: &str) -> Result<String> {
    let media = format!("{} and {condition}", visible(Kind::Media, far));
    match kind {
        Kind::Localization => Ok(format!(
            "{alias}.media in (select {far}.id from media {far} where {media})"
        )),
        Kind::State => Ok(format!(
            "{alias}.id in (select sm.state from state_media sm join media {far} on {far}.id = sm.media where {media})"
        )),
        _ => Err(Error::invalid(format!(
            "{} is not in sections",
            kind.table()
        ))),
    }
}

/// The condition that a row lies in a section (for annotations: that its media does).
///
/// Errors: `NotFound` for an unknown section, `Invalid` for a saved search that refers to itself.
pub(super) async fn section(
    selection: &mut Selection,
    tx: &mut Tx,
    schema: &Schema,
    kind: Kind,
    alias: &str,
    id: i64,
    depth: usize,
) -> Result<String> {
    selection.spend()?;
    if kind != Kind::Media {
        let far = selection.alias();
        let condition =
            Box::pin(section(selection, tx, schema, Kind::Media, &far, id, depth)).await?;
        return through_media(kind, alias, &far, &condition);
    }
    let sql =
        "select dtype, object_search, related_search from section where id = $1 and project = $2";
    let row = tx.row(sql, &values![id, schema.project]).await?;
    let mut row = row.ok_or_else(|| Error::no_match("Section"))?;
    let (dtype, own, related): (String, Json, Json) = (row.take()?, row.take()?, row.take()?);
    match dtype.as_str() {
        "folder" => Ok(format!("{alias}.primary_section = {id}")),
        "playlist" => Ok(format!(
            "exists (select 1 from section_media listed where listed.section = {id} and listed.media = {alias}.id)"
        )),
        _ => {
            if selection.open_sections.contains(&id) {
                return Err(Error::invalid(format!(
                    "the saved search of section {id} refers to itself"
                )));
            }
            selection.open_sections.push(id);
            let condition = saved(selection, tx, schema, alias, [&own, &related], depth + 1).await;
            selection.open_sections.pop();
            condition
        }
    }
}

/// The condition that a saved search (on media, on their annotations) means for the media `alias`.
async fn saved(
    selection: &mut Selection,
    tx: &mut Tx,
    schema: &Schema,
    alias: &str,
    [own, related]: [&Json; 2],
    depth: usize,
) -> Result<String> {
    let mut conditions = Vec::new();
    if !own.is_null() {
        let node = Node::parse(own)?;
        conditions.push(
            compile(
                selection,
                tx,
                schema,
                Kind::Media,
                alias.into(),
                &node,
                depth,
            )
            .await?,
        );
    }
    if !related.is_null() {
        let node = Node::parse(related)?;
        conditions.push(hits(selection, tx, schema, alias, &node, depth).await?);
    }
    Ok(if conditions.is_empty() {
        "true".into()
    } else {
        joined(&conditions, " and ")
    })
}

/// The section of a project whose media carry this UUID. Errors: `NotFound`.
pub(super) async fn section_of_uuid(tx: &mut Tx, project: i64, uuid: &str) -> Result<i64> {
    let sql = "select id from section where project = $1 and tator_user_sections = $2";
    let found = tx.scalar(sql, &values![project, uuid]).await?;
    found.ok_or_else(|| Error::no_match("Section"))
}

/// The condition that a media has a localization or state matching the node.
async fn hits(
    selection: &mut Selection,
    tx: &mut Tx,
    schema: &Schema,
    alias: &str,
    node: &Node,
    depth: usize,
) -> Result<String> {
    let mut found = Vec::new();
    for relation in [Relation::RelatedLocalizations, Relation::RelatedStates] {
        let compiled = relation.compile(selection, tx, schema, Kind::Media, alias, node, depth);
        found.push(compiled.await);
    }
    Ok(format!("({})", readable(found)?.join(" or ")))
}

/// What could be read as a question about localizations, states or both. Errors: of neither.
fn readable(conditions: Vec<Result<String>>) -> Result<Vec<String>> {
    let (read, unread): (Vec<_>, Vec<_>) = conditions.into_iter().partition(Result::is_ok);
    let all = if read.is_empty() { unread } else { read };
    all.into_iter().collect()
}

impl Selection {
    /// Requires rows to lie in one of some sections.
    pub async fn in_sections(&mut self, tx: &mut Tx, schema: &Schema, ids: &[i64]) -> Result<()> {
        let mut conditions = Vec::new();
        for id in ids {
            let kind = self.kind;
            conditions.push(section(self, tx, schema, kind, "t", *id, 0).await?);
        }
        if !conditions.is_empty() {
            self.require(joined(&conditions, " or "));
        }
        Ok(())
    }

    /// Requires the filters on rows one hop away: annotations of a media, the media of an annotation.
    pub async fn filter_related(
        &mut self,
        tx: &mut Tx,
        schema: &Schema,
        filters: &RelatedFilters,
    ) -> Result<()> {
        let attributes = filters.attributes();
        if self.kind == Kind::Media {
            let known = |kind| attributes.known_names(schema, kind);
            let names: HashSet<&str> = far(Kind::Media)
                .iter()
                .flat_map(|kind| known(*kind))
                .collect();
            let mut alternatives = Vec::new();
            for (kind, from) in ON_MEDIA {
                // What only the other kind knows holds for none of these.
                if names.is_empty() || known(kind) != names {
                    continue;
                }
                let far = self.alias();
                let conditions = attributes.conditions(self, schema, kind, None, &far);
                let exists = |conditions: Vec<String>| {
                    format!(
                        "exists (select 1 from {} and {} and {})",
                        from.replace("{far}", &far),
                        visible(kind, &far),
                        conditions.join(" and ")
                    )
                };
                alternatives.push(conditions.map(exists));
            }
            match alternatives.is_empty() {
                false => self.require(format!("({})", readable(alternatives)?.join(" or "))),
                true if names.is_empty() => {}
                true => self.require("false"),
            }
        } else {
            let far = self.alias();
            let conditions = attributes.conditions(self, schema, Kind::Media, None, &far)?;
            if !conditions.is_empty() {
                let condition = through_media(self.kind, "t", &far, &conditions.join(" and "))?;
                self.require(condition);
            }
        }
        if let Some(encoded) = &filters.encoded_related_search {
            let node = decode(encoded)?;
            let condition = if self.kind == Kind::Media {
                hits(self, tx, schema, "t", &node, 0).await?
            } else {
                let far = self.alias();
                let inner = compile(self, tx, schema, Kind::Media, far.clone(), &node, 0).await?;
                through_media(self.kind, "t", &far, &inner)?
            };
            self.require(condition);
        }
        Ok(())
    }
}

/// How many localizations and states of a media match an encoded search: an SQL expression over
/// `media t` and its values, whose places start at `$1`.
pub async fn incident(tx: &mut Tx, schema: &Schema, encoded: &str) -> Result<(String, Vec<Value>)> {
    let node = decode(encoded)?;
    let mut selection = Selection::new(Kind::Media, tx.dialect());
    let mut counts = Vec::new();
    for (kind, from) in ON_MEDIA {
        let far = selection.alias();
        let inner = compile(&mut selection, tx, schema, kind, far.clone(), &node, 0).await;
        let from = from.replace("{far}", &far);
        let visible = visible(kind, &far);
        counts.push(
            inner.map(|inner| format!("(select count(*) from {from} and {visible} and ({inner}))")),
        );
    }
    Ok((readable(counts)?.join(" + "), selection.values))
}
