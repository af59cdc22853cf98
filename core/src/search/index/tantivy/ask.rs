//! Answering: the folder and what is not in it yet, as one.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::agg_result::{AggregationResult, AggregationResults, BucketResult};
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;
use tantivy::aggregation::{
    AggContextParams, AggregationLimitsGuard, DistributedAggregationCollector, Key,
};
use tantivy::collector::sort_key::{SortBySimilarityScore, SortByStaticFastValue, SortByString};
use tantivy::collector::{Collector, Count, SegmentCollector, SortKeyComputer, TopDocs};
use tantivy::columnar::Column;
use tantivy::directory::RamDirectory;
use tantivy::query::{
    Bm25StatisticsProvider, BooleanQuery, Occur, Query as AnyQuery, TermSetQuery,
};
use tantivy::schema::Field;
use tantivy::{
    DocId, Index, Order as Direction, ReloadPolicy, Score, Searcher, SegmentOrdinal, SegmentReader,
    TantivyDocument, TantivyError, Term,
};

use super::compile::{column_name, compile, filter};
use super::fields::{Fields, tokenizers};
use super::write::term;
use super::{failed, settings};
use crate::error::{Error, Result};
use crate::search::index::{
    Bucket, Column as Values, Condition, Facet, Found, Hit, Order, Query, Recent, Reference,
};

/// Memory of the counts of one question.
const MOST_FACET_BYTES: u64 = 64 << 20;
/// Values that counts may be grouped by.
const MOST_BUCKETS: u32 = 65_000;
/// Memory for the words of changes that are not in the folder yet.
const RECENT_HEAP: usize = 15_000_000;

/// One index, and what hides some of its documents.
struct Layer {
    searcher: Searcher,
    hidden: Vec<Term>,
}

impl Layer {
    /// The query without hidden documents.
    fn visible(&self, query: &dyn AnyQuery) -> Box<dyn AnyQuery> {
        if self.hidden.is_empty() {
            return query.box_clone();
        }
        let hidden = TermSetQuery::new(self.hidden.iter().cloned());
        Box::new(BooleanQuery::new(vec![
            (Occur::Must, query.box_clone()),
            (Occur::MustNot, Box::new(hidden)),
        ]))
    }
}

/// The folder first, then the changes since, each hidden where a later one replaces it.
fn layers(fields: &Fields, searcher: &Searcher, recent: &[Arc<Recent>]) -> Result<Vec<Layer>> {
    let mut layers = vec![Layer {
        searcher: searcher.clone(),
        hidden: Vec::new(),
    }];
    for change in recent {
        let terms = change.batch.removed.iter().map(|one| term(fields, *one));
        let terms: Vec<Term> = terms.collect();
        for layer in &mut layers {
            layer.hidden.extend(terms.iter().cloned());
        }
        if !change.batch.documents.is_empty() {
            layers.push(Layer {
                searcher: prepared(fields, change)?,
                hidden: Vec::new(),
            });
        }
    }
    Ok(layers)
}

/// Changes as an index in memory, made once.
fn prepared(fields: &Fields, recent: &Recent) -> Result<Searcher> {
    if let Some(searcher) = recent.prepared.get().and_then(|any| any.downcast_ref()) {
        return Ok(Searcher::clone(searcher));
    }
    let made = in_memory(fields, recent).map_err(failed("index recent changes"))?;
    let _ = recent
        .prepared
        .set(Box::new(made.clone()) as Box<dyn Any + Send + Sync>);
    Ok(made)
}

fn in_memory(fields: &Fields, recent: &Recent) -> tantivy::Result<Searcher> {
    let mut writer = Index::builder()
        .schema(fields.schema.clone())
        .tokenizers(tokenizers())
        .settings(settings())
        .single_segment_index_writer::<TantivyDocument>(RamDirectory::create(), RECENT_HEAP)?;
    for row in &recent.batch.documents {
        let document = fields
            .document(row)
            .map_err(|error| TantivyError::InvalidArgument(error.to_string()))?;
        writer.add_document(document)?;
    }
    let index = writer.finalize()?;
    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .try_into()?;
    Ok(reader.searcher())
}

/// How common words are, over all layers.
struct Statistics<'l>(&'l [Layer]);

impl Statistics<'_> {
    fn sum(&self, of: impl Fn(&Searcher) -> tantivy::Result<u64>) -> tantivy::Result<u64> {
        self.0.iter().map(|layer| of(&layer.searcher)).sum()
    }
}

impl Bm25StatisticsProvider for Statistics<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        self.sum(|searcher| searcher.total_num_tokens(field))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        // Averages divide by it.
        Ok(self.sum(Bm25StatisticsProvider::total_num_docs)?.max(1))
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        self.sum(|searcher| searcher.doc_freq(term))
    }
}

/// Runs a collector over every layer.
fn collect<C: Collector>(
    layers: &[Layer],
    query: &dyn AnyQuery,
    collector: &C,
) -> tantivy::Result<Vec<C::Fruit>> {
    let statistics = Statistics(layers);
    let ask = |layer: &Layer| {
        let visible = layer.visible(query);
        layer
            .searcher
            .search_with_statistics_provider(&*visible, collector, &statistics)
    };
    layers.iter().map(ask).collect()
}

pub(super) fn search(
    fields: &Fields,
    searcher: &Searcher,
    query: &Query,
    recent: &[Arc<Recent>],
) -> Result<Found> {
    let layers = layers(fields, searcher, recent)?;
    let asked = BooleanQuery::new(vec![
        (Occur::Must, compile(fields, &query.condition)),
        (Occur::Must, filter(fields, &query.filter)),
    ]);
    let key = SortByStaticFastValue::<u64>::for_field("key");
    let way = if query.reverse {
        (Direction::Asc, Direction::Desc)
    } else {
        (Direction::Desc, Direction::Asc)
    };
    // The best fit comes first, and so does the least of everything else.
    let (best, least) = way;
    let score = |hit: &f32| Some(*hit);
    let ranked = match query.order {
        Order::Relevance => {
            let by = ((SortBySimilarityScore, best), (key, least));
            top(&layers, &asked, query, by, best, score)
        }
        Order::Created | Order::Modified => {
            let column = match query.order {
                Order::Created => Values::Created,
                _ => Values::Modified,
            };
            let by = SortByStaticFastValue::<i64>::for_field(column_name(&column));
            top(
                &layers,
                &asked,
                query,
                ((by, least), (key, least)),
                least,
                |_| None,
            )
        }
        Order::Key => {
            let by = SortByStaticFastValue::<u64>::for_field("key");
            top(
                &layers,
                &asked,
                query,
                ((by, least), (key, least)),
                least,
                |_| None,
            )
        }
        Order::Name => {
            let by = SortByString::for_field("label");
            top(
                &layers,
                &asked,
                query,
                ((by, least), (key, least)),
                least,
                |_| None,
            )
        }
    };
    let (total, hits, counts) = ranked.map_err(refused)?;
    Ok(Found {
        total,
        hits,
        facets: facets(query, counts).map_err(refused)?,
    })
}

/// Counts that need too much memory are the question's fault.
fn refused(error: TantivyError) -> Error {
    match error {
        TantivyError::AggregationError(error) => Error::invalid_because(
            "a facet has too many different values; ask for fewer documents",
            error.to_string(),
        ),
        error => failed("search the index")(error),
    }
}

type Counts = Vec<IntermediateAggregationResults>;

/// The page of hits in an order whose keys are (what decides, document), the number of all hits,
/// and the counts of the facets.
fn top<K, S>(
    layers: &[Layer],
    asked: &dyn AnyQuery,
    query: &Query,
    by: S,
    direction: Direction,
    score: impl Fn(&K) -> Option<f32>,
) -> tantivy::Result<(usize, Vec<Hit>, Counts)>
where
    K: PartialOrd + Clone + Send + Sync + std::fmt::Debug + 'static,
    S: SortKeyComputer<SortKey = (K, Option<u64>)> + Send + Clone + 'static,
{
    let wanted = query.stop.max(1);
    let pages = TopDocs::with_limit(wanted).order_by(by);
    let counter = counter(query)?;
    let fruits = collect(layers, asked, &(Count, pages, counter))?;
    let (mut total, mut hits, mut counts) = (0, Vec::new(), Vec::new());
    for (count, page, aggregated) in fruits {
        total += count;
        hits.extend(page.into_iter().map(|(keys, _)| keys));
        counts.extend(aggregated);
    }
    let turn = |ordering: Ordering| match direction {
        Direction::Asc => ordering,
        Direction::Desc => ordering.reverse(),
    };
    let ties = |ordering: Ordering| {
        if query.reverse {
            ordering.reverse()
        } else {
            ordering
        }
    };
    hits.sort_by(|(a, x), (b, y)| {
        let decided = turn(a.partial_cmp(b).unwrap_or(Ordering::Equal));
        decided.then_with(|| ties(x.cmp(y)))
    });
    let page = hits.iter().take(query.stop).skip(query.start);
    let hits = page.filter_map(|(decides, key)| {
        Some(Hit {
            key: (*key)?,
            score: score(decides),
        })
    });
    Ok((total, hits.collect(), counts))
}

fn facet_column(facet: &Facet) -> String {
    match facet {
        Facet::Attribute(name) => column_name(&Values::Attribute(name.clone())),
        Facet::Reference(reference) => match reference {
            Reference::Key => "key",
            Reference::Kind => "kind",
            Reference::Project => "project",
            Reference::Type => "type",
            Reference::Section => "section",
            Reference::Version => "version",
            Reference::Media => "media",
            Reference::User => "user",
        }
        .into(),
    }
}

fn aggregations(query: &Query) -> tantivy::Result<Aggregations> {
    let facets = query.facets.iter().enumerate().map(|(place, facet)| {
        let terms = serde_json::json!({"terms": {
            "field": facet_column(facet), "size": query.facet_size, "segment_size": MOST_BUCKETS
        }});
        (place.to_string(), terms)
    });
    let request: serde_json::Value = facets.collect::<serde_json::Map<_, _>>().into();
    serde_json::from_value(request)
        .map_err(|error| TantivyError::InvalidArgument(error.to_string()))
}

fn limits() -> AggregationLimitsGuard {
    AggregationLimitsGuard::new(Some(MOST_FACET_BYTES), Some(MOST_BUCKETS))
}

fn counter(query: &Query) -> tantivy::Result<Option<DistributedAggregationCollector>> {
    if query.facets.is_empty() {
        return Ok(None);
    }
    let context = AggContextParams::new(limits(), tokenizers());
    Ok(Some(DistributedAggregationCollector::from_aggs(
        aggregations(query)?,
        context,
    )))
}

fn facets(query: &Query, counts: Counts) -> tantivy::Result<Vec<Vec<Bucket>>> {
    let mut counts = counts.into_iter();
    let Some(mut sum) = counts.next() else {
        return Ok(query.facets.iter().map(|_| Vec::new()).collect());
    };
    for more in counts {
        sum.merge_fruits(more)?;
    }
    let mut results = sum.into_final_result(aggregations(query)?, limits())?;
    let places = 0..query.facets.len();
    Ok(places.map(|place| buckets(&mut results, place)).collect())
}

fn buckets(results: &mut AggregationResults, place: usize) -> Vec<Bucket> {
    let result = results.0.remove(&place.to_string());
    let Some(AggregationResult::BucketResult(BucketResult::Terms { buckets, .. })) = result else {
        return Vec::new();
    };
    let value = |key: Key, shown: Option<String>| match (key, shown) {
        // Times are shown as texts.
        (_, Some(text)) => text.into(),
        (Key::Str(text), None) => text.into(),
        (Key::I64(number), None) => number.into(),
        (Key::U64(number), None) => number.into(),
        (Key::F64(number), None) if number.fract() == 0.0 && number.abs() < 9e15 => {
            (number as i64).into()
        }
        (Key::F64(number), None) => number.into(),
    };
    let buckets = buckets.into_iter().map(|bucket| Bucket {
        value: value(bucket.key, bucket.key_as_string),
        count: bucket.doc_count,
    });
    buckets.collect()
}

pub(super) fn keys(
    fields: &Fields,
    searcher: &Searcher,
    condition: &Condition,
    recent: &[Arc<Recent>],
) -> Result<Vec<u64>> {
    let layers = layers(fields, searcher, recent)?;
    let query = compile(fields, condition);
    let found = collect(&layers, &*query, &Keys).map_err(failed("search the index"))?;
    Ok(found.concat())
}

/// Collects the keys of documents.
struct Keys;

struct SegmentKeys {
    column: Column<u64>,
    keys: Vec<u64>,
}

impl Collector for Keys {
    type Fruit = Vec<u64>;
    type Child = SegmentKeys;

    fn for_segment(
        &self,
        _segment: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<SegmentKeys> {
        Ok(SegmentKeys {
            column: reader.fast_fields().u64("key")?,
            keys: Vec::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Vec<u64>>) -> tantivy::Result<Vec<u64>> {
        Ok(segments.concat())
    }
}

impl SegmentCollector for SegmentKeys {
    type Fruit = Vec<u64>;

    fn collect(&mut self, document: DocId, _score: Score) {
        self.keys.extend(self.column.first(document));
    }

    fn harvest(self) -> Vec<u64> {
        self.keys
    }
}
