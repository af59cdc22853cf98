//! Rules of search: who may find what, and that a write is found by the next request.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::document::{Batch, KINDS, from_key, key, number};
use super::index::{Bucket, Condition, Facet, Found, Order, Query, Recent, Reference};
use super::plan::{self, Names};
use super::station::Search;
use super::touched::{Touched, Whole};
use super::types::{DEEPEST_HIT, MOST_HITS, TextBucket, TextSearch, TextSearchResult};
use super::vectors::{self, Graph, Subject};
use super::{hits, indexer, lookup, store, syntax};
use crate::account::Actor;
use crate::attribute::Kind;
use crate::context::Context;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::journal;
use crate::project::{self, Level};

/// Changed rows that a question reads itself; beyond them it waits for the indexer.
const MOST_RECENT: usize = 1_000;
/// The same inside a transaction, which cannot wait.
pub(super) const MOST_INSIDE: usize = 50_000;
/// How long a question waits for the indexer before it answers with what is there, and how long for an
/// index that is being built.
const PATIENCE: Duration = Duration::from_secs(5);
const BUILDING: Duration = Duration::from_secs(2);

/// Entries of the journal that a graph may lack before it is brought up to date.
const MOST_UNREAD: i64 = 500;
/// Changed rows that are compared beside the candidates of a graph.
const MOST_FRESH: usize = 2_000;

/// Searches the text of a project, or of all that the actor may see.
///
/// Errors: `NotFound` and `Forbidden` for a project that the actor may not see; `Invalid` for a query
/// that is not understood, saying where.
pub(super) async fn search(
    cx: &Arc<Context>,
    actor: &Actor,
    project: Option<i64>,
    asked: TextSearch,
) -> Result<TextSearchResult> {
    let expression = syntax::parse(&asked.query)?;
    let mut needs = plan::needs(&expression);
    needs.fields |= !asked.facets.is_empty();
    let (order, reverse) = order(asked.sort.as_deref())?;
    check_page(&asked)?;
    let mut wanted = asked.projects.clone();
    wanted.extend(project);
    indexer::begin(cx);
    let (actor, of) = (actor.clone(), cx.search.clone());
    let (projects, names, gap) = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                let projects = projects(tx, &actor, project, &wanted).await?;
                let names = lookup::names(tx, &projects, &needs).await?;
                let gap = read_recent(tx, &of).await?;
                Ok((projects, names, gap))
            })
        })
        .await?;
    let complete = close_gap(cx, gap).await;
    let mut warnings = Vec::new();
    let condition = plan::plan(&expression, &names, &mut warnings)?;
    let facets = facets(&asked.facets, &names, &mut warnings);
    let query = Query {
        condition,
        filter: filter(&asked, &projects),
        order,
        reverse,
        start: asked.start,
        stop: asked.stop(),
        facets: facets.iter().map(|(_, facet)| facet.clone()).collect(),
        facet_size: asked.facet_size,
    };
    let search = Arc::clone(&cx.search);
    let (query, found) = tokio::task::spawn_blocking(move || {
        let index = search.index()?;
        let found = index.search(&query, &search.covered().0)?;
        Ok::<_, Error>((query, found))
    })
    .await
    .map_err(|error| Error::internal("search", error))??;
    let names: Vec<String> = facets.into_iter().map(|(name, _)| name).collect();
    let mut result = show(cx, projects, query, found, names, asked.highlight).await?;
    result.complete = complete;
    result.warnings = warnings;
    Ok(result)
}

/// The projects that a question is about. Errors as [`project::access`].
async fn projects(
    tx: &mut Tx,
    actor: &Actor,
    project: Option<i64>,
    wanted: &[i64],
) -> Result<Vec<i64>> {
    for one in wanted {
        project::access(tx, actor, *one, Level::View).await?;
    }
    if let Some(project) = project {
        let others = wanted.iter().any(|one| *one != project);
        return if others {
            Err(Error::invalid(
                "projects names another project than the path; leave it out, or use PUT /rest/TextSearch",
            ))
        } else {
            Ok(vec![project])
        };
    }
    if wanted.is_empty() {
        return project::service::visible_to(tx, actor).await;
    }
    Ok(wanted.to_vec())
}

fn check_page(asked: &TextSearch) -> Result<()> {
    let stop = asked.stop();
    if stop > DEEPEST_HIT {
        return Err(Error::invalid(format!(
            "stop is at most {DEEPEST_HIT}; ask for something narrower"
        )));
    }
    if stop.saturating_sub(asked.start) > MOST_HITS {
        return Err(Error::invalid(format!(
            "one answer holds at most {MOST_HITS} hits; use start and stop"
        )));
    }
    Ok(())
}

fn order(sort: Option<&str>) -> Result<(Order, bool)> {
    let (name, reverse) = match sort {
        None | Some("") => return Ok((Order::Relevance, false)),
        Some(sort) => sort
            .strip_prefix('-')
            .map_or((sort, false), |name| (name, true)),
    };
    let order = match name.trim_start_matches('$') {
        "score" => Order::Relevance,
        "created_datetime" => Order::Created,
        "modified_datetime" => Order::Modified,
        "id" => Order::Key,
        "name" => Order::Name,
        _ => {
            return Err(Error::invalid(format!(
                "there is no order {name:?}; known are score, $created_datetime, $modified_datetime, $id and \
                 $name, each with - before it for the reverse"
            )));
        }
    };
    Ok((order, reverse))
}

fn filter(asked: &TextSearch, projects: &[i64]) -> Condition {
    let plain = |ids: &[i64]| ids.iter().map(|id| *id as u64).collect::<Vec<u64>>();
    let kinds: Vec<Kind> = KINDS
        .into_iter()
        .filter(|kind| asked.nouns.iter().any(|noun| noun == kind.table()))
        .collect();
    let mut all = vec![Condition::Among(Reference::Project, plain(projects))];
    if !kinds.is_empty() {
        let numbers = kinds.iter().map(|kind| number(*kind)).collect();
        all.push(Condition::Among(Reference::Kind, numbers));
    }
    if !asked.types.is_empty() {
        let of = |id: &i64| KINDS.map(|kind| key(kind, *id));
        let keys = asked.types.iter().flat_map(of).collect();
        all.push(Condition::Among(Reference::Type, keys));
    }
    for (reference, ids) in [
        (Reference::Section, &asked.sections),
        (Reference::Version, &asked.versions),
        (Reference::Media, &asked.media),
        (Reference::User, &asked.users),
    ] {
        if !ids.is_empty() {
            all.push(Condition::Among(reference, plain(ids)));
        }
    }
    Condition::And(all)
}

/// What is counted, by the names that were asked for.
fn facets(asked: &[String], names: &Names, warnings: &mut Vec<String>) -> Vec<(String, Facet)> {
    let mut facets: Vec<(String, Facet)> = Vec::new();
    for name in asked {
        let facet = match name.as_str() {
            "$noun" => Facet::Reference(Reference::Kind),
            "$project" => Facet::Reference(Reference::Project),
            "$type" => Facet::Reference(Reference::Type),
            "$section" => Facet::Reference(Reference::Section),
            "$version" => Facet::Reference(Reference::Version),
            "$media" => Facet::Reference(Reference::Media),
            "$user" => Facet::Reference(Reference::User),
            name => Facet::Attribute(name.to_lowercase()),
        };
        if let Facet::Attribute(lower) = &facet
            && !names.attributes.contains(lower)
        {
            warnings.push(format!(
                "No type has an attribute named '{name}': it has no counts."
            ));
        }
        if !facets.iter().any(|(known, _)| known == name) {
            facets.push((name.clone(), facet));
        }
    }
    facets
}

/// What the index lacks.
enum Gap {
    /// Nothing any more.
    Closed,
    /// Too much to be read now: it has to come up to this entry of the journal.
    Behind(i64),
}

/// Reads what the index lacks, if that is little, for this question and the next.
async fn read_recent(tx: &mut Tx, search: &Search) -> Result<Gap> {
    let (head, _) = journal::newest(tx).await?;
    let (_, covered) = search.covered();
    if search.position().is_none() {
        return Ok(Gap::Behind(head));
    }
    if head <= covered {
        return Ok(Gap::Closed);
    }
    match changes(tx, covered, head, MOST_RECENT).await? {
        Some(batch) => {
            search.remember(Recent::new(covered, head, batch));
            Ok(Gap::Closed)
        }
        None => Ok(Gap::Behind(head)),
    }
}

/// How the rows of some entries stand; none if there are too many.
pub(super) async fn changes(
    tx: &mut Tx,
    after: i64,
    upto: i64,
    most: usize,
) -> Result<Option<Batch>> {
    let sizes = journal::sizes_after(tx, after, most).await?;
    let whole = sizes.last().is_some_and(|(last, _)| *last >= upto);
    let sum: i64 = sizes.iter().map(|(_, count)| count).sum();
    if !whole || sum > most as i64 {
        return Ok(None);
    }
    let touched: Touched = store::touched(tx, after, upto).await?;
    if touched.len() + store::count_of_wholes(tx, &touched, most).await? > most {
        return Ok(None);
    }
    let mut batch = store::batch(tx, &touched).await?;
    for whole in &touched.wholes {
        for kind in whole.kinds() {
            let rows = store::page(tx, kind, Some(*whole), 0, most).await?;
            let known: HashSet<u64> = batch.documents.iter().map(|row| row.identity).collect();
            let fresh = rows
                .into_iter()
                .filter(|row| !known.contains(&row.identity));
            batch.documents.extend(fresh.collect::<Vec<_>>());
        }
    }
    Ok(Some(batch))
}

/// Waits for the indexer where that is needed. Says whether every document is looked at.
async fn close_gap(cx: &Context, gap: Gap) -> bool {
    let seq = match gap {
        Gap::Closed => {
            let (recent, covered) = cx.search.covered();
            let size: usize = recent.iter().map(|one| one.batch.documents.len()).sum();
            if size > MOST_RECENT {
                cx.search.want(covered);
            }
            if cx.search.progress.borrow().complete {
                return true;
            }
            0
        }
        Gap::Behind(seq) => seq,
    };
    let complete = cx.search.progress.borrow().complete;
    let patience = if complete { PATIENCE } else { BUILDING };
    cx.search.wait_for(seq, patience).await
}

/// Turns what was found into an answer.
async fn show(
    cx: &Context,
    projects: Vec<i64>,
    query: Query,
    found: Found,
    names: Vec<String>,
    highlight: bool,
) -> Result<TextSearchResult> {
    cx.database
        .read(move |tx| {
            Box::pin(async move {
                let asked = if highlight {
                    plan::shown(&query.condition)
                } else {
                    Vec::new()
                };
                let rows = hits::rows(tx, &found.hits, &projects, &asked).await?;
                let gone = found.hits.len() - rows.len();
                let mut facets = BTreeMap::new();
                for ((name, facet), buckets) in
                    names.into_iter().zip(&query.facets).zip(found.facets)
                {
                    facets.insert(name, named(tx, facet, buckets).await?);
                }
                Ok(TextSearchResult {
                    total: found.total - gone,
                    complete: false,
                    hits: rows,
                    facets,
                    warnings: Vec::new(),
                })
            })
        })
        .await
}

/// Buckets with the names of what they count.
async fn named(tx: &mut Tx, facet: &Facet, buckets: Vec<Bucket>) -> Result<Vec<TextBucket>> {
    let numbers: Vec<u64> = buckets
        .iter()
        .filter_map(|one| one.value.as_u64())
        .collect();
    let labels = lookup::labels(tx, facet, &numbers).await?;
    let shown = buckets.into_iter().map(|bucket| {
        let number = bucket.value.as_u64();
        let name = number.and_then(|number| labels.get(&number).cloned());
        let (value, noun) = match (facet, number) {
            (Facet::Reference(Reference::Kind), Some(number)) => {
                (Json::from(from_key(number).0.table()), None)
            }
            (Facet::Reference(Reference::Type), Some(number)) => {
                let (kind, id) = from_key(number);
                (Json::from(id), Some(kind.table()))
            }
            _ => (bucket.value, None),
        };
        TextBucket {
            value,
            name,
            noun,
            count: bucket.count,
        }
    });
    Ok(shown.collect())
}

/// The ids of a project's rows of a kind that a text query finds, also those that this transaction
/// has written; for a condition of another query.
///
/// Errors: `Invalid` for a query that is not understood; `Busy` while the index is being built.
pub async fn matching(tx: &mut Tx, project: i64, kind: Kind, text: &str) -> Result<Vec<i64>> {
    let busy = || Error::Busy("the search index is being built; try again in a moment".into());
    let expression = syntax::parse(text)?;
    let search = tx.companion::<Search>().ok_or_else(busy)?;
    if !search.progress.borrow().complete {
        return Err(busy());
    }
    let (mut recent, covered) = search.covered();
    let (head, _) = journal::newest(tx).await?;
    if head > covered {
        // What this transaction has written may never be: nobody else gets to see it.
        let batch = changes(tx, covered, head, MOST_INSIDE).await?;
        let Some(batch) = batch else {
            search.want(head);
            return Err(busy());
        };
        recent.push(Arc::new(Recent::new(covered, head, batch)));
    }
    let names = lookup::names(tx, &[project], &plan::needs(&expression)).await?;
    let condition = Condition::And(vec![
        plan::plan(&expression, &names, &mut Vec::new())?,
        Condition::Among(Reference::Project, vec![project as u64]),
        Condition::Among(Reference::Kind, vec![number(kind)]),
    ]);
    let index = search.index()?;
    let keys = in_place(|| index.keys(&condition, &recent))?;
    let mut ids: Vec<i64> = keys.into_iter().map(|key| from_key(key).1).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Computes for a while inside a transaction, without holding up others of the runtime.
pub(super) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

/// The graph of an attribute whose vectors are too many to be compared one by one, and the rows that
/// changed since it was brought up to date. None while there is no such graph: it is made in the
/// background where that is worth it.
pub async fn near(
    tx: &mut Tx,
    search: &Search,
    subject: &Subject,
    name: &str,
    size: usize,
) -> Result<Option<(Arc<Graph>, Vec<i64>)>> {
    let Some(graph) = search.vectors.graph(subject) else {
        let exact = search.vectors.exact;
        let count = store::count(
            tx,
            subject.kind,
            Whole::Type(subject.kind, subject.type_id),
            exact + 1,
        )
        .await?;
        if count > exact {
            search.vectors.wish(subject.clone(), name, size);
        }
        return Ok(None);
    };
    let (head, _) = journal::newest(tx).await?;
    let fresh = vectors::changed(tx, subject.kind, graph.seq(), head).await?;
    let some = fresh.as_ref().map_or(usize::MAX, Vec::len);
    if some > MOST_FRESH / 4 || head - graph.seq() > MOST_UNREAD {
        search.vectors.wish(subject.clone(), name, size);
    }
    Ok(fresh
        .filter(|fresh| fresh.len() <= MOST_FRESH)
        .map(|fresh| (graph, fresh)))
}
