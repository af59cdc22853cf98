//! A graph of near neighbours, by hnsw_rs.
//!
//! It knows Euclidean distances only; vectors are put where these order them as their metric does.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use hnsw_rs::prelude::{DistL2, Hnsw};
use rayon::ThreadPool;

/// Neighbours of a vector in each layer.
const NEIGHBOURS: usize = 24;
/// Candidates that are looked at to find them, and at least when somebody asks.
const CANDIDATES: usize = 200;
const LOOKED_AT: usize = 400;
const LAYERS: usize = 16;
/// What the graph needs beside the numbers of a vector, about.
const LINKS_BYTES: usize = 1_400;
/// How much longer than the longest so far a vector of an inner product may become.
const HEADROOM: f32 = 1.5;

/// How vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Euclidean distance.
    L2,
    /// One less the cosine of the angle.
    Cosine,
    /// The negative inner product.
    InnerProduct,
}

impl Metric {
    /// The metric that the wire calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "l2norm" => Self::L2,
            "cosine" => Self::Cosine,
            "ip" => Self::InnerProduct,
            _ => return None,
        })
    }
}

/// The vectors of one attribute.
pub struct Graph {
    metric: Metric,
    size: usize,
    /// The length that vectors of an inner product are filled up to.
    radius: f32,
    hnsw: Hnsw<'static, f32, DistL2>,
    state: RwLock<State>,
}

/// Which row each point of the graph stands for.
struct State {
    /// By the number of the point; none for one whose row has another vector now.
    rows: Vec<Option<i64>>,
    points: HashMap<i64, usize>,
    /// The entry of the journal that the graph has read.
    seq: i64,
}

/// How many bytes a graph needs, about.
pub(super) fn bytes(count: usize, size: usize) -> usize {
    count * (size * size_of::<f32>() + LINKS_BYTES)
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|x| x * x).sum::<f32>().sqrt()
}

impl Graph {
    /// A graph of some rows as they were at an entry of the journal. Takes long; `pool` does it.
    pub fn build(
        metric: Metric,
        size: usize,
        seq: i64,
        vectors: Vec<(i64, Vec<f32>)>,
        pool: &ThreadPool,
    ) -> Self {
        let longest = vectors.iter().map(|(_, vector)| length(vector));
        let graph = Self {
            metric,
            size,
            radius: longest.fold(1.0, f32::max) * HEADROOM,
            hnsw: Hnsw::new(NEIGHBOURS, vectors.len(), LAYERS, CANDIDATES, DistL2),
            state: RwLock::new(State {
                rows: Vec::new(),
                points: HashMap::new(),
                seq,
            }),
        };
        graph.insert(vectors, pool);
        graph
    }

    /// How many bytes it needs, about.
    pub fn bytes(&self) -> usize {
        bytes(self.points(), self.size)
    }

    /// How many points it has, those of rows that have another vector now included.
    pub fn points(&self) -> usize {
        self.state().rows.len()
    }

    /// The entry of the journal that it has read.
    pub fn seq(&self) -> i64 {
        self.state().seq
    }

    fn state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a vector stands in the space of the graph; none where its metric knows no place for it.
    fn place(&self, vector: &[f32], asked: bool) -> Option<Vec<f32>> {
        if vector.len() != self.size || !vector.iter().all(|x| x.is_finite()) {
            return None;
        }
        let length = length(vector);
        match self.metric {
            Metric::L2 => Some(vector.to_vec()),
            Metric::Cosine => (length > 0.0).then(|| vector.iter().map(|x| x / length).collect()),
            // Filled up to one length, the nearest is the one of the largest product.
            Metric::InnerProduct => {
                let rest = self.radius * self.radius - length * length;
                let mut placed = vector.to_vec();
                placed.push(if asked { 0.0 } else { rest.max(0.0).sqrt() });
                (asked || rest >= 0.0).then_some(placed)
            }
        }
    }

    /// Whether vectors have become too long for it.
    pub fn is_outgrown(&self, vectors: &[(i64, Vec<f32>)]) -> bool {
        let too_long = |(_, vector): &(i64, Vec<f32>)| length(vector) > self.radius;
        self.metric == Metric::InnerProduct && vectors.iter().any(too_long)
    }

    fn insert(&self, vectors: Vec<(i64, Vec<f32>)>, pool: &ThreadPool) {
        let placed: Vec<(i64, Vec<f32>)> = vectors
            .into_iter()
            .filter_map(|(row, vector)| Some((row, self.place(&vector, false)?)))
            .collect();
        let first = self.points();
        let points: Vec<(&Vec<f32>, usize)> = placed
            .iter()
            .enumerate()
            .map(|(at, (_, vector))| (vector, first + at))
            .collect();
        pool.install(|| self.hnsw.parallel_insert(&points));
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for (row, _) in &placed {
            let point = state.rows.len();
            state.rows.push(Some(*row));
            if let Some(before) = state.points.insert(*row, point) {
                state.rows[before] = None;
            }
        }
    }

    /// Brings changed rows up to an entry of the journal; a row without a vector goes.
    pub fn update(
        &self,
        seq: i64,
        changed: &[i64],
        vectors: Vec<(i64, Vec<f32>)>,
        pool: &ThreadPool,
    ) {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            for row in changed {
                if let Some(point) = state.points.remove(row) {
                    state.rows[point] = None;
                }
            }
        }
        self.insert(vectors, pool);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.seq = seq;
    }

    /// Rows near a vector, about the nearest `count`, nearest first.
    pub fn near(&self, vector: &[f64], count: usize) -> Vec<i64> {
        let vector: Vec<f32> = vector.iter().map(|x| *x as f32).collect();
        let Some(place) = self.place(&vector, true) else {
            return Vec::new();
        };
        let found = self.hnsw.search(&place, count, (2 * count).max(LOOKED_AT));
        let state = self.state();
        let rows = found.into_iter();
        rows.filter_map(|point| *state.rows.get(point.d_id)?)
            .collect()
    }
}
