//! From counts to answers.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::asked::Asked;
use super::cell::Cell;
use super::column::{Coded, Column, Dictionary, NONE};
use super::count::{Chosen, count};
use super::key::Key;
use super::label;
use super::timeline::Division;
use super::types::{Group, GroupQuery, Interval, Moment, Order, TimelineQuery};
use crate::database::Tx;
use crate::error::{Error, Result};

/// Bins of one timeline.
const MOST_BINS: usize = 100_000;
/// Bins of frames where nobody says how long they are.
const USUAL_BINS: i64 = 100;

/// Counts by combinations of codes, and what the codes stand for.
type Counted<'c> = (Vec<Cow<'c, Dictionary>>, Vec<(Vec<u32>, i64)>);

impl Asked {
    /// Groups of rows, and how many each has.
    pub async fn groups(
        &self,
        tx: &mut Tx,
        keys: &[Key],
        query: &GroupQuery,
    ) -> Result<Vec<Group>> {
        let mut columns = Vec::new();
        for key in keys {
            columns.push(self.coded(tx, key).await?);
        }
        let (dictionaries, mut counts) = counted(columns, &self.chosen());
        sort(&dictionaries, &mut counts, query.order);
        counts.truncate(query.limit);
        self.named(tx, keys, &dictionaries, counts).await
    }

    /// Puts counts into words.
    async fn named(
        &self,
        tx: &mut Tx,
        keys: &[Key],
        dictionaries: &[Cow<'_, Dictionary>],
        counts: Vec<(Vec<u32>, i64)>,
    ) -> Result<Vec<Group>> {
        let mut names: Vec<HashMap<i64, String>> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let cell = |codes: &[u32]| dictionaries[at].cell(codes[at]).cloned();
            let mut ids: Vec<i64> = counts
                .iter()
                .filter_map(|(codes, _)| match cell(codes) {
                    Some(Cell::Int(id)) => Some(id),
                    _ => None,
                })
                .collect();
            ids.sort_unstable();
            ids.dedup();
            names.push(label::names(tx, self.request.kind, key, &ids).await?);
        }
        let group = |(codes, count): (Vec<u32>, i64)| {
            let (mut group, mut labels) = (Map::new(), Map::new());
            for (at, key) in keys.iter().enumerate() {
                let cell = dictionaries[at].cell(codes[at]);
                group.insert(key.name.clone(), cell.map_or(Json::Null, Cell::wire));
                if let Some(Cell::Int(id)) = cell
                    && let Some(name) = names[at].get(id)
                {
                    labels.insert(key.name.clone(), Json::from(name.as_str()));
                }
            }
            Group {
                group,
                labels,
                count,
            }
        };
        Ok(counts.into_iter().map(group).collect())
    }

    /// Checks that a timeline can be made over a key. Errors: `Invalid`.
    pub fn check_timeline(&self, over: &Key) -> Result<()> {
        if over.name == "$frame" {
            let limits = self.request.query.get("media_id").into_iter();
            let lists = limits.chain(self.request.body.get("media_ids"));
            let media: usize = lists.filter_map(Json::as_array).map(Vec::len).sum();
            if media == 1 {
                return Ok(());
            }
            return Err(Error::invalid(
                "a timeline over frames is about one media: name it in media_id",
            ));
        }
        if over.numbers() == Some(true) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "'{}' is no time; a timeline is over $frame, $created_datetime, $modified_datetime or a datetime attribute",
            over.name
        )))
    }

    /// Bins of a timeline that have rows, in their order.
    pub async fn timeline(
        &self,
        tx: &mut Tx,
        over: &Key,
        split: &[Key],
        query: &TimelineQuery,
    ) -> Result<Vec<Moment>> {
        let column = self.column(over);
        let division = if over.name == "$frame" {
            let frames = match (query.frames, column.range(&self.chosen())) {
                (Some(frames), _) => frames,
                (None, Some((_, last))) => (last as i64 + USUAL_BINS) / USUAL_BINS,
                (None, None) => 1,
            };
            Division::Frames(frames)
        } else {
            Division::Time(query.interval)
        };
        let binned = binned(column, division);
        let mut columns = vec![Cow::Borrowed(&binned)];
        for key in split {
            columns.push(self.coded(tx, key).await?);
        }
        let (dictionaries, mut counts) = counted(columns, &self.chosen());
        counts.retain(|(codes, _)| codes[0] != NONE);
        if counts.len() > MOST_BINS {
            return Err(Error::invalid(format!(
                "that is more than {MOST_BINS} bins; choose longer ones, or filter"
            )));
        }
        sort(&dictionaries, &mut counts, Order::Value);
        let bins: Vec<i64> = counts
            .iter()
            .filter_map(|(codes, _)| match dictionaries[0].cell(codes[0]) {
                Some(Cell::Int(bin)) => Some(*bin),
                _ => None,
            })
            .collect();
        let counts = counts
            .into_iter()
            .map(|(codes, count)| (codes[1..].to_vec(), count))
            .collect();
        let groups = self.named(tx, split, &dictionaries[1..], counts).await?;
        let moments = bins.into_iter().zip(groups).map(|(bin, group)| Moment {
            start: division.start(bin),
            end: division.start(bin + 1),
            group,
        });
        Ok(moments.collect())
    }
}

/// The bins of a column's values. Neighbours are often of one day, whose month is known then.
fn binned(column: &Column, division: Division) -> Coded {
    let months = [Interval::Month, Interval::Year].map(Division::Time);
    if !months.contains(&division) {
        return column.binned(|at| Some(division.bin(at)));
    }
    let day = Division::Time(Interval::Day);
    let mut last = None;
    column.binned(|at| {
        let today = day.bin(at);
        match last {
            Some((day, bin)) if day == today => Some(bin),
            _ => {
                let bin = division.bin(at);
                last = Some((today, bin));
                Some(bin)
            }
        }
    })
}

/// Counts chosen rows by columns; a row that has several values counts for each.
fn counted<'c>(columns: Vec<Cow<'c, Coded>>, chosen: &Chosen<'_>) -> Counted<'c> {
    let borrowed: Vec<&Coded> = columns.iter().map(Cow::as_ref).collect();
    let mut counts = count(&borrowed, chosen);
    let mut dictionaries: Vec<Cow<'c, Dictionary>> = columns
        .into_iter()
        .map(|column| match column {
            Cow::Borrowed(column) => Cow::Borrowed(&column.dictionary),
            Cow::Owned(column) => Cow::Owned(column.dictionary),
        })
        .collect();
    for (at, dictionary) in dictionaries.iter_mut().enumerate() {
        if !dictionary.has_many() {
            continue;
        }
        let mut single = Dictionary::default();
        let mut spread: HashMap<Vec<u32>, i64> = HashMap::new();
        for (codes, count) in counts {
            let values = match dictionary.cell(codes[at]) {
                Some(Cell::Many(ids)) => ids.iter().map(|id| single.code(Cell::Int(*id))).collect(),
                Some(other) => vec![single.code(other.clone())],
                None => vec![NONE],
            };
            for value in values {
                let mut codes = codes.clone();
                codes[at] = value;
                *spread.entry(codes).or_default() += count;
            }
        }
        counts = spread.into_iter().collect();
        *dictionary = Cow::Owned(single);
    }
    (dictionaries, counts)
}

/// Orders groups; those without a value come last, and ties are broken by value.
fn sort(dictionaries: &[Cow<'_, Dictionary>], counts: &mut [(Vec<u32>, i64)], order: Order) {
    let by_value = |one: &[u32], other: &[u32]| {
        let pairs = dictionaries.iter().zip(one.iter().zip(other));
        pairs
            .map(|(dictionary, (one, other))| {
                let (one, other) = (dictionary.cell(*one), dictionary.cell(*other));
                (one.is_none(), one).cmp(&(other.is_none(), other))
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    counts.sort_unstable_by(|(one, count), (other, other_count)| {
        let values = by_value(one, other);
        match order {
            Order::Count => count.cmp(other_count).then(values),
            Order::CountDown => other_count.cmp(count).then(values),
            Order::Value => values,
            Order::ValueDown => values.reverse(),
        }
    });
}
