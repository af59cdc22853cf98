//! Turning and mirroring pictures, plane by plane.

use transect_frame_client::FrameIndex;

use crate::libav::{Error, Frame, Result};

/// Pixels are moved in squares of so many, so that both sides stay in the processor's cache.
const SQUARE: usize = 16;

/// How a stored picture becomes upright: mirrored left to right first, then turned clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation {
    pub mirrored: bool,
    /// 0, 90, 180 or 270.
    pub degrees: u16,
}

impl Orientation {
    /// Upright already.
    pub const UPRIGHT: Orientation = Orientation::turned(0);

    /// A clockwise turn.
    pub const fn turned(degrees: u16) -> Self {
        Orientation {
            mirrored: false,
            degrees,
        }
    }

    /// That of an indexed source.
    pub fn of(index: &FrameIndex) -> Self {
        Orientation {
            mirrored: index.mirrored,
            degrees: index.rotation_degrees,
        }
    }

    /// From the number that EXIF and TIFF have for it (tag 274); upright if that makes no sense.
    pub fn from_exif(number: u32) -> Self {
        let (mirrored, degrees) = match number {
            2 => (true, 0),
            3 => (false, 180),
            4 => (true, 180),
            5 => (true, 270),
            6 => (false, 90),
            7 => (true, 90),
            8 => (false, 270),
            _ => (false, 0),
        };
        Orientation { mirrored, degrees }
    }

    /// True if width and height change places.
    pub fn swaps(self) -> bool {
        self.degrees % 180 == 90
    }

    /// Where a pixel of a plane goes.
    fn place(self, x: usize, y: usize, width: usize, height: usize) -> (usize, usize) {
        let x = if self.mirrored { width - 1 - x } else { x };
        match self.degrees {
            90 => (height - 1 - y, x),
            180 => (width - 1 - x, height - 1 - y),
            270 => (y, width - 1 - x),
            _ => (x, y),
        }
    }
}

/// Returns the picture upright, in the same format. A quarter turn wants as many chroma samples across as down.
///
/// Errors: the format cannot be turned.
pub fn turn(source: &Frame, orientation: Orientation) -> Result<Frame> {
    if orientation == Orientation::UPRIGHT {
        return source.share();
    }
    let fault = |reason: &str| Error {
        what: "turn a picture",
        reason: reason.to_owned(),
    };
    let (across, down) = source.format().chroma_steps();
    if orientation.swaps() && across != down {
        return Err(fault("its chroma samples are not square"));
    }
    let (width, height) = (source.width(), source.height());
    let (new_width, new_height) = if orientation.swaps() {
        (height, width)
    } else {
        (width, height)
    };
    let mut result = Frame::blank(source.format(), new_width, new_height)?;
    result.describe_as(source);
    for (plane, pixel_bytes) in source.format().planes().into_iter().enumerate() {
        let size = |pixels: u32, step: u32| {
            let chroma = plane == 1 || plane == 2;
            pixels.div_ceil(if chroma { step } else { 1 }) as usize
        };
        let lost = || fault("it has no planes");
        let from = Side {
            plane: source.plane(plane).ok_or_else(lost)?,
            size: (size(width, across), size(height, down)),
        };
        let to = result.plane_mut(plane).ok_or_else(lost)?;
        match pixel_bytes {
            1 => turn_plane::<1>(&from, to, orientation),
            2 => turn_plane::<2>(&from, to, orientation),
            3 => turn_plane::<3>(&from, to, orientation),
            4 => turn_plane::<4>(&from, to, orientation),
            6 => turn_plane::<6>(&from, to, orientation),
            8 => turn_plane::<8>(&from, to, orientation),
            _ => return Err(fault("its pixels have no whole bytes")),
        }
    }
    Ok(result)
}

/// A plane with its stride, and its size in pixels.
struct Side<'a> {
    plane: (&'a [u8], usize),
    size: (usize, usize),
}

fn turn_plane<const N: usize>(
    from: &Side,
    (to, to_stride): (&mut [u8], usize),
    orientation: Orientation,
) {
    let ((bytes, stride), (width, height)) = (from.plane, from.size);
    for top in (0..height).step_by(SQUARE) {
        for left in (0..width).step_by(SQUARE) {
            for y in top..(top + SQUARE).min(height) {
                for x in left..(left + SQUARE).min(width) {
                    let (to_x, to_y) = orientation.place(x, y, width, height);
                    let (source, target) = (y * stride + x * N, to_y * to_stride + to_x * N);
                    to[target..target + N].copy_from_slice(&bytes[source..source + N]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libav::PixelFormat;

    /// A picture of two by one pixels, 1 and 2.
    fn pair(format: PixelFormat, pixel_bytes: usize) -> Frame {
        let mut frame = Frame::blank(format, 2, 1).unwrap();
        let (bytes, _) = frame.plane_mut(0).unwrap();
        bytes[..pixel_bytes].fill(1);
        bytes[pixel_bytes..2 * pixel_bytes].fill(2);
        frame
    }

    #[test]
    fn turns_clockwise() {
        for (format, pixel_bytes) in [(PixelFormat::RGB24, 3), (PixelFormat::YUV420P, 1)] {
            let source = pair(format, pixel_bytes);
            let turned = turn(&source, Orientation::turned(90)).unwrap();
            assert_eq!((turned.width(), turned.height()), (1, 2));
            let (bytes, stride) = turned.plane(0).unwrap();
            assert_eq!((bytes[0], bytes[stride]), (1, 2));
            let turned = turn(&source, Orientation::turned(270)).unwrap();
            assert_eq!(turned.plane(0).unwrap().0[0], 2);
        }
    }

    #[test]
    fn knows_what_exif_means() {
        // The corners of a picture of two by two: top left is "a", then clockwise "b", "c", "d". What EXIF calls n shows
        // the row and column that the number stands for (TIFF 6.0, "Orientation").
        let upright = [
            "ab/dc", "ba/cd", "cd/ba", "dc/ab", "ad/bc", "da/cb", "cb/da", "bc/ad",
        ];
        for (number, expected) in (1..).zip(upright) {
            let orientation = Orientation::from_exif(number);
            let mut shown = [[' '; 2]; 2];
            for (letter, (x, y)) in "abcd".chars().zip([(0, 0), (1, 0), (1, 1), (0, 1)]) {
                let (x, y) = orientation.place(x, y, 2, 2);
                shown[y][x] = letter;
            }
            let rows: Vec<String> = shown.iter().map(|row| row.iter().collect()).collect();
            assert_eq!(rows.join("/"), expected, "{number}");
        }
    }
}
