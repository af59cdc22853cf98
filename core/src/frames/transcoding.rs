//! Files made of a media's source.

use std::path::Path;

use transect_frame_client::{
    Image, ImageRequest, Output, Probe, Produced, Progress, TranscodeRequest, WorkerError,
};

use crate::context::Context;
use crate::error::Result;
use crate::media::source::{self, Source};

/// What the headers of a source's file say. Errors: `Invalid` for a file that is no media.
pub async fn probe(cx: &Context, source: &Source) -> Result<Probe> {
    let path = source::file(cx, source).await?;
    Ok(cx.frames.workers.probe(&path).await?)
}

/// Makes files of every frame of a source that is ready, in the order of `outputs`. Dropping the
/// future ends the work at once; what it left of a stream is continued at the next call.
///
/// Errors: `Invalid` for a source that cannot be decoded or an output that no encoder makes.
pub async fn transcode(
    cx: &Context,
    source: &Source,
    outputs: Vec<Output>,
    progress: impl FnMut(Progress) + Send,
) -> Result<Vec<Produced>> {
    let request = TranscodeRequest {
        source: source::file(cx, source).await?,
        index_file: cx.frames.index_file(source.media),
        ranges: Vec::new(),
        more: Vec::new(),
        outputs,
        encoders: cx.settings.transcode.encoders,
    };
    Ok(cx.frames.workers.transcode(request, progress).await?)
}

/// Makes a picture file that browsers show, beside `folder`'s other files; what went wrong with the
/// worker is told apart from the rest.
pub async fn convert_image(
    cx: &Context,
    source: &Source,
    file: &Path,
    format: transect_frame_client::ImageFormat,
) -> Result<std::result::Result<Image, WorkerError>> {
    let request = ImageRequest {
        source: source::file(cx, source).await?,
        file: file.to_owned(),
        format,
        thumbnail: None,
    };
    Ok(cx.frames.workers.convert_image(request).await)
}
