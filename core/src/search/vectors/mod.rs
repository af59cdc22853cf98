//! Vectors in memory, where there are too many to be compared one by one.
//!
//! A graph of near neighbours (HNSW) holds the vectors of one attribute for one metric. It is made in
//! the background when somebody asks for the first time, brought up to date from the journal, and
//! forgotten when others need the memory. It only proposes candidates: whoever asks compares them with
//! the rows, together with the rows that changed since.

mod builder;
mod graph;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub(super) use builder::{changed, run};
pub use graph::{Graph, Metric};

use crate::attribute::Kind;

/// How long a graph that does not fit is not tried again.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// An attribute of one type, compared by one metric.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Whose attribute it is.
    pub kind: Kind,
    /// The type that declares it.
    pub type_id: i64,
    /// The definition, which keeps its id when it is renamed.
    pub attribute: i64,
    /// How its vectors are compared.
    pub metric: Metric,
}

/// The graphs of a station.
pub struct Vectors {
    most_bytes: usize,
    /// Vectors of one type that are compared one by one.
    pub(super) exact: usize,
    kept: Mutex<HashMap<Subject, Kept>>,
    wishes: Mutex<Vec<Wish>>,
    /// Subjects that do not fit, since when.
    refused: Mutex<HashMap<Subject, Instant>>,
    wished: Notify,
}

struct Kept {
    graph: Arc<Graph>,
    used: Instant,
}

/// A graph that is wanted, or wanted anew.
struct Wish {
    subject: Subject,
    /// What the attribute is called now.
    name: String,
    size: usize,
}

impl Vectors {
    pub(super) fn new(most_bytes: usize, exact: usize) -> Self {
        Self {
            most_bytes,
            exact,
            kept: Mutex::default(),
            wishes: Mutex::default(),
            refused: Mutex::default(),
            wished: Notify::new(),
        }
    }

    /// The graph of a subject, if it is there.
    pub fn graph(&self, subject: &Subject) -> Option<Arc<Graph>> {
        let mut kept = lock(&self.kept);
        let found = kept.get_mut(subject)?;
        found.used = Instant::now();
        Some(Arc::clone(&found.graph))
    }

    /// Wishes for a graph of `size` numbers a vector, or that an old one be brought up to date.
    pub fn wish(&self, subject: Subject, name: &str, size: usize) {
        let refused = lock(&self.refused).get(&subject).copied();
        if refused.is_some_and(|since| since.elapsed() < REFUSED_FOR) {
            return;
        }
        let mut wishes = lock(&self.wishes);
        if !wishes.iter().any(|wish| wish.subject == subject) {
            wishes.push(Wish {
                subject,
                name: name.to_owned(),
                size,
            });
            self.wished.notify_one();
        }
    }

    /// Whether the graph of a subject is too large to be kept; it is not wished for again for a while.
    fn refuses(&self, subject: &Subject, count: usize, size: usize) -> bool {
        let too_large = graph::bytes(count, size) > self.most_bytes;
        if too_large {
            lock(&self.refused).insert(subject.clone(), Instant::now());
        }
        too_large
    }

    /// Keeps a graph; those that were used least go if there is no room.
    fn keep(&self, subject: Subject, graph: Arc<Graph>) {
        let mut kept = lock(&self.kept);
        kept.remove(&subject);
        let room = self.most_bytes.saturating_sub(graph.bytes());
        while kept.values().map(|one| one.graph.bytes()).sum::<usize>() > room {
            let oldest = kept.iter().min_by_key(|(_, one)| one.used);
            let Some(oldest) = oldest.map(|(subject, _)| subject.clone()) else {
                break;
            };
            kept.remove(&oldest);
        }
        let used = Instant::now();
        kept.insert(subject, Kept { graph, used });
    }

    fn forget(&self, subject: &Subject) {
        lock(&self.kept).remove(subject);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
