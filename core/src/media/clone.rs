//! Cloning media: new rows that share the stored bytes of others, in this project or another.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::filter::{Filter, IdQuery, select};
use super::read::visible;
use super::source::{self, Source, State};
use super::types::{Media, NewMedia};
use super::{composite, create, family, store};
use crate::account::Actor;
use crate::annotation::Document;
use crate::attribute::{self, Definitions, Indexing, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::entity_type::{self, EntityType};
use crate::error::{Error, Result};
use crate::journal::{self, Action, Changes, Stamp};
use crate::project::{self, Level};
use crate::query::Schema;
use crate::{id, storage};

/// Media that one call clones.
const MOST: usize = 500;

/// Where clones go.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Destination {
    pub dest_project: i64,
    /// Media of another dtype get the first type there that fits; with −1, all do.
    pub dest_type: i64,
    /// The name of a folder, made where there is none.
    pub dest_section: Option<String>,
    pub dest_section_id: Option<i64>,
}

/// Clones the selected media, in their order; returns the new ids.
///
/// Errors: `Forbidden` without Transfer in both projects; `Invalid` for more than 500, for a type that
/// is not of the destination, for a dtype that it has no type for, and for attributes that do not fit.
pub(super) async fn clone(
    cx: &Arc<Context>,
    actor: &Actor,
    project: i64,
    filter: Filter,
    to: Destination,
) -> Result<Vec<i64>> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    let cloning = cx.database.write(move |tx| {
        Box::pin(async move {
            project::access(tx, &actor, project, Level::Transfer).await?;
            project::access(tx, &actor, to.dest_project, Level::Transfer)
                .await
                .map_err(|error| error.of_reference("Project"))?;
            let types = Types::of(tx, &to).await?;
            let schema = Schema::load(tx, project).await?;
            filter.check_known(&schema, &IdQuery::default())?;
            let selection = select(tx, &schema, project, &filter, &IdQuery::default()).await?;
            let originals = store::list(tx, &selection, None).await?;
            if originals.len() > MOST {
                return Err(Error::invalid(format!(
                    "At most {MOST} media can be cloned at once, and {} are selected; take them in parts with \
                     start and stop.",
                    originals.len()
                )));
            }
            clone_all(tx, &stamp, project, &originals, &to, types).await
        })
    });
    let pairs = cloning.await?;
    wake(cx, &pairs).await?;
    Ok(pairs.into_iter().map(|(_, clone)| clone).collect())
}

/// The types of the destination, of which each clone gets one.
struct Types {
    all: Vec<(EntityType, Definitions)>,
    wanted: i64,
}

impl Types {
    async fn of(tx: &mut Tx, to: &Destination) -> Result<Self> {
        if to.dest_type != -1 {
            let wanted = [to.dest_type];
            entity_type::service::of_project(tx, Kind::Media, wanted, to.dest_project).await?;
        }
        let found = entity_type::service::list_of_project(tx, Kind::Media, to.dest_project).await?;
        let mut all = Vec::with_capacity(found.len());
        for of in found {
            let definitions = attribute::definitions_of_type(tx, Kind::Media, of.id).await?;
            all.push((of, definitions));
        }
        all.sort_by_key(|(of, _)| of.id);
        let wanted = to.dest_type;
        Ok(Self { all, wanted })
    }

    /// The type of a clone: the wanted one, or the first that fits. Errors: `Invalid` when none fits the
    /// dtype.
    fn fitting(&self, original: &Media, dtype: &str) -> Result<&(EntityType, Definitions)> {
        let fitting = self.all.iter().filter(|(of, _)| of.dtype == dtype);
        let found = fitting.min_by_key(|(of, _)| (of.id != self.wanted, of.id));
        found.ok_or_else(|| {
            Error::invalid(format!(
                "Media {} is of dtype {dtype}, and the destination project has no type for that.",
                original.id
            ))
        })
    }
}

/// Inserts the clones; returns pairs of original and clone.
async fn clone_all(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    originals: &[Media],
    to: &Destination,
    types: Types,
) -> Result<Vec<(i64, i64)>> {
    if originals.is_empty() {
        return Ok(Vec::new());
    }
    let owner = storage::owner(tx, project).await?;
    let new_owner = storage::owner(tx, to.dest_project).await?;
    let (section, user_sections) = folder(tx, stamp, to).await?;
    let dtypes = dtypes(tx, project, originals).await?;
    let first = tx.allocate("media", originals.len()).await?;
    let pairs: Vec<(i64, i64)> = originals
        .iter()
        .map(|media| media.id)
        .zip(first..)
        .collect();
    let ids: HashMap<i64, i64> = pairs.iter().copied().collect();
    let same_project = project == to.dest_project;
    let mut parts = if same_project {
        HashMap::new()
    } else {
        family::clones(tx, &composite::parts(originals), to.dest_project).await?
    };
    parts.extend(&ids);
    let mut clones = Vec::with_capacity(originals.len());
    for original in originals {
        let (of, definitions) = types.fitting(original, &dtypes[&original.type_id])?;
        let mut attributes = original.attributes.members()?;
        attributes.insert("tator_user_sections".into(), json!(user_sections));
        let mut fitting = attribute::for_create(definitions, &attributes, stamp.at_ms)?;
        fitting.insert("tator_user_sections".into(), json!(user_sections));
        let media = Media {
            media_files: children(original, &parts, same_project)?,
            last_edit_start: None,
            last_edit_end: None,
            attributes: Document::of(&fitting)?,
            elemental_id: id::uuid(),
            primary_section: section,
            master_section: section,
            id: ids[&original.id],
            project: Some(to.dest_project),
            type_id: of.id,
            created_datetime: stamp.at_ms,
            created_by: stamp.account,
            modified_datetime: stamp.at_ms,
            modified_by: stamp.account,
            gid: None,
            uid: None,
            ..original.clone()
        };
        store::insert(tx, std::slice::from_ref(&media)).await?;
        let entity = Indexing {
            entity: media.id,
            definitions,
            before: None,
            after: Some(&fitting),
        };
        attribute::index(tx, [entity]).await?;
        family::join(tx, (owner, original.id), (new_owner, media.id)).await?;
        if let Some(source) = source::find(tx, original.id).await? {
            source::put(tx, &copied(source, media.id)).await?;
        }
        clones.push(media);
    }
    let changes = Changes::new(
        Action::Create,
        clones
            .iter()
            .map(|media| (media.id, None::<()>, Some(media))),
    )?;
    journal::record(tx, stamp, Some(to.dest_project), "media", changes).await?;
    Ok(pairs)
}

/// The source of a clone. One that is ready waits until its index is copied: should that not happen,
/// it is indexed as any other.
fn copied(source: Source, media: i64) -> Source {
    let state = match source.state {
        State::Failed => State::Failed,
        State::Indexing | State::Ready => State::Indexing,
    };
    Source {
        media,
        state,
        made: Vec::new(),
        ..source
    }
}

async fn dtypes(tx: &mut Tx, project: i64, media: &[Media]) -> Result<HashMap<i64, String>> {
    let ids = media.iter().map(|media| media.type_id);
    let types = entity_type::service::of_project(tx, Kind::Media, ids, project).await?;
    let dtypes = types.into_iter().map(|(id, of)| (id, of.dtype));
    Ok(dtypes.collect())
}

/// The folder of the clones, found or made.
async fn folder(tx: &mut Tx, stamp: &Stamp, to: &Destination) -> Result<(Option<i64>, String)> {
    let new = NewMedia {
        section: to.dest_section.clone(),
        section_id: to.dest_section_id,
        ..NewMedia::default()
    };
    create::folder(tx, stamp, to.dest_project, &new).await
}

/// The records of a clone. Media that consist of others consist of the clones of these, which come
/// with them or came before; and within one project of the same ones where those are not cloned too.
fn children(
    original: &Media,
    parts: &HashMap<i64, i64>,
    same_project: bool,
) -> Result<Option<Map<String, Json>>> {
    let Some(mut files) = original.media_files.clone() else {
        return Ok(None);
    };
    let follow = |child: &mut Json| match child.as_i64() {
        Some(id) => match parts.get(&id) {
            Some(clone) => {
                *child = json!(clone);
                Ok(())
            }
            None if same_project => Ok(()),
            None => Err(Error::invalid(format!(
                "Media {} consists of media {id}; clone that first, or both in one call.",
                original.id
            ))),
        },
        None => Ok(()),
    };
    for child in files
        .get_mut("ids")
        .and_then(Json::as_array_mut)
        .into_iter()
        .flatten()
    {
        follow(child)?;
    }
    for part in files
        .get_mut("concat")
        .and_then(Json::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(child) = part.get_mut("id") {
            follow(child)?;
        }
    }
    Ok(Some(files))
}

/// Copies frame indexes, so that clones of media that are ready are ready at once.
async fn wake(cx: &Arc<Context>, pairs: &[(i64, i64)]) -> Result<()> {
    let mut ready = Vec::new();
    for (original, clone) in pairs {
        // An index that cannot be copied is made again.
        if cx.frames.copy_index(*original, *clone).await.is_ok() {
            ready.push((*original, *clone));
        }
    }
    let writing = cx.database.write(move |tx| {
        Box::pin(async move {
            for (original, clone) in ready {
                source::share_index(tx, original, clone).await?;
            }
            Ok(())
        })
    });
    writing.await?;
    cx.indexing.notify_one();
    Ok(())
}

/// The media that share stored objects with one, which the actor may see.
pub(super) async fn family_of(cx: &Context, actor: &Actor, id: i64) -> Result<Vec<i64>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                visible(tx, &actor, id, Level::View).await?;
                family::others(tx, id).await
            })
        })
        .await
}
