//! Change of size and pixel format.
#![expect(unsafe_code, reason = "calls into libswscale")]

use std::ptr;

use ffmpeg_next::ffi;

use super::{Colour, Frame, Matrix, PixelFormat, Result, check, no_memory};

/// Results kept for reuse: new memory has to be cleared by the system for every picture.
const KEPT_FRAMES: usize = 12;

/// Everything that the tables of a scaler depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fit {
    from_size: (u32, u32),
    from_format: PixelFormat,
    from: Colour,
    size: (u32, u32),
    format: PixelFormat,
    to: Colour,
}

/// Scales one picture after the other; quick as long as they are alike.
pub struct Scaler {
    context: *mut ffi::SwsContext,
    made_for: Option<Fit>,
    results: Vec<Frame>,
}

// libav ties a scaler to no thread.
unsafe impl Send for Scaler {}

impl Scaler {
    pub fn new() -> Self {
        Scaler {
            context: ptr::null_mut(),
            made_for: None,
            results: Vec::new(),
        }
    }

    /// Returns the picture in another size and format. Colours are kept: `from` says what the source's numbers mean, `to`
    /// what the result's shall mean (neither matters for RGB).
    pub fn scale(
        &mut self,
        source: &Frame,
        from: Colour,
        format: PixelFormat,
        to: Colour,
        (width, height): (u32, u32),
    ) -> Result<Frame> {
        let fit = Fit {
            from_size: (source.width(), source.height()),
            from_format: source.format(),
            from,
            size: (width, height),
            format,
            to,
        };
        if self.made_for != Some(fit) {
            self.prepare(fit)?;
        }
        let result = self.result(fit)?;
        unsafe {
            let (source, target) = (&*source.0, &*result.0);
            let code = ffi::sws_scale(
                self.context,
                source.data.as_ptr().cast(),
                source.linesize.as_ptr(),
                0,
                source.height,
                target.data.as_ptr(),
                target.linesize.as_ptr(),
            );
            check("convert a picture", code)?;
        }
        Ok(result)
    }

    fn prepare(&mut self, fit: Fit) -> Result<()> {
        self.made_for = None;
        self.results.clear();
        let smaller = fit.size.0 < fit.from_size.0 || fit.size.1 < fit.from_size.1;
        let flags = if smaller {
            ffi::SWS_AREA
        } else {
            ffi::SWS_BICUBIC
        };
        let side = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
        unsafe {
            ffi::sws_freeContext(self.context);
            self.context = ffi::sws_getContext(
                side(fit.from_size.0),
                side(fit.from_size.1),
                fit.from_format.0,
                side(fit.size.0),
                side(fit.size.1),
                fit.format.0,
                flags,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null(),
            );
            if self.context.is_null() {
                return Err(no_memory("convert a picture"));
            }
            ffi::sws_setColorspaceDetails(
                self.context,
                ffi::sws_getCoefficients(number(fit.from.matrix)),
                fit.from.full_range.into(),
                ffi::sws_getCoefficients(number(fit.to.matrix)),
                fit.to.full_range.into(),
                0,
                1 << 16,
                1 << 16,
            );
        }
        self.made_for = Some(fit);
        Ok(())
    }

    /// A picture to write into: one that nobody looks at any more, or a new one.
    fn result(&mut self, fit: Fit) -> Result<Frame> {
        let idle = self.results.iter().find(|frame| frame.writable());
        if let Some(frame) = idle {
            return frame.share();
        }
        let frame = Frame::blank(fit.format, fit.size.0, fit.size.1)?;
        if self.results.len() < KEPT_FRAMES {
            self.results.push(frame.share()?);
        }
        Ok(frame)
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        unsafe { ffi::sws_freeContext(self.context) }
    }
}

/// Scales a single picture; see [`Scaler::scale`].
pub fn scale(
    source: &Frame,
    from: Colour,
    format: PixelFormat,
    to: Colour,
    width: u32,
    height: u32,
) -> Result<Frame> {
    let mut scaler = Scaler::new();
    let result = scaler.scale(source, from, format, to, (width, height))?;
    // The caller may write into it.
    scaler.results.clear();
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
