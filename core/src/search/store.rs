//! Rows as documents, and what the journal says of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::document::{Batch, Declared, Document, KINDS, Removal, identity, key, number};
use super::touched::{Touched, Whole};
use crate::attribute::{self, Kind};
use crate::database::{Row, Tx, Value};
use crate::error::Result;
use crate::query::among;
use crate::{journal, values};

/// Ids of one statement.
const CHUNK: usize = 500;

/// What the types of some rows declare, read once each.
#[derive(Default)]
pub(super) struct Declarations(HashMap<(Kind, i64), Arc<Vec<Declared>>>);

impl Declarations {
    async fn of(&mut self, tx: &mut Tx, kind: Kind, type_id: i64) -> Result<Arc<Vec<Declared>>> {
        if let Some(known) = self.0.get(&(kind, type_id)) {
            return Ok(Arc::clone(known));
        }
        let definitions = attribute::definitions_of_type(tx, kind, type_id).await?;
        let declared = definitions.into_iter().map(|one| Declared {
            name: one.name,
            dtype: one.dtype,
        });
        let declared = Arc::new(declared.collect::<Vec<_>>());
        self.0.insert((kind, type_id), Arc::clone(&declared));
        Ok(declared)
    }
}

/// The condition for a row that lists show.
pub(super) fn visible(kind: Kind) -> String {
    let stands = match kind {
        Kind::Localization | Kind::State => "t.latest and not t.variant_deleted and not t.deleted",
        _ => "not t.deleted",
    };
    format!("{stands} and t.project in (select id from project where not deleted)")
}

/// What of a row becomes a document.
fn columns(kind: Kind) -> &'static str {
    match kind {
        Kind::Media => {
            "t.name, '', '', t.primary_section, null, cast(t.id as text), t.created_by, t.elemental_id"
        }
        Kind::Localization => {
            "'', '', '', null, t.version, cast(t.media as text), t.created_by, t.elemental_id"
        }
        Kind::State => "'', '', '', null, t.version, t.media, t.created_by, t.elemental_id",
        Kind::Leaf => "t.name, '', t.path, null, null, '', t.created_by, t.elemental_id",
        _ => "t.name, t.description, '', null, null, '', t.created_by, t.elemental_id",
    }
}

/// Reads rows of a kind: each as its identity, and as a document if lists show it.
async fn read(
    tx: &mut Tx,
    kind: Kind,
    declarations: &mut Declarations,
    rest: &str,
    values: &[Value],
) -> Result<Vec<(u64, Option<Document>)>> {
    let sql = format!(
        "select case when {} then 1 else 0 end, t.id, t.project, t.type, t.created_at, t.modified_at, \
         t.attributes, {} from {} t {rest}",
        visible(kind),
        columns(kind),
        kind.table()
    );
    let mut found = Vec::new();
    for row in tx.rows(&sql, values).await? {
        found.push(document(tx, kind, declarations, row).await?);
    }
    Ok(found)
}

async fn document(
    tx: &mut Tx,
    kind: Kind,
    declarations: &mut Declarations,
    mut row: Row,
) -> Result<(u64, Option<Document>)> {
    let shown: i64 = row.take()?;
    let (id, project, type_id): (i64, Option<i64>, i64) = (row.take()?, row.take()?, row.take()?);
    let (created_at, modified_at, attributes) = (row.take()?, row.take()?, row.take()?);
    let (name, description, path) = (row.take()?, row.take()?, row.take()?);
    let (section, version): (Option<i64>, Option<i64>) = (row.take()?, row.take()?);
    let (media, created_by): (String, Option<i64>) = (row.take()?, row.take()?);
    let elemental_id: String = row.take()?;
    let identity = match version {
        Some(version) => identity(kind, &elemental_id, version),
        None => key(kind, id),
    };
    let Some(project) = project.filter(|_| shown != 0) else {
        return Ok((identity, None));
    };
    let digits = media.split(|c: char| !c.is_ascii_digit());
    let document = Document {
        kind,
        id,
        identity,
        project,
        type_id,
        name,
        description,
        path,
        section,
        version,
        media: digits.filter_map(|id| id.parse().ok()).collect(),
        created_by,
        created_at,
        modified_at,
        attributes,
        declared: declarations.of(tx, kind, type_id).await?,
    };
    Ok((identity, Some(document)))
}

/// The next documents of a kind after an id, by id; of some whole if given.
pub(super) async fn page(
    tx: &mut Tx,
    kind: Kind,
    of: Option<Whole>,
    after: i64,
    most: usize,
) -> Result<Vec<Document>> {
    let rest = format!(
        "where {} and t.id > $1{} order by t.id limit $2",
        visible(kind),
        of.map(|of| format!(" and {}", within(of)))
            .unwrap_or_default()
    );
    let rows = read(
        tx,
        kind,
        &mut Declarations::default(),
        &rest,
        &values![after, most as i64],
    )
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(_, document)| document)
        .collect())
}

/// The condition for a row that belongs to a whole.
fn within(of: Whole) -> String {
    match of {
        Whole::Type(_, id) => format!("t.type = {id}"),
        Whole::Project(id) => format!("t.project = {id}"),
    }
}

/// How many rows of a whole lists show, counted up to a bound.
pub(super) async fn count(tx: &mut Tx, kind: Kind, of: Whole, most: usize) -> Result<usize> {
    let sql = format!(
        "select count(*) from (select 1 from {} t where {} and {} limit $1) some_rows",
        kind.table(),
        within(of),
        visible(kind)
    );
    let count: Option<i64> = tx.scalar(&sql, &values![most as i64]).await?;
    Ok(count.unwrap_or_default() as usize)
}

/// How many of those rows that are touched as wholes, counted up to a bound.
pub(super) async fn count_of_wholes(tx: &mut Tx, touched: &Touched, most: usize) -> Result<usize> {
    let mut sum = 0;
    for whole in &touched.wholes {
        for kind in whole.kinds() {
            sum += count(tx, kind, *whole, most).await?;
        }
    }
    Ok(sum)
}

/// What the entries after one, up to another, are about.
pub(super) async fn touched(tx: &mut Tx, after: i64, upto: i64) -> Result<Touched> {
    let mut touched = Touched::default();
    for entry in journal::outlines(tx, after, upto).await? {
        touched.add(&entry)?;
    }
    touched.settle();
    Ok(touched)
}

/// How touched rows stand now: what leaves the index, and what comes into it. Wholes are only removed;
/// see [`page`].
pub(super) async fn batch(tx: &mut Tx, touched: &Touched) -> Result<Batch> {
    let mut gathered = Gathered::default();
    let removed = &mut gathered.batch.removed;
    removed.extend(
        touched
            .wholes
            .iter()
            .chain(&touched.gone)
            .map(|whole| match whole {
                Whole::Type(kind, id) => Removal::Type(*kind, *id),
                Whole::Project(id) => Removal::Project(*id),
            }),
    );
    for kind in KINDS {
        let at = number(kind) as usize;
        for (first, last) in &touched.created[at] {
            let rest = "where t.id >= $1 and t.id <= $2 order by t.id";
            gathered
                .read(tx, kind, rest, &values![*first, *last])
                .await?;
        }
        let mut changed = touched.changed[at].clone();
        for type_id in &touched.media_types {
            if matches!(kind, Kind::Localization | Kind::State) {
                changed.extend(on_media_of(tx, kind, *type_id).await?);
            }
        }
        for ids in changed.chunks(CHUNK) {
            gathered.read_revisions(tx, kind, ids).await?;
        }
    }
    for (kind, uuid, version) in &touched.left {
        let rest = "where t.elemental_id = $1 and t.version = $2";
        gathered.remove(identity(*kind, uuid, *version));
        gathered
            .read(tx, *kind, rest, &values![uuid, *version])
            .await?;
    }
    Ok(gathered.batch)
}

/// Annotations on the media of a type.
async fn on_media_of(tx: &mut Tx, kind: Kind, media_type: i64) -> Result<Vec<i64>> {
    let media = "(select id from media where type = $1)";
    let sql = match kind {
        Kind::Localization => format!("select id from localization where media in {media}"),
        _ => format!("select distinct state from state_media where media in {media}"),
    };
    let rows = tx.rows(&sql, &values![media_type]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// A batch in the making, in which nothing stands twice.
#[derive(Default)]
struct Gathered {
    batch: Batch,
    declarations: Declarations,
    removed: HashSet<u64>,
    documents: HashSet<u64>,
}

impl Gathered {
    fn remove(&mut self, identity: u64) {
        if self.removed.insert(identity) {
            self.batch.removed.push(Removal::Identity(identity));
        }
    }

    async fn read(&mut self, tx: &mut Tx, kind: Kind, rest: &str, values: &[Value]) -> Result<()> {
        for (identity, document) in read(tx, kind, &mut self.declarations, rest, values).await? {
            self.remove(identity);
            if let Some(document) = document
                && self.documents.insert(key(kind, document.id))
            {
                self.batch.documents.push(document);
            }
        }
        Ok(())
    }

    /// Reads rows, of annotations the revision that now stands for them.
    async fn read_revisions(&mut self, tx: &mut Tx, kind: Kind, ids: &[i64]) -> Result<()> {
        if !matches!(kind, Kind::Localization | Kind::State) {
            // Rows that are gone for good are found by their key.
            for id in ids {
                self.remove(key(kind, *id));
            }
            let rest = format!("where {}", among("t.id", ids));
            return self.read(tx, kind, &rest, &[]).await;
        }
        let rest = format!(
            "join {} named on named.elemental_id = t.elemental_id and named.version = t.version where {} \
             and (t.id = named.id or t.latest)",
            kind.table(),
            among("named.id", ids)
        );
        self.read(tx, kind, &rest, &[]).await
    }
}

/// Every id that lists show, of a kind.
pub(super) async fn visible_ids(tx: &mut Tx, kind: Kind) -> Result<HashSet<i64>> {
    let sql = format!(
        "select t.id from {} t where {}",
        kind.table(),
        visible(kind)
    );
    let mut ids = HashSet::new();
    tx.each(&sql, &[], |mut row| {
        ids.insert(row.take()?);
        Ok(())
    })
    .await?;
    Ok(ids)
}
