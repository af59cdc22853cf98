//! Broken files and dead workers cost their own request and nothing else.

mod support;

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::task::Poll;
use std::time::{Duration, Instant};

use support::{Bench, number_in};
use transect_frame_client::{FrameIndex, Options, PictureRequest, WorkerError, Workers};

const X264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 30 -bf 2";

fn signal(name: &str, ids: &[u32]) {
    for id in ids {
        assert!(
            Command::new("kill")
                .arg(name)
                .arg(id.to_string())
                .status()
                .unwrap()
                .success()
        );
    }
}

fn one_worker(request_timeout: Duration) -> Workers {
    let binary = env!("CARGO_BIN_EXE_transect-frames").into();
    Workers::new(Options {
        binary,
        processes: 1,
        cache_bytes: 1 << 20,
        request_timeout,
        readable: Vec::new(),
    })
}

/// Kills the workers while one of them has a request that it cannot answer, because it was stopped before.
async fn kill_in_mid_request(workers: &Workers, path: &Path, index_file: &Path) {
    let ids = workers.process_ids();
    signal("-STOP", &ids);
    let mut held = pin!(workers.picture(PictureRequest::jpg(path, index_file, 7)));
    begin(&mut held).await;
    signal("-KILL", &ids);
    assert!(matches!(held.await, Err(WorkerError::Crashed { .. })));
    assert!(workers.process_ids().is_empty());
}

/// Lets a request reach the pool without waiting for its answer.
async fn begin<F: Future>(request: &mut std::pin::Pin<&mut F>) {
    std::future::poll_fn(|context| {
        assert!(
            request.as_mut().poll(context).is_pending(),
            "the worker stands still"
        );
        Poll::Ready(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_worker_is_replaced_and_its_killer_shut_out() {
    let bench = Bench::new();
    let path = bench.clip("a.mp4", 60, X264);
    let other = bench.clip("other.mp4", 10, X264);
    let index_file = bench.path("a.index");
    let workers = one_worker(Duration::from_secs(20));
    workers.index(&path, &index_file).await.unwrap();
    kill_in_mid_request(&workers, &path, &index_file).await;
    let picture = workers
        .picture(PictureRequest::jpg(&path, &index_file, 8))
        .await
        .unwrap();
    assert_eq!(number_in(&picture.bytes), Some(8));
    // That success forgives the first time. Now twice in a row; in between, another source has the worker started anew.
    kill_in_mid_request(&workers, &path, &index_file).await;
    workers
        .index(&other, &bench.path("other.index"))
        .await
        .unwrap();
    kill_in_mid_request(&workers, &path, &index_file).await;
    let refused = workers
        .picture(PictureRequest::jpg(&path, &index_file, 7))
        .await;
    assert!(
        matches!(refused, Err(WorkerError::Quarantined { .. })),
        "{refused:?}"
    );
    let longer = bench.clip("longer.mp4", 61, X264);
    std::fs::rename(&longer, &path).unwrap();
    assert_eq!(
        workers
            .index(&path, &index_file)
            .await
            .unwrap()
            .frame_count(),
        61
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hung_worker_is_given_up() {
    let bench = Bench::new();
    let path = bench.clip("a.mp4", 30, X264);
    let index_file = bench.path("a.index");
    let workers = one_worker(Duration::from_secs(5));
    workers.index(&path, &index_file).await.unwrap();
    signal("-STOP", &workers.process_ids());
    let first = workers.picture(PictureRequest::jpg(&path, &index_file, 1));
    let second = workers.picture(PictureRequest::jpg(&path, &index_file, 2));
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first, Err(WorkerError::Timeout));
    assert!(
        matches!(second, Err(WorkerError::Crashed { .. })),
        "{second:?}"
    );
    assert!(
        workers
            .picture(PictureRequest::jpg(&path, &index_file, 2))
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dropped_requests_leave_the_worker_in_order() {
    let bench = Bench::new();
    let path = bench.clip("a.mp4", 90, X264);
    let index_file = bench.path("a.index");
    bench.workers.index(&path, &index_file).await.unwrap();
    let ids = bench.workers.process_ids();
    for frame in 0..200 {
        let mut dropped = pin!(bench.workers.picture(PictureRequest::jpg(
            &path,
            &index_file,
            frame % 90
        )));
        std::future::poll_fn(|context| Poll::Ready(dropped.as_mut().poll(context).is_ready()))
            .await;
    }
    let picture = bench
        .workers
        .picture(PictureRequest::jpg(&path, &index_file, 77))
        .await
        .unwrap();
    assert_eq!(
        (number_in(&picture.bytes), bench.workers.process_ids()),
        (Some(77), ids)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_worker_reaches_nothing_but_its_files() {
    let binary = Path::new(env!("CARGO_BIN_EXE_transect-frames"));
    let sandbox = transect_frame_client::sandbox(binary).await.unwrap();
    assert!(sandbox.holds(), "{sandbox:?}");
    // Sources from several folders, one of them by a link.
    let bench = Bench::new();
    let workers = one_worker(Duration::from_secs(20));
    let clip = bench.clip("a.mp4", 20, X264);
    for folder in ["one", "two", "links"] {
        std::fs::create_dir(bench.path(folder)).unwrap();
    }
    std::fs::copy(&clip, bench.path("one/a.mp4")).unwrap();
    std::fs::rename(&clip, bench.path("two/b.mp4")).unwrap();
    std::os::unix::fs::symlink(bench.path("two/b.mp4"), bench.path("links/c.mp4")).unwrap();
    for name in ["one/a.mp4", "links/c.mp4", "two/b.mp4"] {
        let (path, index_file) = (bench.path(name), bench.path("links/index"));
        let index = workers.index(&path, &index_file).await.unwrap();
        assert_eq!(index.frame_count(), 20);
        let request = PictureRequest::jpg(&path, &index_file, 11);
        let picture = workers.picture(request).await.unwrap();
        assert_eq!(number_in(&picture.bytes), Some(11));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn workers_that_do_nothing_but_die_are_started_ever_more_slowly() {
    let bench = Bench::new();
    let path = bench.clip("a.mp4", 5, X264);
    let workers = Workers::new(Options {
        binary: "/bin/false".into(),
        processes: 1,
        cache_bytes: 1 << 20,
        request_timeout: Duration::from_secs(5),
        readable: Vec::new(),
    });
    let mut waits = 0;
    for at in 0..12 {
        // Each is another source, so that none of them is to blame.
        let other = bench.path(&format!("{at}.mp4"));
        std::fs::copy(&path, &other).unwrap();
        match workers.index(&other, &bench.path("x.index")).await {
            Err(WorkerError::Crashed { message }) if message.contains("in a row") => waits += 1,
            Err(WorkerError::Crashed { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(waits >= 6, "{waits} of 12 had to wait");
}

#[test]
fn a_worker_ends_when_its_input_does() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_transect-frames"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tables_that_claim_more_than_there_is_cost_nothing() {
    let bench = Bench::new();
    let clip = bench.clip(
        "whole.mp4",
        60,
        "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 0",
    );
    let whole = std::fs::read(&clip).unwrap();
    let at = |name: &[u8]| whole.windows(4).position(|part| part == name).unwrap();
    let (stsz, stts, stsc) = (at(b"stsz"), at(b"stts"), at(b"stsc"));
    bench
        .workers
        .index(&clip, &bench.path("whole.index"))
        .await
        .unwrap();
    let ids = bench.workers.process_ids();
    for count in [1_u32 << 20, 150_000_000, u32::MAX] {
        // So many samples of a byte each, in one chunk.
        let mut claim = whole.clone();
        let mut put = |place: usize, value: u32| {
            claim[place..place + 4].copy_from_slice(&value.to_be_bytes())
        };
        put(stsz + 8, 1);
        put(stsz + 12, count);
        put(stts + 12, count);
        put(stsc + 16, count);
        let path = bench.path(&format!("claims-{count}.mp4"));
        std::fs::write(&path, claim).unwrap();
        let began = Instant::now();
        let answer = bench.workers.index(&path, &bench.path("x.index")).await;
        assert!(
            matches!(&answer, Err(WorkerError::Unreadable { .. })),
            "{count}: {answer:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(10), "{count}");
    }
    // Another one may have been started beside it.
    let alive = bench.workers.process_ids();
    assert!(ids.iter().all(|id| alive.contains(id)), "{ids:?} {alive:?}");
    for id in alive {
        let peak = peak_kb(id);
        assert!(peak < 500_000, "{peak} kB");
    }
}

/// The most memory that a process has had so far, in kB.
fn peak_kb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    peak.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn unreadable_files_say_so() {
    let bench = Bench::new();
    let clip = bench.clip("whole.mp4", 60, X264);
    let headless = bench.cut(&clip, 0.0, 0.5, "no-moov.mp4");
    let noise: Vec<u8> = support::shuffled(256, 100_000)
        .into_iter()
        .map(|byte| byte as u8)
        .collect();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(bench.path(name), bytes).unwrap();
        bench.path(name)
    };
    let list = format!("#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", clip.display());
    let concat = format!("ffconcat version 1.0\nfile '{}'\n", clip.display());
    let address = "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n";
    let sound = bench.clip_with("sound.wav", "-f lavfi -i sine", "-t 1");
    for path in [
        headless,
        sound,
        write("noise.mp4", &noise),
        write("empty.mp4", b""),
        write("text.mkv", b"not a video at all"),
        write("list.m3u8", list.as_bytes()),
        write("list.ts", list.as_bytes()),
        write("address.m3u8", address.as_bytes()),
        write("concat.ffconcat", concat.as_bytes()),
        write("concat.mp4", concat.as_bytes()),
        bench.path("missing.mp4"),
        bench.folder.path().to_owned(),
    ] {
        let answer = bench.workers.index(&path, &bench.path("x.index")).await;
        let Err(WorkerError::Unreadable { message }) = answer else {
            panic!("{}: {answer:?}", path.display())
        };
        assert!(message.contains(&*path.to_string_lossy()), "{message}");
    }
    let index_file = bench.path("whole.index");
    let missing = bench
        .workers
        .picture(PictureRequest::jpg(&clip, &index_file, 0))
        .await;
    assert!(
        matches!(missing, Err(WorkerError::Unreadable { .. })),
        "{missing:?}"
    );
    bench.workers.index(&clip, &index_file).await.unwrap();
    let beyond = bench
        .workers
        .picture(PictureRequest::jpg(&clip, &index_file, 60))
        .await;
    assert_eq!(
        beyond,
        Err(WorkerError::OutOfRange {
            frame: 60,
            count: 60
        })
    );
    let other = bench.clip("other.mp4", 50, X264);
    std::fs::copy(&other, &clip).unwrap();
    let changed = bench
        .workers
        .picture(PictureRequest::jpg(&clip, &index_file, 0))
        .await;
    assert!(
        matches!(changed, Err(WorkerError::Unreadable { .. })),
        "{changed:?}"
    );
    assert_eq!(
        bench
            .workers
            .index(&clip, &index_file)
            .await
            .unwrap()
            .frame_count(),
        50
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damaged_bytes_never_take_the_worker_down() {
    let bench = Bench::new();
    let clips = [
        bench.clip("a.mp4", 60, &format!("{X264} -movflags +faststart")),
        bench.clip("a.ts", 60, X264),
        bench.clip("a.mkv", 60, X264),
        bench.clip(
            "a.webm",
            40,
            "-c:v libvpx-vp9 -pix_fmt yuv420p -deadline realtime -cpu-used 8 -b:v 300k",
        ),
        bench.clip("a.avi", 60, "-c:v mpeg4 -bf 2 -q:v 3"),
    ];
    for clip in &clips {
        let bytes = std::fs::read(clip).unwrap();
        let name = clip.file_name().unwrap().to_string_lossy().into_owned();
        for round in 0..4 {
            let mut broken = bytes.clone();
            for at in support::shuffled(bytes.len(), 60 * (round + 1))
                .into_iter()
                .skip(round * 60)
            {
                broken[at] ^= 0x55;
            }
            let path = bench.path(&format!("{round}.{name}"));
            std::fs::write(&path, broken).unwrap();
            let index_file = path.with_extension("index");
            match bench.workers.index(&path, &index_file).await {
                Ok(index) => look(&bench, &path, &index_file, &index).await,
                Err(error) => assert!(
                    matches!(error, WorkerError::Unreadable { .. }),
                    "{name}: {error:?}"
                ),
            }
        }
    }
}

async fn look(
    bench: &Bench,
    path: &std::path::Path,
    index_file: &std::path::Path,
    index: &FrameIndex,
) {
    for frame in (0..index.frame_count() as u64).step_by(7) {
        let answer = bench
            .workers
            .picture(PictureRequest::jpg(path, index_file, frame))
            .await;
        let told = matches!(answer, Ok(_) | Err(WorkerError::Unreadable { .. }));
        assert!(told, "{} {frame}: {answer:?}", path.display());
    }
}

/// A picture header alone, of a PNG file that claims this size.
fn claiming_png(side: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = b"IHDR".to_vec();
    header.extend(side.to_be_bytes());
    header.extend(side.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    for chunk in [
        header,
        b"IDAT\x78\x9c\x03\0\0\0\0\x01".to_vec(),
        b"IEND".to_vec(),
    ] {
        png.extend((chunk.len() as u32 - 4).to_be_bytes());
        png.extend(&chunk);
        png.extend(crc32(&chunk).to_be_bytes());
    }
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// An H.264 stream whose sequence parameter set claims so many blocks of 16 pixels a side (H.264, 7.3.2.1.1).
fn claiming_h264(blocks: u32) -> Vec<u8> {
    let golomb = |value: u32| {
        format!(
            "{:0width$b}",
            value + 1,
            width = 2 * (value + 1).ilog2() as usize + 1
        )
    };
    let side = golomb(blocks - 1);
    // Numbers of sets and frames, one reference, no gaps; both sides; frames only, no cropping, nothing optional; the end.
    let mut bits = [
        "1",
        "1",
        &golomb(2),
        "010",
        "0",
        &side,
        &side,
        "1",
        "1",
        "0",
        "0",
        "1",
    ]
    .concat();
    bits.push_str(&"0".repeat(bits.len().wrapping_neg() % 8));
    let set = (0..bits.len()).step_by(8);
    let set = set.map(|at| u8::from_str_radix(&bits[at..at + 8], 2).unwrap());
    let mut stream = vec![0, 0, 0, 1, 0x67, 66, 0, 62];
    stream.extend(set);
    // A picture parameter set, and the beginning of a picture.
    stream.extend([
        0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80, 0, 0, 0, 1, 0x65, 0x88, 0x84, 0, 0x33, 0xff,
    ]);
    stream.repeat(4)
}

/// A file of boxes within boxes.
fn nested_boxes(kind: &[u8; 4], depth: u32) -> Vec<u8> {
    let mut file = b"\0\0\0\x14ftypisom\0\0\0\0isom".to_vec();
    for size in (1..=depth).rev().map(|inner| inner * 8) {
        file.extend(size.to_be_bytes());
        file.extend(kind);
    }
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn headers_that_claim_more_than_there_is_are_refused_while_others_are_served() {
    let bench = Bench::new();
    let clip = bench.clip("served.mp4", 60, X264);
    let index_file = bench.path("served.index");
    bench.workers.index(&clip, &index_file).await.unwrap();
    let still = bench.clip("still.jpg", 1, "-frames:v 1 -q:v 2 -pix_fmt yuvj420p");
    let mut jpeg = std::fs::read(still).unwrap();
    let frame = jpeg
        .windows(2)
        .position(|part| part == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    for (at, (name, bytes)) in [
        ("claims.png", claiming_png(32_767)),
        ("most.png", claiming_png(16_000)),
        ("beyond.png", claiming_png(0x7fff_ffff)),
        ("claims.jpg", jpeg),
        ("claims.h264", claiming_h264(2048)),
        ("moov.mp4", nested_boxes(b"moov", 200_000)),
        ("trak.mp4", nested_boxes(b"trak", 200_000)),
    ]
    .into_iter()
    .enumerate()
    {
        let path = bench.path(name);
        std::fs::write(&path, bytes).unwrap();
        let (began, own) = (Instant::now(), path.with_extension("index"));
        let refused = bench.workers.index(&path, &own);
        let request = PictureRequest::jpg(&clip, &index_file, at as u64 * 7);
        let (refused, picture) = tokio::join!(refused, bench.workers.picture(request));
        let Err(WorkerError::Unreadable { message }) = refused else {
            panic!("{name}: {refused:?}")
        };
        assert!(message.contains(name), "{message}");
        assert!(began.elapsed() < Duration::from_secs(10), "{name}");
        assert_eq!(number_in(&picture.unwrap().bytes), Some(at * 7), "{name}");
    }
    for id in bench.workers.process_ids() {
        let peak = peak_kb(id);
        assert!(peak < 1_200_000, "{peak} kB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_scan_that_does_not_end_is_given_up_while_others_are_served() {
    let bench = Bench::new();
    let clip = bench.clip("served.ts", 60, X264);
    let index_file = bench.path("served.index");
    let workers = one_worker(Duration::from_secs(4));
    workers.index(&clip, &index_file).await.unwrap();
    // A terabyte of nothing behind the pictures.
    let endless = bench.path("endless.ts");
    std::fs::copy(&clip, &endless).unwrap();
    let file = std::fs::File::options().append(true).open(&endless);
    file.unwrap().set_len(1 << 40).unwrap();
    let own = bench.path("endless.index");
    let mut scan = pin!(workers.index(&endless, &own));
    begin(&mut scan).await;
    for frame in [50, 3, 31] {
        let request = PictureRequest::jpg(&clip, &index_file, frame);
        let picture = workers.picture(request).await.unwrap();
        assert_eq!(number_in(&picture.bytes), Some(frame as usize));
    }
    let answer = scan.await;
    assert_eq!(answer, Err(WorkerError::Timeout));
    assert!(!own.exists());
    let request = PictureRequest::jpg(&clip, &index_file, 9);
    assert_eq!(
        number_in(&workers.picture(request).await.unwrap().bytes),
        Some(9)
    );
}
