//! Names in place of ids, for tables that people read.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use crate::account;
use crate::context::Context;
use crate::error::Result;

/// Columns that hold accounts.
const ACCOUNTS: [&str; 3] = ["user", "created_by", "modified_by"];

/// Replaces ids by names in lines of JSON: accounts by their e-mail (or name), media by their name.
pub async fn replace_ids(cx: &Context, lines: &[u8]) -> Result<Vec<u8>> {
    let mut rows: Vec<Json> = Vec::new();
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        rows.push(serde_json::from_slice(line)?);
    }
    let accounts: HashMap<i64, String> = account::service::list(cx)
        .await?
        .into_iter()
        .map(|user| {
            (
                user.id,
                if user.email.is_empty() {
                    user.username
                } else {
                    user.email
                },
            )
        })
        .collect();
    let media = media_names(cx, &rows).await?;
    let mut named = Vec::with_capacity(lines.len());
    for row in &mut rows {
        for column in ACCOUNTS {
            if let Some(name) = row[column].as_i64().and_then(|id| accounts.get(&id)) {
                row[column] = json!(name);
            }
        }
        match &mut row["media"] {
            Json::Array(ids) => ids.iter_mut().for_each(|id| name_of(id, &media)),
            id => name_of(id, &media),
        }
        if row["media"].is_null()
            && let Some(row) = row.as_object_mut()
        {
            row.shift_remove("media");
        }
        serde_json::to_writer(&mut named, row)?;
        named.push(b'\n');
    }
    Ok(named)
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
