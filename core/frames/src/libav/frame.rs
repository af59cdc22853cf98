//! A decoded picture.
#![expect(unsafe_code, reason = "calls into libavutil")]

use ffmpeg_next::ffi;

use super::{Result, c_string, check, no_memory, text};
use crate::turn::Orientation;

/// Layout of a picture in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelFormat(pub(super) ffi::AVPixelFormat);

impl PixelFormat {
    pub const YUV420P: PixelFormat = PixelFormat(ffi::AVPixelFormat::AV_PIX_FMT_YUV420P);
    pub const YUVJ420P: PixelFormat = PixelFormat(ffi::AVPixelFormat::AV_PIX_FMT_YUVJ420P);
    pub const RGB24: PixelFormat = PixelFormat(ffi::AVPixelFormat::AV_PIX_FMT_RGB24);
    pub const RGBA: PixelFormat = PixelFormat(ffi::AVPixelFormat::AV_PIX_FMT_RGBA);
    pub const BGRA: PixelFormat = PixelFormat(ffi::AVPixelFormat::AV_PIX_FMT_BGRA);

    /// # Safety
    ///
    /// The number is one that libav has written: it fills in only values of its own enumeration, which the headers at build
    /// time list.
    pub(super) unsafe fn from_libav(number: i32) -> Self {
        PixelFormat(unsafe { std::mem::transmute::<i32, ffi::AVPixelFormat>(number) })
    }

    pub fn by_name(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        let format = unsafe { ffi::av_get_pix_fmt(name.as_ptr()) };
        (format != ffi::AVPixelFormat::AV_PIX_FMT_NONE).then_some(PixelFormat(format))
    }

    pub fn name(self) -> String {
        text(unsafe { ffi::av_get_pix_fmt_name(self.0) })
    }

    pub fn number(self) -> i32 {
        self.0 as i32
    }

    fn descriptor(self) -> Option<&'static ffi::AVPixFmtDescriptor> {
        unsafe { ffi::av_pix_fmt_desc_get(self.0).as_ref() }
    }

    fn has(self, flag: u64) -> bool {
        self.descriptor()
            .is_some_and(|descriptor| descriptor.flags & flag != 0)
    }

    pub fn has_alpha(self) -> bool {
        self.has(ffi::AV_PIX_FMT_FLAG_ALPHA as u64)
    }

    /// True for RGB and palettes, which have no matrix and no range to mind.
    pub fn is_rgb(self) -> bool {
        self.has((ffi::AV_PIX_FMT_FLAG_RGB | ffi::AV_PIX_FMT_FLAG_PAL) as u64)
    }

    /// Bits of the first component.
    pub fn depth(self) -> i32 {
        self.descriptor()
            .map_or(8, |descriptor| descriptor.comp[0].depth)
    }

    /// True for a single component without colour.
    pub fn is_gray(self) -> bool {
        !self.is_rgb()
            && self
                .descriptor()
                .is_some_and(|descriptor| descriptor.nb_components <= 2)
    }

    /// Bytes from pixel to pixel, for each plane; empty where these are not whole.
    pub fn planes(self) -> Vec<usize> {
        let Some(descriptor) = self.descriptor() else {
            return Vec::new();
        };
        if self.has(u64::from(ffi::AV_PIX_FMT_FLAG_BITSTREAM as u32)) {
            return Vec::new();
        }
        let components = &descriptor.comp[..usize::from(descriptor.nb_components)];
        let count = components
            .iter()
            .map(|component| component.plane + 1)
            .max()
            .unwrap_or(0);
        (0..count)
            .filter_map(|plane| {
                let component = components
                    .iter()
                    .find(|component| component.plane == plane)?;
                usize::try_from(component.step).ok()
            })
            .collect()
    }

    /// Pixels per chroma sample, across and down.
    pub fn chroma_steps(self) -> (u32, u32) {
        self.descriptor().map_or((1, 1), |format| {
            (1 << format.log2_chroma_w, 1 << format.log2_chroma_h)
        })
    }
}

/// How luma and chroma were made from red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
    Fcc,
    Smpte240,
}

/// The meaning of the numbers in a YUV picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    pub matrix: Matrix,
    /// True if black is 0 and white 255, false for 16 and 235.
    pub full_range: bool,
}

impl Colour {
    /// What JFIF prescribes.
    pub const JPEG: Colour = Colour {
        matrix: Matrix::Bt601,
        full_range: true,
    };
}

/// Pictures this high and unmarked are taken for BT.709, as players do.
const HD_HEIGHT: u32 = 720;

/// A decoded picture; clones share the pixels.
pub struct Frame(pub(super) *mut ffi::AVFrame);

// libav ties a picture to no thread, and counts the owners of its pixels atomically.
unsafe impl Send for Frame {}

impl Frame {
    pub(super) fn new() -> Result<Self> {
        let frame = unsafe { ffi::av_frame_alloc() };
        if frame.is_null() {
            Err(no_memory("make a picture"))
        } else {
            Ok(Frame(frame))
        }
    }

    /// A picture with room for pixels, of no particular content.
    pub fn blank(format: PixelFormat, width: u32, height: u32) -> Result<Self> {
        let frame = Self::new()?;
        unsafe {
            (*frame.0).format = format.number();
            (*frame.0).width = i32::try_from(width).unwrap_or(i32::MAX);
            (*frame.0).height = i32::try_from(height).unwrap_or(i32::MAX);
            check("make a picture", ffi::av_frame_get_buffer(frame.0, 0))?;
        }
        Ok(frame)
    }

    /// A second owner of the same pixels.
    pub fn share(&self) -> Result<Self> {
        let frame = unsafe { ffi::av_frame_clone(self.0) };
        if frame.is_null() {
            Err(no_memory("share a picture"))
        } else {
            Ok(Frame(frame))
        }
    }

    /// True if nobody else owns the pixels.
    pub fn writable(&self) -> bool {
        unsafe { ffi::av_frame_is_writable(self.0) != 0 }
    }

    /// Says what the numbers of the picture mean.
    pub fn set_colour(&mut self, colour: Colour) {
        use ffi::AVColorSpace as Space;
        let raw = unsafe { &mut *self.0 };
        raw.colorspace = match colour.matrix {
            Matrix::Bt601 => Space::AVCOL_SPC_SMPTE170M,
            Matrix::Bt709 => Space::AVCOL_SPC_BT709,
            Matrix::Bt2020 => Space::AVCOL_SPC_BT2020_NCL,
            Matrix::Fcc => Space::AVCOL_SPC_FCC,
            Matrix::Smpte240 => Space::AVCOL_SPC_SMPTE240M,
        };
        raw.color_range = if colour.full_range {
            ffi::AVColorRange::AVCOL_RANGE_JPEG
        } else {
            ffi::AVColorRange::AVCOL_RANGE_MPEG
        };
    }

    /// Takes over what another picture says about its colours.
    pub fn describe_as(&mut self, other: &Frame) {
        let (raw, other) = unsafe { (&mut *self.0, &*other.0) };
        raw.colorspace = other.colorspace;
        raw.color_range = other.color_range;
        raw.color_primaries = other.color_primaries;
        raw.color_trc = other.color_trc;
        raw.chroma_location = other.chroma_location;
    }

    /// Forgets how the picture was coded, so that an encoder decides for itself.
    pub fn forget_coding(&mut self) {
        unsafe {
            (*self.0).pict_type = ffi::AVPictureType::AV_PICTURE_TYPE_NONE;
            (*self.0).key_frame = 0;
            // Removing a kind shortens the list.
            for _ in 0..(*self.0).nb_side_data {
                if (*self.0).nb_side_data > 0 {
                    let kind = (**(*self.0).side_data).type_;
                    ffi::av_frame_remove_side_data(self.0, kind);
                }
            }
        }
    }

    /// The ordinal of the packet this came from, as given to [`super::Packet::label`].
    pub fn label(&self) -> Option<usize> {
        usize::try_from(unsafe { (*self.0).pts }).ok()
    }

    pub fn set_label(&mut self, ordinal: usize) {
        unsafe { (*self.0).pts = ordinal as i64 }
    }

    pub fn width(&self) -> u32 {
        unsafe { (*self.0).width as u32 }
    }

    pub fn height(&self) -> u32 {
        unsafe { (*self.0).height as u32 }
    }

    pub fn format(&self) -> PixelFormat {
        unsafe { PixelFormat::from_libav((*self.0).format) }
    }

    /// Bytes of memory that the picture holds on to.
    pub fn size_bytes(&self) -> u64 {
        let buffers = unsafe { (*self.0).buf };
        buffers
            .iter()
            .filter(|buffer| !buffer.is_null())
            .map(|&buffer| unsafe { (*buffer).size as u64 })
            .sum()
    }

    /// What the stream says about its colours, or what its size makes likely.
    pub fn colour(&self) -> Colour {
        use ffi::AVColorSpace as Space;
        let raw = unsafe { &*self.0 };
        let matrix = match raw.colorspace {
            Space::AVCOL_SPC_BT709 => Matrix::Bt709,
            Space::AVCOL_SPC_BT470BG | Space::AVCOL_SPC_SMPTE170M => Matrix::Bt601,
            Space::AVCOL_SPC_BT2020_NCL | Space::AVCOL_SPC_BT2020_CL => Matrix::Bt2020,
            Space::AVCOL_SPC_FCC => Matrix::Fcc,
            Space::AVCOL_SPC_SMPTE240M => Matrix::Smpte240,
            _ if self.height() >= HD_HEIGHT && !self.format().name().starts_with("yuvj") => {
                Matrix::Bt709
            }
            _ => Matrix::Bt601,
        };
        let full_range = raw.color_range == ffi::AVColorRange::AVCOL_RANGE_JPEG
            || self.format().name().starts_with("yuvj");
        Colour { matrix, full_range }
    }

    /// How the picture becomes upright, from data within it (EXIF).
    pub fn orientation(&self) -> Orientation {
        let kind = ffi::AVFrameSideDataType::AV_FRAME_DATA_DISPLAYMATRIX;
        unsafe {
            let data = ffi::av_frame_get_side_data(self.0, kind);
            if data.is_null() || (*data).size < 36 {
                Orientation::UPRIGHT
            } else {
                orientation((*data).data.cast())
            }
        }
    }

    /// Bytes of a plane up to its last pixel, and the distance between rows. None if the format has no such plane, or stores it
    /// bottom up.
    pub fn plane(&self, plane: usize) -> Option<(&[u8], usize)> {
        let (data, size, stride) = self.plane_parts(plane)?;
        Some((unsafe { std::slice::from_raw_parts(data, size) }, stride))
    }

    /// As [`Frame::plane`], for writing; none also if the pixels have another owner.
    pub fn plane_mut(&mut self, plane: usize) -> Option<(&mut [u8], usize)> {
        if unsafe { ffi::av_frame_is_writable(self.0) } == 0 {
            return None;
        }
        let (data, size, stride) = self.plane_parts(plane)?;
        Some((
            unsafe { std::slice::from_raw_parts_mut(data, size) },
            stride,
        ))
    }

    /// Start, size and stride; the last row ends with its last pixel, so that cropped pictures stay within their buffer.
    fn plane_parts(&self, plane: usize) -> Option<(*mut u8, usize, usize)> {
        let data = unsafe { *(*self.0).data.get(plane)? };
        let stride = usize::try_from(unsafe { (*self.0).linesize[plane] })
            .ok()
            .filter(|&stride| stride > 0)?;
        let row =
            unsafe { ffi::av_image_get_linesize(self.format().0, (*self.0).width, plane as i32) };
        let row = usize::try_from(row).ok()?;
        let (_, down) = self.format().chroma_steps();
        let rows = if plane == 1 || plane == 2 {
            self.height().div_ceil(down)
        } else {
            self.height()
        };
        let size = stride * (rows as usize).checked_sub(1)? + row;
        (!data.is_null()).then_some((data, size, stride))
    }

    /// Cuts a rectangle out without copying. Offsets are rounded down to whole chroma samples.
    pub fn crop(&mut self, x: u32, y: u32, width: u32, height: u32) -> Result<()> {
        unsafe {
            let raw = &mut *self.0;
            raw.crop_left = x as usize;
            raw.crop_top = y as usize;
            raw.crop_right = (self.width() - x - width) as usize;
            raw.crop_bottom = (self.height() - y - height) as usize;
            let flags = ffi::AV_FRAME_CROP_UNALIGNED as i32;
            check("crop", ffi::av_frame_apply_cropping(self.0, flags)).map(|_| ())
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        unsafe { ffi::av_frame_free(&mut self.0) }
    }
}

/// Reads off a display matrix of nine numbers how the picture becomes upright, to the nearest quarter turn.
pub(super) unsafe fn orientation(matrix: *const i32) -> Orientation {
    let at = |place: usize| f64::from(unsafe { matrix.add(place).read_unaligned() });
    // A pixel goes from (x, y) to (ax + cy, bx + dy), with y downwards.
    let (a, b, c, d) = (at(0), at(1), at(3), at(4));
    let mirrored = a * d - b * c < 0.0;
    let (across, down) = if mirrored { (-a, -b) } else { (a, b) };
    let quarters = (down.atan2(across).to_degrees() / 90.0).round() as i64;
    Orientation {
        mirrored,
        degrees: quarters.rem_euclid(4) as u16 * 90,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_matrices() {
        let read = |a, b, c, d| {
            let one = 1 << 16;
            let matrix = [
                a * one,
                b * one,
                0,
                c * one,
                d * one,
                0,
                5 * one,
                0,
                1 << 30,
            ];
            let Orientation { mirrored, degrees } = unsafe { orientation(matrix.as_ptr()) };
            (mirrored, degrees)
        };
        assert_eq!(read(1, 0, 0, 1), (false, 0));
        assert_eq!(read(0, 1, -1, 0), (false, 90));
        assert_eq!(read(-1, 0, 0, -1), (false, 180));
        assert_eq!(read(0, -1, 1, 0), (false, 270));
        assert_eq!(read(-1, 0, 0, 1), (true, 0), "left to right");
        assert_eq!(read(1, 0, 0, -1), (true, 180), "upside down");
        assert_eq!(read(0, 1, 1, 0), (true, 270), "along the diagonal");
        assert_eq!(read(0, 0, 0, 0), (false, 0), "no matrix at all");
    }
}
