//! Histograms.

use super::cell::Cell;
use super::column::{Column, NONE};
use super::count::{Chosen, count};
use super::types::{Bin, Histogram, HistogramQuery};
use crate::error::{Error, Result};

const MOST_BINS: usize = 10_000;

/// Counts numbers by bins.
///
/// Errors: `Invalid` for edges that do not ascend.
pub(super) fn histogram(
    column: &Column,
    chosen: &Chosen<'_>,
    query: &HistogramQuery,
) -> Result<Histogram> {
    let range = column.range(chosen);
    let edges = edges(query, range)?;
    let last = edges.len().saturating_sub(2);
    // Bin −1 is below the first, the one after the last is above it.
    let binned = column.binned(|number| {
        let place = edges.partition_point(|edge| *edge <= number) as i64 - 1;
        let at_the_end = edges.last() == Some(&number);
        Some(if at_the_end { last as i64 } else { place })
    });
    let mut counts = vec![0; edges.len() + 1];
    let mut missing = 0;
    for (codes, count) in count(&[&binned], chosen) {
        match binned.dictionary.cell(codes[0]) {
            Some(Cell::Int(bin)) => counts[(*bin + 1) as usize] += count,
            _ => missing += count,
        }
        debug_assert!(codes[0] == NONE || count > 0);
    }
    let bins: Vec<Bin> = edges
        .windows(2)
        .zip(&counts[1..])
        .map(|(edges, count)| Bin {
            start: edges[0],
            end: edges[1],
            count: *count,
        })
        .collect();
    Ok(Histogram {
        count: bins.iter().map(|bin| bin.count).sum(),
        below: counts[0],
        above: counts[edges.len()],
        bins,
        missing,
        minimum: range.map(|(low, _)| low),
        maximum: range.map(|(_, high)| high),
    })
}

/// The edges of bins, one more than bins; none where there is no number and no edge was given.
fn edges(query: &HistogramQuery, range: Option<(f64, f64)>) -> Result<Vec<f64>> {
    if !query.edges.is_empty() {
        let ascending = query.edges.windows(2).all(|pair| pair[0] < pair[1]);
        if query.edges.len() < 2 || query.edges.len() > MOST_BINS || !ascending {
            return Err(Error::invalid(format!(
                "edges must be 2 to {MOST_BINS} numbers, each above the one before"
            )));
        }
        return Ok(query.edges.clone());
    }
    let low = query.minimum.or(range.map(|(low, _)| low));
    let high = query.maximum.or(range.map(|(_, high)| high));
    let (Some(low), Some(mut high)) = (low, high) else {
        return Ok(Vec::new());
    };
    if low > high || (low == high && query.minimum.is_some() && query.maximum.is_some()) {
        return Err(Error::invalid(format!(
            "there is nothing between minimum {low} and maximum {high}"
        )));
    }
    if low == high {
        high = low + 1.0;
    }
    let width = (high - low) / query.bins as f64;
    let mut edges: Vec<f64> = (0..query.bins).map(|at| low + width * at as f64).collect();
    edges.push(high);
    Ok(edges)
}

#[cfg(test)]
mod tests {
    use super::super::count::Rows;
    use super::*;

    fn query() -> HistogramQuery {
        HistogramQuery {
            key: "Length".into(),
            bins: 4,
            edges: Vec::new(),
            minimum: None,
            maximum: None,
        }
    }

    fn made(query: &HistogramQuery) -> Result<Histogram> {
        let column = Column::Numbers(vec![0.0, 1.0, 2.5, 4.0, f64::NAN, 4.0], false);
        let chosen = Chosen {
            rows: Rows::AllBut(6, &[]),
            conditions: Vec::new(),
        };
        histogram(&column, &chosen, query)
    }

    fn counts(histogram: &Histogram) -> Vec<i64> {
        histogram.bins.iter().map(|bin| bin.count).collect()
    }

    #[test]
    fn bins_are_half_open_and_the_last_one_is_not() {
        let found = made(&query()).unwrap();
        assert_eq!(counts(&found), [1, 1, 1, 2]);
        assert_eq!((found.count, found.missing), (5, 1));
        assert_eq!((found.minimum, found.maximum), (Some(0.0), Some(4.0)));
        assert_eq!((found.bins[1].start, found.bins[1].end), (1.0, 2.0));
    }

    #[test]
    fn what_lies_outside_is_counted_apart() {
        let narrow = HistogramQuery {
            edges: vec![1.0, 2.0, 3.0],
            ..query()
        };
        let found = made(&narrow).unwrap();
        assert_eq!(
            (counts(&found), found.below, found.above),
            (vec![1, 1], 1, 2)
        );
        let limited = HistogramQuery {
            minimum: Some(2.0),
            maximum: Some(10.0),
            bins: 2,
            ..query()
        };
        let found = made(&limited).unwrap();
        assert_eq!(
            (counts(&found), found.below, found.above),
            (vec![3, 0], 2, 0)
        );
    }

    #[test]
    fn edges_that_make_no_bins_are_refused() {
        let with = |edges: &[f64]| HistogramQuery {
            edges: edges.to_vec(),
            ..query()
        };
        for edges in [&[1.0][..], &[1.0, 1.0], &[2.0, 1.0]] {
            assert!(made(&with(edges)).is_err());
        }
        let backwards = HistogramQuery {
            minimum: Some(3.0),
            maximum: Some(2.0),
            ..query()
        };
        assert!(made(&backwards).is_err());
    }

    #[test]
    fn equal_numbers_and_no_numbers_have_histograms_too() {
        let chosen = |rows| Chosen {
            rows: Rows::AllBut(rows, &[]),
            conditions: Vec::new(),
        };
        let same = Column::Numbers(vec![7.0, 7.0], false);
        let found = histogram(&same, &chosen(2), &query()).unwrap();
        assert_eq!(counts(&found), [2, 0, 0, 0]);
        let none = Column::Numbers(vec![f64::NAN], false);
        let found = histogram(&none, &chosen(1), &query()).unwrap();
        assert_eq!(
            (found.bins.len(), found.missing, found.minimum),
            (0, 1, None)
        );
    }
}
