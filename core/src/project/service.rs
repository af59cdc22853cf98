//! Rules of projects.

use serde_json::{Map, Value as Json};

pub use super::members::{default_version, forget_version};
use super::types::{Level, NewProject, Project, ProjectFilter, ProjectPatch};
use super::{members, picture, removal, statistics, store};
use crate::account::{self, Actor};
use crate::attribute::{self, Kind};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change, Stamp};
use crate::organization::{self, Role};
use crate::{id, jobs, recording, row_protection, storage, version};

/// When what is pruned counts as deleted: its media go with the next sweep.
const LONG_AGO: i64 = 0;
/// The rights of a creator, as the original echoes them: five full bytes.
const CREATOR_MASK: i64 = 0xff_ffff_ffff;

/// Checks that the actor is a member with at least this level.
///
/// Errors: `NotFound` if there is no such project, `Forbidden` without the level.
pub async fn access(tx: &mut Tx, actor: &Actor, project: i64, least: Level) -> Result<()> {
    level(tx, actor, project, least).await.map(|_| ())
}

/// The same; returns what the actor may do.
pub async fn level(tx: &mut Tx, actor: &Actor, project: i64, least: Level) -> Result<Level> {
    match store::level(tx, project, actor.id, false).await? {
        Some(level) if level >= least => Ok(level),
        None if !store::exists(tx, project).await? => Err(Error::no_match("Project")),
        _ => Err(Error::forbidden()),
    }
}

/// The same of a project that may be deleted: those with Full Control can bring it back.
pub async fn level_also_deleted(
    tx: &mut Tx,
    actor: &Actor,
    project: i64,
    least: Level,
) -> Result<Level> {
    match store::level(tx, project, actor.id, true).await? {
        Some(Level::Full) => Ok(Level::Full),
        _ => level(tx, actor, project, least).await,
    }
}

/// The projects that the actor may see, by id.
pub async fn visible_to(tx: &mut Tx, actor: &Actor) -> Result<Vec<i64>> {
    store::visible_ids(tx, actor.id).await
}

/// The e-mail addresses of those who may see a project; some may be empty.
pub async fn member_emails(tx: &mut Tx, project: i64) -> Result<Vec<String>> {
    let members = store::memberships(tx, project).await?;
    let seeing = members
        .into_iter()
        .filter(|member| member.permission > Level::None);
    Ok(seeing.map(|member| member.email).collect())
}

/// What to call the projects that nobody but this account has Full Control of.
pub async fn only_owned_by(tx: &mut Tx, account: i64) -> Result<Vec<String>> {
    let names = store::only_owned_by(tx, account).await?.into_iter();
    Ok(names.map(|name| format!("the project {name}")).collect())
}

/// Takes an account that goes away out of every project.
pub async fn forget_account(tx: &mut Tx, stamp: &Stamp, account: i64) -> Result<()> {
    for membership in store::memberships_of(tx, account).await? {
        store::remove_membership(tx, membership.id).await?;
        let changes = Change::deleted(membership.id, &membership)?;
        journal::record(tx, stamp, Some(membership.project), "membership", changes).await?;
    }
    Ok(())
}

/// The buckets that a project's bytes belong in (`bucket`) and that uploads go to (`upload_bucket`), also of a deleted
/// project; none of either means the station's own store.
pub async fn buckets_of(tx: &mut Tx, project: i64) -> Result<(Option<i64>, Option<i64>)> {
    store::buckets_of(tx, project).await
}

/// The bucket that a project's stored bytes are copied to, also of a deleted project; none where they are not.
pub async fn backup_bucket_of(tx: &mut Tx, project: i64) -> Result<Option<i64>> {
    store::backup_bucket_of(tx, project).await
}

/// The names of the projects that use a bucket for anything.
pub async fn names_using_bucket(tx: &mut Tx, bucket: i64) -> Result<Vec<String>> {
    store::names_using_bucket(tx, bucket).await
}

/// How many projects an organization has.
pub async fn count_of_organization(tx: &mut Tx, organization: i64) -> Result<i64> {
    store::count_of_organization(tx, organization).await
}

/// The organization of a project. Errors: `NotFound`.
pub async fn organization_of(tx: &mut Tx, project: i64) -> Result<i64> {
    store::organization_of(tx, project)
        .await?
        .ok_or_else(|| Error::no_match("Project"))
}

/// The name of a project. Errors: `NotFound`.
pub async fn name_of(tx: &mut Tx, project: i64) -> Result<String> {
    let name = store::name_of(tx, project).await?;
    name.ok_or_else(|| Error::no_match("Project"))
}

/// Projects that the actor is a member of, by id.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    mut filter: ProjectFilter,
) -> Result<Vec<Project>> {
    filter.elemental_id = filter
        .elemental_id
        .map(|uuid| id::parse_uuid(&uuid))
        .transpose()?;
    let account = actor.id;
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let mut projects = store::list(tx, account, &filter).await?;
                let ids: Vec<i64> = projects.iter().map(|project| project.id).collect();
                let sums = statistics::of(tx, &ids).await?;
                for project in &mut projects {
                    let sums = sums.get(&project.id).copied().unwrap_or_default();
                    complete(tx, project, sums).await?;
                }
                Ok(projects)
            })
        })
        .await
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Project> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { visible(tx, &actor, id, Level::View).await }))
        .await
}

async fn visible(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<Project> {
    access(tx, actor, id, least).await?;
    let found = store::find(tx, id, actor.id).await?;
    let mut project = found.ok_or_else(|| Error::no_match("Project"))?;
    let sums = statistics::of(tx, &[id]).await?;
    complete(tx, &mut project, sums.get(&id).copied().unwrap_or_default()).await?;
    Ok(project)
}

/// Fills in what is computed: sums over media, member names, attributes of sections.
async fn complete(tx: &mut Tx, project: &mut Project, sums: statistics::Statistics) -> Result<()> {
    project.num_files = sums.num_files;
    project.size = sums.size_bytes;
    project.duration = sums.duration_secs as i64;
    project.usernames = store::memberships(tx, project.id)
        .await?
        .into_iter()
        .map(|member| member.username)
        .collect();
    project.attribute_types = attribute::definitions_of_type(tx, Kind::Section, project.id)
        .await?
        .into_iter()
        .map(|definition| definition.wire)
        .collect();
    Ok(())
}

/// The project of that name among those of an account, in any case of letters.
pub async fn find_by_name(tx: &mut Tx, account: i64, name: &str) -> Result<Option<i64>> {
    let wanted = name.to_lowercase();
    let named = store::names(tx, account).await?;
    let found = named
        .into_iter()
        .find(|(_, name)| name.to_lowercase() == wanted);
    Ok(found.map(|(id, _)| id))
}

/// Gives an account a level in a project, from the command line: adds or changes its membership.
///
/// Errors: `NotFound` when there is no such project or account.
pub async fn grant(cx: &Context, project: &str, username: &str, level: Level) -> Result<()> {
    let user = account::service::by_name(cx, username).await?;
    let id = find_any_by_name(cx, project).await?;
    let stamp = cx.clock.stamp(None, cx.now());
    cx.database
        .write(move |tx| {
            Box::pin(async move { members::set(tx, &stamp, id, user.id, level).await })
        })
        .await
}

/// The project of that name among those of any account, administrators' first.
///
/// Errors: `NotFound`.
pub async fn find_any_by_name(cx: &Context, name: &str) -> Result<i64> {
    let mut accounts = account::service::list(cx).await?;
    accounts.sort_by_key(|user| !user.is_staff);
    let wanted = name.to_owned();
    let found = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                for user in accounts {
                    if let Some(id) = find_by_name(tx, user.id, &wanted).await? {
                        return Ok(Some(id));
                    }
                }
                Ok(None)
            })
        })
        .await?;
    found.ok_or_else(|| Error::NotFound(format!("there is no project named {name}")))
}

/// Makes a project of which only the name matters. Errors: as [`create`].
pub async fn create_named(
    cx: &Context,
    actor: &Actor,
    organization: i64,
    name: &str,
) -> Result<i64> {
    let new = NewProject {
        name: name.to_owned(),
        summary: String::new(),
        organization,
        enable_downloads: true,
        bucket: None,
        upload_bucket: None,
        backup_bucket: None,
        elemental_id: None,
        permission_model: None,
    };
    Ok(create(cx, actor, new).await?.id)
}

/// Makes a project with its Baseline version and first members.
///
/// The actor gets Full Control; other members of the organization get its default level, if it has
/// one. Errors: `Forbidden` unless the actor is Admin of the organization; `Invalid` when one of
/// the actor's projects has the name.
pub async fn create(cx: &Context, actor: &Actor, new: NewProject) -> Result<Project> {
    row_protection::service::check_model(new.permission_model.as_deref())?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                organization::access(tx, &actor, new.organization, Role::Admin)
                    .await
                    .map_err(|error| error.of_reference("Organization"))?;
                check_summary(&new.summary)?;
                check_name(tx, actor.id, &new.name, None).await?;
                let buckets = [new.bucket, new.upload_bucket, new.backup_bucket];
                check_buckets(tx, new.organization, buckets.into_iter().flatten()).await?;
                let elemental_id = match &new.elemental_id {
                    Some(uuid) => id::parse_uuid(uuid)?,
                    None => id::uuid(),
                };
                let project = Project {
                    id: tx.allocate("project", 1).await?,
                    name: new.name,
                    summary: new.summary,
                    organization: new.organization,
                    enable_downloads: new.enable_downloads,
                    bucket: new.bucket,
                    upload_bucket: new.upload_bucket,
                    backup_bucket: new.backup_bucket,
                    elemental_id,
                    effective_permission: 0,
                    thumb: None,
                    created: stamp.at_ms,
                    num_files: 0,
                    size: 0,
                    duration: 0,
                    usernames: Vec::new(),
                    permission: "Creator".into(),
                    attribute_types: Vec::new(),
                    extended_info: Map::new(),
                    created_by: actor.id,
                };
                store::insert(tx, &project).await?;
                let changes = Change::created(project.id, &project)?;
                journal::record(tx, &stamp, Some(project.id), "project", changes).await?;
                version::service::create_baseline(tx, &stamp, project.id).await?;
                members::enroll(tx, &stamp, &actor, &project).await?;
                Ok(Project {
                    effective_permission: CREATOR_MASK,
                    ..visible(tx, &actor, project.id, Level::Full).await?
                })
            })
        })
        .await
}

fn check_summary(summary: &str) -> Result<()> {
    if summary.chars().count() > 1024 {
        return Err(Error::invalid(
            "a project's summary has at most 1024 characters",
        ));
    }
    Ok(())
}

async fn check_name(tx: &mut Tx, account: i64, name: &str, but: Option<i64>) -> Result<()> {
    if name.is_empty() || name.chars().count() > 128 {
        return Err(Error::invalid("a project's name has 1 to 128 characters"));
    }
    let folded = name.to_lowercase();
    let taken = store::names(tx, account)
        .await?
        .iter()
        .any(|(other, theirs)| Some(*other) != but && theirs.to_lowercase() == folded);
    if taken {
        Err(Error::invalid(format!(
            "Project with name {name} already exists!"
        )))
    } else {
        Ok(())
    }
}

/// Buckets must be the organization's own.
async fn check_buckets(
    tx: &mut Tx,
    organization: i64,
    buckets: impl Iterator<Item = i64>,
) -> Result<()> {
    for bucket in buckets {
        match store::organization_of_bucket(tx, bucket).await? {
            Some(owner) if owner == organization => {}
            Some(_) => return Err(Error::forbidden()),
            None => return Err(Error::no_reference("Bucket")),
        }
    }
    Ok(())
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: ProjectPatch,
) -> Result<Project> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = visible(tx, &actor, id, Level::Full).await?;
                if patch.is_empty() {
                    return Err(Error::invalid("No valid fields to update a project with!"));
                }
                check_buckets(tx, before.organization, patch.buckets()).await?;
                let mut project = before.clone();
                if let Some(name) = patch.name {
                    check_name(tx, actor.id, &name, Some(id)).await?;
                    project.name = name;
                }
                if let Some(upload) = patch.thumb {
                    let key = picture::adopt(tx, &project, &actor, &upload).await?;
                    project.thumb = Some(key);
                }
                if let Some(uuid) = patch.elemental_id {
                    project.elemental_id = id::parse_uuid(&uuid)?;
                }
                project.summary = patch.summary.unwrap_or(project.summary);
                check_summary(&project.summary)?;
                project.enable_downloads =
                    patch.enable_downloads.unwrap_or(project.enable_downloads);
                project.bucket = patch.bucket.or(project.bucket);
                project.upload_bucket = patch.upload_bucket.or(project.upload_bucket);
                project.backup_bucket = patch.backup_bucket.or(project.backup_bucket);
                store::update(tx, &project).await?;
                if project.backup_bucket != before.backup_bucket {
                    storage::plan_project(tx, id, stamp.at_ms).await?;
                }
                let changes = Change::updated(id, &before, &project)?;
                journal::record(tx, &stamp, Some(id), "project", changes).await?;
                Ok(project)
            })
        })
        .await
}

/// Deletes a project; only its creator may, or anybody with Full Control once that account is
/// deleted. It can be brought back until its time is over, unless it is pruned.
pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64, prune: bool) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                if prune
                    && is_deleted(tx, id).await?
                    && level_also_deleted(tx, &actor, id, Level::Full).await? == Level::Full
                {
                    // Its end is in the journal already.
                    return erase(tx, id, LONG_AGO).await;
                }
                let before = visible(tx, &actor, id, Level::Full).await?;
                if before.created_by != actor.id
                    && account::service::exists(tx, before.created_by).await?
                {
                    return Err(Error::forbidden());
                }
                store::mark_deleted(tx, &stamp, id).await?;
                jobs::call_off_project(tx, id, stamp.at_ms).await?;
                if prune {
                    erase(tx, id, LONG_AGO).await?;
                }
                let changes = Change::deleted(id, &before)?;
                journal::record(tx, &stamp, Some(id), "project", changes).await
            })
        })
        .await?;
    jobs::heed(cx).await?;
    storage::collect(cx).await
}

/// Removes a deleted project for good; its media follow when their time is over.
async fn erase(tx: &mut Tx, id: i64, deleted_at: i64) -> Result<()> {
    let mut keys = store::file_keys(tx, id).await?;
    keys.extend(store::thumb(tx, id).await?);
    for key in &keys {
        storage::remove(tx, key).await?;
    }
    removal::remove(tx, id, deleted_at).await
}

/// Removes a project that was deleted before a time for good; returns which.
pub async fn purge_one(tx: &mut Tx, before_ms: i64) -> Result<Option<i64>> {
    let gone = store::deleted_before(tx, before_ms, None).await?;
    let Some((id, deleted_at)) = gone.first() else {
        return Ok(None);
    };
    erase(tx, *id, *deleted_at).await?;
    Ok(Some(*id))
}

/// Whether a project is deleted, and can still be brought back.
pub async fn is_deleted(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(store::deleted_at(tx, id).await?.is_some())
}

/// How many media a project has.
pub async fn count_media(tx: &mut Tx, id: i64) -> Result<i64> {
    store::count_media(tx, id).await
}

/// Removes the deleted projects of an organization for good.
pub async fn erase_deleted_of(tx: &mut Tx, organization: i64) -> Result<()> {
    for (id, deleted_at) in store::deleted_before(tx, i64::MAX, Some(organization)).await? {
        erase(tx, id, deleted_at).await?;
    }
    Ok(())
}

/// Checks that projects that came back share their name with no other that a member sees, and forgets
/// buckets that are gone meanwhile. What was recorded for them goes on; jobs of those that went are
/// called off.
pub(super) async fn settle(tx: &mut Tx, stamp: &Stamp, rows: Vec<Map<String, Json>>) -> Result<()> {
    store::forget_lost_buckets(tx).await?;
    let of = |row: &Map<String, Json>| {
        let id = row.get("id").and_then(Json::as_i64).unwrap_or_default();
        (id, row.get("name").cloned())
    };
    let named: Vec<_> = rows.iter().map(of).collect();
    for (id, name) in &named {
        storage::plan_project(tx, *id, stamp.at_ms).await?;
        // A row that changed stands there as it was and as it is; others went, or came back.
        let same = named.iter().filter(|(other, _)| other == id);
        if same.clone().count() == 1 {
            match is_deleted(tx, *id).await? {
                true => jobs::call_off_project(tx, *id, stamp.at_ms).await?,
                false => recording::resume(tx, *id, stamp.at_ms).await?,
            }
        }
        let kept = same.clone().count() > 1 && same.clone().all(|(_, other)| other == name);
        if !kept && let Some((name, creator)) = store::name_and_creator(tx, *id).await? {
            let checked = check_name(tx, creator, &name, Some(*id)).await;
            checked.map_err(|error| {
                Error::invalid(format!("{error} Give one of the two another name first."))
            })?;
        }
    }
    Ok(())
}
