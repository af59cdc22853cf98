//! Pictures of people and organizations: an upload is temporary until somebody makes it a picture.

use super::key::UPLOADS;
use super::types::UploadInfo;
use super::{service, upload};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::{id, time};

/// What stands for the project in the keys of an organization's own uploads.
const NO_PROJECT: &str = "organization";

/// Where to put an upload that belongs to an organization rather than to a project of it. Whether
/// the account may is for the caller to know.
pub async fn organization_upload(
    cx: &Context,
    origin: &str,
    organization: i64,
    account: i64,
    num_parts: i64,
    expires_secs: i64,
) -> Result<UploadInfo> {
    let date = &time::wire(cx.now())[..10];
    let key = format!(
        "{UPLOADS}{date}/{organization}/{NO_PROJECT}/{account}/{}",
        id::uuid()
    );
    upload::links(cx, origin, key, None, num_parts, expires_secs).await
}

/// Whether a key is an upload of this account for this organization.
pub(super) fn is_organization_upload(key: &str, organization: i64, account: i64) -> bool {
    parts(key).is_some_and(|[of, project, by]| {
        of == organization.to_string() && project == NO_PROJECT && by == account.to_string()
    })
}

/// Keeps a temporary upload under a key of its own, in place of the one `before`.
///
/// Errors: `Forbidden` unless this account made the upload; `NotFound` when nothing was uploaded.
pub async fn keep_upload(
    tx: &mut Tx,
    account: i64,
    upload: &str,
    key: &str,
    before: Option<&str>,
) -> Result<()> {
    let own = parts(upload).is_some_and(|[_, _, by]| by == account.to_string());
    if !own {
        return Err(Error::forbidden());
    }
    service::copy_link(tx, upload, key).await?;
    if let Some(before) = before {
        service::remove(tx, before).await?;
    }
    Ok(())
}

/// The organization, project and account of a temporary upload.
fn parts(key: &str) -> Option<[&str; 3]> {
    let parts: Vec<&str> = key.strip_prefix(UPLOADS)?.split('/').collect();
    match parts.as_slice() {
        [_, organization, project, account, _] => Some([organization, project, account]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_says_who_made_it() {
        let own = "_uploads/2026-11-20/3/organization/7/x";
        assert!(is_organization_upload(own, 3, 7));
        assert!(!is_organization_upload(own, 3, 8) && !is_organization_upload(own, 4, 7));
        assert!(!is_organization_upload("_uploads/2026-11-20/3/5/7/x", 3, 7));
        assert_eq!(parts("_uploads/2026-11-20/3/5/7/x"), Some(["3", "5", "7"]));
        for other in ["3/5/7/x", "_uploads/3/5/7", "_uploads/d/3/5/7/x/y"] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
