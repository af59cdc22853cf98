//! Rows of localizations and states, through what they have in common.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::localization::Localization;
use super::state::State;
use super::types::{Annotation, Revision, Shown};
use crate::attribute::Kind;
use crate::database::{Tx, Value};
use crate::error::Result;
use crate::project::Level;
use crate::query::{Selection, among};
use crate::undo::{As, Shape};
use crate::values;

/// UUIDs that one statement lists.
const UUIDS: usize = 1000;

/// Ids of revisions by their identities: version and UUID.
pub type Identified = HashMap<(i64, String), i64>;

/// How localizations stand in the journal.
pub const LOCALIZATION: Shape = Shape {
    noun: "localization",
    table: "localization",
    level: Level::Edit,
    columns: &[
        ("project", "project", As::Plain),
        ("type", "type", As::Plain),
        ("media", "media", As::Plain),
        ("version", "version", As::Plain),
        ("frame", "frame", As::Plain),
        ("x", "x", As::Number),
        ("y", "y", As::Number),
        ("width", "width", As::Number),
        ("height", "height", As::Number),
        ("u", "u", As::Number),
        ("v", "v", As::Number),
        ("points", "points", As::Json),
        ("thumbnail_image", "thumbnail_image", As::Plain),
        ("elemental_id", "elemental_id", As::Plain),
        ("mark", "mark", As::Plain),
        ("variant_deleted", "variant_deleted", As::Flag),
        ("parent", "parent", As::Plain),
        ("created_datetime", "created_at", As::Time),
        ("created_by", "created_by", As::Plain),
    ],
    attributes: Some(Kind::Localization),
    kept: true,
    revised: true,
    settle: |tx, _, rows| Box::pin(settle_all(tx, Kind::Localization, rows)),
    ..Shape::PLAIN
};

/// How states stand in the journal.
pub const STATE: Shape = Shape {
    noun: "state",
    table: "state",
    level: Level::Edit,
    columns: &[
        ("type", "type", As::Plain),
        ("version", "version", As::Plain),
        ("frame", "frame", As::Plain),
        ("media", "media", As::Json),
        ("localizations", "localizations", As::Json),
        ("segments", "segments", As::Json),
        ("elemental_id", "elemental_id", As::Plain),
        ("mark", "mark", As::Plain),
        ("variant_deleted", "variant_deleted", As::Flag),
        ("parent", "parent", As::Plain),
        ("created_datetime", "created_at", As::Time),
        ("created_by", "created_by", As::Plain),
    ],
    attributes: Some(Kind::State),
    lists: &[
        ("media", "state_media", "state", "media"),
        (
            "localizations",
            "state_localization",
            "state",
            "localization",
        ),
    ],
    kept: true,
    revised: true,
    settle: |tx, _, rows| Box::pin(settle_all(tx, Kind::State, rows)),
    ..Shape::PLAIN
};

/// Settles which revision is the latest, for every annotation among some rows.
async fn settle_all(tx: &mut Tx, kind: Kind, rows: Vec<Map<String, Json>>) -> Result<()> {
    let uuid = |row: &Map<String, Json>| row.get("elemental_id")?.as_str().map(str::to_owned);
    let uuids: BTreeSet<String> = rows.iter().filter_map(uuid).collect();
    let uuids: Vec<&str> = uuids.iter().map(String::as_str).collect();
    settle_latest_all(tx, kind, &uuids).await
}

/// Ids that one statement lists.
pub(super) const CHUNK: usize = 5000;

fn columns<T: Annotation>() -> Vec<&'static str> {
    Revision::COLUMNS
        .iter()
        .chain(T::COLUMNS)
        .copied()
        .collect()
}

fn select_list<T: Annotation>() -> String {
    columns::<T>()
        .iter()
        .map(|column| format!("t.{column}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Hands each selected row to `visit`, in order.
pub async fn each<T: Annotation>(
    tx: &mut Tx,
    selection: &Selection,
    mut visit: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    let columns = select_list::<T>();
    selection
        .each(tx, &columns, |row| visit(T::read(row)?))
        .await
}

/// The selected rows, in order.
pub async fn list<T: Annotation>(tx: &mut Tx, selection: &Selection) -> Result<Vec<T>> {
    let mut found = Vec::new();
    each(tx, selection, |one| {
        found.push(one);
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn find_where<T: Annotation>(
    tx: &mut Tx,
    condition: &str,
    values: &[Value],
) -> Result<Option<T>> {
    let sql = format!(
        "select {} from {} t where not t.deleted and {condition}",
        select_list::<T>(),
        T::KIND.table()
    );
    tx.row(&sql, values).await?.map(T::read).transpose()
}

/// A row with what its media say of it.
pub async fn shown<T: Annotation>(tx: &mut Tx, row: T) -> Result<Shown<T>> {
    let sql = format!(
        "select {} from {} t where t.id = $1",
        T::MASTER_SECTION,
        T::KIND.table()
    );
    let found = tx.row(&sql, &values![row.revision().id]).await?;
    Ok(Shown {
        row,
        master_section: found.map_or(Ok(None), |mut found| found.take())?,
    })
}

/// A revision by its id, whatever its mark.
pub async fn find<T: Annotation>(tx: &mut Tx, id: i64) -> Result<Option<T>> {
    find_where(tx, "t.id = $1", &values![id]).await
}

/// A revision by identity: the one of this mark, or the highest that remains.
pub async fn find_mark<T: Annotation>(
    tx: &mut Tx,
    version: i64,
    elemental_id: &str,
    mark: Option<i64>,
) -> Result<Option<T>> {
    let identity = "t.elemental_id = $1 and t.version = $2";
    match mark {
        Some(mark) => {
            let condition = format!("{identity} and t.mark = $3 order by t.id desc limit 1");
            find_where(tx, &condition, &values![elemental_id, version, mark]).await
        }
        None => {
            let condition = format!("{identity} and t.latest order by t.mark desc limit 1");
            find_where(tx, &condition, &values![elemental_id, version]).await
        }
    }
}

/// The mark after the highest that ever was of an identity; 0 for a new one.
pub async fn next_mark(tx: &mut Tx, kind: Kind, version: i64, elemental_id: &str) -> Result<i64> {
    let sql = format!(
        "select coalesce(max(mark) + 1, 0) from {} where elemental_id = $1 and version = $2",
        kind.table()
    );
    Ok(tx
        .scalar(&sql, &values![elemental_id, version])
        .await?
        .unwrap_or_default())
}

/// The mark after the highest that ever was of each identity, by version and UUID.
pub async fn next_marks(
    tx: &mut Tx,
    kind: Kind,
    uuids: &[&str],
) -> Result<HashMap<(i64, String), i64>> {
    let mut marks = HashMap::new();
    for chunk in uuids.chunks(UUIDS) {
        let (among, values) = among_texts("elemental_id", chunk, 0);
        let sql = format!(
            "select version, elemental_id, max(mark) + 1 from {} where {among} \
             group by version, elemental_id",
            kind.table()
        );
        for mut row in tx.rows(&sql, &values).await? {
            marks.insert((row.take()?, row.take()?), row.take()?);
        }
    }
    Ok(marks)
}

/// Takes the mark of the latest one from every revision of some identities; returns the ids of those
/// that had it.
pub async fn supersede<'i>(
    tx: &mut Tx,
    kind: Kind,
    identities: impl Iterator<Item = (i64, &'i str)>,
) -> Result<Identified> {
    let mut by_version: HashMap<i64, Vec<&str>> = HashMap::new();
    for (version, uuid) in identities {
        by_version.entry(version).or_default().push(uuid);
    }
    let mut superseded = Identified::new();
    for (version, uuids) in by_version {
        for chunk in uuids.chunks(UUIDS) {
            let (among, texts) = among_texts("elemental_id", chunk, 1);
            let sql = format!(
                "update {} set latest = false where version = $1 and latest and {among} \
                 returning elemental_id, id",
                kind.table()
            );
            let values = [values![version].to_vec(), texts].concat();
            for mut row in tx.rows(&sql, &values).await? {
                superseded.insert((version, row.take()?), row.take()?);
            }
        }
    }
    Ok(superseded)
}

/// The latest revision of each identity, unless that is a tombstone, by version and UUID.
pub async fn latest_ids(tx: &mut Tx, kind: Kind, uuids: &[&str]) -> Result<Identified> {
    let mut latest = Identified::new();
    for chunk in uuids.chunks(UUIDS) {
        let (among, values) = among_texts("elemental_id", chunk, 0);
        let sql = format!(
            "select version, elemental_id, id from {} \
             where latest and not variant_deleted and not deleted and {among}",
            kind.table()
        );
        for mut row in tx.rows(&sql, &values).await? {
            latest.insert((row.take()?, row.take()?), row.take()?);
        }
    }
    Ok(latest)
}

/// Makes exactly the highest remaining mark of each identity the latest one, in every version.
pub async fn settle_latest_all(tx: &mut Tx, kind: Kind, uuids: &[&str]) -> Result<()> {
    let table = kind.table();
    for chunk in uuids.chunks(UUIDS) {
        let (among, values) = among_texts("elemental_id", chunk, 0);
        let sql = format!(
            "update {table} set latest = (not deleted and mark = (select max(other.mark) from {table} other \
             where other.elemental_id = {table}.elemental_id and other.version = {table}.version \
             and not other.deleted)) where {among}"
        );
        tx.execute(&sql, &values).await?;
    }
    Ok(())
}

/// `column in ($4, …)` and its values, after so many others.
fn among_texts(column: &str, texts: &[&str], others: usize) -> (String, Vec<Value>) {
    let places: Vec<String> = (1..=texts.len())
        .map(|place| format!("${}", place + others))
        .collect();
    let values = texts.iter().map(|text| Value::from(*text)).collect();
    (format!("{column} in ({})", places.join(", ")), values)
}

/// Makes exactly the highest remaining mark of an identity the latest one.
pub async fn settle_latest(
    tx: &mut Tx,
    kind: Kind,
    version: i64,
    elemental_id: &str,
) -> Result<()> {
    let table = kind.table();
    let sql = format!(
        "update {table} set latest = (not deleted and mark = (select max(other.mark) from {table} other \
         where other.elemental_id = $1 and other.version = $2 and not other.deleted)) \
         where elemental_id = $1 and version = $2"
    );
    tx.execute(&sql, &values![elemental_id, version]).await?;
    Ok(())
}

/// Inserts rows with their links.
pub async fn insert<T: Annotation>(tx: &mut Tx, rows: &[T]) -> Result<()> {
    let values = rows
        .iter()
        .map(|row| [row.revision().values(), row.values()].concat())
        .collect();
    tx.insert_many(T::KIND.table(), &columns::<T>(), values)
        .await?;
    insert_links(tx, rows).await
}

async fn insert_links<T: Annotation>(tx: &mut Tx, rows: &[T]) -> Result<()> {
    let (mut media, mut localizations) = (Vec::new(), Vec::new());
    for row in rows {
        let (of_media, of_localizations) = row.links();
        let id = row.revision().id;
        media.extend(of_media.iter().map(|other| values![*other, id].to_vec()));
        localizations.extend(
            of_localizations
                .iter()
                .map(|other| values![*other, id].to_vec()),
        );
    }
    tx.insert_many("state_media", &["media", "state"], media)
        .await?;
    tx.insert_many(
        "state_localization",
        &["localization", "state"],
        localizations,
    )
    .await
}

/// Overwrites a row; `before` is the row as it is stored.
pub async fn update<T: Annotation>(tx: &mut Tx, before: &T, row: &T) -> Result<()> {
    let columns = columns::<T>();
    let sets: Vec<String> = columns
        .iter()
        .enumerate()
        .skip(1)
        .map(|(at, column)| format!("{column} = ${}", at + 1))
        .collect();
    let sql = format!(
        "update {} set {} where id = $1",
        T::KIND.table(),
        sets.join(", ")
    );
    tx.execute(&sql, &[row.revision().values(), row.values()].concat())
        .await?;
    if before.links() != row.links() {
        let id = row.revision().id;
        tx.execute("delete from state_media where state = $1", &values![id])
            .await?;
        tx.execute(
            "delete from state_localization where state = $1",
            &values![id],
        )
        .await?;
        insert_links(tx, std::slice::from_ref(row)).await?;
    }
    Ok(())
}

/// Overwrites what a bulk change may change of rows.
pub async fn update_all<T: Annotation>(tx: &mut Tx, rows: &[T]) -> Result<()> {
    let columns = [
        "attributes",
        "version",
        "elemental_id",
        "mark",
        "parent",
        "created_by",
        "modified_at",
        "modified_by",
    ];
    let values: Vec<_> = rows
        .iter()
        .map(|row| {
            let revision = row.revision();
            values![
                revision.id,
                revision.attributes.text(),
                revision.version,
                &revision.elemental_id,
                revision.mark,
                revision.parent,
                revision.created_by,
                revision.modified_at,
                revision.modified_by
            ]
            .to_vec()
        })
        .collect();
    tx.update_many(T::KIND.table(), &["id"], &columns, &values)
        .await
}

/// The remaining revisions of some ids, in the order of these.
pub async fn of_ids<T: Annotation>(tx: &mut Tx, ids: &[i64]) -> Result<Vec<T>> {
    let mut found: HashMap<i64, T> = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let mut selection = Selection::new(T::KIND, tx.dialect());
        selection.require("not t.deleted");
        selection.among("t.id", chunk);
        each::<T>(tx, &selection, |one| {
            found.insert(one.revision().id, one);
            Ok(())
        })
        .await?;
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// Every remaining revision of the annotations that some rows are revisions of.
pub async fn histories<T: Annotation>(tx: &mut Tx, rows: &[T]) -> Result<Vec<T>> {
    let identities: HashSet<(i64, &str)> = rows.iter().map(T::identity).collect();
    let uuids: HashSet<&str> = identities.iter().map(|(_, uuid)| *uuid).collect();
    let uuids: Vec<&str> = uuids.into_iter().collect();
    let mut found = Vec::new();
    for chunk in uuids.chunks(UUIDS) {
        let mut selection = Selection::new(T::KIND, tx.dialect());
        selection.require("not t.deleted");
        let places: Vec<String> = chunk.iter().map(|uuid| selection.bind(*uuid)).collect();
        selection.require(format!("t.elemental_id in ({})", places.join(", ")));
        each::<T>(tx, &selection, |one| {
            if identities.contains(&one.identity()) {
                found.push(one);
            }
            Ok(())
        })
        .await?;
    }
    Ok(found)
}

/// Prunes rows by their ids: they are not shown again, and go for good when their time is over.
pub async fn prune_all(tx: &mut Tx, kind: Kind, ids: &[i64], at_ms: i64) -> Result<()> {
    for chunk in ids.chunks(CHUNK) {
        let sql = format!(
            "update {} set deleted = true, latest = false, modified_at = $1 where {}",
            kind.table(),
            among("id", chunk)
        );
        tx.execute(&sql, &values![at_ms]).await?;
    }
    Ok(())
}

/// Whether a media has a localization or a state that stands.
pub async fn is_annotated(tx: &mut Tx, media: i64) -> Result<bool> {
    let sql = "select exists (select 1 from localization t where t.media = $1 and t.latest and not t.deleted \
               and not t.variant_deleted) or exists (select 1 from state_media sm join state t on t.id = sm.state \
               where sm.media = $1 and t.latest and not t.deleted and not t.variant_deleted)";
    Ok(tx.scalar(sql, &values![media]).await?.unwrap_or_default())
}

/// Every remaining revision of localizations on some media.
pub async fn of_deleted_media(tx: &mut Tx, media: &[i64]) -> Result<Vec<Localization>> {
    let mut selection = Selection::new(Kind::Localization, tx.dialect());
    selection.require("not t.deleted");
    selection.among("t.media", media);
    list(tx, &selection).await
}

/// Every remaining revision of states that are about some media, all of which are deleted.
pub async fn states_of_deleted_media(tx: &mut Tx, media: &[i64]) -> Result<Vec<State>> {
    let mut selection = Selection::new(Kind::State, tx.dialect());
    selection.require(format!(
        "not t.deleted and t.id in (select state from state_media where {}) \
         and not exists (select 1 from state_media sm join media m on m.id = sm.media \
         where sm.state = t.id and not m.deleted)",
        among("media", media)
    ));
    list(tx, &selection).await
}

/// The latest states that list one of some localizations.
pub async fn states_listing(tx: &mut Tx, localizations: &[i64]) -> Result<Vec<State>> {
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    for chunk in localizations.chunks(CHUNK) {
        let mut selection = Selection::new(Kind::State, tx.dialect());
        selection.require(format!(
            "t.latest and not t.deleted and not t.variant_deleted \
             and t.id in (select state from state_localization where {})",
            among("localization", chunk)
        ));
        for state in list::<State>(tx, &selection).await? {
            if known.insert(state.revision.id) {
                found.push(state);
            }
        }
    }
    Ok(found)
}
