//! Making annotations.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::edit::Edit;
use super::localization::{Localization, NewLocalization};
use super::state::{NewState, State};
use super::store::{self, Identified};
use super::track;
use super::types::{Annotation, Document, Revision};
use crate::account::{self, Actor};
use crate::attribute::{self, Indexing};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Action, Changes, Stamp};
use crate::project::{self, Level};
use crate::query::Schema;
use crate::{entity_type, id, media, version};

/// What a new annotation says of its revision.
struct Draft {
    type_id: i64,
    version: Option<i64>,
    elemental_id: Option<String>,
    parent: Option<i64>,
    mark: Option<i64>,
    attributes: Map<String, Json>,
    user_elemental_id: Option<String>,
}

/// Makes the annotation once its revision is known.
type Build<T> = Box<dyn FnOnce(Revision) -> T + Send>;

/// Makes localizations; returns their ids in the order given. All or nothing.
pub(super) async fn localizations(
    cx: &Context,
    actor: &Actor,
    project: i64,
    news: Vec<NewLocalization>,
) -> Result<Vec<i64>> {
    let media: HashSet<i64> = news.iter().map(|new| new.media_id).collect();
    let mut drafts: Vec<(Draft, Build<Localization>)> = Vec::with_capacity(news.len());
    for new in news {
        let geometry = new.geometry();
        let draft = Draft {
            type_id: new.r#type,
            version: new.version,
            elemental_id: new.elemental_id,
            parent: new.parent.map(|parent| parent as i64),
            mark: new.mark,
            attributes: new.attributes,
            user_elemental_id: new.user_elemental_id,
        };
        let (media, frame) = (new.media_id, new.frame);
        let build = move |revision| Localization {
            revision,
            media,
            frame,
            geometry,
            thumbnail_image: None,
        };
        drafts.push((draft, Box::new(build)));
    }
    create(cx, actor, project, media, HashSet::new(), drafts).await
}

/// Makes states; returns their ids in the order given. All or nothing.
pub(super) async fn states(
    cx: &Context,
    actor: &Actor,
    project: i64,
    news: Vec<NewState>,
) -> Result<Vec<i64>> {
    let media: HashSet<i64> = news.iter().flat_map(|new| new.media_ids.clone()).collect();
    let members: HashSet<i64> = news
        .iter()
        .flat_map(|new| new.localization_ids.clone())
        .collect();
    let mut drafts: Vec<(Draft, Build<State>)> = Vec::with_capacity(news.len());
    for new in news {
        let draft = Draft {
            type_id: new.r#type,
            version: new.version,
            elemental_id: new.elemental_id,
            parent: new.parent.map(|parent| parent as i64),
            mark: new.mark,
            attributes: new.attributes,
            user_elemental_id: new.user_elemental_id,
        };
        let (frame, media, localizations) = (
            new.frame,
            unique(new.media_ids),
            unique(new.localization_ids),
        );
        let build = move |revision| State {
            revision,
            frame,
            media,
            localizations,
            segments: None,
        };
        drafts.push((draft, Box::new(build)));
    }
    create(cx, actor, project, media, members, drafts).await
}

/// The ids without repetitions, in their order.
pub(super) fn unique(ids: Vec<i64>) -> Vec<i64> {
    let mut seen = HashSet::new();
    ids.into_iter().filter(|id| seen.insert(*id)).collect()
}

async fn create<T: Annotation>(
    cx: &Context,
    actor: &Actor,
    project: i64,
    media: HashSet<i64>,
    members: HashSet<i64>,
    drafts: Vec<(Draft, Build<T>)>,
) -> Result<Vec<i64>> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let override_author = drafts
                    .iter()
                    .any(|(draft, _)| draft.user_elemental_id.is_some());
                let all_versioned = drafts.iter().all(|(draft, _)| draft.version.is_some());
                let level = if override_author {
                    Level::Full
                } else {
                    Level::Edit
                };
                project::access(tx, &actor, project, level).await?;
                let types: Vec<i64> = drafts.iter().map(|(draft, _)| draft.type_id).collect();
                let types = entity_type::service::of_project(tx, T::KIND, types, project).await?;
                media::service::check_of_project(tx, &media, project).await?;
                track::check_members(tx, &members, project).await?;
                let given = drafts
                    .iter()
                    .filter_map(|(draft, _)| draft.version)
                    .collect::<HashSet<_>>();
                let given: Vec<i64> = given.into_iter().collect();
                version::service::of_project(tx, &given, project).await?;
                let default_version = if all_versioned {
                    0
                } else {
                    version::service::default_for(tx, project, actor.id).await?
                };
                let schema = Schema::load(tx, project).await?;
                let (mut made, superseded) = revise(
                    tx,
                    &stamp,
                    &actor,
                    project,
                    default_version,
                    &schema,
                    drafts,
                )
                .await?;
                for (one, _) in &mut made {
                    one.fit(&types[&one.revision().type_id])?;
                }
                let made = write(tx, &stamp, project, &schema, made).await?;
                let mut edit = Edit::new(tx, &stamp);
                track::follow(&mut edit, &superseded, &made).await?;
                edit.finish(project).await?;
                Ok(made.iter().map(|one| one.revision().id).collect())
            })
        })
        .await
}

/// Gives every draft its id, identity, mark and converted attributes. Returns as well which revisions
/// are no longer the latest.
async fn revise<T: Annotation>(
    tx: &mut Tx,
    stamp: &Stamp,
    actor: &Actor,
    project: i64,
    default_version: i64,
    schema: &Schema,
    drafts: Vec<(Draft, Build<T>)>,
) -> Result<(Vec<(T, Map<String, Json>)>, Identified)> {
    let first = tx.allocate(T::KIND.table(), drafts.len()).await?;
    let mut authors: HashMap<String, i64> = HashMap::new();
    let mut marks: HashMap<(i64, String), i64> = HashMap::new();
    let mut made = Vec::with_capacity(drafts.len());
    for (id, (draft, build)) in (first..).zip(drafts) {
        let version = draft.version.unwrap_or(default_version);
        let known = known_identity::<T>(tx, &draft, project).await?;
        let mark = match &known {
            // A fresh identity has no revisions yet.
            None => 0,
            Some(uuid) => {
                let key = (version, uuid.clone());
                let next = match marks.get(&key) {
                    Some(next) => *next,
                    None => store::next_mark(tx, T::KIND, version, uuid).await?,
                };
                let mark = draft.mark.unwrap_or(next).max(next);
                marks.insert(key, mark + 1);
                mark
            }
        };
        let author = match draft.user_elemental_id {
            None => actor.id,
            Some(uuid) => match authors.get(&uuid) {
                Some(author) => *author,
                None => {
                    let author = account::service::author(tx, &uuid).await?;
                    authors.insert(uuid, author);
                    author
                }
            },
        };
        let definitions = schema.of_type(T::KIND, draft.type_id);
        let attributes = attribute::for_create(definitions, &draft.attributes, stamp.at_ms)?;
        let mut one = build(Revision {
            id,
            project,
            type_id: draft.type_id,
            version,
            elemental_id: known.unwrap_or_else(id::uuid),
            mark,
            latest: true,
            variant_deleted: false,
            deleted: false,
            parent: draft.parent,
            attributes: Document::of(&attributes)?,
            created_at: stamp.at_ms,
            created_by: Some(author),
            modified_at: stamp.at_ms,
            modified_by: Some(actor.id),
        });
        one.settle(tx, None).await?;
        made.push((one, attributes));
    }
    let continued = marks
        .keys()
        .map(|(version, uuid)| (*version, uuid.as_str()));
    let superseded = store::supersede(tx, T::KIND, continued).await?;
    Ok((made, superseded))
}

/// The identity that a draft continues: the one it names, or its parent's.
async fn known_identity<T: Annotation>(
    tx: &mut Tx,
    draft: &Draft,
    project: i64,
) -> Result<Option<String>> {
    let parent = match draft.parent {
        Some(parent) => Some(parent_of_project::<T>(tx, parent, project).await?),
        None => None,
    };
    match &draft.elemental_id {
        Some(uuid) => id::parse_uuid(uuid).map(Some),
        None => Ok(parent.map(|parent| parent.elemental_id)),
    }
}

/// The revision that a new or changed one replaces in its layer.
///
/// Errors: `NotFound` when there is none, `Invalid` when it is another project's.
pub(super) async fn parent_of_project<T: Annotation>(
    tx: &mut Tx,
    parent: i64,
    project: i64,
) -> Result<Revision> {
    let found = store::find::<T>(tx, parent)
        .await?
        .ok_or_else(|| Error::no_reference(T::NAME))?;
    if found.revision().project != project {
        let noun = T::NAME;
        return Err(Error::invalid(format!(
            "{noun} {parent} is not part of project {project}!"
        )));
    }
    Ok(found.revision().clone())
}

async fn write<T: Annotation>(
    tx: &mut Tx,
    stamp: &Stamp,
    project: i64,
    schema: &Schema,
    made: Vec<(T, Map<String, Json>)>,
) -> Result<Vec<T>> {
    let (mut made, documents): (Vec<T>, Vec<_>) = made.into_iter().unzip();
    only_last_is_latest(&mut made);
    store::insert(tx, &made).await?;
    let entities = made.iter().zip(&documents).map(|(one, document)| Indexing {
        entity: one.revision().id,
        definitions: schema.of_type(T::KIND, one.revision().type_id),
        before: None,
        after: Some(document),
    });
    attribute::index(tx, entities.collect::<Vec<_>>()).await?;
    let changes = Changes::new(
        Action::Create,
        made.iter()
            .map(|one| (one.revision().id, None::<()>, Some(one.wire()))),
    )?;
    journal::record(tx, stamp, Some(project), T::KIND.table(), changes).await?;
    Ok(made)
}

/// Of several revisions of one identity made together, the last is the latest.
pub(super) fn only_last_is_latest<T: Annotation>(made: &mut [T]) {
    let mut seen: HashSet<(i64, String)> = HashSet::new();
    for one in made.iter_mut().rev() {
        let revision = one.revision_mut();
        revision.latest = seen.insert((revision.version, revision.elemental_id.clone()));
    }
}
