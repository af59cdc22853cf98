//! Clips that carry their frame numbers, and a pool of real workers.
#![allow(dead_code, reason = "each test program uses a part")]

pub mod corpus;
pub mod mp4;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use transect_frame_client::{Options, Workers};

pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 176;
/// A white and a black block, then sixteen bits, highest first, then the inverse of the number's lowest two bits.
const BLOCK: usize = 16;
const BAR_ROWS: usize = 32;

/// A folder for one test, and workers.
pub struct Bench {
    pub folder: TempDir,
    pub workers: Workers,
}

impl Bench {
    pub fn new() -> Self {
        let workers = Workers::new(Options {
            binary: env!("CARGO_BIN_EXE_transect-frames").into(),
            processes: 2,
            // A dozen pictures of this size per worker: most answers have to be decoded.
            cache_bytes: 2 << 20,
            request_timeout: Duration::from_secs(20),
            readable: Vec::new(),
        });
        Bench {
            folder: tempfile::tempdir().unwrap(),
            workers,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a clip of `count` numbered pictures with these encoder arguments.
    pub fn clip(&self, name: &str, count: usize, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let size = format!("{WIDTH}x{HEIGHT}");
        let raw = [
            "-f", "rawvideo", "-pix_fmt", "gray", "-r", "30", "-s", &size, "-i", "-",
        ];
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(raw)
            .args(arguments.split_whitespace())
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for number in 0..count {
            // An encoder that has enough hangs up.
            if stdin.write_all(&numbered(number)).is_err() {
                break;
            }
        }
        drop(stdin);
        assert!(child.wait().unwrap().success(), "{name}");
        path
    }

    /// Runs ffmpeg on a clip: `before` and `after` the input.
    pub fn convert(&self, from: &Path, before: &str, after: &str, name: &str) -> PathBuf {
        let path = self.path(name);
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(before.split_whitespace())
            .arg("-i")
            .arg(from)
            .args(after.split_whitespace())
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
        path
    }

    /// Makes a clip from a source that ffmpeg draws itself.
    pub fn clip_with(&self, name: &str, input: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(input.split_whitespace())
            .args(arguments.split_whitespace())
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
        path
    }

    /// Makes a copy that lacks bytes at the beginning and the end.
    pub fn cut(&self, from: &Path, skip: f64, keep: f64, name: &str) -> PathBuf {
        let bytes = std::fs::read(from).unwrap();
        let at = |part: f64| (bytes.len() as f64 * part) as usize;
        std::fs::write(self.path(name), &bytes[at(skip)..at(keep)]).unwrap();
        self.path(name)
    }
}

/// Draws a picture: its number as bars along the top, and something that moves below.
fn numbered(number: usize) -> Vec<u8> {
    let mut pixels = vec![0; WIDTH * HEIGHT];
    for (y, row) in pixels.chunks_mut(WIDTH).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = if y < BAR_ROWS {
                if bit(number, x / BLOCK) { 235 } else { 16 }
            } else {
                (40 + (x + number * 3) % 120 + (y * 2 + number) % 60) as u8
            };
        }
    }
    pixels
}

fn bit(number: usize, block: usize) -> bool {
    match block {
        0 => true,
        1 => false,
        2..18 => number >> (17 - block) & 1 == 1,
        _ => number >> (19 - block) & 1 == 0,
    }
}

/// Reads the number off a picture; none if the bars make no sense.
pub fn number(width: usize, height: usize, luma: impl Fn(usize, usize) -> u8) -> Option<usize> {
    let at = |block: usize| {
        luma(
            (block * BLOCK + BLOCK / 2) * width / WIDTH,
            BAR_ROWS / 2 * height / HEIGHT,
        )
    };
    if at(0) < 160 || at(1) > 90 {
        return None;
    }
    let number = (2..18).fold(0, |number, block| {
        number << 1 | usize::from(at(block) > 127)
    });
    (18..20)
        .all(|block| bit(number, block) == (at(block) > 127))
        .then_some(number)
}

/// Reads the number off an encoded picture.
pub fn number_in(bytes: &[u8]) -> Option<usize> {
    let picture = image::load_from_memory(bytes).unwrap().to_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    number(width, height, |x, y| {
        picture.get_pixel(x as u32, y as u32).0[0]
    })
}

/// What a plain decode of the file by ffmpeg shows, in order.
pub fn shown(path: &Path) -> Vec<usize> {
    let size = format!("scale={WIDTH}:{HEIGHT}");
    let output = Command::new("ffmpeg")
        .args(["-v", "quiet", "-i"])
        .arg(path)
        .args([
            "-vf",
            &size,
            "-fps_mode",
            "passthrough",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "gray",
            "-",
        ])
        .output()
        .unwrap();
    let read =
        |pixels: &[u8]| number(WIDTH, HEIGHT, |x, y| pixels[y * WIDTH + x]).unwrap_or(usize::MAX);
    output
        .stdout
        .chunks_exact(WIDTH * HEIGHT)
        .map(read)
        .collect()
}

/// Numbers that look random and are the same in every run.
pub fn shuffled(count: usize, take: usize) -> Vec<usize> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..take)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % count as u64) as usize
        })
        .collect()
}
