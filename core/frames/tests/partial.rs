//! Files whose bytes come as they are read: the same frames as of the whole file, for a part of its bytes; and where bytes do
//! not come, no answer but that.

mod support;

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Bench, number_in};
use transect_frame_client::{
    FrameIndex, Options, PictureRequest, Supplied, Supply, WorkerError, Workers,
};

const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 10 -bf 2";
/// As many bytes a second as a camera has, however little the pictures show.
const FULL: &str = "-b:v 8M -minrate 8M -maxrate 8M -bufsize 2M -x264-params nal-hrd=cbr";
const NEVER: u64 = u64::MAX;

/// A folder of files with holes, which are filled from files of the same names elsewhere.
struct Store {
    folder: PathBuf,
    whole: PathBuf,
    bytes: AtomicU64,
    /// How many requests are still answered.
    left: AtomicU64,
    /// How long the next answer takes.
    pause: Mutex<Duration>,
}

impl Store {
    fn new(bench: &Bench) -> Arc<Self> {
        let folder = bench.path("parts");
        fs::create_dir(&folder).unwrap();
        Arc::new(Store {
            folder,
            whole: bench.path(""),
            bytes: AtomicU64::new(0),
            left: AtomicU64::new(NEVER),
            pause: Mutex::default(),
        })
    }

    /// A file that is nothing but a hole, and stands for that one.
    fn hole(&self, file: &Path) -> PathBuf {
        let hole = self.folder.join(file.file_name().unwrap());
        let size = file.metadata().unwrap().len();
        File::create(&hole).unwrap().set_len(size).unwrap();
        hole
    }

    fn workers(self: &Arc<Self>, request_timeout: Duration) -> Workers {
        let options = Options {
            binary: env!("CARGO_BIN_EXE_transect-frames").into(),
            processes: 1,
            cache_bytes: 1 << 20,
            request_timeout,
            readable: Vec::new(),
        };
        Workers::new(options).supplied_by(self.clone())
    }
}

impl Supply for Store {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn supply(&self, file: PathBuf, ranges: Vec<Range<u64>>) -> Supplied {
        let given = self.left.load(Ordering::SeqCst);
        let pause = std::mem::take(&mut *self.pause.lock().unwrap());
        if given != NEVER {
            self.left.store(given.saturating_sub(1), Ordering::SeqCst);
        }
        if given == 0 {
            return Box::pin(async { Err("the store is on fire".into()) });
        }
        let whole = File::open(self.whole.join(file.file_name().unwrap())).unwrap();
        let hole = File::options().write(true).open(&file).unwrap();
        for range in &ranges {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            whole.read_exact_at(&mut bytes, range.start).unwrap();
            hole.write_all_at(&bytes, range.start).unwrap();
            self.bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            Ok(ranges)
        })
    }
}

#[tokio::test]
async fn the_frames_are_those_of_the_whole_file() {
    let bench = Bench::new();
    let store = Store::new(&bench);
    let workers = store.workers(Duration::from_secs(30));
    for name in ["a.mp4", "front.mp4", "b.mkv", "c.ts"] {
        let front = if name == "front.mp4" {
            "-movflags +faststart"
        } else {
            ""
        };
        let path = bench.clip(name, 300, &format!("{X264} {FULL} {front}"));
        let whole = workers
            .index(&path, &bench.path("whole.index"))
            .await
            .unwrap();
        let hole = store.hole(&path);
        let index_file = bench.path(&format!("{name}.index"));
        let index = workers.index(&hole, &index_file).await.unwrap();
        assert_eq!(index.fingerprint, whole.fingerprint, "{name}");
        // Which random access points were looked at may differ.
        let told = |index: &FrameIndex| -> Vec<_> {
            let frames = index.frames();
            frames
                .map(|frame| (frame.pts, frame.duration, frame.packet))
                .collect()
        };
        assert_eq!(told(&index), told(&whole), "{name}");
        let size = path.metadata().unwrap().len();
        let taken = store.bytes.swap(0, Ordering::SeqCst);
        if name.ends_with(".mp4") {
            // Both ends are decoded, of a clip that is not long.
            assert!(taken < size / 2, "{name}: {taken} of {size} bytes");
        }
        for frame in [0, 299, 150, 151, 152, 40] {
            let picture = PictureRequest::jpg(&hole, &index_file, frame);
            let picture = workers.picture(picture).await.unwrap();
            assert_eq!(number_in(&picture.bytes), Some(frame as usize), "{name}");
        }
        store.bytes.store(0, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_does_not_come_is_no_shorter_file() {
    let bench = Bench::new();
    let store = Store::new(&bench);
    let workers = store.workers(Duration::from_secs(30));
    for name in ["a.mp4", "b.mkv", "c.ts"] {
        let path = bench.clip(name, 60, &format!("{X264} {FULL}"));
        let whole = workers
            .index(&path, &bench.path("whole.index"))
            .await
            .unwrap();
        let index_file = bench.path(&format!("{name}.index"));
        let hole = store.hole(&path);
        let mut given = 0;
        // Where it fails later and later, it fails so, or not at all.
        let index = loop {
            store.left.store(given, Ordering::SeqCst);
            match workers.index(&hole, &index_file).await {
                Ok(index) => break index,
                Err(error) => {
                    let message = "the store is on fire".to_owned();
                    assert_eq!(
                        error,
                        WorkerError::Unavailable { message },
                        "{name} {given}"
                    );
                    assert!(!index_file.exists(), "{name} {given}");
                }
            }
            given = given * 5 / 4 + 1;
        };
        assert!(given > 5, "{name}: it was hardly ever asked for anything");
        assert_eq!(index.fingerprint, whole.fingerprint, "{name}");
        // The same of pictures, and the worker is as good as new.
        store.left.store(0, Ordering::SeqCst);
        let request = PictureRequest::jpg(store.hole(&path), &index_file, 33);
        let refused = workers.picture(request.clone()).await;
        assert!(
            matches!(refused, Err(WorkerError::Unavailable { .. })),
            "{name}"
        );
        store.left.store(NEVER, Ordering::SeqCst);
        let picture = workers.picture(request).await.unwrap();
        assert_eq!(number_in(&picture.bytes), Some(33), "{name}");
    }
}

#[tokio::test]
async fn who_waits_for_bytes_does_not_hang() {
    let bench = Bench::new();
    let store = Store::new(&bench);
    let path = bench.clip("a.mp4", 20, X264);
    let workers = store.workers(Duration::from_secs(1));
    *store.pause.lock().unwrap() = Duration::from_millis(1500);
    let index_file = bench.path("a.index");
    let index = workers
        .index(&store.hole(&path), &index_file)
        .await
        .unwrap();
    assert_eq!(index.frame_count(), 20);
}

#[tokio::test]
async fn a_file_that_is_gone_may_be_asked_for_again() {
    let bench = Bench::new();
    let store = Store::new(&bench);
    let workers = store.workers(Duration::from_secs(20));
    let path = bench.clip("a.mp4", 20, X264);
    let (hole, index_file) = (store.hole(&path), bench.path("a.index"));
    workers.index(&hole, &index_file).await.unwrap();
    fs::remove_file(&hole).unwrap();
    for _ in 0..3 {
        let gone = workers
            .picture(PictureRequest::jpg(&hole, &index_file, 3))
            .await;
        assert!(
            matches!(gone, Err(WorkerError::Unavailable { .. })),
            "{gone:?}"
        );
        let gone = workers.index(&hole, &bench.path("b.index")).await;
        assert!(
            matches!(gone, Err(WorkerError::Unavailable { .. })),
            "{gone:?}"
        );
    }
}
