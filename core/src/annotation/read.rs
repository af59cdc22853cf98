//! Reading annotations.

use serde_json::{Map, Value as Json};

use super::filter::{Filter, IdQuery, select};
use super::store;
use super::types::Annotation;
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::id;
use crate::project::{self, Level};
use crate::query::Schema;

/// The selected annotations as lines of JSON, one a line, each line ended.
pub(super) async fn list<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
) -> Result<Vec<u8>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                let selection = select::<T>(tx, &schema, project, &filter, &ids).await?;
                let fields = filter
                    .fields
                    .as_deref()
                    .map(Fields::parse::<T>)
                    .transpose()?;
                let mut lines = Vec::new();
                store::each::<T>(tx, &selection, |one| {
                    match &fields {
                        None => serde_json::to_writer(&mut lines, &one.wire())?,
                        Some(fields) => {
                            serde_json::to_writer(
                                &mut lines,
                                &fields.pick(serde_json::to_value(one.wire())?),
                            )?;
                        }
                    }
                    lines.push(b'\n');
                    Ok(())
                })
                .await?;
                Ok(lines)
            })
        })
        .await
}

pub(super) async fn count<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    project: i64,
    filter: Filter,
    ids: IdQuery,
) -> Result<i64> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                let schema = Schema::load(tx, project).await?;
                select::<T>(tx, &schema, project, &filter, &ids)
                    .await?
                    .count(tx)
                    .await
            })
        })
        .await
}

/// Which revision a path names.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The revision of this id.
    Id(i64),
    /// (version, elemental id), and a mark or the highest that remains.
    Identity(i64, String, Option<i64>),
}

/// The revision that a path names, if the actor may do this much in its project.
pub(super) async fn find<T: Annotation>(
    tx: &mut Tx,
    actor: &Actor,
    place: &Place,
    level: Level,
) -> Result<T> {
    let found = match place {
        Place::Id(id) => store::find::<T>(tx, *id).await?,
        Place::Identity(version, uuid, mark) => {
            store::find_mark::<T>(tx, *version, &id::parse_uuid(uuid)?, *mark).await?
        }
    };
    let found = found.ok_or_else(|| Error::no_match(T::NAME))?;
    project::access(tx, actor, found.revision().project, level).await?;
    Ok(found)
}

pub(super) async fn get<T: Annotation>(cx: &Context, actor: &Actor, place: Place) -> Result<T> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { find::<T>(tx, &actor, &place, Level::View).await }))
        .await
}

/// Keys that `fields=` asks for.
struct Fields {
    keys: Vec<String>,
    attributes: Vec<String>,
}

impl Fields {
    fn parse<T: Annotation>(text: &str) -> Result<Self> {
        let known = known_keys(T::NAME);
        let (mut keys, mut attributes) = (Vec::new(), Vec::new());
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match name.strip_prefix("attributes.") {
                Some(attribute) => attributes.push(attribute.to_owned()),
                None if known.contains(&name) => keys.push(name.to_owned()),
                None => {
                    return Err(Error::invalid_because(
                        "Query parameter error: fields",
                        format!("there is no field '{name}'; known are {}", known.join(", ")),
                    ));
                }
            }
        }
        if T::NAME == "State" {
            // A state without its members is no use to anybody.
            for always in ["localizations", "media"] {
                if !keys.iter().any(|key| key == always) {
                    keys.push(always.into());
                }
            }
        }
        Ok(Self { keys, attributes })
    }

    fn pick(&self, row: Json) -> Map<String, Json> {
        let Json::Object(row) = row else {
            return Map::new();
        };
        let mut picked = Map::new();
        for key in &self.keys {
            picked.insert(key.clone(), row.get(key).cloned().unwrap_or(Json::Null));
        }
        if !self.attributes.is_empty() && !picked.contains_key("attributes") {
            let all = &row["attributes"];
            let some: Map<String, Json> = self
                .attributes
                .iter()
                .map(|name| (name.clone(), all.get(name).cloned().unwrap_or(Json::Null)))
                .collect();
            picked.insert("attributes".into(), Json::Object(some));
        }
        picked
    }
}

/// The keys of a component, which are those of its rows.
fn known_keys(component: &str) -> Vec<&'static str> {
    match crate::http::shape::component(component) {
        crate::http::shape::Shape::Object { fields, .. } => {
            fields.iter().map(|field| field.name.as_str()).collect()
        }
        _ => Vec::new(),
    }
}
