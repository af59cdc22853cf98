//! Measures frame access through the client and real workers, for comparison with other readers.
//!
//! `frame_bench CLIP [WORKER]` prints one line of JSON: processor milliseconds per JPEG (this program and its worker
//! together), and the median milliseconds of wall time per JPEG, for random frames, steps of one forwards and backwards,
//! and looks at most 15 frames away from an anchor, each beginning with cold caches.
//! WORKER defaults to the `transect-frames` beside this program's folder.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use transect_frame_client::{Options, PictureRequest, Workers};

const ANCHORS: u64 = 8;
const LOOKS: u64 = 20;
const RANDOM: usize = 160;

#[tokio::main]
async fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let Some(clip) = arguments.first() else {
        eprintln!("usage: frame_bench CLIP [WORKER]");
        std::process::exit(2);
    };
    let beside = || {
        std::env::current_exe()
            .ok()
            .and_then(|path| Some(path.parent()?.parent()?.join("transect-frames")))
    };
    let binary = arguments
        .get(1)
        .cloned()
        .or_else(beside)
        .expect("the program has a path");
    let options = Options {
        binary,
        processes: 1,
        cache_bytes: 512 << 20,
        request_timeout: Duration::from_secs(60),
        readable: Vec::new(),
    };
    let workers = Workers::new(options.clone());
    let index_file = std::env::temp_dir().join(format!("frame_bench.{}.index", std::process::id()));
    let began = Instant::now();
    let index = workers
        .index(clip, &index_file)
        .await
        .expect("the clip can be indexed");
    let index_ms = began.elapsed().as_secs_f64() * 1000.0;
    let count = index.frame_count() as u64;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let random: Vec<u64> = (0..RANDOM).map(|_| dice.below(count)).collect();
    let anchors: Vec<u64> = (0..ANCHORS)
        .map(|_| LOOKS + 15 + dice.below(count - 2 * (LOOKS + 15)))
        .collect();
    let runs = |step: &mut dyn FnMut(u64, u64) -> u64| -> Vec<u64> {
        anchors
            .iter()
            .flat_map(|&anchor| (0..LOOKS).map(move |look| (anchor, look)))
            .map(|(anchor, look)| step(anchor, look))
            .collect()
    };
    let forward = runs(&mut |anchor, look| anchor + look);
    let back = runs(&mut |anchor, look| anchor - look);
    let near = runs(&mut |anchor, _| anchor - 15 + dice.below(31));
    let bench = Bench {
        options,
        clip,
        index_file: &index_file,
    };
    let random = bench.run(&random).await;
    let (forward, back, near) = (
        bench.run(&forward).await,
        bench.run(&back).await,
        bench.run(&near).await,
    );
    let figures = serde_json::json!({
        "frames": count,
        "index_ms": index_ms,
        "random_cpu_ms": random.cpu_ms, "random_p50_ms": random.p50_ms,
        "step1_cpu_ms": forward.cpu_ms, "step1_p50_ms": forward.p50_ms, "step1_p95_ms": forward.p95_ms,
        "back_cpu_ms": back.cpu_ms, "back_p50_ms": back.p50_ms, "back_p95_ms": back.p95_ms,
        "step15_cpu_ms": near.cpu_ms, "step15_p50_ms": near.p50_ms, "step15_p95_ms": near.p95_ms,
    });
    println!("{figures}");
    let _ = std::fs::remove_file(&index_file);
}

struct Bench<'a> {
    options: Options,
    clip: &'a Path,
    index_file: &'a Path,
}

struct Figures {
    cpu_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
}

impl Bench<'_> {
    /// Measures with a worker of its own, so that nothing is left over from the frames before.
    async fn run(&self, frames: &[u64]) -> Figures {
        let workers = Workers::new(self.options.clone());
        let first = PictureRequest::jpg(self.clip, self.index_file, 0);
        workers.picture(first).await.expect("the frame decodes");
        let before = cpu_ms(&workers);
        let mut walls = Vec::new();
        for &frame in frames {
            let began = Instant::now();
            let request = PictureRequest::jpg(self.clip, self.index_file, frame);
            workers.picture(request).await.expect("the frame decodes");
            walls.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        let cpu_ms = (cpu_ms(&workers) - before) / frames.len() as f64;
        walls.sort_by(f64::total_cmp);
        Figures {
            cpu_ms,
            p50_ms: walls[walls.len() / 2],
            p95_ms: walls[walls.len() * 95 / 100],
        }
    }
}

/// Processor time of this program and its workers.
fn cpu_ms(workers: &Workers) -> f64 {
    let ids = workers.process_ids().into_iter().map(|id| id.to_string());
    ids.chain(["self".to_owned()])
        .map(|id| process_cpu_ms(&id))
        .sum()
}

/// User and system time from `/proc`, which counts in hundredths of a second.
fn process_cpu_ms(id: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) * 10.0
}

/// The same sequence in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
