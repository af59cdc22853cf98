//! Rules of favorites.

use super::service::required;
use super::store;
use super::types::{Favorite, FavoritePatch, NewFavorite, Target};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Change};
use crate::project::{self, Level};

/// The caller's favorites, by id.
pub async fn list(cx: &Context, actor: &Actor, project: i64) -> Result<Vec<Favorite>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::View).await?;
                store::favorites(tx, project, actor.id).await
            })
        })
        .await
}

async fn own(tx: &mut Tx, actor: &Actor, id: i64, least: Level) -> Result<Favorite> {
    let found = store::find_favorite(tx, id).await?;
    let favorite = found
        .filter(|favorite| favorite.user == actor.id)
        .ok_or_else(|| Error::no_match("Favorite"))?;
    project::access(tx, actor, favorite.project, least).await?;
    Ok(favorite)
}

pub async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<Favorite> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { own(tx, &actor, id, Level::View).await }))
        .await
}

fn check_name(favorite: &Favorite) -> Result<()> {
    if favorite.name.chars().count() > 128 {
        return Err(Error::invalid(
            "a favorite's name has at most 128 characters",
        ));
    }
    Ok(())
}

async fn check_type(tx: &mut Tx, favorite: &Favorite) -> Result<()> {
    let target = favorite.entity_type_name;
    if store::type_exists(tx, favorite.project, target, favorite.type_id).await? {
        Ok(())
    } else {
        Err(Error::no_reference(target.type_kind().name()))
    }
}

pub async fn create(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewFavorite,
) -> Result<Favorite> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Edit).await?;
                let mut favorite = Favorite {
                    id: tx.allocate("favorite", 1).await?,
                    project,
                    user: actor.id,
                    entity_type_name: Target::default(),
                    type_id: required(new.type_id, "type")?,
                    localization_type_id: None,
                    state_type_id: None,
                    name: required(new.name, "name")?,
                    page: new.page,
                    values: required(new.values, "values")?,
                    effective_permission: 0,
                };
                favorite.aim(new.entity_type_name);
                check_name(&favorite)?;
                check_type(tx, &favorite).await?;
                store::insert_favorite(tx, &favorite).await?;
                let changes = Change::created(favorite.id, &favorite)?;
                journal::record(tx, &stamp, Some(project), "favorite", changes).await?;
                Ok(favorite)
            })
        })
        .await
}

pub async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: FavoritePatch,
) -> Result<Favorite> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = own(tx, &actor, id, Level::Edit).await?;
                let mut favorite = before.clone();
                favorite.name = patch.name.unwrap_or(favorite.name);
                check_name(&favorite)?;
                if let Some(target) = patch.entity_type_name {
                    favorite.aim(target);
                    check_type(tx, &favorite).await?;
                }
                store::update_favorite(tx, &favorite).await?;
                let changes = Change::updated(id, &before, &favorite)?;
                journal::record(tx, &stamp, Some(favorite.project), "favorite", changes).await?;
                Ok(favorite)
            })
        })
        .await
}

pub async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = own(tx, &actor, id, Level::Edit).await?;
                store::remove_favorite(tx, id).await?;
                let changes = Change::deleted(id, &before)?;
                journal::record(tx, &stamp, Some(before.project), "favorite", changes).await
            })
        })
        .await
}
