//! What is told of a file that was made.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use transect_frame_client::{FrameIndex, Output, Produced, WorkerError};

use crate::bitstream::web_codec;
use crate::boxes;
use crate::libav::Parameters;
use crate::picture::refused;
use crate::transcode::audio::Heard;
use crate::transcode::copy::Copied;
use crate::transcode::selection::Selection;
use crate::transcode::stage::Done;
use crate::transcode::stills::Made;
use crate::transcode::stream_file::failed;

/// A codec that nobody can name exactly is left out of the media type.
fn mime(base: &str, codec: Option<String>) -> String {
    match codec {
        Some(codec) => format!("{base}; codecs=\"{codec}\""),
        None => base.to_owned(),
    }
}

fn bit_rate(size_bytes: u64, selection: &Selection) -> u64 {
    (size_bytes as f64 * 8.0 / selection.duration_secs().max(0.001)) as u64
}

/// The codec of an MP4 file as RFC 6381 spells it, from the file itself.
fn codec_string(file: &Path, codec: &str) -> std::io::Result<Option<String>> {
    let file = File::open(file)?;
    let segments = boxes::top_level(&file)?;
    let Some(moov) = segments.iter().find(|segment| segment.name == "moov") else {
        return Ok(None);
    };
    let mut bytes = vec![0; moov.size as usize];
    file.read_exact_at(&mut bytes, moov.offset)?;
    let record = boxes::codec_record(&bytes[8..]);
    Ok(record.and_then(|record| web_codec(codec, &record, 0, 8, &[]).0))
}

/// An encoded stream.
///
/// Errors: `Io`.
pub fn stream(
    file: &Path,
    codec: &str,
    (width, height): (u32, u32),
    selection: &Selection,
    done: Done,
) -> Result<Produced, WorkerError> {
    let codec_string = codec_string(file, codec).map_err(|error| failed(file, &error))?;
    Ok(Produced {
        file: file.to_owned(),
        width,
        height,
        codec: codec.to_owned(),
        codec_mime: mime("video/mp4", codec_string),
        codec_description: String::new(),
        bit_rate: bit_rate(done.size_bytes, selection),
        size_bytes: done.size_bytes,
        frames: selection.count(),
        repeated: 0,
        segments: Some(done.segments),
        sprite: None,
    })
}

/// Says that a stream has become another, flat file.
pub fn flattened(
    produced: Produced,
    file: &Path,
    size_bytes: u64,
    selection: &Selection,
) -> Produced {
    Produced {
        file: file.to_owned(),
        size_bytes,
        bit_rate: bit_rate(size_bytes, selection),
        segments: None,
        ..produced
    }
}

/// Coded pictures in another container.
///
/// Errors: `Io`; `Unreadable`.
pub fn copy(
    file: &Path,
    index: &FrameIndex,
    selection: &Selection,
    copied: Copied,
) -> Result<Produced, WorkerError> {
    let codec_string = codec_string(file, &index.codec).map_err(|error| failed(file, &error))?;
    let (width, height) = index.display_size();
    let parameters = Parameters::from_index(index).map_err(refused)?;
    Ok(Produced {
        file: file.to_owned(),
        width,
        height,
        codec: index.codec.clone(),
        codec_mime: mime("video/mp4", codec_string.or(index.codec_string.clone())),
        codec_description: parameters.codec_description(),
        bit_rate: bit_rate(copied.size_bytes, selection),
        size_bytes: copied.size_bytes,
        frames: selection.count(),
        repeated: 0,
        segments: copied.segments,
        sprite: None,
    })
}

/// Sound, always as AAC.
pub fn sound(file: &Path, heard: Heard) -> Produced {
    Produced {
        file: file.to_owned(),
        width: 0,
        height: 0,
        codec: heard.parameters.codec(),
        codec_mime: mime("audio/mp4", heard.parameters.aac_string()),
        codec_description: heard.parameters.codec_description(),
        bit_rate: heard.bit_rate,
        size_bytes: heard.size_bytes,
        frames: 0,
        repeated: 0,
        segments: None,
        sprite: None,
    }
}

/// One picture, or several in one file.
pub fn still(output: &Output, made: Made) -> Produced {
    let (codec, mime, description) = match output {
        Output::Gif { .. } => ("gif", "image/gif", "GIF (Graphics Interchange Format)"),
        _ => ("mjpeg", "image/jpeg", "Motion JPEG"),
    };
    Produced {
        file: output.file().clone(),
        width: made.size.0,
        height: made.size.1,
        codec: codec.to_owned(),
        codec_mime: mime.to_owned(),
        codec_description: description.to_owned(),
        bit_rate: 0,
        size_bytes: made.size_bytes,
        frames: made.frames,
        repeated: 0,
        segments: None,
        sprite: made.sprite,
    }
}
