//! The index in a folder, by tantivy.
//!
//! Documents keep no text of their own: hits are keys, and the database has the rest. One thread
//! owns the writer and stays out of the way of others (its priority is low, and so is that of the
//! threads it starts). What the folder does not have yet is searched in small indexes in memory.

mod ask;
mod compile;
mod fields;
mod write;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tantivy::directory::MmapDirectory;
use tantivy::{Index, IndexReader, IndexSettings, ReloadPolicy, Searcher, TantivyError};

use self::fields::Fields;
use self::write::Writer;
use super::{Condition, Found, Position, Query, Recent, SearchIndex};
use crate::error::{Error, Result};
use crate::search::document::Batch;

pub(super) struct Tantivy {
    fields: Arc<Fields>,
    index: Index,
    reader: IndexReader,
    writer: Mutex<Writer>,
    current: RwLock<Current>,
}

/// What is findable, and how far it goes.
struct Current {
    searcher: Searcher,
    position: Option<Position>,
}

impl Tantivy {
    /// Opens the folder, or makes it; whatever is there that cannot be read is replaced.
    pub fn open(folder: &Path, heap_bytes: usize) -> Result<Self> {
        match Self::open_as_it_is(folder, heap_bytes) {
            Ok(opened) => Ok(opened),
            Err(error) if !is_damage(&error) => Err(failed("open the search index")(error)),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "the search index cannot be read and is made anew");
                if folder.exists() {
                    std::fs::remove_dir_all(folder)?;
                }
                Self::open_as_it_is(folder, heap_bytes).map_err(failed("make the search index"))
            }
        }
    }

    fn open_as_it_is(folder: &Path, heap_bytes: usize) -> tantivy::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let fields = Arc::new(Fields::new());
        let index = Index::builder()
            .schema(fields.schema.clone())
            .tokenizers(fields::tokenizers())
            .settings(settings())
            .open_or_create(MmapDirectory::open(folder)?)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let writer = Writer::start(&index, Arc::clone(&fields), heap_bytes)?;
        let current = RwLock::new(current(&index, &reader)?);
        Ok(Self {
            fields,
            index,
            reader,
            writer: Mutex::new(writer),
            current,
        })
    }

    fn searcher(&self) -> Searcher {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.searcher.clone()
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn current(index: &Index, reader: &IndexReader) -> tantivy::Result<Current> {
    let note = index.load_metas()?.payload;
    Ok(Current {
        searcher: reader.searcher(),
        position: note.and_then(|note| serde_json::from_str(&note).ok()),
    })
}

/// Whether an error is the fault of what is in the folder, rather than of what is around it.
fn is_damage(error: &TantivyError) -> bool {
    use std::io::ErrorKind::{
        OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    match error {
        TantivyError::LockFailure(..) => false,
        TantivyError::IoError(error) => !matches!(
            error.kind(),
            OutOfMemory | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull
        ),
        _ => true,
    }
}

/// No document keeps its text.
fn settings() -> IndexSettings {
    IndexSettings {
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    }
}

fn failed(doing: &str) -> impl FnOnce(TantivyError) -> Error {
    let doing = doing.to_owned();
    move |error| match &error {
        TantivyError::IoError(io) if io.kind() == std::io::ErrorKind::StorageFull => {
            Error::StorageFull(crate::error::storage_full_message())
        }
        _ => Error::internal(doing, error),
    }
}

impl SearchIndex for Tantivy {
    fn apply(&self, batch: Batch) -> Result<()> {
        self.writer()
            .apply(batch)
            .map_err(failed("write to the search index"))
    }

    fn commit(&self, position: &Position) -> Result<()> {
        let note = serde_json::to_string(position)?;
        let committed = self.writer().commit(note).and_then(|()| {
            self.reader.reload()?;
            current(&self.index, &self.reader)
        });
        let committed = committed.map_err(failed("commit the search index"))?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = committed;
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        self.writer()
            .clear()
            .map_err(failed("empty the search index"))
    }

    fn position(&self) -> Option<Position> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.position.clone()
    }

    fn search(&self, query: &Query, recent: &[Arc<Recent>]) -> Result<Found> {
        ask::search(&self.fields, &self.searcher(), query, recent)
    }

    fn keys(&self, condition: &Condition, recent: &[Arc<Recent>]) -> Result<Vec<u64>> {
        ask::keys(&self.fields, &self.searcher(), condition, recent)
    }
}
