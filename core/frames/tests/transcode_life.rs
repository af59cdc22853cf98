//! What becomes of a transcode that is killed, cancelled or held up, and of what it left behind.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Bench, mp4, shown};
use transect_frame_client::{
    Options, Output, Progress, TranscodeRequest, VideoCodec, WorkerError, Workers,
};

const FRAMES: usize = 200;
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that takes some seconds: two streams of a clip, each shared by so many encoders.
async fn long_request(bench: &Bench, frames: usize, encoders: u32) -> TranscodeRequest {
    let source = bench.clip(
        "long.mp4",
        frames,
        "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30 -bf 2 -vf scale=640:352",
    );
    let index_file = bench.path("long.index");
    bench.workers.index(&source, &index_file).await.unwrap();
    let stream = |name: &str, height, gop| Output::Stream {
        file: bench.path(name),
        codec: VideoCodec::H264,
        height,
        crf: 20,
        preset: "veryslow".into(),
        tune: None,
        pixel_format: "yuv420p".into(),
        gop,
        fragmented: true,
    };
    TranscodeRequest {
        source,
        index_file,
        ranges: Vec::new(),
        more: Vec::new(),
        outputs: vec![
            stream("large.mp4", None, 25),
            stream("small.mp4", Some(176), 10),
        ],
        encoders,
    }
}

/// Process ids of the transcodes that this program has started and that hold a file of the folder open.
fn solo_ids(folder: &Path) -> Vec<u32> {
    let output = Command::new("pgrep")
        .args(["-P", &std::process::id().to_string(), "-f", "--", "--nice"])
        .output()
        .unwrap();
    let holds = |id: &u32| {
        let files = std::fs::read_dir(format!("/proc/{id}/fd"))
            .into_iter()
            .flatten();
        let mut targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        targets.any(|target| target.starts_with(folder))
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let ids = text.lines().map(|line| line.parse().unwrap());
    ids.filter(holds).collect()
}

fn signal(name: &str, folder: &Path) {
    for id in solo_ids(folder) {
        let status = Command::new("kill").args([name, &id.to_string()]).status();
        assert!(status.unwrap().success());
    }
}

fn whole_fragments(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap_or_default();
    let mut at = 0;
    let mut frames = 0;
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if at + size > bytes.len() {
            break;
        }
        if &bytes[at + 4..at + 8] == b"moof" {
            frames += mp4::moof(&bytes[at + 8..at + size]).samples;
        }
        at += size;
    }
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_transcode_goes_on_where_it_was() {
    kill_and_go_on(FRAMES, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn killed_encoders_go_on_where_they_were() {
    // Each has a look-ahead of its own to fill before its first group comes out.
    kill_and_go_on(2 * FRAMES, 3).await;
}

async fn kill_and_go_on(frames: usize, encoders: u32) {
    let bench = Bench::new();
    let request = long_request(&bench, frames, encoders).await;
    let (large, small) = (bench.path("large.mp4"), bench.path("small.mp4"));
    let half_way = |progress: Progress| {
        assert_eq!(progress.frames_total, frames as u64);
        if whole_fragments(&large) >= 75 {
            signal("-KILL", bench.folder.path());
        }
    };
    let killed = bench.workers.transcode(request.clone(), half_way).await;
    assert!(
        matches!(&killed, Err(WorkerError::Crashed { message }) if message.contains("signal: 9")),
        "{killed:?}"
    );
    let kept = whole_fragments(&large);
    assert!((75..frames as u64).contains(&kept), "{kept}");
    // As if it had been killed in the middle of writing.
    let beginning = std::fs::read(&large).unwrap();
    let mut torn = beginning.clone();
    torn.extend_from_slice(&[0, 0, 40, 0, b'm', b'o', b'o', b'f', 1, 2, 3]);
    std::fs::write(&large, torn).unwrap();

    let mut first = None;
    let produced = bench
        .workers
        .transcode(request.clone(), |progress| {
            if progress.frames_done > 0 {
                first.get_or_insert(progress.frames_done);
            }
        })
        .await
        .unwrap();
    assert!(
        first.unwrap() >= kept.min(whole_fragments(&small)) / 2,
        "{first:?}"
    );
    let finished = std::fs::read(&large).unwrap();
    let whole_bytes = kept_bytes(&beginning);
    assert_eq!(
        finished[..whole_bytes],
        beginning[..whole_bytes],
        "it was begun anew"
    );
    for (one, gop) in produced.iter().zip([25, 10]) {
        assert_eq!(shown(&one.file), (0..frames).collect::<Vec<_>>());
        let mut end = 0;
        let moofs = mp4::file(&one.file)
            .into_iter()
            .filter(|part| part.name == "moof");
        for (at, part) in moofs.enumerate() {
            let moof = mp4::moof(&part.content);
            assert_eq!((moof.number, moof.time), (at as u32 + 1, end));
            assert_eq!(moof.samples, gop);
            end += moof.duration;
        }
        assert_eq!(
            one.segments.as_ref().unwrap().segments.last().unwrap().name,
            "mfra"
        );
    }
    // Once more: everything is there.
    let again = bench
        .workers
        .transcode(request.clone(), |_| {})
        .await
        .unwrap();
    assert_eq!(again, produced);
    assert_eq!(std::fs::read(&large).unwrap(), finished);
    // Other settings make another file, from the beginning.
    let mut other = request;
    if let Output::Stream { preset, crf, .. } = &mut other.outputs[0] {
        (*preset, *crf) = ("ultrafast".into(), 51);
    }
    let made = bench.workers.transcode(other, |_| {}).await.unwrap();
    assert!(made[0].size_bytes < produced[0].size_bytes);
    assert_eq!(shown(&made[0].file), (0..frames).collect::<Vec<_>>());
}

/// Bytes up to the end of the last whole fragment.
fn kept_bytes(bytes: &[u8]) -> usize {
    let (mut at, mut kept) = (0, 0);
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if at + size > bytes.len() {
            break;
        }
        at += size;
        if &bytes[at - size + 4..at - size + 8] == b"mdat" {
            kept = at;
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dropping_it_kills_it_at_once() {
    let bench = Bench::new();
    let request = long_request(&bench, FRAMES, 0).await;
    let (sender, mut begun) = tokio::sync::mpsc::channel(1);
    let folder = bench.folder.path().to_owned();
    let transcode = bench.workers.transcode(request, move |progress| {
        if progress.frames_done > 10 {
            let _ = sender.try_send(solo_ids(&folder));
        }
    });
    let ids = tokio::select! {
        done = transcode => panic!("{done:?}"),
        ids = begun.recv() => ids.unwrap(),
    };
    assert_eq!(ids.len(), 1);
    let began = Instant::now();
    // Not even a zombie is left.
    while Path::new(&format!("/proc/{}", ids[0])).exists() {
        assert!(began.elapsed() < Duration::from_secs(2));
        tokio::task::yield_now().await;
    }
    assert!(bench.workers.process_ids().iter().all(|id| *id != ids[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_standing_still_is_a_time_out() {
    let bench = Bench::new();
    let request = long_request(&bench, FRAMES, 0).await;
    let workers = Workers::new(Options {
        binary: env!("CARGO_BIN_EXE_transect-frames").into(),
        processes: 1,
        cache_bytes: 1 << 20,
        request_timeout: PATIENCE,
        readable: Vec::new(),
    });
    let mut stopped_at = None;
    let held_up = workers.transcode(request, |progress| {
        if progress.frames_done > 10 && stopped_at.is_none() {
            signal("-STOP", bench.folder.path());
            stopped_at = Some(Instant::now());
        }
    });
    assert_eq!(held_up.await, Err(WorkerError::Timeout));
    let waited = stopped_at.unwrap().elapsed();
    assert!(waited >= PATIENCE, "{waited:?}");
}
