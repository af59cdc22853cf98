//! Rows of projects and memberships.

use serde_json::{Map, Value as Json};

use super::types::{Level, Membership, Project, ProjectFilter};
use crate::attribute::Kind;
use crate::database::{Row, Tx};
use crate::error::Result;
use crate::journal::Stamp;
use crate::undo::{As, Shape};
use crate::values;

const COLUMNS: &str = "p.id, p.name, p.summary, p.organization, p.enable_downloads, p.bucket, \
     p.upload_bucket, p.backup_bucket, p.elemental_id, p.thumb, p.extended_info, p.created_by, \
     p.created_at, m.permission";

/// A row joined with the caller's membership; what is computed of it is still empty.
fn project(mut row: Row, account: i64) -> Result<Project> {
    let mut project = Project {
        id: row.take()?,
        name: row.take()?,
        summary: row.take()?,
        organization: row.take()?,
        enable_downloads: row.take()?,
        bucket: row.take()?,
        upload_bucket: row.take()?,
        backup_bucket: row.take()?,
        elemental_id: row.take()?,
        thumb: row.take()?,
        extended_info: match row.take::<Json>()? {
            Json::Object(info) => info,
            _ => Map::new(),
        },
        created_by: row.take()?,
        created: row.take()?,
        permission: row.take()?,
        effective_permission: 0,
        num_files: 0,
        size: 0,
        duration: 0,
        usernames: Vec::new(),
        attribute_types: Vec::new(),
    };
    if project.created_by == account {
        project.permission = "Creator".into();
    }
    Ok(project)
}

/// Projects that the account may see, by id.
pub async fn list(tx: &mut Tx, account: i64, filter: &ProjectFilter) -> Result<Vec<Project>> {
    let sql = format!(
        "select {COLUMNS} from membership m join project p on p.id = m.project \
         where m.account = $1 and m.permission <> 'No Access' and p.deleted = $4 \
         and (not p.deleted or m.permission = 'Full Control') \
         and (cast($2 as bigint) is null or p.organization = $2) \
         and (cast($3 as text) is null or p.elemental_id = $3) order by p.id"
    );
    tx.rows(
        &sql,
        &values![
            account,
            filter.organization,
            filter.elemental_id.clone(),
            filter.deleted
        ],
    )
    .await?
    .into_iter()
    .map(|row| project(row, account))
    .collect()
}

/// The ids of the projects that the account may see, by id.
pub async fn visible_ids(tx: &mut Tx, account: i64) -> Result<Vec<i64>> {
    let sql = "select p.id from membership m join project p on p.id = m.project where m.account = $1 \
               and m.permission <> 'No Access' and not p.deleted order by p.id";
    let rows = tx.rows(sql, &values![account]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// The project as a member sees it.
pub async fn find(tx: &mut Tx, id: i64, account: i64) -> Result<Option<Project>> {
    let sql = format!(
        "select {COLUMNS} from membership m join project p on p.id = m.project \
         where m.account = $1 and p.id = $2 and not p.deleted"
    );
    tx.row(&sql, &values![account, id])
        .await?
        .map(|row| project(row, account))
        .transpose()
}

/// (id, name) of every project that the account is a member of.
pub async fn names(tx: &mut Tx, account: i64) -> Result<Vec<(i64, String)>> {
    let sql = "select p.id, p.name from membership m join project p on p.id = m.project \
               where m.account = $1 and not p.deleted order by p.id";
    tx.rows(sql, &values![account])
        .await?
        .into_iter()
        .map(|mut row| Ok((row.take()?, row.take()?)))
        .collect()
}

pub async fn exists(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(organization_of(tx, id).await?.is_some())
}

pub async fn name_of(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let sql = "select name from project where id = $1 and not deleted";
    tx.scalar(sql, &values![id]).await
}

pub async fn organization_of(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    let sql = "select organization from project where id = $1 and not deleted";
    tx.scalar(sql, &values![id]).await
}

pub async fn buckets_of(tx: &mut Tx, id: i64) -> Result<(Option<i64>, Option<i64>)> {
    let sql = "select bucket, upload_bucket from project where id = $1";
    match tx.row(sql, &values![id]).await? {
        Some(mut row) => Ok((row.take()?, row.take()?)),
        None => Ok((None, None)),
    }
}

pub async fn backup_bucket_of(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    let sql = "select backup_bucket from project where id = $1";
    Ok(tx.scalar::<Option<i64>>(sql, &values![id]).await?.flatten())
}

pub async fn count_of_organization(tx: &mut Tx, organization: i64) -> Result<i64> {
    let sql = "select count(*) from project where organization = $1 and not deleted";
    Ok(tx
        .scalar(sql, &values![organization])
        .await?
        .unwrap_or_default())
}

/// Names of the projects that use a bucket, by id.
pub async fn names_using_bucket(tx: &mut Tx, bucket: i64) -> Result<Vec<String>> {
    let sql = "select name from project where $1 in (bucket, upload_bucket, backup_bucket) and not deleted order by id";
    tx.rows(sql, &values![bucket])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

/// The organization that owns a bucket.
pub async fn organization_of_bucket(tx: &mut Tx, bucket: i64) -> Result<Option<i64>> {
    tx.scalar(
        "select organization from bucket where id = $1",
        &values![bucket],
    )
    .await
}

pub async fn insert(tx: &mut Tx, project: &Project) -> Result<()> {
    tx.execute(
        "insert into project (id, name, summary, organization, enable_downloads, bucket, upload_bucket, \
         backup_bucket, elemental_id, thumb, extended_info, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &values![
            project.id,
            &project.name,
            &project.summary,
            project.organization,
            project.enable_downloads,
            project.bucket,
            project.upload_bucket,
            project.backup_bucket,
            &project.elemental_id,
            project.thumb.clone(),
            &Json::Object(project.extended_info.clone()),
            project.created_by,
            project.created
        ],
    )
    .await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, project: &Project) -> Result<()> {
    tx.execute(
        "update project set name = $2, summary = $3, enable_downloads = $4, bucket = $5, upload_bucket = $6, \
         backup_bucket = $7, elemental_id = $8, thumb = $9 where id = $1",
        &values![
            project.id,
            &project.name,
            &project.summary,
            project.enable_downloads,
            project.bucket,
            project.upload_bucket,
            project.backup_bucket,
            &project.elemental_id,
            project.thumb.clone()
        ],
    )
    .await?;
    Ok(())
}

/// Keys of the stored bytes of a project's files.
pub async fn file_keys(tx: &mut Tx, project: i64) -> Result<Vec<String>> {
    let sql = "select path from file where project = $1 and path is not null order by id";
    tx.rows(sql, &values![project])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

const MEMBERSHIP: &str = "select m.id, m.project, m.account, u.username, u.first_name, u.last_name, u.email, \
     m.permission, m.default_version from membership m join account u on u.id = m.account";

fn membership(mut row: Row) -> Result<Membership> {
    Ok(Membership {
        id: row.take()?,
        project: row.take()?,
        user: row.take()?,
        username: row.take()?,
        first_name: row.take()?,
        last_name: row.take()?,
        email: row.take()?,
        permission: Level::from_name(&row.take::<String>()?),
        default_version: row.take()?,
        effective_permission: 0,
    })
}

/// Members of a project, by last name and user name in code-point order.
pub async fn memberships(tx: &mut Tx, project: i64) -> Result<Vec<Membership>> {
    let sql = format!("{MEMBERSHIP} where m.project = $1");
    let rows = tx.rows(&sql, &values![project]).await?.into_iter();
    let mut members: Vec<Membership> = rows.map(membership).collect::<Result<_>>()?;
    members.sort_by(|one, other| {
        (&one.last_name, &one.username).cmp(&(&other.last_name, &other.username))
    });
    Ok(members)
}

pub async fn find_membership(tx: &mut Tx, id: i64) -> Result<Option<Membership>> {
    let sql = format!("{MEMBERSHIP} where m.id = $1");
    tx.row(&sql, &values![id])
        .await?
        .map(membership)
        .transpose()
}

pub async fn membership_of(tx: &mut Tx, project: i64, account: i64) -> Result<Option<Membership>> {
    let sql = format!("{MEMBERSHIP} where m.project = $1 and m.account = $2");
    tx.row(&sql, &values![project, account])
        .await?
        .map(membership)
        .transpose()
}

/// Memberships of an account, by id.
pub async fn memberships_of(tx: &mut Tx, account: i64) -> Result<Vec<Membership>> {
    let sql = format!("{MEMBERSHIP} where m.account = $1 order by m.id");
    tx.rows(&sql, &values![account])
        .await?
        .into_iter()
        .map(membership)
        .collect()
}

/// Names of the projects in which nobody but this account has Full Control, by id.
pub async fn only_owned_by(tx: &mut Tx, account: i64) -> Result<Vec<String>> {
    let sql = "select p.name from membership m join project p on p.id = m.project \
               where m.account = $1 and m.permission = 'Full Control' and not p.deleted and not exists \
               (select 1 from membership o where o.project = m.project and o.account <> m.account \
               and o.permission = 'Full Control') order by p.id";
    tx.rows(sql, &values![account])
        .await?
        .into_iter()
        .map(|mut row| row.take())
        .collect()
}

pub async fn memberships_with_default(tx: &mut Tx, version: i64) -> Result<Vec<Membership>> {
    let sql = format!("{MEMBERSHIP} where m.default_version = $1 order by m.id");
    tx.rows(&sql, &values![version])
        .await?
        .into_iter()
        .map(membership)
        .collect()
}

/// What an account may do in a project; a deleted one counts where the caller says so.
pub async fn level(
    tx: &mut Tx,
    project: i64,
    account: i64,
    also_deleted: bool,
) -> Result<Option<Level>> {
    let sql = "select m.permission from membership m join project p on p.id = m.project \
               where m.account = $1 and m.project = $2 and (not p.deleted or $3)";
    let given = values![account, project, also_deleted];
    let name: Option<String> = tx.scalar(sql, &given).await?;
    Ok(name.map(|name| Level::from_name(&name)))
}

/// Marks a project as deleted.
pub async fn mark_deleted(tx: &mut Tx, stamp: &Stamp, id: i64) -> Result<()> {
    let sql = "update project set deleted = true, modified_at = $2, modified_by = $3 where id = $1";
    tx.execute(sql, &values![id, stamp.at_ms, stamp.account])
        .await?;
    Ok(())
}

/// Projects that were deleted before a time, and when; of one organization, if given.
pub async fn deleted_before(
    tx: &mut Tx,
    before_ms: i64,
    organization: Option<i64>,
) -> Result<Vec<(i64, i64)>> {
    let sql = "select id, modified_at from project where deleted and modified_at < $1 \
               and (cast($2 as bigint) is null or organization = $2) order by id";
    let rows = tx.rows(sql, &values![before_ms, organization]).await?;
    rows.into_iter()
        .map(|mut row| Ok((row.take()?, row.take()?)))
        .collect()
}

/// When a project was deleted; none where it was not.
pub async fn deleted_at(tx: &mut Tx, id: i64) -> Result<Option<i64>> {
    let sql = "select modified_at from project where id = $1 and deleted";
    tx.scalar(sql, &values![id]).await
}

/// The name of a project, and who made it.
pub async fn name_and_creator(tx: &mut Tx, id: i64) -> Result<Option<(String, i64)>> {
    let sql = "select name, created_by from project where id = $1 and not deleted";
    let row = tx.row(sql, &values![id]).await?;
    row.map(|mut row| Ok((row.take()?, row.take()?)))
        .transpose()
}

/// How many media a project has.
pub async fn count_media(tx: &mut Tx, id: i64) -> Result<i64> {
    let sql = "select count(*) from media where project = $1 and not deleted";
    Ok(tx.scalar(sql, &values![id]).await?.unwrap_or_default())
}

/// Takes buckets that are no more out of projects.
pub async fn forget_lost_buckets(tx: &mut Tx) -> Result<()> {
    for column in ["bucket", "upload_bucket", "backup_bucket"] {
        let sql = format!(
            "update project set {column} = null where {column} not in (select id from bucket)"
        );
        tx.execute(&sql, &[]).await?;
    }
    Ok(())
}

/// The stored picture of a project.
pub async fn thumb(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let sql = "select thumb from project where id = $1";
    let found: Option<Option<String>> = tx.scalar(sql, &values![id]).await?;
    Ok(found.flatten())
}

pub async fn insert_membership(
    tx: &mut Tx,
    id: i64,
    project: i64,
    account: i64,
    permission: Level,
    default_version: Option<i64>,
) -> Result<()> {
    tx.execute(
        "insert into membership (id, project, account, permission, default_version) \
         values ($1, $2, $3, $4, $5)",
        &values![id, project, account, permission.name(), default_version],
    )
    .await?;
    Ok(())
}

pub async fn update_membership(tx: &mut Tx, membership: &Membership) -> Result<()> {
    tx.execute(
        "update membership set permission = $2, default_version = $3 where id = $1",
        &values![
            membership.id,
            membership.permission.name(),
            membership.default_version
        ],
    )
    .await?;
    Ok(())
}

pub async fn remove_membership(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("delete from membership where id = $1", &values![id])
        .await?;
    Ok(())
}

/// How memberships stand in the journal.
pub const MEMBERSHIP_SHAPE: Shape = Shape {
    noun: "membership",
    table: "membership",
    level: Level::Full,
    columns: &[
        ("project", "project", As::Plain),
        ("user", "account", As::Plain),
        ("permission", "permission", As::Plain),
        ("default_version", "default_version", As::Plain),
    ],
    ..Shape::PLAIN
};

/// How projects stand in the journal.
pub const SHAPE: Shape = Shape {
    noun: "project",
    table: "project",
    level: Level::Full,
    columns: &[
        ("name", "name", As::Plain),
        ("summary", "summary", As::Plain),
        ("enable_downloads", "enable_downloads", As::Flag),
        ("bucket", "bucket", As::Plain),
        ("upload_bucket", "upload_bucket", As::Plain),
        ("backup_bucket", "backup_bucket", As::Plain),
        ("elemental_id", "elemental_id", As::Plain),
    ],
    kept: true,
    declares: Some(Kind::Section),
    settle: |tx, stamp, rows| Box::pin(super::service::settle(tx, stamp, rows)),
    ..Shape::PLAIN
};
