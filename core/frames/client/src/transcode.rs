//! What a transcode is asked for, and what it has made.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Fraction, SegmentIndex};

/// Asks for outputs of one source. All of them are fed by one decode.
///
/// Frame n of an output is the n-th of the frames asked for, at its own time: the first one begins at zero, and each stays
/// for as long as in the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscodeRequest {
    /// The media file.
    pub source: PathBuf,
    /// Its index file.
    pub index_file: PathBuf,
    /// First and last display ordinals, both included; several are put behind one another. Empty for all frames.
    pub ranges: Vec<(u64, u64)>,
    /// Files whose frames follow, at the size of this one. Only for streams that are encoded.
    #[serde(default)]
    pub more: Vec<Stretch>,
    /// What to make, in any order; each into a file of its own. What is there already is replaced, unless it is the beginning
    /// of the same [`Output::Stream`], which is then continued.
    pub outputs: Vec<Output>,
    /// Encoders that share each stream, group of pictures by group, at most; zero for as many as pay on this machine.
    #[serde(default)]
    pub encoders: u32,
}

/// Frames of a further file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// The media file.
    pub source: PathBuf,
    /// Its index file.
    pub index_file: PathBuf,
    /// First and last display ordinals, both included. Empty for all frames.
    pub ranges: Vec<(u64, u64)>,
}

/// Codec of an encoded stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// H.264, by x264.
    H264,
    /// H.265, by x265.
    Hevc,
    /// AV1, by SVT-AV1.
    Av1,
}

/// One file to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The pictures, upright and encoded anew, in MP4 without sound. Of a fragmented file that was left unfinished, whole
    /// fragments are kept when the same is asked for again.
    Stream {
        /// Where it goes.
        file: PathBuf,
        /// How it is coded.
        codec: VideoCodec,
        /// Height in pixels of the upright picture, at most the source's; none for that of the source. The width follows, and
        /// both become even.
        height: Option<u32>,
        /// Constant rate factor, as the encoder counts it: 0 to 51 for H.264 and H.265, 0 to 63 for AV1.
        crf: u8,
        /// Name of the encoder's preset; for AV1 its number or a name as x264 has them.
        preset: String,
        /// Name of the encoder's tuning; AV1 only has `fastdecode`.
        tune: Option<String>,
        /// As libav names it, such as `yuv420p`.
        pixel_format: String,
        /// Frames from one random access point to the next; groups are closed.
        gop: u32,
        /// True for one `moof` and `mdat` per group, and a segment index; false for a plain file with its index in front.
        fragmented: bool,
    },
    /// The coded pictures as they are, in MP4; refused if that would not show the same frames. Not with ranges.
    Copy {
        /// Where it goes.
        file: PathBuf,
        /// True for pictures only, in a `moof` and `mdat` per group, and a segment index; false for a plain file that also has
        /// the sound.
        fragmented: bool,
    },
    /// The sound as AAC in an MP4 file (m4a), in step with the pictures; kept as it is if it is AAC already and no ranges are
    /// asked for.
    Audio {
        /// Where it goes.
        file: PathBuf,
    },
    /// The first frame as JPEG.
    Thumbnail {
        /// Where it goes.
        file: PathBuf,
        /// Width in pixels, at most the source's.
        width: u32,
    },
    /// A short summary: a frame of each second, or of each of sixty parts if that is fewer, four times as fast; where there is
    /// one, a frame where decoding can start.
    Gif {
        /// Where it goes.
        file: PathBuf,
        /// Width in pixels, at most the source's.
        width: u32,
    },
    /// Pictures in a grid, as JPEG, filled row by row; [`Produced::sprite`] says which. They are those where decoding can
    /// start, so that making them costs little.
    Sprite {
        /// Where it goes.
        file: PathBuf,
        /// Width of one picture in pixels, at most the source's.
        width: u32,
        /// Pictures in a row.
        columns: u32,
        /// At most one picture for so many frames; more of them are left out where the grid would get too high.
        every: u32,
    },
}

impl Output {
    /// Where it goes.
    pub fn file(&self) -> &PathBuf {
        match self {
            Output::Stream { file, .. }
            | Output::Copy { file, .. }
            | Output::Audio { file }
            | Output::Thumbnail { file, .. }
            | Output::Gif { file, .. }
            | Output::Sprite { file, .. } => file,
        }
    }
}

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Produced {
    /// Where it is.
    pub file: PathBuf,
    /// Width in pixels; zero for sound.
    pub width: u32,
    /// Height in pixels; zero for sound.
    pub height: u32,
    /// Codec as libav names it, such as `h264`.
    pub codec: String,
    /// Media type, with the codec as RFC 6381 spells it where that is known: `video/mp4; codecs="avc1.64001f"`.
    pub codec_mime: String,
    /// Codec for people, as libav describes it.
    pub codec_description: String,
    /// Bits per second; zero for pictures.
    pub bit_rate: u64,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// Pictures in it; zero for sound.
    pub frames: u64,
    /// Frames that did not decode, and so show the one before them.
    pub repeated: u64,
    /// Boxes of a fragmented file.
    pub segments: Option<SegmentIndex>,
    /// What a grid shows.
    pub sprite: Option<Sprite>,
}

/// What a grid of pictures shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sprite {
    /// Width of one picture in pixels.
    pub tile_width: u32,
    /// Height of one picture in pixels.
    pub tile_height: u32,
    /// Pictures in a row.
    pub columns: u32,
    /// Rows; the last one may have room left.
    pub rows: u32,
    /// Display ordinals of the source, row by row, rising.
    pub frames: Vec<u64>,
}

/// How far a transcode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Frames that have gone into all outputs.
    pub frames_done: u64,
    /// Frames asked for.
    pub frames_total: u64,
}

/// What a file holds, from its headers alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Container as libav names it, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    /// As the container has it; zero if it says nothing.
    pub duration_secs: f64,
    /// The video stream that players pick; none also if there is only cover art.
    pub video: Option<VideoProbe>,
    /// The audio stream that players pick.
    pub audio: Option<AudioProbe>,
}

/// A video stream, from its headers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoProbe {
    /// Codec as libav names it.
    pub codec: String,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// Pictures, where the container counts them; only the index really knows.
    pub frames: Option<u64>,
    /// Average frames per second, where the container says so.
    pub fps: Option<Fraction>,
    /// As libav names it.
    pub pixel_format: String,
}

/// An audio stream, from its headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioProbe {
    /// Codec as libav names it.
    pub codec: String,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u32,
}

/// What a picture file becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// JPEG and PNG stay as they are, byte by byte; everything else becomes PNG.
    Keep,
    /// PNG, with as many bits as the source has.
    Png,
    /// JPEG of quality 92.
    Jpg,
    /// WebP of quality 90.
    Webp,
}

/// Asks for a picture file in a form that browsers show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRequest {
    /// The picture file.
    pub source: PathBuf,
    /// Where the result goes.
    pub file: PathBuf,
    /// What it becomes.
    pub format: ImageFormat,
    /// Where a small JPEG goes, and its width in pixels (at most the source's).
    pub thumbnail: Option<(PathBuf, u32)>,
}

/// A picture file that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// Media type of the result.
    pub mime: String,
    /// Size of the result in bytes.
    pub size_bytes: u64,
    /// Width, height and bytes of the small JPEG.
    pub thumbnail: Option<(u32, u32, u64)>,
}
