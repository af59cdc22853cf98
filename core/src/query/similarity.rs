//! Similarity: rows ordered by the distance of a vector attribute from a centre.
//!
//! Every vector of the selected rows is read and compared; where there are very many, and only the
//! nearest are wanted, those that a graph of neighbours proposes.

use std::collections::HashSet;

use serde::Deserialize;

use super::page::json_text;
use super::selection::{Selection, among, used};
use crate::attribute;
use crate::database::Tx;
use crate::error::{Error, Result};
use crate::search::vectors::{Metric, Subject};
use crate::search::{self, Search};

/// Rows that a graph is asked for at most, filters included twice that.
const MOST_NEAR: usize = 2_000;
/// Candidates that are compared at least.
const LEAST_CANDIDATES: usize = 64;

/// One question of similarity.
#[derive(Debug, Clone, Deserialize)]
pub struct FloatArrayQuery {
    /// The attribute that holds the vectors.
    pub name: String,
    /// The vector to compare with.
    pub center: Vec<f64>,
    /// `l2norm`, `cosine` (1 − cosine similarity) or `ip` (the negative inner product).
    #[serde(default = "l2norm")]
    pub metric: String,
    /// `asc` or `desc` by distance.
    #[serde(default = "asc")]
    pub order: String,
    /// The least distance that counts, inclusive.
    pub lower_bound: Option<f64>,
    /// The greatest distance that counts, inclusive.
    pub upper_bound: Option<f64>,
}

fn l2norm() -> String {
    "l2norm".into()
}

fn asc() -> String {
    "asc".into()
}

impl FloatArrayQuery {
    /// The distance of a vector that counts; none for one of another size, or beyond the bounds.
    fn bounded_distance(&self, vector: &[f64]) -> Option<f64> {
        let distance = self.distance(vector);
        let near = self.upper_bound.is_none_or(|bound| distance <= bound);
        let far = self.lower_bound.is_none_or(|bound| distance >= bound);
        let counts = vector.len() == self.center.len() && near && far && !distance.is_nan();
        counts.then_some(distance)
    }

    fn distance(&self, vector: &[f64]) -> f64 {
        let pairs = || vector.iter().zip(&self.center);
        let inner: f64 = pairs().map(|(a, b)| a * b).sum();
        match self.metric.as_str() {
            "ip" => -inner,
            "cosine" => {
                let norm =
                    |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
                1.0 - inner / (norm(vector) * norm(&self.center))
            }
            _ => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        }
    }
}

impl Selection {
    /// Orders by the first distance and keeps rows within the bounds of all; wins over any other order.
    ///
    /// Errors: `Invalid` without a type, whose attribute it is.
    pub async fn rank_by(
        &mut self,
        tx: &mut Tx,
        type_id: Option<i64>,
        queries: &[FloatArrayQuery],
    ) -> Result<()> {
        let Some(query) = queries.first() else {
            return Ok(());
        };
        let type_id = type_id.ok_or_else(|| {
            Error::invalid("The query parameter type is required with float_array.")
        })?;
        let others = &queries[1..];
        let nearest = match others {
            [] => self.nearest(tx, type_id, query).await?,
            _ => None,
        };
        let mut ranked = match nearest {
            Some(ranked) => ranked,
            None => self.distances(tx, query, "true").await?,
        };
        for other in others {
            let also = self.distances(tx, other, "true").await?;
            let also: HashSet<i64> = also.into_iter().map(|(_, id)| id).collect();
            ranked.retain(|(_, id)| also.contains(id));
        }
        self.ranked = Some(ranked.into_iter().map(|(_, id)| id).collect());
        Ok(())
    }

    /// The selected rows for which `also` holds by distance, every vector compared.
    async fn distances(
        &mut self,
        tx: &mut Tx,
        query: &FloatArrayQuery,
        also: &str,
    ) -> Result<Vec<(f64, i64)>> {
        let mut found: Vec<(f64, i64)> = Vec::new();
        let visit = |id, vector: Option<Vec<f64>>| {
            let distance = vector.and_then(|vector| query.bounded_distance(&vector));
            found.extend(distance.map(|distance| (distance, id)));
        };
        each_vector(tx, self, &query.name, also, None, visit).await?;
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        if query.order == "desc" {
            found.reverse();
        }
        Ok(found)
    }

    /// The first rows by distance, as far as the page goes, from candidates that a graph of neighbours
    /// proposes. None where every vector has to be compared: few rows, bounds, an open page, or a filter
    /// that leaves few of the candidates.
    async fn nearest(
        &mut self,
        tx: &mut Tx,
        type_id: i64,
        query: &FloatArrayQuery,
    ) -> Result<Option<Vec<(f64, i64)>>> {
        let bounded = query.lower_bound.is_some() || query.upper_bound.is_some();
        let stop = self.page.stop.filter(|stop| *stop <= MOST_NEAR as u64);
        let (Some(stop), Some(search), Some(metric)) = (
            stop.filter(|_| !bounded && query.order == "asc"),
            tx.companion::<Search>(),
            Metric::from_name(&query.metric),
        ) else {
            return Ok(None);
        };
        let definitions = attribute::definitions_of_type(tx, self.kind, type_id).await?;
        let mut named = definitions.iter().filter(|one| one.name == query.name);
        let Some(attribute) = named.next().map(|one| one.id) else {
            return Ok(None);
        };
        let subject = Subject {
            kind: self.kind,
            type_id,
            attribute,
            metric,
        };
        let center = &query.center;
        let known = search::near(tx, &search, &subject, &query.name, center.len()).await?;
        let Some((graph, fresh)) = known else {
            return Ok(None);
        };
        let wanted = stop as usize;
        let mut count = (2 * wanted).max(LEAST_CANDIDATES);
        while count <= MOST_NEAR * 2 {
            let near: Vec<i64> = graph.near(center, count);
            // What changed since the graph was made is compared whatever the graph says.
            let near: HashSet<i64> = near.into_iter().filter(|id| !fresh.contains(id)).collect();
            let among_them: Vec<i64> = near.iter().chain(&fresh).copied().collect();
            let among_them = among("t.id", &among_them);
            let found = self.distances(tx, query, &among_them).await?;
            let passed = found.iter().filter(|(_, id)| near.contains(id)).count();
            if passed >= wanted {
                return Ok(Some(found.into_iter().take(wanted).collect()));
            }
            count *= 4;
        }
        Ok(None)
    }
}

/// Hands the id and the vector of each selected row for which `also` holds to `visit`, in their order,
/// at most `most` of them.
pub async fn each_vector(
    tx: &mut Tx,
    selection: &mut Selection,
    name: &str,
    also: &str,
    most: Option<usize>,
    mut visit: impl FnMut(i64, Option<Vec<f64>>) + Send,
) -> Result<()> {
    let values = selection.values.clone();
    let text = json_text(selection, name);
    // In its order, so that every value that was bound for it has its place in the statement.
    let sql = format!(
        "select t.id, {text} from {} t where {} and {also} order by {}{}",
        selection.kind.table(),
        selection.condition(),
        selection.order,
        most.map_or_else(String::new, |most| format!(" limit {most}"))
    );
    let (sql, values) = used(sql, &std::mem::replace(&mut selection.values, values));
    tx.each(&sql, &values, |mut row| {
        let (id, text): (i64, Option<String>) = (row.take()?, row.take()?);
        visit(id, text.and_then(|text| serde_json::from_str(&text).ok()));
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_follow_their_metric() {
        let query = |metric: &str| FloatArrayQuery {
            name: "V".into(),
            center: vec![1.0, 0.0],
            metric: metric.into(),
            order: asc(),
            lower_bound: None,
            upper_bound: None,
        };
        assert_eq!(query("l2norm").distance(&[4.0, 4.0]), 5.0);
        assert_eq!(query("ip").distance(&[4.0, 4.0]), -4.0);
        assert!((query("cosine").distance(&[2.0, 0.0])).abs() < 1e-12);
    }
}
