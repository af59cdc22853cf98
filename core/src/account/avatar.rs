//! Pictures of people: taken from an upload, kept under the account's own keys.

use serde_json::{Map, Value};

use super::types::{Actor, User};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::{id, storage};

/// The key of the profile that names the picture's object.
const KEY: &str = "avatar";

fn prefix(account: i64) -> String {
    format!("users/{account}/avatar/")
}

/// The object of an account's picture. Whatever else a profile may say there is nobody's picture.
fn object(account: i64, profile: &Map<String, Value>) -> Option<&str> {
    let key = profile.get(KEY)?.as_str()?;
    key.starts_with(&prefix(account)).then_some(key)
}

/// Checks that a profile given by a caller does not name an object as its picture.
pub fn check_given(profile: &Map<String, Value>) -> Result<()> {
    if profile.contains_key(KEY) {
        return Err(Error::invalid(
            "an avatar is set with new_avatar, which names an upload, and removed with clear_avatar",
        ));
    }
    Ok(())
}

/// Makes an upload of `uploader` the picture of an account, in place of the one before.
///
/// Errors: `Forbidden` unless `uploader` made the upload; `NotFound` when nothing was uploaded.
pub async fn keep(
    tx: &mut Tx,
    uploader: i64,
    account: i64,
    profile: &mut Map<String, Value>,
    upload: &str,
) -> Result<()> {
    let key = format!("{}{}", prefix(account), id::uuid());
    storage::keep_upload(tx, uploader, upload, &key, object(account, profile)).await?;
    profile.insert(KEY.into(), key.into());
    Ok(())
}

/// Removes the picture of an account, if it has one.
pub async fn clear(tx: &mut Tx, account: i64, profile: &mut Map<String, Value>) -> Result<()> {
    if let Some(key) = object(account, profile) {
        storage::remove(tx, key).await?;
    }
    profile.shift_remove(KEY);
    Ok(())
}

/// Replaces the picture's key by a link below `origin`, where one is asked for.
pub async fn link(
    cx: &Context,
    actor: &Actor,
    origin: &str,
    presigned: Option<i64>,
    user: &mut User,
) {
    let (Some(secs), Some(key)) = (presigned, object(user.id, &user.profile)) else {
        return;
    };
    let url = storage::presign(cx, actor, origin, key, secs, false).await;
    user.profile.insert(KEY.into(), url.into());
}
