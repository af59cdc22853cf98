//! What the headers of a file say.

use std::path::Path;

use transect_frame_client::{AudioProbe, Probe, VideoProbe, WorkerError};

use crate::indexer::{refuse_special, unreadable};
use crate::libav::{Input, Result};

/// Reads the headers of a media file.
///
/// Errors: `Unreadable` if it is none, or has neither pictures nor sound.
pub fn probe(source: &Path) -> std::result::Result<Probe, WorkerError> {
    refuse_special(source)?;
    let fault = |error: crate::libav::Error| unreadable(source, &error.to_string());
    let (video, sound) = (Input::open(source), Input::open_sound(source));
    let (container, duration_secs) = match (&video, &sound) {
        (Ok(input), _) | (_, Ok(input)) => (input.container(), input.duration_secs()),
        (Err(error), Err(_)) => return Err(fault(error.clone())),
    };
    let video = video.ok().map(|input| look(&input)).transpose();
    let audio = sound.ok().map(|input| listen(&input)).transpose();
    Ok(Probe {
        container,
        duration_secs: duration_secs.unwrap_or(0.0),
        video: video.map_err(fault)?,
        audio: audio.map_err(fault)?,
    })
}

fn look(input: &Input) -> Result<VideoProbe> {
    let parameters = input.parameters()?;
    let (mut width, mut height) = parameters.size();
    if input.orientation().swaps() {
        (width, height) = (height, width);
    }
    Ok(VideoProbe {
        codec: parameters.codec(),
        width,
        height,
        frames: input.frames(),
        fps: input.frame_rate(),
        pixel_format: parameters.pixel_format(),
    })
}

fn listen(input: &Input) -> Result<AudioProbe> {
    let parameters = input.parameters()?;
    let (sample_rate_hz, channels) = parameters.sound();
    Ok(AudioProbe {
        codec: parameters.codec(),
        sample_rate_hz,
        channels,
    })
}
