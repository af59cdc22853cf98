//! Several frames in one picture.

use transect_frame_client::{ComposeRequest, Format, Fraction, Layout, Size, WorkerError};

use crate::animation;
use crate::libav::{Colour, Frame, PixelFormat, scale};
use crate::picture::{Encoded, Use, encode, needs, refused, render};
use crate::turn::Orientation;

/// More frames in one answer are refused.
const MOST_FRAMES: usize = 1000;
/// A larger grid is refused, before memory is asked for.
const LARGEST_PIXELS: u64 = 1 << 27;

/// Makes a grid or an animation.
///
/// Errors: `Invalid` if layout, format and number of frames do not go together; those of the frames.
pub fn compose(
    request: &ComposeRequest,
    decoded: &mut dyn FnMut(usize) -> Result<(Frame, Orientation), WorkerError>,
) -> Result<Encoded, WorkerError> {
    let invalid = |message: &str| {
        Err(WorkerError::Invalid {
            message: message.into(),
        })
    };
    if request.frames.is_empty() || request.frames.len() > MOST_FRAMES {
        return invalid("from 1 to 1000 frames go into one picture");
    }
    if !request.rois.is_empty() && request.rois.len() != request.frames.len() {
        return invalid("there must be as many regions as frames, or none");
    }
    if !request.files.is_empty() && request.files.len() != request.frames.len() {
        return invalid("there must be as many files named as frames, or none");
    }
    let mut first = None;
    let mut tiles = (0..request.frames.len()).map(|at| {
        let (decoded, orientation) = decoded(at)?;
        let roi = request.rois.get(at).copied().or(request.roi);
        let made = render(&decoded, orientation, roi, request.size, Use::Rgb)?;
        let (width, height) = (made.width(), made.height());
        let size = *first.get_or_insert((width, height));
        // The stream changes its size on the way: its pictures, or the same part of them, are as large as the first one.
        if request.rois.is_empty() && (width, height) != size {
            let (width, height) = size;
            let size = Size::Exact { width, height };
            return render(&decoded, orientation, roi, size, Use::Rgb);
        }
        Ok(made)
    });
    match (request.layout, request.format) {
        (Layout::Animate { rate }, _)
            if rate.num <= 0 || rate.den <= 0 || rate.as_f64() > 1000.0 =>
        {
            invalid("the rate must be above 0 and at most 1000 pictures per second")
        }
        (Layout::Animate { rate }, Format::Gif) => animation::gif(tiles, rate_delay_secs(rate)),
        (Layout::Animate { rate }, Format::Mp4) => animation::mp4(tiles, rate),
        (Layout::Animate { .. }, _) => invalid("an animation is gif or mp4"),
        (Layout::Tile { .. }, Format::Mp4) => invalid("mp4 is for animations only"),
        (Layout::Tile { .. }, Format::Y4m) => invalid("y4m is for single pictures only"),
        (Layout::Tile { columns, rows }, format) => {
            let (columns, rows) = grid(request.frames.len() as u32, columns, rows)?;
            let canvas = tile(&mut tiles, columns, rows)?;
            if needs(format, false) != Use::Jpeg {
                return encode(&canvas, format, request.quality);
            }
            let (width, height) = (canvas.width(), canvas.height());
            let planes = scale(
                &canvas,
                Colour::JPEG,
                PixelFormat::YUVJ420P,
                Colour::JPEG,
                width,
                height,
            );
            encode(&planes.map_err(refused)?, format, request.quality)
        }
    }
}

fn rate_delay_secs(rate: Fraction) -> f64 {
    1.0 / rate.as_f64()
}

/// Columns and rows for a number of frames.
fn grid(count: u32, columns: Option<u32>, rows: Option<u32>) -> Result<(u32, u32), WorkerError> {
    let columns = columns
        .unwrap_or_else(|| f64::from(count).sqrt().ceil() as u32)
        .max(1);
    let needed = count.div_ceil(columns);
    let rows = rows.unwrap_or(needed);
    if rows < needed {
        return Err(WorkerError::Invalid {
            message: format!("{count} frames do not fit into {columns}x{rows}"),
        });
    }
    Ok((columns, rows))
}

fn tile(
    pictures: &mut dyn Iterator<Item = Result<Frame, WorkerError>>,
    columns: u32,
    rows: u32,
) -> Result<Frame, WorkerError> {
    let mut canvas: Option<Frame> = None;
    let mut size = (0, 0);
    for (at, picture) in pictures.enumerate() {
        let picture = picture?;
        if canvas.is_none() {
            size = (picture.width(), picture.height());
            canvas = Some(black(size.0, size.1, columns, rows)?);
        }
        if (picture.width(), picture.height()) != size {
            return tile_mixed(picture.width(), picture.height());
        }
        let Some((target, stride)) = canvas.as_mut().and_then(|canvas| canvas.plane_mut(0)) else {
            continue;
        };
        let Some((pixels, pixel_stride)) = picture.plane(0) else {
            continue;
        };
        let (column, row) = (at as u32 % columns, at as u32 / columns);
        let start = (row * size.1) as usize * stride + (column * size.0) as usize * 3;
        for (to, from) in target[start..]
            .chunks_mut(stride)
            .zip(pixels.chunks(pixel_stride))
        {
            let width = size.0 as usize * 3;
            to[..width].copy_from_slice(&from[..width]);
        }
    }
    canvas.ok_or_else(|| WorkerError::Invalid {
        message: "no frames asked for".into(),
    })
}

fn tile_mixed(width: u32, height: u32) -> Result<Frame, WorkerError> {
    let message = format!(
        "frames of different sizes ({width}x{height}) need an exact size to go into a grid"
    );
    Err(WorkerError::Invalid { message })
}

fn black(width: u32, height: u32, columns: u32, rows: u32) -> Result<Frame, WorkerError> {
    let (width, height) = (width.checked_mul(columns), height.checked_mul(rows));
    let (Some(width), Some(height)) = (width, height) else {
        return Err(WorkerError::Invalid {
            message: "the grid is too large".into(),
        });
    };
    if u64::from(width) * u64::from(height) > LARGEST_PIXELS {
        return Err(WorkerError::Invalid {
            message: format!("the grid is too large: {width}x{height}"),
        });
    }
    let mut canvas = Frame::blank(PixelFormat::RGB24, width, height).map_err(refused)?;
    if let Some((bytes, _)) = canvas.plane_mut(0) {
        bytes.fill(0);
    }
    Ok(canvas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_hold_all_frames() {
        assert_eq!(grid(5, None, None).unwrap(), (3, 2));
        assert_eq!(grid(4, None, None).unwrap(), (2, 2));
        assert_eq!(grid(4, Some(4), Some(2)).unwrap(), (4, 2));
        assert!(grid(5, Some(2), Some(2)).is_err());
    }
}
