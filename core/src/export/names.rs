//! Names in place of ids, for tables that people read.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use crate::account;
use crate::context::Context;
use crate::database::Streamed;
use crate::error::Result;
use crate::query::{push_row, rows_of};

/// Columns that hold accounts.
const ACCOUNTS: [&str; 3] = ["user", "created_by", "modified_by"];

/// Replaces ids by names in rows of JSON: accounts by their e-mail (or name), media by their name.
pub async fn named(cx: &Arc<Context>, rows: Streamed<Bytes>) -> Result<Streamed<Bytes>> {
    let (cx, names) = (Arc::clone(cx), Arc::new(Names::load(cx).await?));
    let replaced = rows.then(move |batch| {
        let (cx, names) = (Arc::clone(&cx), Arc::clone(&names));
        async move { names.replace(&cx, &batch).await }
    });
    replaced.await
}

/// Names of everybody who has an account.
struct Names {
    accounts: HashMap<i64, String>,
}

impl Names {
    /// Reads them.
    async fn load(cx: &Context) -> Result<Self> {
        let users = account::service::list(cx).await?.into_iter();
        let accounts = users.map(|user| match user.email.is_empty() {
            true => (user.id, user.username),
            false => (user.id, user.email),
        });
        Ok(Self {
            accounts: accounts.collect(),
        })
    }

    /// Replaces ids by names in some rows.
    async fn replace(&self, cx: &Context, batch: &[u8]) -> Result<Bytes> {
        let mut rows = rows_of(batch)
            .map(|row| Ok(serde_json::from_slice(row)?))
            .collect::<Result<Vec<Json>>>()?;
        let media = media_names(cx, &rows).await?;
        let mut named = Vec::with_capacity(batch.len());
        for row in &mut rows {
            for column in ACCOUNTS {
                if let Some(id) = row.get_mut(column) {
                    name_of(id, &self.accounts);
                }
            }
            match row.get_mut("media") {
                Some(Json::Array(ids)) => ids.iter_mut().for_each(|id| name_of(id, &media)),
                Some(id) => name_of(id, &media),
                None => {}
            }
            push_row(&mut named, row)?;
        }
        Ok(named.into())
    }
}

fn name_of(id: &mut Json, names: &HashMap<i64, String>) {
    if let Some(name) = id.as_i64().and_then(|id| names.get(&id)) {
        *id = json!(name);
    }
}

async fn media_names(cx: &Context, rows: &[Json]) -> Result<HashMap<i64, String>> {
    let mut ids: Vec<i64> = rows
        .iter()
        .flat_map(|row| match &row["media"] {
            Json::Array(ids) => ids.iter().filter_map(Json::as_i64).collect(),
            id => id.as_i64().into_iter().collect::<Vec<_>>(),
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let mut names = HashMap::new();
                for chunk in ids.chunks(5000) {
                    let list: Vec<String> = chunk.iter().map(i64::to_string).collect();
                    let sql = format!(
                        "select id, name from media where id in ({})",
                        list.join(",")
                    );
                    for mut row in tx.rows(&sql, &[]).await? {
                        names.insert(row.take()?, row.take()?);
                    }
                }
                Ok(names)
            })
        })
        .await
}
