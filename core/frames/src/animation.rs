//! Moving pictures: GIF and MP4.

use transect_frame_client::{Fraction, WorkerError};

use crate::libav::{Colour, Encoder, Frame, Matrix, PixelFormat, Setting, mux_mp4, scale};
use crate::picture::{Encoded, refused};

/// GIF palettes are searched for in every n-th pixel.
const PALETTE_SPEED: i32 = 10;

/// Encodes RGB pictures of one size as GIF that repeats for ever; a delay of zero for a still.
///
/// Errors: those of the pictures; `Invalid` if they are too large for GIF or there are none.
pub fn gif(
    mut pictures: impl Iterator<Item = Result<Frame, WorkerError>>,
    delay_secs: f64,
) -> Result<Encoded, WorkerError> {
    let first = pictures.next().ok_or_else(|| WorkerError::Invalid {
        message: "no frames asked for".into(),
    })??;
    let side = |pixels: u32| {
        u16::try_from(pixels).map_err(|_| WorkerError::Invalid {
            message: "too large for gif".into(),
        })
    };
    let (width, height) = (side(first.width())?, side(first.height())?);
    let mut encoder = gif::Encoder::new(Vec::new(), width, height, &[]).map_err(invalid)?;
    if delay_secs > 0.0 {
        encoder.set_repeat(gif::Repeat::Infinite).map_err(invalid)?;
    }
    for picture in std::iter::once(Ok(first)).chain(pictures) {
        let picture = picture?;
        if (picture.width(), picture.height()) != (width.into(), height.into()) {
            return Err(WorkerError::Invalid {
                message: "frames of different sizes need an exact size".into(),
            });
        }
        let mut frame = gif::Frame::from_rgb_speed(width, height, &rows(&picture), PALETTE_SPEED);
        frame.delay = (delay_secs * 100.0).round().clamp(0.0, f64::from(u16::MAX)) as u16;
        encoder.write_frame(&frame).map_err(invalid)?;
    }
    let bytes = encoder.into_inner().map_err(invalid)?;
    Ok(Encoded {
        bytes,
        width: width.into(),
        height: height.into(),
    })
}

fn invalid(error: gif::EncodingError) -> WorkerError {
    WorkerError::Invalid {
        message: error.to_string(),
    }
}

/// Encodes RGB pictures of one size as H.264 in MP4; odd sizes lose their last row or column.
///
/// Errors: those of the pictures; `Invalid` if there are none or the rate is not positive.
pub fn mp4(
    mut pictures: impl Iterator<Item = Result<Frame, WorkerError>>,
    rate: Fraction,
) -> Result<Encoded, WorkerError> {
    let first = pictures.next().ok_or_else(|| WorkerError::Invalid {
        message: "no frames asked for".into(),
    })??;
    let (width, height) = (first.width() & !1, first.height() & !1);
    if width == 0 || height == 0 {
        return Err(WorkerError::Invalid {
            message: "too small for mp4".into(),
        });
    }
    let colour = Colour {
        matrix: if height >= 720 {
            Matrix::Bt709
        } else {
            Matrix::Bt601
        },
        full_range: false,
    };
    let planes = |mut picture: Frame| {
        picture.crop(0, 0, width, height)?;
        scale(
            &picture,
            Colour::JPEG,
            PixelFormat::YUV420P,
            colour,
            width,
            height,
        )
    };
    let first = planes(first).map_err(refused)?;
    let options = vec![("preset", "veryfast".to_owned()), ("crf", "20".to_owned())];
    let setting = Setting {
        options,
        rate: Some(rate),
        ..Setting::default()
    };
    let encoder = Encoder::open("libx264", &first, &setting).map_err(refused)?;
    let mut first = Some(first);
    let bytes = mux_mp4(encoder, || -> Result<_, Failure> {
        match first.take() {
            Some(first) => Ok(Some(first)),
            None => match pictures.next() {
                Some(picture) => Ok(Some(planes(picture.map_err(Failure)?)?)),
                None => Ok(None),
            },
        }
    })
    .map_err(|failure| failure.0)?;
    Ok(Encoded {
        bytes,
        width,
        height,
    })
}

struct Failure(WorkerError);

impl From<crate::libav::Error> for Failure {
    fn from(error: crate::libav::Error) -> Self {
        Failure(refused(error))
    }
}

/// Pixels of an RGB picture without gaps.
fn rows(picture: &Frame) -> Vec<u8> {
    let width = picture.width() as usize * 3;
    picture.plane(0).map_or_else(Vec::new, |(bytes, stride)| {
        bytes
            .chunks(stride)
            .flat_map(|row| &row[..width])
            .copied()
            .collect()
    })
}
