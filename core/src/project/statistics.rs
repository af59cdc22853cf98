//! What projects add up to: number, bytes and seconds of their media.

use std::collections::HashMap;

use crate::database::{Dialect, Tx};
use crate::error::Result;

/// Sums over the media of a project.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Statistics {
    pub num_files: i64,
    pub size_bytes: i64,
    pub duration_secs: f64,
}

/// Adds up the media of each project in one query; a project without media is absent.
///
/// A file in place has the size of its source; the renditions of `media_files` are read only for
/// media without one.
pub async fn of(tx: &mut Tx, projects: &[i64]) -> Result<HashMap<i64, Statistics>> {
    if projects.is_empty() {
        return Ok(HashMap::new());
    }
    let list: Vec<String> = projects.iter().map(i64::to_string).collect();
    // Sums are floating: exact up to 2^53 bytes, and never out of range.
    let sql = format!(
        "select t.project, count(*), \
         coalesce(sum(coalesce(cast(source.size_bytes as double precision), {})), 0.0), \
         coalesce(sum(case when t.fps > 0 then t.num_frames / t.fps end), 0.0) \
         from media t left join media_source source on source.media = t.id and source.state <> 'gone' \
         where t.project in ({}) and not t.deleted group by t.project",
        rendition_bytes(tx.dialect()),
        list.join(",")
    );
    let mut sums = HashMap::new();
    tx.each(&sql, &[], |mut row| {
        let project: i64 = row.take()?;
        let sum = Statistics {
            num_files: row.take()?,
            size_bytes: row.take::<f64>()? as i64,
            duration_secs: row.take()?,
        };
        sums.insert(project, sum);
        Ok(())
    })
    .await?;
    Ok(sums)
}

/// The sizes of all renditions of the media `t`, added up; SQL null without any.
fn rendition_bytes(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "(select sum(cast(json_extract(rendition.value, '$.size') as double precision)) \
             from json_each(t.media_files) kind, \
             json_each(case kind.type when 'array' then kind.value end) rendition \
             where rendition.type = 'object')"
        }
        Dialect::Postgres => {
            "(select sum(cast(rendition.value ->> 'size' as double precision)) \
             from (select cast(t.media_files as jsonb) as renditions) document, \
             jsonb_each(case jsonb_typeof(renditions) when 'object' then renditions end) kind, \
             jsonb_array_elements(case jsonb_typeof(kind.value) when 'array' then kind.value end) rendition \
             where jsonb_typeof(rendition.value -> 'size') = 'number')"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::testing::Station;
    use crate::values;

    async fn add(database: &Database, id: i64, project: i64, files: Option<&'static str>) {
        let sql = "insert into media (id, project, type, name, md5, elemental_id, num_frames, fps, media_files, \
                   attributes, archive_state, created_at, modified_at, deleted) \
                   values ($1, $2, 3, 'm', '', 'e', 50, 25, $3, '{}', 'live', 0, 0, false)";
        let work = database.write(move |tx| {
            Box::pin(async move { tx.execute(sql, &values![id, project, files]).await })
        });
        work.await.unwrap();
    }

    #[tokio::test]
    async fn sizes_of_sources_or_else_of_all_renditions_add_up() {
        let station = Station::start().await;
        let cases = [
            (None, 0),
            (Some("{}"), 0),
            (Some("null"), 0),
            (Some(r#"{"ids": [1, 2], "layout": [1, 2]}"#), 0),
            (
                Some(
                    r#"{"streaming": [{"path": "a", "size": 5}, {"path": "b", "size": null}], "audio": null}"#,
                ),
                5,
            ),
            (
                Some(
                    r#"{"archival": [{"size": 7}], "thumbnail": [{"size": 1, "resolution": [1, 2]}]}"#,
                ),
                8,
            ),
        ];
        let database = &station.cx.database;
        for (id, (files, _)) in (100..).zip(cases) {
            add(database, id, id, files).await;
        }
        add(database, 200, 100, Some(r#"{"archival": [{"size": 7}]}"#)).await;
        let sql = "insert into media_source (media, size_bytes, modified_at, state, message) \
                   values (200, 6000000000, 0, 'ready', '')";
        let sums = database
            .write(move |tx| {
                Box::pin(async move {
                    tx.execute(sql, &[]).await?;
                    of(tx, &[100, 101, 102, 103, 104, 105, 106]).await
                })
            })
            .await
            .unwrap();
        for (id, (files, bytes)) in (101..).zip(&cases[1..]) {
            let expected = Statistics {
                num_files: 1,
                size_bytes: *bytes,
                duration_secs: 2.0,
            };
            assert_eq!(sums[&id], expected, "{files:?}");
        }
        assert_eq!(
            (sums[&100].num_files, sums[&100].size_bytes),
            (2, 6_000_000_000)
        );
        assert!(!sums.contains_key(&106));
    }
}
