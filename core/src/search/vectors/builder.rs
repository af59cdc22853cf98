//! Makes graphs and brings them up to date, in the background.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{Graph, Subject, Vectors, Wish, lock};
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Chain, Error, Result};
use crate::journal;
use crate::query::{Selection, among, each_vector};
use crate::search::document::number;
use crate::search::store::{self, visible};
use crate::search::touched::Whole;

/// Rows that are read at once.
const ROWS: usize = 5_000;
/// Entries of the journal beyond which a graph is made anew.
const MOST_ENTRIES: usize = 20_000;

/// Fulfils wishes for as long as it is polled.
pub async fn run(cx: &Arc<Context>) {
    let vectors = &cx.search.vectors;
    let mut pool = None;
    loop {
        let next = lock(&vectors.wishes).first().map(|wish| Wish {
            subject: wish.subject.clone(),
            name: wish.name.clone(),
            size: wish.size,
        });
        let Some(wish) = next else {
            // Threads that nobody needs for now end.
            pool = None;
            vectors.wished.notified().await;
            continue;
        };
        if let Err(error) = fulfil(cx, vectors, &wish, &mut pool).await {
            tracing::warn!(error = %Chain(&error), "vectors could not be gathered; they are compared one by one");
        }
        lock(&vectors.wishes).retain(|one| one.subject != wish.subject);
    }
}

/// Threads that give way to those that answer people.
fn threads() -> Result<Arc<ThreadPool>> {
    let pool = ThreadPoolBuilder::new()
        .thread_name(|_| "search-vectors".into())
        .start_handler(|_| crate::search::give_way())
        .build();
    let pool = pool.map_err(|error| Error::internal("start threads for vectors", error))?;
    Ok(Arc::new(pool))
}

async fn fulfil(
    cx: &Arc<Context>,
    vectors: &Vectors,
    wish: &Wish,
    pool: &mut Option<Arc<ThreadPool>>,
) -> Result<()> {
    let pool = match pool {
        Some(pool) => Arc::clone(pool),
        None => Arc::clone(pool.insert(threads()?)),
    };
    if let Some(graph) = vectors.graph(&wish.subject)
        && update(cx, wish, graph, &pool).await?
    {
        return Ok(());
    }
    vectors.forget(&wish.subject);
    build(cx, vectors, wish, pool).await
}

async fn build(
    cx: &Arc<Context>,
    vectors: &Vectors,
    wish: &Wish,
    pool: Arc<ThreadPool>,
) -> Result<()> {
    let read = cx
        .database
        .read(|tx| Box::pin(async move { Ok(journal::newest(tx).await?.0) }));
    let (seq, mut after, mut found) = (read.await?, 0, Vec::new());
    loop {
        let (subject, name) = (wish.subject.clone(), wish.name.clone());
        let read = cx.database.read(move |tx| {
            Box::pin(async move { of_rows(tx, &subject, &name, format!("t.id > {after}")).await })
        });
        let (last, page) = read.await?;
        let Some(last) = last else { break };
        after = last;
        found.extend(page);
        if vectors.refuses(&wish.subject, found.len(), wish.size) {
            return Ok(());
        }
    }
    let (metric, size) = (wish.subject.metric, wish.size);
    let built = tokio::task::spawn_blocking(move || Graph::build(metric, size, seq, found, &pool));
    let graph = built
        .await
        .map_err(|error| Error::internal("gather vectors", error))?;
    vectors.keep(wish.subject.clone(), Arc::new(graph));
    Ok(())
}

/// Brings a graph up to now. False when it is better made anew.
async fn update(
    cx: &Arc<Context>,
    wish: &Wish,
    graph: Arc<Graph>,
    pool: &Arc<ThreadPool>,
) -> Result<bool> {
    let (subject, name, after) = (wish.subject.clone(), wish.name.clone(), graph.seq());
    let read = cx.database.read(move |tx| {
        Box::pin(async move {
            let (head, _) = journal::newest(tx).await?;
            let Some(changed) = changed(tx, subject.kind, after, head).await? else {
                return Ok(None);
            };
            let mut vectors = Vec::new();
            for ids in changed.chunks(500) {
                vectors.extend(of_rows(tx, &subject, &name, among("t.id", ids)).await?.1);
            }
            let rows = store::count(
                tx,
                subject.kind,
                Whole::Type(subject.kind, subject.type_id),
                usize::MAX >> 1,
            );
            Ok(Some((head, changed, vectors, rows.await?)))
        })
    });
    let Some((head, changed, vectors, rows)) = read.await? else {
        return Ok(false);
    };
    // Too many points of old vectors hide those of new ones.
    let points = graph.points() + vectors.len();
    if graph.is_outgrown(&vectors) || points > rows + rows / 3 {
        return Ok(false);
    }
    let pool = Arc::clone(pool);
    tokio::task::spawn_blocking(move || graph.update(head, &changed, vectors, &pool))
        .await
        .map_err(|error| Error::internal("gather vectors", error))?;
    Ok(true)
}

/// Rows of a kind that entries after one, up to another, are about; none if there are too many.
pub(in crate::search) async fn changed(
    tx: &mut Tx,
    kind: crate::attribute::Kind,
    after: i64,
    upto: i64,
) -> Result<Option<Vec<i64>>> {
    let sizes = journal::sizes_after(tx, after, MOST_ENTRIES).await?;
    let sum: i64 = sizes.iter().map(|(_, count)| count).sum();
    if sizes.last().is_some_and(|(last, _)| *last < upto) || sum > MOST_ENTRIES as i64 {
        return Ok(None);
    }
    let touched = store::touched(tx, after, upto).await?;
    if touched.has_wholes() {
        return Ok(None);
    }
    let at = number(kind) as usize;
    let mut ids = touched.changed[at].clone();
    ids.extend(
        touched.created[at]
            .iter()
            .flat_map(|(first, last)| *first..=*last),
    );
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

/// The vectors of the visible rows of a subject that a condition selects, at most some rows by id, and
/// the id of the last of these.
async fn of_rows(
    tx: &mut Tx,
    subject: &Subject,
    name: &str,
    condition: String,
) -> Result<(Option<i64>, Vec<(i64, Vec<f32>)>)> {
    let mut selection = Selection::new(subject.kind, tx.dialect());
    selection.equals("t.type", subject.type_id);
    selection.require(visible(subject.kind));
    let (mut last, mut found) = (None, Vec::new());
    each_vector(
        tx,
        &mut selection,
        name,
        &condition,
        Some(ROWS),
        |id, vector| {
            last = Some(id);
            let vector = vector.map(|vector| vector.into_iter().map(|x| x as f32).collect());
            found.extend(vector.map(|vector| (id, vector)));
        },
    )
    .await?;
    Ok((last, found))
}
