//! The few parts of libav that the worker needs, as owned values.
//!
//! All calls into C are in this folder. Every value owns its C object and frees it once. Values that are `Send` may change
//! threads; none is used by two at a time.

mod bytes;
mod container;
mod decoder;
mod encoder;
mod flat;
mod fragments;
mod frame;
mod input;
mod muxer;
mod packet;
mod parameters;
mod scaler;
mod sound;

use std::ffi::{CStr, CString};

use ffmpeg_next::ffi;
use transect_frame_client::Fraction;

pub use container::Track;
pub use decoder::{Decoder, Guard, LARGEST_PIXELS, Threads};
pub use encoder::{Encoder, Setting};
pub use flat::{FlatFile, FlatKind};
pub use fragments::{Fragments, Times};
pub use frame::{Colour, Frame, Matrix, PixelFormat};
pub use input::Input;
pub use muxer::mux_mp4;
pub use packet::Packet;
pub use parameters::Parameters;
pub use scaler::{Scaler, scale};
pub use sound::{AacEncoder, SoundDecoder, Sounds};

/// A failed call.
#[derive(Debug, Clone)]
pub struct Error {
    /// What was tried, such as `open the file`.
    pub what: &'static str,
    /// The library's reason.
    pub reason: String,
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "cannot {}: {}", self.what, self.reason)
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Keeps the libraries from writing to stderr; what matters comes back as errors.
pub fn quiet() {
    #[expect(unsafe_code, reason = "sets one global, before other threads start")]
    unsafe {
        ffi::av_log_set_level(ffi::AV_LOG_QUIET);
    }
}

/// The libraries that decide what an index says.
pub fn versions() -> String {
    let dotted =
        |version: u32| format!("{}.{}.{}", version >> 16, version >> 8 & 255, version & 255);
    #[expect(unsafe_code, reason = "reads two constants")]
    let (format, codec) = unsafe { (ffi::avformat_version(), ffi::avcodec_version()) };
    format!(
        "libavformat {}, libavcodec {}",
        dotted(format),
        dotted(codec)
    )
}

fn fail(what: &'static str, code: i32) -> Error {
    let mut text = [0_u8; 256];
    #[expect(
        unsafe_code,
        reason = "the buffer outlives the call, its size is passed"
    )]
    unsafe {
        ffi::av_strerror(code, text.as_mut_ptr().cast(), text.len());
    }
    let reason = CStr::from_bytes_until_nul(&text)
        .map_or("unknown", |text| text.to_str().unwrap_or("unknown"));
    Error {
        what,
        reason: reason.to_lowercase(),
    }
}

fn check(what: &'static str, code: i32) -> Result<i32> {
    if code < 0 {
        Err(fail(what, code))
    } else {
        Ok(code)
    }
}

fn rational(value: Fraction) -> ffi::AVRational {
    let mut result = ffi::AVRational { num: 0, den: 1 };
    #[expect(unsafe_code, reason = "writes two numbers")]
    unsafe {
        ffi::av_reduce(
            &mut result.num,
            &mut result.den,
            value.num,
            value.den,
            i32::MAX.into(),
        );
    }
    result
}

fn no_memory(what: &'static str) -> Error {
    Error {
        what,
        reason: "out of memory".into(),
    }
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error {
        what: "pass a name",
        reason: "it holds a zero byte".into(),
    })
}

/// Copies a C string; empty for null.
#[expect(unsafe_code, reason = "reads a string that the library keeps")]
fn text(pointer: *const std::ffi::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}
