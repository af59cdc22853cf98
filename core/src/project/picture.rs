//! The picture of a project: taken from an upload, then kept under the project's own keys.

use super::types::Project;
use crate::account::Actor;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::{id, storage};

/// Seconds that a link to the picture works.
const LINK_SECS: i64 = 86_400;

/// Makes an upload the picture, in place of the one before; returns its key.
///
/// Errors: `Forbidden` unless this actor made the upload for this project; `NotFound` when nothing
/// was uploaded.
pub async fn adopt(tx: &mut Tx, project: &Project, actor: &Actor, upload: &str) -> Result<String> {
    let owner = [project.organization, project.id, actor.id].map(|id| id.to_string());
    let parts: Vec<&str> = upload.split('/').collect();
    let own = matches!(
        parts.as_slice(),
        ["_uploads", _, organization, project, account, _]
            if [*organization, *project, *account] == [&*owner[0], &*owner[1], &*owner[2]]
    );
    if !own {
        return Err(Error::forbidden());
    }
    let key = format!(
        "{}/{}/thumb/{}",
        project.organization,
        project.id,
        id::uuid()
    );
    storage::copy_link(tx, upload, &key).await?;
    if let Some(before) = &project.thumb {
        storage::remove(tx, before).await?;
    }
    Ok(key)
}

/// Replaces the picture's key by a link below `origin`.
pub async fn link(cx: &Context, actor: &Actor, origin: &str, project: &mut Project) {
    if let Some(key) = &project.thumb {
        let url = storage::presign(cx, actor, origin, key, LINK_SECS, false).await;
        project.thumb = Some(url);
    }
}
