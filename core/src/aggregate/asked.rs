//! A request, with the table that it counts.

use std::borrow::Cow;
use std::sync::Arc;

use super::cache::Tables;
use super::cell::Cell;
use super::column::{Coded, Column};
use super::condition::Test;
use super::count::{Chosen, Rows};
use super::key::{Key, Origin};
use super::request::Request;
use super::table::Table;
use super::{condition, load, refresh};
use crate::account::Actor;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::query::Schema;
use crate::{journal, media};

/// A request on its way: the table that it counts, and which of its rows.
pub(super) struct Asked {
    pub request: Request,
    schema: Schema,
    tables: Arc<Tables>,
    table: Arc<Table>,
    /// Places of the rows that count; none where limits of columns say it.
    places: Option<Vec<u32>>,
    /// What limits the rows, where columns tell it; none where only SQL does.
    limits: Option<Vec<(Key, Test)>>,
}

impl Asked {
    pub async fn open(
        tx: &mut Tx,
        actor: &Actor,
        tables: &Arc<Tables>,
        request: Request,
    ) -> Result<Self> {
        project::access(tx, actor, request.project, Level::View).await?;
        let schema = Schema::load(tx, request.project).await?;
        let limits = limits(&schema, &request)?;
        Ok(Self {
            request,
            schema,
            tables: Arc::clone(tables),
            table: Arc::default(),
            places: None,
            limits,
        })
    }

    pub fn keys(&self, names: &[String]) -> Result<Vec<Key>> {
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(Error::invalid(format!("'{name}' is named twice")));
            }
        }
        let request = &self.request;
        names
            .iter()
            .map(|name| Key::find(&self.schema, request.kind, request.type_id(), name))
            .collect()
    }

    /// Reads the columns of some keys and of the limits, and finds the rows that count.
    pub async fn read(&mut self, tx: &mut Tx, keys: &[Key]) -> Result<()> {
        let keys: Vec<Key> = keys
            .iter()
            .chain(self.limits.iter().flatten().map(|(key, _)| key))
            .map(|key| self.column_key(key))
            .collect::<Result<_>>()?;
        if self.request.hidden_too() {
            let selection = self.request.selection(tx, &self.schema).await?;
            self.table = Arc::new(load::load_hidden(tx, &selection, &keys).await?);
            return Ok(());
        }
        self.table = self.current(tx, &keys).await?;
        // SQL also refuses what makes no sense, and so is asked in any case.
        let selection = self.request.selection(tx, &self.schema).await?;
        if self.limits.is_none() {
            self.places = Some(self.table.places(&selection.ids(tx).await?));
        }
        Ok(())
    }

    /// The key whose column a key is computed from.
    fn column_key(&self, key: &Key) -> Result<Key> {
        match key.origin {
            Origin::SectionOfMedia => Key::find(&self.schema, self.request.kind, None, "$media"),
            _ => Ok(key.clone()),
        }
    }

    /// The table as of this transaction, with the columns of some keys.
    async fn current(&self, tx: &mut Tx, keys: &[Key]) -> Result<Arc<Table>> {
        let (project, kind) = (self.request.project, self.request.kind);
        let (head, _) = journal::newest(tx).await?;
        let has = |table: &Table| {
            let mut identities = keys.iter().map(Key::identity);
            identities.all(|identity| table.columns.contains_key(&identity))
        };
        let known = self.tables.get(project, kind);
        if let Some(table) = known
            .as_ref()
            .filter(|table| table.seq >= head && has(table))
        {
            return Ok(Arc::clone(table));
        }
        let selection = self.request.everything(tx, &self.schema).await?;
        let mut table = match known {
            Some(known) => {
                let touched =
                    journal::touched(tx, project, kind.table(), known.seq, refresh::MOST_ROWS)
                        .await?;
                let mut table = Arc::unwrap_or_clone(known);
                let refreshed = match &touched {
                    Some(touched) => refresh::refresh(tx, &selection, &mut table, touched).await?,
                    None => false,
                };
                refreshed.then_some(table)
            }
            None => None,
        };
        let mut table = match table.take() {
            Some(table) => table,
            None => load::load(tx, &selection, keys).await?,
        };
        load::add(tx, &selection, &mut table, keys).await?;
        table.seq = table.seq.max(head);
        let table = Arc::new(table);
        self.tables.put(project, kind, &table);
        Ok(table)
    }

    /// The column of a key that was read.
    pub fn column(&self, key: &Key) -> &Column {
        self.table.column(key)
    }

    /// The rows that count.
    pub fn chosen(&self) -> Chosen<'_> {
        let rows = match &self.places {
            Some(places) => Rows::Some(places),
            None => Rows::AllBut(self.table.ids.len(), &self.table.hidden),
        };
        let conditions = self.limits.iter().flatten();
        let conditions = conditions.map(|(key, test)| condition::on(self.table.column(key), test));
        Chosen {
            rows,
            conditions: conditions.collect(),
        }
    }

    /// The column of a key as codes.
    pub async fn coded(&self, tx: &mut Tx, key: &Key) -> Result<Cow<'_, Coded>> {
        let column = self.table.column(key);
        if !matches!(key.origin, Origin::SectionOfMedia) {
            return Ok(column.coded());
        }
        let folders = media::service::folders(tx, self.request.project).await?;
        let of = |media: &i64| folders.get(media).copied();
        Ok(Cow::Owned(column.coded().map(|cell| match cell {
            Cell::Int(media) => of(media).map(Cell::Int),
            Cell::Many(media) => {
                let mut sections: Vec<i64> = media.iter().filter_map(of).collect();
                sections.sort_unstable();
                sections.dedup();
                (!sections.is_empty()).then_some(Cell::Many(sections))
            }
            _ => None,
        })))
    }
}

/// The filters as tests of columns; none where only SQL tells which rows are meant. A name that no
/// type has filters nothing, as in lists.
fn limits(schema: &Schema, request: &Request) -> Result<Option<Vec<(Key, Test)>>> {
    let Some(named) = request.limits() else {
        return Ok(None);
    };
    let (kind, type_id) = (request.kind, request.type_id());
    let mut limits = Vec::new();
    for (name, test) in named {
        if matches!(test, Test::Among(_)) {
            limits.push((Key::find(schema, kind, None, &name)?, test));
        } else if !schema.named(kind, type_id, &name).is_empty() {
            match Key::find(schema, kind, type_id, &name) {
                Ok(key) => limits.push((key, test)),
                Err(_) => return Ok(None),
            }
        }
    }
    Ok(Some(limits))
}
