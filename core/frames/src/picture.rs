//! From a decoded frame to the picture that was asked for.

use std::cell::RefCell;

use transect_frame_client::{Format, Roi, Size, WorkerError};

use crate::colour;
use crate::libav::{
    Colour, Encoder, Error, Frame, LARGEST_PIXELS, Matrix, PixelFormat, Setting, scale,
};
use crate::planes;
use crate::turn::{Orientation, turn};

/// What a picture is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// 8-bit 4:2:0 with JPEG's colours.
    Jpeg,
    /// 8-bit red, green, blue.
    Rgb,
    /// The same with transparency.
    Rgba,
    /// Planes as they were decoded.
    Planes,
}

/// An encoded picture.
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

/// Of equal height, encoded side by side; always as many, so that equal requests get equal bytes.
const JPEG_SLICES: i32 = 2;

/// Crops, scales, converts and turns a decoded frame.
///
/// Errors: `Invalid` for an empty crop or an impossible size; `Unreadable` if the format cannot be converted.
pub fn render(
    frame: &Frame,
    orientation: Orientation,
    roi: Option<Roi>,
    size: Size,
    made_for: Use,
) -> Result<Frame, WorkerError> {
    let mut source = frame.share().map_err(refused)?;
    if let Some(roi) = roi {
        let area = area(roi, orientation, source.width(), source.height())?;
        source = crop(source, area)?;
    }
    let (width, height) = target(size, source.width(), source.height(), orientation.swaps())?;
    let made = convert(&source, (width, height), made_for, orientation.swaps());
    let made = made.map_err(refused)?;
    turn(&made, orientation).map_err(refused)
}

/// Encodes a rendered picture as a still.
///
/// Errors: `Invalid` for a moving format; `Unreadable` if the encoder refuses the picture.
pub fn encode(picture: &Frame, format: Format, quality: u8) -> Result<Encoded, WorkerError> {
    let quality = quality.clamp(1, 100);
    let bytes = match format {
        Format::Jpg => jpeg(picture, quality),
        Format::Png => {
            let options = vec![
                ("compression_level", "3".to_owned()),
                ("pred", "up".to_owned()),
            ];
            still(
                "png",
                picture,
                Setting {
                    options,
                    ..Setting::default()
                },
            )
        }
        Format::Webp => webp(picture, quality),
        Format::Y4m => Ok(planes::encode(picture).map_err(WorkerError::unreadable)?),
        Format::Gif => {
            return crate::animation::gif(
                std::iter::once(Ok(picture.share().map_err(refused)?)),
                0.0,
            );
        }
        Format::Mp4 => {
            return Err(WorkerError::Invalid {
                message: "mp4 is for animations only".into(),
            });
        }
    };
    let bytes = bytes.map_err(refused)?;
    Ok(Encoded {
        bytes,
        width: picture.width(),
        height: picture.height(),
    })
}

/// What a picture has to be made for to be encoded in a format.
pub fn needs(format: Format, has_alpha: bool) -> Use {
    match format {
        Format::Jpg => Use::Jpeg,
        Format::Y4m => Use::Planes,
        Format::Png | Format::Webp if has_alpha => Use::Rgba,
        _ => Use::Rgb,
    }
}

pub fn refused(error: Error) -> WorkerError {
    WorkerError::unreadable(error.to_string())
}

fn still(encoder: &'static str, picture: &Frame, setting: Setting) -> Result<Vec<u8>, Error> {
    Encoder::open(encoder, picture, &setting)?.still(picture)
}

/// An encoder, and what it was opened for: width, height, pixel format, quality.
type Kept = ((u32, u32, i32, u8), Encoder);

thread_local! {
    /// The last JPEG encoder: opening one costs more than a tenth of a picture.
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

fn jpeg(picture: &Frame, quality: u8) -> Result<Vec<u8>, Error> {
    let fit = (
        picture.width(),
        picture.height(),
        picture.format().number(),
        quality,
    );
    let kept = KEPT.take().filter(|(made_for, _)| *made_for == fit);
    let mut encoder = match kept {
        Some((_, encoder)) => encoder,
        None => {
            // Tables made for the picture would need all of it before the first bit, and so rule out slices.
            let setting = Setting {
                options: vec![("huffman", "default".to_owned())],
                quantiser: Some(quantiser(quality)),
                slices: Some(JPEG_SLICES),
                ..Setting::default()
            };
            Encoder::open("mjpeg", picture, &setting)?
        }
    };
    let bytes = encoder.still(picture)?;
    KEPT.set(Some((fit, encoder)));
    Ok(bytes)
}

fn webp(picture: &Frame, quality: u8) -> Result<Vec<u8>, Error> {
    let (width, height) = (picture.width(), picture.height());
    let pixels = scale(
        picture,
        picture.colour(),
        PixelFormat::BGRA,
        Colour::JPEG,
        width,
        height,
    )?;
    let lossless = u8::from(quality == 100).to_string();
    let options = vec![
        ("quality", quality.to_string()),
        ("lossless", lossless),
        ("compression_level", "3".to_owned()),
    ];
    still(
        "libwebp",
        &pixels,
        Setting {
            options,
            ..Setting::default()
        },
    )
}

/// The MPEG quantiser that comes nearest to libjpeg's quality: libjpeg scales a table with a mean of about 58, libav divides
/// one with a mean of about 26 by 8.
fn quantiser(quality: u8) -> f64 {
    let quality = f64::from(quality);
    let percent = if quality < 50.0 {
        5000.0 / quality
    } else {
        200.0 - 2.0 * quality
    };
    (percent / 100.0 * 58.0 / 26.0 * 8.0).clamp(1.0, 31.0)
}

/// A rectangle in pixels of the coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

/// Turns a region of the upright picture into pixels of the coded one; cut to the picture, at least a pixel.
fn area(roi: Roi, orientation: Orientation, width: u32, height: u32) -> Result<Area, WorkerError> {
    let (left, top) = (roi.x_norm, roi.y_norm);
    let (right, bottom) = (left + roi.width_norm, top + roi.height_norm);
    let valid = [left, top, right, bottom]
        .iter()
        .all(|edge| edge.is_finite());
    if !valid
        || right <= 0.0
        || bottom <= 0.0
        || left >= 1.0
        || top >= 1.0
        || right < left
        || bottom < top
    {
        return Err(WorkerError::Invalid {
            message: format!("the region lies outside the picture: {roi:?}"),
        });
    }
    let (left, top, right, bottom) = match orientation.degrees {
        90 => (top, 1.0 - right, bottom, 1.0 - left),
        180 => (1.0 - right, 1.0 - bottom, 1.0 - left, 1.0 - top),
        270 => (1.0 - bottom, left, 1.0 - top, right),
        _ => (left, top, right, bottom),
    };
    let (left, right) = if orientation.mirrored {
        (1.0 - right, 1.0 - left)
    } else {
        (left, right)
    };
    let span = |from: f64, to: f64, size: u32| {
        let start = (from.clamp(0.0, 1.0) * f64::from(size))
            .round()
            .min(f64::from(size - 1)) as u32;
        let end = (to.clamp(0.0, 1.0) * f64::from(size)).round() as u32;
        (start, end.max(start + 1) - start)
    };
    let ((x, width), (y, height)) = (span(left, right, width), span(top, bottom, height));
    Ok(Area {
        x,
        y,
        width,
        height,
    })
}

/// Cuts an area out. Where its corner falls within a chroma sample, the cut is made in RGB, so that it is exact.
fn crop(mut source: Frame, area: Area) -> Result<Frame, WorkerError> {
    let (across, down) = source.format().chroma_steps();
    let (aligned_x, aligned_y) = (area.x - area.x % across, area.y - area.y % down);
    let (width, height) = (
        area.width + area.x - aligned_x,
        area.height + area.y - aligned_y,
    );
    source
        .crop(aligned_x, aligned_y, width, height)
        .map_err(refused)?;
    if (aligned_x, aligned_y) == (area.x, area.y) {
        return Ok(source);
    }
    let format = if source.format().has_alpha() {
        PixelFormat::RGBA
    } else {
        PixelFormat::RGB24
    };
    let mut pixels = scale(
        &source,
        source.colour(),
        format,
        Colour::JPEG,
        width,
        height,
    )
    .map_err(refused)?;
    pixels
        .crop(
            area.x - aligned_x,
            area.y - aligned_y,
            area.width,
            area.height,
        )
        .map_err(refused)?;
    Ok(pixels)
}

/// Size before turning.
fn target(size: Size, width: u32, height: u32, turned: bool) -> Result<(u32, u32), WorkerError> {
    let swap = |(width, height)| {
        if turned {
            (height, width)
        } else {
            (width, height)
        }
    };
    let (upright_width, upright_height) = swap((width, height));
    let wanted = match size {
        Size::MaxHeight(limit) if limit > 0 && limit < upright_height => {
            let scaled = f64::from(upright_width) * f64::from(limit) / f64::from(upright_height);
            ((scaled.round() as u32).max(1), limit)
        }
        Size::Exact { width, height } => (width, height),
        _ => (upright_width, upright_height),
    };
    if wanted.0 == 0 || wanted.1 == 0 || u64::from(wanted.0) * u64::from(wanted.1) > LARGEST_PIXELS
    {
        return Err(WorkerError::Invalid {
            message: format!("impossible size {}x{}", wanted.0, wanted.1),
        });
    }
    Ok(swap(wanted))
}

/// `swaps` says that the picture is going to be turned by a quarter.
fn convert(
    source: &Frame,
    (width, height): (u32, u32),
    made_for: Use,
    swaps: bool,
) -> Result<Frame, Error> {
    let from = source.colour();
    let (format, same_size) = (
        source.format(),
        (source.width(), source.height()) == (width, height),
    );
    match made_for {
        Use::Rgb => scale(
            source,
            from,
            PixelFormat::RGB24,
            Colour::JPEG,
            width,
            height,
        ),
        Use::Rgba => scale(source, from, PixelFormat::RGBA, Colour::JPEG, width, height),
        Use::Planes => {
            let wanted = planes::nearest(format, swaps);
            if same_size && wanted == format {
                return source.share();
            }
            let to = if format.is_rgb() { Colour::JPEG } else { from };
            scale(source, from, wanted, to, width, height)
        }
        Use::Jpeg if format.is_rgb() => scale(
            source,
            from,
            PixelFormat::YUVJ420P,
            Colour::JPEG,
            width,
            height,
        ),
        Use::Jpeg => {
            let plain = [PixelFormat::YUV420P, PixelFormat::YUVJ420P].contains(&format);
            let planes = if same_size && plain {
                source.share()?
            } else {
                scale(source, from, PixelFormat::YUV420P, from, width, height)?
            };
            let done = from == Colour::JPEG || (from.full_range && from.matrix == Matrix::Bt601);
            if done && planes.format() == PixelFormat::YUVJ420P {
                Ok(planes)
            } else {
                colour::to_jpeg(&planes, from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_regions_of_turned_pictures() {
        let roi = Roi {
            width_norm: 0.5,
            height_norm: 0.25,
            x_norm: 0.5,
            y_norm: 0.0,
        };
        // 200 by 100 as coded; turned by a quarter the upright picture is 100 by 200.
        let cases = [
            (false, 0, (100, 0, 100, 25)),
            (false, 90, (0, 0, 50, 50)),
            (false, 180, (0, 75, 100, 25)),
            (false, 270, (150, 50, 50, 50)),
            (true, 0, (0, 0, 100, 25)),
            (true, 90, (150, 0, 50, 50)),
        ];
        for (mirrored, degrees, (x, y, width, height)) in cases {
            let orientation = Orientation { mirrored, degrees };
            assert_eq!(
                area(roi, orientation, 200, 100).unwrap(),
                Area {
                    x,
                    y,
                    width,
                    height
                },
                "{orientation:?}"
            );
        }
        assert!(area(Roi { x_norm: 1.5, ..roi }, Orientation::UPRIGHT, 200, 100).is_err());
    }
}
