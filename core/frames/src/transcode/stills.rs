//! Small pictures from a video: the first frame, a moving summary, a grid.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use transect_frame_client::{Format, FrameIndex, Output, Size, Sprite, WorkerError};

use crate::animation;
use crate::cache::Pictures;
use crate::libav::{Colour, Frame, PixelFormat, scale};
use crate::picture::{Use, encode, refused, render};
use crate::source::Source;
use crate::transcode::selection::Selection;
use crate::transcode::stream_file::failed;
use crate::turn::Orientation;

const JPEG_QUALITY: u8 = 85;
/// The summary shows a picture a second, or so many at even distances if that is fewer, four times as fast.
const GIF_PICTURES: f64 = 60.0;
const GIF_DELAY_SECS: f64 = 0.25;
/// Browsers draw no larger pictures.
const LARGEST_SIDE: u32 = 16_384;

/// A still, or several in one file, and what has been collected for it.
pub struct Still {
    pub output: usize,
    file: PathBuf,
    kind: Kind,
    /// In pixels, upright.
    size: (u32, u32),
    /// Display ordinals, in the order in which they are shown.
    wanted: Vec<usize>,
    /// Those that are not collected yet.
    missing: BTreeSet<usize>,
    collected: BTreeMap<usize, Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thumbnail,
    Gif,
    Sprite { columns: u32 },
}

/// A still that was made.
pub struct Made {
    pub size: (u32, u32),
    pub size_bytes: u64,
    pub frames: u64,
    pub sprite: Option<Sprite>,
}

impl Still {
    /// Plans a still; none if the output is none.
    ///
    /// Errors: `Invalid` for a size of zero.
    pub fn plan(
        output: usize,
        request: &Output,
        index: &FrameIndex,
        selection: &Selection,
    ) -> Result<Option<Self>, WorkerError> {
        let ordinals = |places: Vec<u64>| -> Vec<usize> {
            places
                .into_iter()
                .filter_map(|place| selection.ordinal(place))
                .collect()
        };
        let (file, kind, width, wanted) = match request {
            Output::Thumbnail { file, width } => (file, Kind::Thumbnail, *width, ordinals(vec![0])),
            Output::Gif { file, width } => {
                let step_secs = (selection.duration_secs() / GIF_PICTURES).max(1.0);
                (
                    file,
                    Kind::Gif,
                    *width,
                    summary(index, selection, step_secs),
                )
            }
            Output::Sprite {
                file,
                width,
                columns,
                every,
            } => {
                let columns = *columns;
                let size = small(index.display_size(), *width);
                let wanted = keys(index, selection, (*every).max(1), size, columns);
                (file, Kind::Sprite { columns }, *width, wanted)
            }
            _ => return Ok(None),
        };
        let size = small(index.display_size(), width);
        let too_wide = match kind {
            Kind::Sprite { columns } => {
                columns == 0
                    || size
                        .0
                        .checked_mul(columns)
                        .is_none_or(|all| all > LARGEST_SIDE)
            }
            _ => false,
        };
        if width == 0 || too_wide {
            return Err(WorkerError::Invalid {
                message: format!("a still of that size cannot be made: {}", file.display()),
            });
        }
        Ok(Some(Still {
            output,
            file: file.clone(),
            kind,
            size,
            missing: wanted.iter().copied().collect(),
            wanted,
            collected: BTreeMap::new(),
        }))
    }

    /// Keeps a frame if it is one of those wanted.
    ///
    /// Errors: it cannot be converted.
    pub fn collect(
        &mut self,
        ordinal: usize,
        picture: &Frame,
        orientation: Orientation,
    ) -> Result<(), WorkerError> {
        if self.missing.remove(&ordinal) {
            let (width, height) = self.size;
            let made_for = if self.kind == Kind::Thumbnail {
                Use::Jpeg
            } else {
                Use::Rgb
            };
            let size = Size::Exact { width, height };
            let small = render(picture, orientation, None, size, made_for)?;
            self.collected.insert(ordinal, small);
        }
        Ok(())
    }

    /// Decodes what is missing, and writes the file. Frames that do not decode are left out as long as one does.
    ///
    /// Errors: `Unreadable`; `Io`.
    pub fn finish(
        mut self,
        source: &mut Source,
        pictures: &Pictures,
        progress: &mut dyn FnMut(),
    ) -> Result<Made, WorkerError> {
        let orientation = Orientation::of(&source.film.index);
        let mut fault = None;
        for ordinal in self.missing.clone() {
            progress();
            match source.frame(ordinal as u64, pictures) {
                Ok(picture) => self.collect(ordinal, &picture, orientation)?,
                Err(error) => fault = Some(error),
            }
        }
        if self.collected.is_empty()
            && let Some(error) = fault
        {
            return Err(error);
        }
        self.wanted
            .retain(|ordinal| self.collected.contains_key(ordinal));
        self.write()
    }

    fn write(self) -> Result<Made, WorkerError> {
        let shown = self.wanted.iter().filter_map(|at| self.collected.get(at));
        let (encoded, sprite) = match self.kind {
            Kind::Thumbnail => {
                let first = shown.into_iter().next().ok_or_else(nothing)?;
                (encode(first, Format::Jpg, JPEG_QUALITY)?, None)
            }
            Kind::Gif => {
                let frames = shown.map(|frame| frame.share().map_err(refused));
                (animation::gif(frames, GIF_DELAY_SECS)?, None)
            }
            Kind::Sprite { columns } => {
                let frames: Vec<&Frame> = shown.collect();
                let sheet = sheet(&frames, self.size, columns)?;
                let sprite = Sprite {
                    tile_width: self.size.0,
                    tile_height: self.size.1,
                    columns,
                    rows: (frames.len() as u32).div_ceil(columns),
                    frames: self.wanted.iter().map(|&ordinal| ordinal as u64).collect(),
                };
                (encode(&sheet, Format::Jpg, JPEG_QUALITY)?, Some(sprite))
            }
        };
        fs::write(&self.file, &encoded.bytes).map_err(|error| failed(&self.file, &error))?;
        Ok(Made {
            size: (encoded.width, encoded.height),
            size_bytes: encoded.bytes.len() as u64,
            frames: self.wanted.len() as u64,
            sprite,
        })
    }
}

fn nothing() -> WorkerError {
    WorkerError::unreadable("there is nothing to show")
}

/// A size of this width, at most the picture's, in its proportions.
pub fn small((width, height): (u32, u32), wanted: u32) -> (u32, u32) {
    if wanted == 0 || wanted >= width {
        return (width, height);
    }
    let scaled = f64::from(height) * f64::from(wanted) / f64::from(width);
    (wanted, (scaled.round() as u32).max(1))
}

/// Ordinals of frames that are about so far apart: of each step the first frame where decoding can start, which costs one picture
/// in place of a group of them; where there is none, the step's first frame.
fn summary(index: &FrameIndex, selection: &Selection, step_secs: f64) -> Vec<usize> {
    let keys: Vec<usize> = index.key_frames().collect();
    let places = selection.every(step_secs);
    let ends = places.iter().skip(1).copied().chain([selection.count()]);
    let steps = places.iter().zip(ends);
    steps
        .filter_map(|(&place, end)| {
            let first = selection.ordinal(place)?;
            let key = keys.get(keys.partition_point(|&key| key < first)).copied();
            let at_key = key.filter(|&key| {
                let place = place + (key - first) as u64;
                // Another range may come in between.
                place < end && selection.ordinal(place) == Some(key)
            });
            Some(at_key.unwrap_or(first))
        })
        .collect()
}

/// Ordinals of frames where decoding can start: the last one at or before every n-th frame of the selection, as many as fit
/// into the grid.
fn keys(
    index: &FrameIndex,
    selection: &Selection,
    every: u32,
    (_, height): (u32, u32),
    columns: u32,
) -> Vec<usize> {
    let most = u64::from((LARGEST_SIDE / height.max(1)).max(1)) * u64::from(columns.max(1));
    let step = u64::from(every).max(selection.count().div_ceil(most));
    let keys: Vec<usize> = index.key_frames().collect();
    let key = |ordinal: usize| {
        let before = keys.partition_point(|&key| key <= ordinal);
        before.checked_sub(1).map_or(ordinal, |at| keys[at])
    };
    let ordinals: BTreeSet<usize> = (0..selection.count())
        .step_by(usize::try_from(step).unwrap_or(usize::MAX))
        .filter_map(|place| selection.ordinal(place))
        .map(key)
        .collect();
    ordinals.into_iter().collect()
}

/// Puts RGB pictures of one size into a grid, and converts it for JPEG.
fn sheet(frames: &[&Frame], size: (u32, u32), columns: u32) -> Result<Frame, WorkerError> {
    let rows = (frames.len() as u32).div_ceil(columns);
    if rows == 0 {
        return Err(nothing());
    }
    let (width, height) = (size.0 * columns, size.1 * rows);
    let mut canvas = Frame::blank(PixelFormat::RGB24, width, height).map_err(refused)?;
    let (target, stride) = canvas.plane_mut(0).ok_or_else(nothing)?;
    target.fill(0);
    for (at, frame) in frames.iter().enumerate() {
        let (pixels, pixel_stride) = frame.plane(0).ok_or_else(nothing)?;
        let (column, row) = (at as u32 % columns, at as u32 / columns);
        let start = (row * size.1) as usize * stride + (column * size.0) as usize * 3;
        let wide = size.0 as usize * 3;
        for (to, from) in target[start..]
            .chunks_mut(stride)
            .zip(pixels.chunks(pixel_stride))
        {
            to[..wide].copy_from_slice(&from[..wide]);
        }
    }
    scale(
        &canvas,
        Colour::JPEG,
        PixelFormat::YUVJ420P,
        Colour::JPEG,
        width,
        height,
    )
    .map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::selection::tests::index;
    use transect_frame_client::Flags;

    #[test]
    fn keeps_proportions() {
        assert_eq!(small((1920, 1080), 256), (256, 144));
        assert_eq!(small((100, 50), 256), (100, 50));
        assert_eq!(small((4000, 2), 100), (100, 1));
    }

    #[test]
    fn sums_up_where_decoding_can_start() {
        let mut index = index(&[1; 60]);
        index.tables.remark(|at, flags| match at {
            0 | 13 | 26 | 39 | 41 => Flags::KEY,
            _ => flags,
        });
        let all = Selection::new(&index, &[]).unwrap();
        assert_eq!(summary(&index, &all, 1.0), [0, 13, 26, 39, 41, 50]);
        // The next key frame after 5 is not shown, that after 11 neither.
        let parts = Selection::new(&index, &[(5, 8), (25, 60 - 1), (10, 11)]).unwrap();
        assert_eq!(summary(&index, &parts, 1.0), [5, 39, 41, 51, 11]);
    }

    #[test]
    fn shows_where_decoding_can_start() {
        let mut index = index(&[1; 40]);
        index.tables.remark(|at, flags| match at {
            0 | 12 | 24 | 36 => Flags::KEY,
            _ => flags,
        });
        let all = Selection::new(&index, &[]).unwrap();
        assert_eq!(keys(&index, &all, 5, (16, 9), 10), [0, 12, 24]);
        assert_eq!(keys(&index, &all, 30, (16, 9), 10), [0, 24]);
        // No room for more than two rows of one.
        assert_eq!(keys(&index, &all, 1, (16, 8000), 1), [0, 12]);
    }
}
