//! Rules of row protections.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::target::{check_acl, check_grantee};
use super::types::{GranteeKind, RowProtection, RowProtectionPatch, TargetKind};
use super::{store, target};
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal::{self, Action, Change, Changes, Stamp};

/// Which grants are wanted: on this target, for this grantee.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Filter {
    target: Option<(TargetKind, i64)>,
    grantee: Option<(GranteeKind, i64)>,
    /// Two targets or two grantees are named; no grant has them.
    impossible: bool,
}

impl Filter {
    /// Reads the wire's keys.
    pub fn new(query: &Map<String, Json>) -> Self {
        let targets = targets(query);
        let grantees = grantees(query);
        Self {
            target: targets.first().copied(),
            grantee: grantees.first().copied(),
            impossible: targets.len() > 1 || grantees.len() > 1,
        }
    }

    fn is_empty(&self) -> bool {
        self.target.is_none() && self.grantee.is_none()
    }
}

fn targets(keys: &Map<String, Json>) -> Vec<(TargetKind, i64)> {
    TargetKind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, keys.get(kind.key())?.as_i64()?)))
        .collect()
}

fn grantees(keys: &Map<String, Json>) -> Vec<(GranteeKind, i64)> {
    GranteeKind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, keys.get(kind.key())?.as_i64()?)))
        .collect()
}

async fn matching(tx: &mut Tx, filter: Filter) -> Result<Vec<RowProtection>> {
    if filter.impossible {
        return Ok(Vec::new());
    }
    store::list(tx, filter.target, filter.grantee).await
}

/// The grants on what the actor has the ACL bit of; others are left out.
pub(super) async fn list(
    cx: &Context,
    actor: &Actor,
    filter: Filter,
) -> Result<Vec<RowProtection>> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let mut known = HashMap::new();
                let mut shown = Vec::new();
                for grant in matching(tx, filter).await? {
                    let (kind, id) = grant.target;
                    let allowed = match known.get(&grant.target) {
                        Some(allowed) => *allowed,
                        None => match check_acl(tx, &actor, kind, id).await {
                            Ok(()) => true,
                            Err(Error::Forbidden(_) | Error::NotFound(_)) => false,
                            Err(error) => return Err(error),
                        },
                    };
                    known.insert(grant.target, allowed);
                    if allowed {
                        shown.push(grant);
                    }
                }
                Ok(shown)
            })
        })
        .await
}

pub(super) async fn get(cx: &Context, actor: &Actor, id: i64) -> Result<RowProtection> {
    let actor = actor.clone();
    cx.database
        .read(move |tx| Box::pin(async move { governed(tx, &actor, id).await }))
        .await
}

async fn governed(tx: &mut Tx, actor: &Actor, id: i64) -> Result<RowProtection> {
    let found = store::find(tx, id)
        .await?
        .ok_or_else(|| Error::no_match("RowProtection"))?;
    let (kind, target) = found.target;
    target::check_acl(tx, actor, kind, target).await?;
    Ok(found)
}

/// Makes a grant on exactly one target for exactly one grantee.
pub(super) async fn create(
    cx: &Context,
    actor: &Actor,
    body: &Map<String, Json>,
) -> Result<RowProtection> {
    let (target, grantee) = match (targets(body).as_slice(), grantees(body).as_slice()) {
        ([target], [grantee]) => (*target, *grantee),
        (targets, [_]) => {
            return Err(Error::invalid(format!(
                "Exactly one target must be specified, found {}!",
                targets.len()
            )));
        }
        (_, grantees) => {
            return Err(Error::invalid(format!(
                "Exactly one of user, organization or group must be specified, found {}!",
                grantees.len()
            )));
        }
    };
    let permission = body.get("permission").and_then(Json::as_i64).unwrap_or(0);
    check_mask(permission)?;
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                check_acl(tx, &actor, target.0, target.1).await?;
                check_grantee(tx, grantee.0, grantee.1).await?;
                let grant = RowProtection {
                    id: tx.allocate("row_protection", 1).await?,
                    created_at: stamp.at_ms,
                    created_by: actor.id,
                    target,
                    grantee,
                    permission,
                };
                store::insert(tx, &grant).await?;
                let changes = Change::created(grant.id, &grant)?;
                journal::record(tx, &stamp, None, "row_protection", changes).await?;
                Ok(grant)
            })
        })
        .await
}

fn check_mask(permission: i64) -> Result<()> {
    if permission < 0 {
        return Err(Error::invalid("a permission mask is not negative"));
    }
    Ok(())
}

pub(super) async fn update(
    cx: &Context,
    actor: &Actor,
    id: i64,
    patch: RowProtectionPatch,
) -> Result<RowProtection> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    patch.permission.map(check_mask).transpose()?;
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = governed(tx, &actor, id).await?;
                let after = RowProtection {
                    permission: patch.permission.unwrap_or(before.permission),
                    ..before.clone()
                };
                store::set_permission(tx, id, after.permission).await?;
                let changes = Change::updated(id, &before, &after)?;
                journal::record(tx, &stamp, None, "row_protection", changes).await?;
                Ok(after)
            })
        })
        .await
}

pub(super) async fn remove(cx: &Context, actor: &Actor, id: i64) -> Result<()> {
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let before = governed(tx, &actor, id).await?;
                erase(tx, &stamp, vec![before]).await
            })
        })
        .await
}

/// Removes every grant that fits the filter; returns how many.
///
/// Errors: `Invalid` without a filter; `Forbidden` when one of them is not the actor's to remove:
/// then all stay.
pub(super) async fn remove_list(cx: &Context, actor: &Actor, filter: Filter) -> Result<usize> {
    if filter.is_empty() {
        return Err(Error::invalid(
            "name at least one target or grantee whose row protections are to be deleted",
        ));
    }
    let (actor, stamp) = (actor.clone(), cx.clock.stamp(Some(actor.id), cx.now()));
    cx.database
        .write(move |tx| {
            Box::pin(async move {
                let grants = matching(tx, filter).await?;
                for grant in &grants {
                    check_acl(tx, &actor, grant.target.0, grant.target.1).await?;
                }
                let count = grants.len();
                erase(tx, &stamp, grants).await?;
                Ok(count)
            })
        })
        .await
}

async fn erase(tx: &mut Tx, stamp: &Stamp, grants: Vec<RowProtection>) -> Result<()> {
    for grant in &grants {
        store::remove(tx, grant.id).await?;
    }
    let gone = grants
        .iter()
        .map(|grant| (grant.id, Some(grant), None::<&()>));
    let changes = Changes::new(Action::Delete, gone)?;
    journal::record(tx, stamp, None, "row_protection", changes).await
}

/// Removes the grants on something that goes away.
pub async fn forget_target(tx: &mut Tx, stamp: &Stamp, kind: TargetKind, id: i64) -> Result<()> {
    let grants = store::list(tx, Some((kind, id)), None).await?;
    erase(tx, stamp, grants).await
}

/// Removes the grants for an account that goes away.
pub async fn forget_account(tx: &mut Tx, stamp: &Stamp, account: i64) -> Result<()> {
    let grants = store::list(tx, None, Some((GranteeKind::User, account))).await?;
    erase(tx, stamp, grants).await
}

/// Removes the grants on and for a group that goes away.
pub async fn forget_group(tx: &mut Tx, stamp: &Stamp, group: i64) -> Result<()> {
    forget_target(tx, stamp, TargetKind::Group, group).await?;
    let grants = store::list(tx, None, Some((GranteeKind::Group, group))).await?;
    erase(tx, stamp, grants).await
}

/// Removes the grants on and for an organization that goes away.
pub async fn forget_organization(tx: &mut Tx, stamp: &Stamp, organization: i64) -> Result<()> {
    forget_target(tx, stamp, TargetKind::Organization, organization).await?;
    let grantee = (GranteeKind::Organization, organization);
    let grants = store::list(tx, None, Some(grantee)).await?;
    erase(tx, stamp, grants).await
}

/// Refuses the model of permissions in which row protections decide: this station follows memberships.
pub fn check_model(asked: Option<&str>) -> Result<()> {
    match asked {
        None | Some("legacy") => Ok(()),
        Some(other) => Err(Error::invalid(format!(
            "permission_model {other} is not offered: rights come from memberships; leave it out"
        ))),
    }
}
