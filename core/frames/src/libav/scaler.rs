//! Change of size and pixel format.
#![expect(unsafe_code, reason = "calls into libswscale")]

use std::ptr;

use ffmpeg_next::ffi;

use super::{Colour, Frame, Matrix, PixelFormat, Result, check, no_memory};

/// Returns the picture in another size and format. Colours are kept: `from` says what the source's numbers mean, `to` what
/// the result's shall mean (neither matters for RGB).
pub fn scale(
    source: &Frame,
    from: Colour,
    format: PixelFormat,
    to: Colour,
    width: u32,
    height: u32,
) -> Result<Frame> {
    let result = Frame::blank(format, width, height)?;
    let smaller = width < source.width() || height < source.height();
    let flags = if smaller {
        ffi::SWS_AREA
    } else {
        ffi::SWS_BICUBIC
    };
    unsafe {
        let source_format = source.format().0;
        let (source, target) = (&*source.0, &*result.0);
        let context = ffi::sws_getContext(
            source.width,
            source.height,
            source_format,
            target.width,
            target.height,
            format.0,
            flags,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null(),
        );
        if context.is_null() {
            return Err(no_memory("convert a picture"));
        }
        ffi::sws_setColorspaceDetails(
            context,
            ffi::sws_getCoefficients(number(from.matrix)),
            from.full_range.into(),
            ffi::sws_getCoefficients(number(to.matrix)),
            to.full_range.into(),
            0,
            1 << 16,
            1 << 16,
        );
        let code = ffi::sws_scale(
            context,
            source.data.as_ptr().cast(),
            source.linesize.as_ptr(),
            0,
            source.height,
            target.data.as_ptr(),
            target.linesize.as_ptr(),
        );
        ffi::sws_freeContext(context);
        check("convert a picture", code)?;
    }
    Ok(result)
}

fn number(matrix: Matrix) -> i32 {
    match matrix {
        Matrix::Bt601 => ffi::SWS_CS_ITU601,
        Matrix::Bt709 => ffi::SWS_CS_ITU709,
        Matrix::Bt2020 => ffi::SWS_CS_BT2020,
        Matrix::Fcc => ffi::SWS_CS_FCC,
        Matrix::Smpte240 => ffi::SWS_CS_SMPTE240M,
    }
}
