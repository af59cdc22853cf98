//! The index of a file is the same from its sample tables as from a scan, and a second look finds what is wrong.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{Bench, corpus, number_in};
use transect_frame_client::{Flags, FrameIndex, PictureRequest, Proof, Tables};

const X264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30 -bf 2";
/// Not taken from tables: what a scan finds damaged, and what libav cuts to pieces by looking at it.
const SCANNED: [&str; 1] = ["truncated_mp4"];

async fn prove(bench: &Bench, path: &Path) -> (FrameIndex, Proof) {
    let index_file = path.with_extension("index");
    let index = bench.workers.index(path, &index_file).await.unwrap();
    let proof = bench.workers.prove(path, &index_file).await.unwrap();
    (index, proof)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_clip_proves_its_index() {
    let bench = Bench::new();
    let mut wrong = Vec::new();
    for clip in corpus::clips(bench.folder.path(), 90) {
        let (index, proof) = prove(&bench, &clip.path).await;
        // What follows a cut decodes to something or nothing, as the decoder likes.
        if proof.mismatch_count > 0 && !clip.damaged {
            wrong.push(format!("{}: {:?}", clip.name, proof.mismatches));
        }
        let video = clip.kind == "video";
        let ending = clip.path.extension().unwrap().to_string_lossy();
        let tables =
            video && matches!(&*ending, "mp4" | "mov") && !SCANNED.contains(&clip.name.as_str());
        if proof.unlisted > 0 {
            wrong.push(format!("{}: {} unlisted", clip.name, proof.unlisted));
        }
        if index.provenance.contains("sample tables") != tables {
            wrong.push(format!("{}: {}", clip.name, index.provenance));
        }
        let exact = ["h264", "hevc", "vp8", "vp9", "av1"].contains(&index.codec.as_str());
        if exact && (proof.hashes == 0 || proof.random_access == 0) {
            wrong.push(format!("{}: {proof:?}", clip.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hundred_gigabytes_are_indexed_by_their_tables() {
    let bench = Bench::new();
    let small = bench.clip("small.mp4", 300, X264);
    let huge = bench.path("huge.mp4");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/huge.py");
    let made = Command::new("python3")
        .args([script.as_path(), &small, &huge])
        .arg((100_u64 << 30).to_string())
        .status();
    assert!(made.unwrap().success());
    let (index, proof) = prove(&bench, &huge).await;
    let (other, _) = prove(&bench, &small).await;
    assert!(index.provenance.contains("sample tables"));
    assert_eq!((proof.mismatches, proof.frames), (Vec::new(), 300));
    assert_eq!(
        (index.frames().collect::<Vec<_>>(), &index.checks),
        (other.frames().collect::<Vec<_>>(), &other.checks)
    );
    assert!(index.packets().last().unwrap().position > 99 << 30);
    for frame in [0, 149, 150, 299] {
        let request = PictureRequest::jpg(&huge, huge.with_extension("index"), frame);
        let picture = bench.workers.picture(request).await.unwrap();
        assert_eq!(number_in(&picture.bytes), Some(frame as usize));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lying_index_is_found_out() {
    let bench = Bench::new();
    let path = bench.clip("a.mp4", 60, X264);
    let index_file = path.with_extension("index");
    let (index, proof) = prove(&bench, &path).await;
    assert_eq!((proof.mismatch_count, proof.key_frames), (0, 2));
    let mut other = index.clone();
    let packets: Vec<_> = other.packets().collect();
    let mut frames: Vec<_> = other.frames().collect();
    frames.swap(10, 11);
    other.tables = Tables::new(&packets, &frames);
    other.write(&index_file).unwrap();
    let proof = bench.workers.prove(&path, &index_file).await.unwrap();
    assert_ne!(proof.mismatch_count, 0);
    let mut other = index.clone();
    other.checks[0].luma = "0123456789abcdef".into();
    other.write(&index_file).unwrap();
    let proof = bench.workers.prove(&path, &index_file).await.unwrap();
    assert_eq!(
        proof.mismatches,
        ["frame 0 is not the picture of the index"]
    );
}

/// Marks every packet as random access that nobody has looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn claims_of_the_container_are_looked_at_before_they_are_used() {
    let bench = Bench::new();
    let path = bench.clip("a.mp4", 90, X264);
    let index_file = path.with_extension("index");
    let mut index = bench.workers.index(&path, &index_file).await.unwrap();
    index.tables.remark(|_, flags| Flags(flags.0 | 1 | 64));
    index.write(&index_file).unwrap();
    for frame in [80, 31, 59, 60, 7] {
        let request = PictureRequest::jpg(&path, &index_file, frame);
        let picture = bench.workers.picture(request).await.unwrap();
        assert_eq!(number_in(&picture.bytes), Some(frame as usize));
        let coded = bench.workers.packets(&path, &index_file, frame, frame);
        assert_eq!(coded.await.unwrap().packets[0].frame % 30, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_container_claims_is_looked_at_bit_by_bit() {
    let bench = Bench::new();
    let path = bench.clip("a.mp4", 90, X264);
    let index_file = path.with_extension("index");
    let honest = bench.workers.index(&path, &index_file).await.unwrap();
    let mut index = honest.clone();
    index.tables.remark(|_, flags| Flags(flags.0 | 1 | 64));
    index.write(&index_file).unwrap();
    let inspect = |budget| {
        let inspected = bench.workers.inspect(&path, &index_file, budget);
        async { inspected.await.unwrap() }
    };
    let first = inspect(Duration::ZERO).await;
    assert_eq!((first.looked_at, first.left), (1, 89));
    let second = inspect(Duration::ZERO).await;
    assert_eq!((second.looked_at, second.left), (1, 88));
    let rest = inspect(Duration::from_secs(10)).await;
    assert_eq!((rest.looked_at, rest.left), (88, 0));
    assert_eq!(first.refuted + second.refuted + rest.refuted, 87);
    assert_eq!(inspect(Duration::ZERO).await.looked_at, 0);
    let found = FrameIndex::read(&index_file).unwrap();
    assert_eq!(found, honest);
    std::fs::write(&path, b"another file").unwrap();
    index.write(&index_file).unwrap();
    let changed = bench.workers.inspect(&path, &index_file, Duration::ZERO);
    assert!(changed.await.unwrap_err().to_string().contains("changed"));
    assert_eq!(FrameIndex::read(&index_file).unwrap(), index);
}
