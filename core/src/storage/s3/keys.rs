//! Access keys, for the command line.

use serde::Serialize;

use super::store;
use super::types::AccessKey;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::{account, time};

/// A key that was just made: the only time that its secret is shown.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// Its name.
    pub access_key: String,
    /// What signs requests.
    pub secret_key: String,
    /// Where requests go; null while the station has no S3 service.
    pub endpoint: Option<String>,
}

/// A key, without its secret.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its name.
    pub access_key: String,
    /// The name of the account that it belongs to.
    pub user: String,
    /// The canonical id of that account, as access control lists name it.
    pub user_id: String,
    /// The only bucket that it reaches.
    pub bucket: Option<String>,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// When it was made.
    pub created_datetime: String,
}

/// Makes a key for an account; for the first administrator where none is named.
///
/// Errors: `NotFound` when there is no such account, or nobody administers the station.
pub async fn create(
    cx: &Context,
    user: Option<String>,
    bucket: Option<String>,
    read_only: bool,
) -> Result<Made> {
    let account = match user {
        Some(name) => account::service::by_name(cx, &name).await?.id,
        None => {
            let found = cx.database.read(|tx| Box::pin(store::first_admin(tx)));
            found.await?.ok_or_else(|| {
                Error::NotFound(
                    "nobody administers the station yet; make an account with: transect user create NAME --admin \
                     --password-stdin"
                        .into(),
                )
            })?
        }
    };
    if let Some(name) = bucket.clone() {
        let found = cx
            .database
            .read(move |tx| Box::pin(async move { store::find_bucket(tx, &name).await }));
        if found.await?.is_none() {
            return Err(Error::NotFound(format!(
                "there is no bucket named {}; make it first, with a key that is not limited to it",
                bucket.unwrap_or_default()
            )));
        }
    }
    let now = cx.now();
    let made = cx.database.write(move |tx| {
        Box::pin(
            async move { store::insert_key(tx, account, bucket.as_deref(), read_only, now).await },
        )
    });
    let made = made.await?;
    Ok(Made {
        access_key: made.access_key,
        secret_key: made.secret,
        endpoint: super::endpoint(&cx.settings.storage),
    })
}

/// Every key, oldest first.
pub async fn list(cx: &Context) -> Result<Vec<Listed>> {
    let keys = cx.database.read(|tx| Box::pin(store::keys(tx))).await?;
    let listed = |key: AccessKey| Listed {
        access_key: key.access_key,
        user: key.name,
        user_id: key.owner,
        bucket: key.bucket,
        read_only: key.read_only,
        created_datetime: time::wire(key.created_at),
    };
    Ok(keys.into_iter().map(listed).collect())
}

/// Removes a key; requests that it signs are refused from now on.
///
/// Errors: `NotFound`.
pub async fn remove(cx: &Context, access_key: String) -> Result<()> {
    let name = access_key.clone();
    let removed = cx
        .database
        .write(move |tx| Box::pin(async move { store::remove_key(tx, &name).await }));
    if removed.await? {
        return Ok(());
    }
    Err(Error::NotFound(format!(
        "there is no such key: {access_key}"
    )))
}
