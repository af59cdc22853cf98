//! Similarity: rows ordered by the distance of a vector attribute from a centre.
//!
//! Exact: every vector of the selected rows is read and compared.

use serde::Deserialize;

use super::page::json_text;
use super::selection::{Selection, used};
use crate::database::Tx;
use crate::error::{Error, Result};

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
    /// Orders by distance and keeps rows within the bounds; wins over any other order.
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
        if type_id.is_none() {
            return Err(Error::invalid(
                "The query parameter type is required with float_array.",
            ));
        }
        let values = self.values.clone();
        let text = json_text(self, &query.name);
        let table = self.kind.table();
        let sql = format!(
            "select t.id, {text} from {table} t where {}",
            self.condition()
        );
        let (sql, all_values) = used(sql, &std::mem::replace(&mut self.values, values));
        let mut found: Vec<(f64, i64)> = Vec::new();
        tx.each(&sql, &all_values, |mut row| {
            let (id, text): (i64, Option<String>) = (row.take()?, row.take()?);
            let vector: Option<Vec<f64>> = text.and_then(|text| serde_json::from_str(&text).ok());
            if let Some(vector) = vector.filter(|vector| vector.len() == query.center.len()) {
                let distance = query.distance(&vector);
                let near = query.upper_bound.is_none_or(|bound| distance <= bound);
                let far = query.lower_bound.is_none_or(|bound| distance >= bound);
                if near && far && !distance.is_nan() {
                    found.push((distance, id));
                }
            }
            Ok(())
        })
        .await?;
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        if query.order == "desc" {
            found.reverse();
        }
        self.ranked = Some(found.into_iter().map(|(_, id)| id).collect());
        Ok(())
    }
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
