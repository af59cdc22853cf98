//! What goes with a project: rows of every noun, in one place, so that nothing is forgotten.

use crate::attribute;
use crate::database::Tx;
use crate::error::Result;
use crate::{storage, values};

/// Declared attributes of everything in the project.
const ATTRIBUTES: &str = "select a.id from attribute_type a where (a.kind = 'Section' and a.type = $1) \
     or exists (select 1 from entity_type t where t.kind = a.kind and t.id = a.type and t.project = $1)";

/// Removes a project and all that belongs to it for good. Its media count as deleted when it was, and
/// go with their bytes as any other that was deleted.
pub async fn remove(tx: &mut Tx, project: i64, deleted_at: i64) -> Result<()> {
    for table in attribute::TABLES {
        let sql = format!("delete from {table} where attribute in ({ATTRIBUTES})");
        tx.execute(&sql, &values![project]).await?;
    }
    let sql = format!("delete from attribute_type where id in ({ATTRIBUTES})");
    tx.execute(&sql, &values![project]).await?;
    for (table, noun) in [
        ("state_media", "state"),
        ("state_localization", "state"),
        ("section_media", "section"),
        ("recording_segment", "recording"),
    ] {
        let sql = format!(
            "delete from {table} where {noun} in (select id from {noun} where project = $1)"
        );
        tx.execute(&sql, &values![project]).await?;
    }
    let sql = "update media set project = null, primary_section = null, deleted = true, modified_at = $2 \
               where project = $1";
    tx.execute(sql, &values![project, deleted_at]).await?;
    for table in [
        "state",
        "localization",
        "leaf",
        "file",
        "section",
        "bookmark",
        "favorite",
        "recording_event",
        "recording",
        "temporary_file",
        "algorithm",
        "applet",
        "entity_type",
        "version",
        "membership",
    ] {
        let sql = format!("delete from {table} where project = $1");
        tx.execute(&sql, &values![project]).await?;
    }
    storage::generic::remove_all(tx, project).await?;
    tx.execute(
        "delete from row_protection where target_kind = 'project' and target = $1",
        &values![project],
    )
    .await?;
    tx.execute("delete from project where id = $1", &values![project])
        .await?;
    Ok(())
}
