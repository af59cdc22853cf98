//! Graphs against comparing every vector: by themselves, and on a real database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::ThreadPoolBuilder;
use serde_json::{Value as Json, json};

use super::{Graph, Metric};
use crate::search::indexer;
use crate::testing::Station;

const SIZE: usize = 64;
/// Without optimisation the graph of sixty thousand takes minutes.
const MANY: usize = if cfg!(debug_assertions) {
    12_000
} else {
    60_000
};

/// Vectors around some centres, as those of pictures are.
fn vectors(count: usize, dice: &mut StdRng) -> Vec<Vec<f32>> {
    let mut one = |spread: f32, around: &[f32]| -> Vec<f32> {
        let mut vector = around.to_vec();
        for x in &mut vector {
            *x += spread * (dice.random::<f32>() + dice.random::<f32>() - 1.0);
        }
        vector
    };
    let centres: Vec<Vec<f32>> = (0..300).map(|_| one(4.0, &[0.0; SIZE])).collect();
    (0..count).map(|n| one(1.0, &centres[n % 300])).collect()
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    let (mut squares, mut inner, mut left, mut right) = (0.0, 0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        squares += (x - y) * (x - y);
        inner += x * y;
        left += x * x;
        right += y * y;
    }
    match metric {
        Metric::L2 => squares,
        Metric::Cosine => 1.0 - inner / (left * right).sqrt(),
        Metric::InnerProduct => -inner,
    }
}

fn truly_near(metric: Metric, vectors: &[Vec<f32>], center: &[f32], count: usize) -> Vec<i64> {
    let found = vectors.iter().enumerate();
    let mut found: Vec<(f32, i64)> = found
        .map(|(row, vector)| (distance(metric, vector, center), row as i64))
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().take(count).map(|(_, row)| row).collect()
}

/// How many of the ten nearest a graph finds, over some questions.
fn recall(metric: Metric, count: usize) -> f64 {
    let mut dice = StdRng::seed_from_u64(7);
    let vectors = vectors(count, &mut dice);
    let pool = ThreadPoolBuilder::new().build().unwrap();
    let rows = vectors.iter().cloned().enumerate();
    let rows = rows.map(|(row, vector)| (row as i64, vector)).collect();
    let graph = Graph::build(metric, SIZE, 0, rows, &pool);
    assert_eq!(graph.points(), count);
    let (mut hits, questions) = (0, 30);
    for _ in 0..questions {
        let mut center = vectors[dice.random_range(0..count)].clone();
        for x in &mut center {
            *x += dice.random::<f32>() - 0.5;
        }
        let truth = truly_near(metric, &vectors, &center, 10);
        let center: Vec<f64> = center.iter().map(|x| f64::from(*x)).collect();
        let near = graph.near(&center, 64);
        hits += truth.iter().filter(|row| near.contains(row)).count();
    }
    hits as f64 / f64::from(questions * 10)
}

#[test]
fn the_nearest_of_many_are_found() {
    let recall = recall(Metric::L2, MANY);
    assert!(recall >= 0.95, "{recall}");
}

#[test]
fn the_nearest_by_angle_and_by_product_are_found() {
    for metric in [Metric::Cosine, Metric::InnerProduct] {
        let recall = recall(metric, 4_000);
        assert!(recall >= 0.95, "{metric:?}: {recall}");
    }
}

#[test]
fn vectors_that_no_metric_knows_are_left_out() {
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let rows = vec![
        (1, vec![1.0, 0.0]),
        (2, vec![0.0, 0.0]),
        (3, vec![f32::NAN, 0.0]),
        (4, vec![1.0]),
    ];
    let graph = Graph::build(Metric::Cosine, 2, 0, rows, &pool);
    assert_eq!(graph.near(&[2.0, 0.1], 10), [1]);
    assert!(graph.near(&[0.0, 0.0], 10).is_empty());
    let product = Graph::build(Metric::InnerProduct, 1, 0, vec![(1, vec![2.0])], &pool);
    assert!(!product.is_outgrown(&[(2, vec![2.5])]));
    assert!(product.is_outgrown(&[(2, vec![4.0])]));
}

struct Ground {
    station: Station,
    type_id: i64,
    leaves: Vec<i64>,
}

const COUNT: usize = 300;

impl Ground {
    /// A leaf type with a vector attribute, and more leaves than are compared one by one.
    async fn prepare(vectors: &[Vec<f32>]) -> Self {
        let station = Station::start_with(&[("search.exact_vectors", "200".into())]).await;
        let spec = json!({"name": "embedding", "attribute_types": [
            {"name": "Vector", "dtype": "float_array", "size": SIZE},
            {"name": "Rare", "dtype": "bool"}]});
        let (status, made) = station
            .rest("POST", "/rest/LeafTypes/{project}", spec)
            .await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let type_id = made["id"].as_i64().unwrap();
        let leaf = |(n, vector): (usize, &Vec<f32>)| {
            json!({"name": n.to_string(), "type": type_id, "parent": null,
                   "attributes": {"Vector": vector, "Rare": n % 100 == 0}})
        };
        let leaves: Vec<Json> = vectors.iter().enumerate().map(leaf).collect();
        let (status, made) = station
            .rest("POST", "/rest/Leaves/{project}", leaves.into())
            .await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let leaves = made["id"].as_array().unwrap().iter();
        Self {
            leaves: leaves.map(|id| id.as_i64().unwrap()).collect(),
            station,
            type_id,
        }
    }

    /// The nearest, by the graph if there is one; of all vectors if they are `bounded`.
    async fn near(&self, center: &[f32], metric: &str, bounded: bool, more: &str) -> Vec<i64> {
        let mut query = json!({"name": "Vector", "center": center, "metric": metric});
        if bounded {
            query["upper_bound"] = json!(1e30);
        }
        let path = format!("/rest/Leaves/{{project}}?type={}{more}", self.type_id);
        let body = json!({"float_array": [query]});
        let (status, rows) = self.station.rest("PUT", &path, body).await;
        assert_eq!(status, StatusCode::OK, "{rows}");
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["id"].as_i64().unwrap()).collect()
    }

    /// Waits until there are so many graphs.
    async fn gathered(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while super::lock(&self.station.cx.search.vectors.kept).len() < count {
            assert!(Instant::now() < until, "the graph was not made");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn graphs_answer_as_comparing_every_vector_does() {
    let vectors = vectors(COUNT, &mut StdRng::seed_from_u64(7));
    let ground = Ground::prepare(&vectors).await;
    let indexing = tokio::spawn(indexer::run(Arc::clone(&ground.station.cx)));
    for (number, metric) in ["l2norm", "cosine", "ip"].into_iter().enumerate() {
        // The first question is answered one by one, and has the graph made.
        let first = ground.near(&vectors[5], metric, false, "&stop=10").await;
        ground.gathered(number + 1).await;
        assert_eq!(
            ground.near(&vectors[5], metric, false, "&stop=10").await,
            first
        );
        assert_eq!(
            ground.near(&vectors[5], metric, true, "&stop=10").await,
            first
        );
        assert_eq!(
            ground
                .near(&vectors[5], metric, false, "&start=4&stop=7")
                .await,
            first[4..7]
        );
        assert_eq!(
            ground.near(&vectors[5], metric, false, "").await.len(),
            COUNT
        );
    }
    follows_changes(&ground, &vectors).await;
    indexing.abort();
}

/// New, changed and deleted rows count at once; a filter that few pass is compared one by one.
async fn follows_changes(ground: &Ground, vectors: &[Vec<f32>]) {
    let station = &ground.station;
    let far = vec![50.0; SIZE];
    let near = async |center: &[f32]| ground.near(center, "l2norm", false, "&stop=10").await;
    let body = json!([{"name": "new", "type": ground.type_id, "parent": null, "attributes": {"Vector": far}}]);
    let (status, made) = station.rest("POST", "/rest/Leaves/{project}", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let new = made["id"][0].as_i64().unwrap();
    assert_eq!(near(&far).await[0], new);
    let moved = ground.leaves[5];
    assert_eq!(near(&vectors[5]).await[0], moved);
    let change = json!({"attributes": {"Vector": far}});
    let (status, answer) = station
        .rest("PATCH", &format!("/rest/Leaf/{moved}"), change)
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(!near(&vectors[5]).await.contains(&moved));
    let both = near(&far).await;
    assert!(
        both[..2].contains(&moved) && both[..2].contains(&new),
        "{both:?}"
    );
    let (status, _) = station
        .rest("DELETE", &format!("/rest/Leaf/{new}"), Json::Null)
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(near(&far).await[0], moved);
    let rare = "&stop=3&attribute=Rare::true";
    let few = ground.near(&vectors[5], "l2norm", false, rare).await;
    assert_eq!(few, ground.near(&vectors[5], "l2norm", true, rare).await);
    assert_eq!(few.len(), 3);
}
