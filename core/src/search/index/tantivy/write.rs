//! The thread that writes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::LogMergePolicy;
use tantivy::{Index, IndexWriter, TantivyError, Term};

use super::fields::Fields;
use crate::search::document::{Batch, Removal, key};

/// What tantivy needs at least.
const LEAST_HEAP: usize = 15_000_000;

enum Task {
    Apply(Batch),
    Commit(String),
    Clear,
}

type Asked = (Task, SyncSender<tantivy::Result<()>>);

/// Hands tasks to the thread that owns the writer; dropping it ends the thread, and lets go of the
/// folder.
pub(super) struct Writer {
    tasks: Option<SyncSender<Asked>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.tasks.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Writer {
    pub fn start(index: &Index, fields: Arc<Fields>, heap_bytes: usize) -> tantivy::Result<Self> {
        let (tasks, asked) = sync_channel(1);
        let (ready, opened) = sync_channel(1);
        let index = index.clone();
        let thread = std::thread::Builder::new()
            .name("search-writer".into())
            .spawn(move || {
                crate::search::give_way();
                match open(&index, heap_bytes) {
                    Ok(writer) => {
                        let _ = ready.send(Ok(()));
                        work(writer, &fields, &asked);
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            })?;
        opened.recv().map_err(|_| gone())??;
        Ok(Self {
            tasks: Some(tasks),
            thread: Some(thread),
        })
    }

    pub fn apply(&self, batch: Batch) -> tantivy::Result<()> {
        self.ask(Task::Apply(batch))
    }

    pub fn commit(&self, note: String) -> tantivy::Result<()> {
        self.ask(Task::Commit(note))
    }

    pub fn clear(&self) -> tantivy::Result<()> {
        self.ask(Task::Clear)
    }

    fn ask(&self, task: Task) -> tantivy::Result<()> {
        let (reply, answer) = sync_channel(1);
        let tasks = self.tasks.as_ref().ok_or_else(gone)?;
        tasks.send((task, reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

fn gone() -> TantivyError {
    TantivyError::ErrorInThread("the thread that writes the search index has ended".into())
}

fn open(index: &Index, heap_bytes: usize) -> tantivy::Result<IndexWriter> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(heap_bytes.max(LEAST_HEAP))
        .build();
    let writer: IndexWriter = index.writer_with_options(options)?;
    writer.set_merge_policy(Box::new(LogMergePolicy::default()));
    Ok(writer)
}

fn work(mut writer: IndexWriter, fields: &Fields, asked: &Receiver<Asked>) {
    while let Ok((task, reply)) = asked.recv() {
        let done = match task {
            Task::Apply(batch) => apply(&writer, fields, batch),
            Task::Commit(note) => commit(&mut writer, &note),
            Task::Clear => writer.delete_all_documents().map(|_| ()),
        };
        let _ = reply.send(done);
    }
}

fn apply(writer: &IndexWriter, fields: &Fields, batch: Batch) -> tantivy::Result<()> {
    for removal in &batch.removed {
        writer.delete_term(term(fields, *removal));
    }
    for row in &batch.documents {
        let document = fields
            .document(row)
            .map_err(|error| TantivyError::InvalidArgument(error.to_string()))?;
        writer.add_document(document)?;
    }
    Ok(())
}

fn commit(writer: &mut IndexWriter, note: &str) -> tantivy::Result<()> {
    let mut prepared = writer.prepare_commit()?;
    prepared.set_payload(note);
    prepared.commit()?;
    Ok(())
}

/// The term that documents to be removed share.
pub(super) fn term(fields: &Fields, removal: Removal) -> Term {
    match removal {
        Removal::Identity(identity) => Term::from_field_u64(fields.identity, identity),
        Removal::Type(kind, id) => Term::from_field_u64(fields.type_key, key(kind, id)),
        Removal::Project(id) => Term::from_field_u64(fields.project, id as u64),
    }
}
