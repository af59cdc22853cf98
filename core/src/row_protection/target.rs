//! What grants are on and for: whether it is there, and who may say who may what.

use super::store;
use super::types::{GranteeKind, TargetKind};
use crate::account::Actor;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::organization::{self, Role};
use crate::project::{self, Level};
use crate::{account, algorithm, bucket, group, hosted_template, job_cluster};

/// What a target is in: that decides who may grant rights on it.
enum Home {
    Project(i64),
    Organization(i64),
}

async fn home(tx: &mut Tx, kind: TargetKind, id: i64) -> Result<Option<Home>> {
    Ok(match kind {
        TargetKind::Project => Some(Home::Project(id)),
        TargetKind::Media | TargetKind::File | TargetKind::Section | TargetKind::Version => {
            store::project_of(tx, kind.key(), id)
                .await?
                .map(Home::Project)
        }
        TargetKind::Organization => Some(Home::Organization(id)),
        TargetKind::Group => group::service::organization_of(tx, id)
            .await?
            .map(Home::Organization),
        TargetKind::JobCluster => job_cluster::service::organization_of(tx, id)
            .await?
            .map(Home::Organization),
        TargetKind::Bucket => bucket::service::organization_of(tx, id)
            .await?
            .map(Home::Organization),
        TargetKind::Algorithm => algorithm::service::project_of(tx, id)
            .await?
            .map(Home::Project),
        TargetKind::HostedTemplate => hosted_template::service::organization_of(tx, id)
            .await?
            .map(Home::Organization),
    })
}

/// Checks that the actor has the ACL bit of a target: Full Control of its project, or Admin of its
/// organization, whose masks hold it.
///
/// Errors: `NotFound` when there is no such target, `Forbidden` without the right.
pub async fn check_acl(tx: &mut Tx, actor: &Actor, kind: TargetKind, id: i64) -> Result<()> {
    match home(tx, kind, id).await? {
        Some(Home::Project(project)) => project::access(tx, actor, project, Level::Full)
            .await
            .map(drop),
        Some(Home::Organization(one)) => organization::access(tx, actor, one, Role::Admin).await,
        None => Err(Error::no_reference(kind.noun())),
    }
}

/// Checks that a grantee is there. Errors: `NotFound`.
pub async fn check_grantee(tx: &mut Tx, kind: GranteeKind, id: i64) -> Result<()> {
    let there = match kind {
        GranteeKind::User => return account::service::reference(tx, id).await.map(|_| ()),
        GranteeKind::Organization => organization::service::exists(tx, id).await?,
        GranteeKind::Group => group::service::organization_of(tx, id).await?.is_some(),
    };
    match (there, kind) {
        (true, _) => Ok(()),
        (false, GranteeKind::Group) => Err(Error::no_reference("Group")),
        (false, _) => Err(Error::no_reference("Organization")),
    }
}
