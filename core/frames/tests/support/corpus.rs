//! The clips of `tests/fixtures/corpus.py`, and the numbers that their pictures carry.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const BLOCKS: usize = 16;
const BITS: usize = 12;

/// A clip, as corpus.json has it.
pub struct Clip {
    pub name: String,
    pub path: PathBuf,
    pub kind: String,
    pub frames: usize,
    pub first: usize,
    pub damaged: bool,
    pub width: usize,
    pub height: usize,
}

/// Makes all clips, of so many frames.
pub fn clips(folder: &Path, frames: usize) -> Vec<Clip> {
    some_clips(folder, frames, &[])
}

/// Makes the clips of these names.
pub fn some_clips(folder: &Path, frames: usize, names: &[&str]) -> Vec<Clip> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/corpus.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(folder);
    command.args(["--frames", &frames.to_string()]);
    if !names.is_empty() {
        command.args(["--only", &names.join(",")]);
    }
    assert!(command.status().unwrap().success());
    let text = std::fs::read(folder.join("corpus.json")).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    let number = |clip: &Value, key: &str| clip[key].as_u64().unwrap() as usize;
    let clip = |clip: &Value| Clip {
        name: clip["name"].as_str().unwrap().into(),
        path: folder.join(clip["path"].as_str().unwrap()),
        kind: clip["kind"].as_str().unwrap().into(),
        frames: number(clip, "frames"),
        first: number(clip, "first"),
        damaged: clip["damaged"].as_bool().unwrap_or(false),
        width: number(clip, "width"),
        height: number(clip, "height"),
    };
    document["clips"]
        .as_array()
        .unwrap()
        .iter()
        .map(clip)
        .collect()
}

/// The number on a gray picture; none if the blocks make no sense.
pub fn number(pixels: &[u8], width: usize, height: usize) -> Option<usize> {
    let row = height / 16;
    let level = |block: usize| {
        let column = (2 * block + 1) * width / (2 * BLOCKS);
        i32::from(pixels[row * width + column])
    };
    let (white, black) = (level(0), level(1));
    if white - black < 60 {
        return None;
    }
    let bit = |block: usize| usize::from(level(block) > (white + black) / 2);
    let number = (2..2 + BITS).fold(0, |number, block| number << 1 | bit(block));
    (bit(BLOCKS - 2) << 1 | bit(BLOCKS - 1) == number % 3).then_some(number)
}

/// The numbers that a plain decode of a file by ffmpeg shows, whose upright pictures have this size. Only a `damaged` file
/// may make it complain.
pub fn shown(path: &Path, (width, height): (usize, usize), damaged: bool) -> Vec<Option<usize>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args([
            "-map",
            "0:v:0",
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            "-1",
            "-f",
            "rawvideo",
        ])
        .args(["-pix_fmt", "gray", "-"])
        .output()
        .unwrap();
    // Times that are equal in the file are no fault of the decoder.
    let said: String = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| !line.contains("non monotonically increasing dts"))
        .collect();
    assert!(damaged || said.is_empty(), "{}: {said}", path.display());
    output
        .stdout
        .chunks(width * height)
        .map(|pixels| number(pixels, width, height))
        .collect()
}
