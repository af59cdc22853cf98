//! Single pictures, and work ahead of those who look at one after the other.
//!
//! While requests travel through a source in even steps, two threads of low priority do what the next ones will ask for: one
//! decodes, the other encodes. A request that breaks the pattern ends that before it does anything else.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once};
use std::thread;

use transect_frame_client::{Format, PictureRequest, Roi, Size, WorkerError};

use crate::cache::{Cache, Pictures};
use crate::libav::Frame;
use crate::picture::{Encoded, encode, needs, render};
use crate::source::{Film, Source};
use crate::sync::{lock, wait};
use crate::turn::Orientation;

/// Steps to decode ahead, as far as they span no more frames than this, or than a quarter of the pictures kept.
const STEPS_DECODED: i64 = 10;
const FRAMES_DECODED: i64 = 32;
const STEPS_ENCODED: i64 = 3;
/// What working ahead yields to everything else, in the units of nice(2).
const YIELDING: i32 = 5;
/// Of the cache, encoded pictures get one part in so many.
const PART_ENCODED: u64 = 16;

/// Everything that the bytes of an encoded picture depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: u64,
    frame: usize,
    roi: Option<[u64; 4]>,
    size: Size,
    format: Format,
    quality: u8,
}

impl Key {
    fn new(film: &Film, frame: usize, request: &PictureRequest) -> Self {
        let bits =
            |roi: Roi| [roi.width_norm, roi.height_norm, roi.x_norm, roi.y_norm].map(f64::to_bits);
        Key {
            source: film.number,
            frame,
            roi: request.roi.map(bits),
            size: request.size,
            format: request.format,
            quality: request.quality,
        }
    }
}

/// Where requests are heading.
#[derive(Clone)]
struct Plan {
    /// Stays the same while the pattern does.
    run: u64,
    film: Arc<Film>,
    /// The last request.
    request: PictureRequest,
    stride: i64,
}

impl Plan {
    /// The frames of the next steps.
    fn frames(&self, steps: i64) -> impl Iterator<Item = usize> {
        let (frame, stride) = (self.request.frame as i64, self.stride);
        let count = self.film.index.frame_count();
        (1..=steps)
            .map_while(move |step| usize::try_from(frame + stride * step).ok())
            .take_while(move |&frame| frame < count)
    }

    fn key(&self, frame: usize) -> Key {
        Key::new(&self.film, frame, &self.request)
    }

    /// True if the other one goes on with this.
    fn goes_on(&self, film: &Film, request: &PictureRequest, stride: i64) -> bool {
        let frame = self.request.frame as usize;
        self.stride == stride && self.key(frame) == Key::new(film, frame, request)
    }
}

struct Board {
    plan: Option<Plan>,
    encoded: Cache<Key, Arc<Encoded>>,
    /// What is being encoded ahead.
    in_hand: Option<Key>,
}

/// Makes single pictures.
pub struct Studio {
    pub pictures: Pictures,
    board: Mutex<Board>,
    changed: Condvar,
    /// The run of the plan; zero for none.
    run: AtomicU64,
    runs: AtomicU64,
    helpers: Once,
}

impl Studio {
    pub fn new(cache_bytes: u64) -> Arc<Self> {
        let encoded_bytes = cache_bytes / PART_ENCODED;
        Arc::new(Studio {
            pictures: Mutex::new(Cache::new(cache_bytes - encoded_bytes)),
            board: Mutex::new(Board {
                plan: None,
                encoded: Cache::new(encoded_bytes),
                in_hand: None,
            }),
            changed: Condvar::new(),
            run: AtomicU64::new(0),
            runs: AtomicU64::new(0),
            helpers: Once::new(),
        })
    }

    /// Returns a frame as a still.
    ///
    /// Errors: those of decoding and of encoding.
    pub fn single(
        self: &Arc<Self>,
        source: &mut Source,
        request: &PictureRequest,
    ) -> Result<Arc<Encoded>, WorkerError> {
        let film = source.film.clone();
        let plan = self.expect(&film, source.note(request.frame), request);
        let key = Key::new(&film, request.frame as usize, request);
        let mut board = lock(&self.board);
        while board.in_hand == Some(key) {
            board = wait(&self.changed, board);
        }
        if let Some(encoded) = board.encoded.get(key).cloned() {
            board.plan = plan;
            self.changed.notify_all();
            return Ok(encoded);
        }
        drop(board);
        let decoded = source.frame(request.frame, &self.pictures)?;
        if plan.is_some() {
            lock(&self.board).plan = plan;
            self.changed.notify_all();
        }
        let encoded = Arc::new(still(&film, &decoded, request)?);
        let size_bytes = encoded.bytes.len() as u64;
        lock(&self.board)
            .encoded
            .put(key, encoded.clone(), size_bytes);
        Ok(encoded)
    }

    /// Drops all work ahead.
    pub fn rest(&self) {
        self.run.store(0, Ordering::Relaxed);
        lock(&self.board).plan = None;
    }

    /// Drops work ahead that this request does not fit, and returns what to do ahead from here on.
    fn expect(
        self: &Arc<Self>,
        film: &Arc<Film>,
        stride: Option<i64>,
        request: &PictureRequest,
    ) -> Option<Plan> {
        let Some(stride) = stride else {
            if self.run.load(Ordering::Relaxed) != 0 {
                self.rest();
            }
            return None;
        };
        let helper = |work: fn(&Studio)| {
            let studio = self.clone();
            thread::spawn(move || {
                #[cfg(target_os = "linux")] // Elsewhere it would slow the whole process down.
                let _ = rustix::process::nice(YIELDING);
                work(&studio);
            });
        };
        self.helpers.call_once(|| {
            helper(Studio::decode_ahead);
            helper(Studio::encode_ahead);
        });
        let known = lock(&self.board)
            .plan
            .as_ref()
            .filter(|plan| plan.goes_on(film, request, stride))
            .map(|plan| plan.run);
        let run = known.unwrap_or_else(|| self.runs.fetch_add(1, Ordering::Relaxed) + 1);
        self.run.store(run, Ordering::Relaxed);
        Some(Plan {
            run,
            film: film.clone(),
            request: request.clone(),
            stride,
        })
    }

    /// Waits for something to do ahead: the first frame that `pick` finds in a plan and that has not been tried in its run.
    fn next(
        &self,
        tried: &mut (u64, BTreeSet<usize>),
        pick: impl Fn(&mut Board, &Plan, &BTreeSet<usize>) -> Option<usize>,
    ) -> (Plan, usize) {
        let mut board = lock(&self.board);
        loop {
            if let Some(plan) = board.plan.clone() {
                if tried.0 != plan.run {
                    *tried = (plan.run, BTreeSet::new());
                }
                if let Some(frame) = pick(&mut board, &plan, &tried.1) {
                    if tried.1.len() > 4 * FRAMES_DECODED as usize {
                        tried.1.clear();
                    }
                    tried.1.insert(frame);
                    return (plan, frame);
                }
            }
            board = wait(&self.changed, board);
        }
    }

    fn decode_ahead(&self) {
        let mut tried = (0, BTreeSet::new());
        loop {
            let (plan, frame) = self.next(&mut tried, |_, plan, tried| {
                if plan.film.wanted() {
                    return None;
                }
                let pictures = lock(&self.pictures);
                let index = &plan.film.index;
                let size_bytes = u64::from(index.width) * u64::from(index.height) * 2;
                let room = (pictures.limit_bytes() / 4 / size_bytes.max(1)) as i64;
                let steps = (room.min(FRAMES_DECODED) / plan.stride.abs()).min(STEPS_DECODED);
                plan.frames(steps).find(|&frame| {
                    !tried.contains(&frame) && !pictures.contains((plan.film.number, frame))
                })
            });
            let stop = || self.run.load(Ordering::Relaxed) != plan.run;
            let decode = || plan.film.decode_ahead(frame, &self.pictures, &stop);
            if !catch_unwind(AssertUnwindSafe(decode)).unwrap_or(true) {
                tried.1.remove(&frame);
            }
            let _board = lock(&self.board);
            self.changed.notify_all();
        }
    }

    fn encode_ahead(&self) {
        let mut tried = (0, BTreeSet::new());
        loop {
            let (plan, frame) = self.next(&mut tried, |board, plan, tried| {
                if matches!(plan.request.format, Format::Gif | Format::Mp4) {
                    return None;
                }
                let pictures = lock(&self.pictures);
                let frame = plan.frames(STEPS_ENCODED).find(|&frame| {
                    !tried.contains(&frame)
                        && !board.encoded.contains(plan.key(frame))
                        && pictures.contains((plan.film.number, frame))
                })?;
                board.in_hand = Some(plan.key(frame));
                Some(frame)
            });
            let encode = || {
                let picture = plan.film.cached(frame, &self.pictures)?;
                still(&plan.film, &picture, &plan.request).ok()
            };
            // What goes wrong is told to the request that meets it.
            let encoded = catch_unwind(AssertUnwindSafe(encode)).unwrap_or_default();
            let mut board = lock(&self.board);
            if let Some(encoded) = encoded {
                let size_bytes = encoded.bytes.len() as u64;
                board
                    .encoded
                    .put(plan.key(frame), Arc::new(encoded), size_bytes);
            }
            board.in_hand = None;
            self.changed.notify_all();
        }
    }
}

fn still(film: &Film, decoded: &Frame, request: &PictureRequest) -> Result<Encoded, WorkerError> {
    let made_for = needs(request.format, decoded.format().has_alpha());
    let orientation = Orientation::of(&film.index);
    let picture = render(decoded, orientation, request.roi, request.size, made_for)?;
    encode(&picture, request.format, request.quality)
}
