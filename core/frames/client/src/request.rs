//! What can be asked of a worker, and what comes back.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Fraction, WorkerError};

/// Encoding of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JPEG, BT.601 full range as JFIF has it.
    Jpg,
    /// PNG, lossless; keeps transparency.
    Png,
    /// WebP; keeps transparency. Quality 100 is lossless.
    Webp,
    /// GIF, still or moving.
    Gif,
    /// H.264 in MP4; animations only.
    Mp4,
    /// The planes as they were decoded, in YUV4MPEG2; single pictures only.
    Y4m,
}

impl Format {
    /// The media type, such as `image/jpeg`.
    pub fn mime(self) -> &'static str {
        match self {
            Format::Jpg => "image/jpeg",
            Format::Png => "image/png",
            Format::Webp => "image/webp",
            Format::Gif => "image/gif",
            Format::Mp4 => "video/mp4",
            Format::Y4m => "video/x-yuv4mpeg",
        }
    }
}

/// A part of the upright picture, relative to it: 0 to 1, origin top left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Roi {
    /// Width over the picture's width.
    pub width_norm: f64,
    /// Height over the picture's height.
    pub height_norm: f64,
    /// Left edge.
    pub x_norm: f64,
    /// Top edge.
    pub y_norm: f64,
}

impl Roi {
    /// The part of a picture of `picture` (width, height) pixels that has its top left corner at `corner` and the extent
    /// `extent` (width, height), all in pixels. A worker cuts out exactly these.
    pub fn of_pixels(corner: (u32, u32), extent: (u32, u32), picture: (u32, u32)) -> Self {
        let over = |part: u32, whole: u32| f64::from(part) / f64::from(whole.max(1));
        Roi {
            width_norm: over(extent.0, picture.0),
            height_norm: over(extent.1, picture.1),
            x_norm: over(corner.0, picture.0),
            y_norm: over(corner.1, picture.1),
        }
    }
}

impl FromStr for Roi {
    type Err = WorkerError;

    /// Reads `w:h:x:y`, the order of the `roi` query parameter.
    fn from_str(text: &str) -> Result<Self, WorkerError> {
        let parts: Result<Vec<f64>, _> = text.split(':').map(str::parse).collect();
        match parts.as_deref() {
            Ok(&[width_norm, height_norm, x_norm, y_norm]) => Ok(Roi {
                width_norm,
                height_norm,
                x_norm,
                y_norm,
            }),
            _ => Err(WorkerError::Invalid {
                message: format!("roi is not w:h:x:y: {text}"),
            }),
        }
    }
}

/// Size of the delivered picture (of a tile, when composed) in pixels, after cropping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// As coded.
    Native,
    /// Scaled down, keeping proportions, if higher than this.
    MaxHeight(u32),
    /// Stretched to exactly this.
    Exact {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
}

/// Asks for one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PictureRequest {
    /// The media file.
    pub source: PathBuf,
    /// Its index file.
    pub index_file: PathBuf,
    /// Display ordinal.
    pub frame: u64,
    /// Part of the picture, or all of it.
    pub roi: Option<Roi>,
    /// Size after cropping.
    pub size: Size,
    /// Encoding; not `Mp4`.
    pub format: Format,
    /// 1 to 100, for JPEG and WebP; as libjpeg counts it.
    pub quality: u8,
}

impl PictureRequest {
    /// Asks for a whole frame at its native size as JPEG of quality 85.
    pub fn jpg(source: impl Into<PathBuf>, index_file: impl Into<PathBuf>, frame: u64) -> Self {
        PictureRequest {
            source: source.into(),
            index_file: index_file.into(),
            frame,
            roi: None,
            size: Size::Native,
            format: Format::Jpg,
            quality: 85,
        }
    }
}

/// How several frames become one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// A grid filled row by row. Without a number of columns it has ⌈√n⌉; rows follow from the number of frames, and rows
    /// given beyond that stay black.
    Tile {
        /// Columns.
        columns: Option<u32>,
        /// Rows; frames that do not fit are refused.
        rows: Option<u32>,
    },
    /// One after the other, as GIF or MP4.
    Animate {
        /// Pictures per second.
        rate: Fraction,
    },
}

/// Asks for several frames in one picture or animation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComposeRequest {
    /// The media file.
    pub source: PathBuf,
    /// Its index file.
    pub index_file: PathBuf,
    /// Display ordinals, in the order wanted; may repeat.
    pub frames: Vec<u64>,
    /// More media files, each with its index file, where the frames are not all of one.
    #[serde(default)]
    pub others: Vec<(PathBuf, PathBuf)>,
    /// Which file each frame is of: 0 for `source`, 1 for the first of `others`; empty where all are of `source`.
    #[serde(default)]
    pub files: Vec<usize>,
    /// Grid or animation.
    pub layout: Layout,
    /// Part of every picture, or all of it.
    pub roi: Option<Roi>,
    /// Part of each picture, as many as frames and in their order; empty where `roi` is meant.
    #[serde(default)]
    pub rois: Vec<Roi>,
    /// Size of every picture after cropping.
    pub size: Size,
    /// Encoding: `Gif` or `Mp4` for an animation, anything but `Mp4` for a grid.
    pub format: Format,
    /// 1 to 100, for JPEG and WebP.
    pub quality: u8,
}

impl ComposeRequest {
    /// The media file, and its index file, of the frame at this place of `frames`.
    ///
    /// Errors: `Invalid` if there is no such file.
    pub fn file_of(&self, at: usize) -> Result<(&Path, &Path), WorkerError> {
        let file = self.files.get(at).copied().unwrap_or(0);
        let found = match file.checked_sub(1) {
            None => Some((&self.source, &self.index_file)),
            Some(other) => self.others.get(other).map(|(path, index)| (path, index)),
        };
        let unknown = || WorkerError::Invalid {
            message: format!("there is no file {file} for frame {at} of the picture"),
        };
        found
            .map(|(path, index)| (path.as_path(), index.as_path()))
            .ok_or_else(unknown)
    }
}

/// An encoded picture or animation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The file.
    pub bytes: Bytes,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Media type.
    pub mime: &'static str,
}

/// Coded packets for a client that decodes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packets {
    /// Codec for WebCodecs, or none when no browser decodes it.
    pub codec_string: Option<String>,
    /// Codec as libav names it.
    pub codec: String,
    /// Width of the coded picture in pixels.
    pub coded_width: u32,
    /// Height of the coded picture in pixels.
    pub coded_height: u32,
    /// Decoder configuration record (avcC, hvcC); none when the stream carries its own headers.
    pub description: Option<Vec<u8>>,
    /// Where among the packets another configuration begins, rising.
    pub changes: Vec<ConfigurationChange>,
    /// In decode order; the first one is a random access point.
    pub packets: Vec<CodedPacket>,
}

impl Packets {
    /// What a decoder must be told before the first packet.
    pub fn first_configuration(&self) -> ConfigurationChange {
        ConfigurationChange {
            at: 0,
            codec_string: self.codec_string.clone(),
            coded_width: self.coded_width,
            coded_height: self.coded_height,
            description: self.description.clone(),
        }
    }
}

/// What a decoder must be told before a packet, in the place of what it was told before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationChange {
    /// Place of the packet in the answer.
    pub at: usize,
    /// Codec for WebCodecs, or none when no browser decodes it.
    pub codec_string: Option<String>,
    /// Width of the coded picture in pixels.
    pub coded_width: u32,
    /// Height of the coded picture in pixels.
    pub coded_height: u32,
    /// Decoder configuration record; none when the stream carries its own headers.
    pub description: Option<Vec<u8>>,
}

/// One coded packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedPacket {
    /// Display ordinal of its picture, also outside the range asked for; −1 when nothing is to be shown for it.
    pub frame: i64,
    /// True at a verified random access point.
    pub key: bool,
    /// Payload.
    pub bytes: Bytes,
}
