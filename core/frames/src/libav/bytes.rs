//! The bytes of a file, as libav reads them.
#![expect(unsafe_code, reason = "libav calls back into this")]

use std::ffi::{c_int, c_void};
use std::io;
use std::ops::Range;
use std::ptr;
use std::slice;

use ffmpeg_next::ffi;

use super::{Result, no_memory};
use crate::supply::MediaFile;

const BUFFER_BYTES: usize = 32 << 10;
/// So much of what is passed over is filled with zeros; nobody reads the rest.
const BLANK_BYTES: usize = 64;

/// An open file for libav, which sees neither its name nor any other file.
pub(super) struct Bytes {
    pub(super) context: *mut ffi::AVIOContext,
    state: Box<State>,
}

struct State {
    file: MediaFile,
    position: u64,
    /// Rising ranges whose bytes are not read.
    passed_over: Vec<Range<u64>>,
}

impl Bytes {
    pub(super) fn new(file: MediaFile) -> Result<Self> {
        let mut state = Box::new(State {
            file,
            position: 0,
            passed_over: Vec::new(),
        });
        unsafe {
            let buffer = ffi::av_malloc(BUFFER_BYTES).cast::<u8>();
            if buffer.is_null() {
                return Err(no_memory("open"));
            }
            let context = ffi::avio_alloc_context(
                buffer,
                BUFFER_BYTES as c_int,
                0,
                ptr::from_mut(&mut *state).cast(),
                Some(read),
                None,
                Some(seek),
            );
            if context.is_null() {
                ffi::av_free(buffer.cast());
                return Err(no_memory("open"));
            }
            Ok(Bytes { context, state })
        }
    }

    /// From now on, answers reads that lie within one of these rising ranges at once, with nothing of the file.
    pub(super) fn pass_over(&mut self, ranges: Vec<Range<u64>>) {
        self.state.passed_over = ranges;
        // Payloads then do not go through the buffer, which would copy them.
        unsafe { (*self.context).direct = 1 }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        unsafe {
            ffi::av_freep(ptr::from_mut(&mut (*self.context).buffer).cast());
            ffi::avio_context_free(&mut self.context);
        }
    }
}

impl State {
    fn passes_over(&self, size: usize) -> bool {
        let end = self.position + size as u64;
        let after = self
            .passed_over
            .partition_point(|range| range.start <= self.position);
        after > 0 && end <= self.passed_over[after - 1].end
    }
}

/// Fills the buffer, or as much of it as there are bytes.
unsafe extern "C" fn read(state: *mut c_void, buffer: *mut u8, size: c_int) -> c_int {
    let (state, size) = unsafe { (&mut *state.cast::<State>(), size.max(0) as usize) };
    let done = if state.passes_over(size) {
        unsafe { buffer.write_bytes(0, size.min(BLANK_BYTES)) };
        size
    } else {
        let buffer = unsafe { slice::from_raw_parts_mut(buffer, size) };
        let read = loop {
            match state.file.read_at(buffer, state.position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match read {
            Ok(0) => return ffi::AVERROR_EOF,
            Ok(done) => done,
            Err(error) => return failure(&error),
        }
    };
    state.position += done as u64;
    done as c_int
}

unsafe extern "C" fn seek(state: *mut c_void, offset: i64, whence: c_int) -> i64 {
    let state = unsafe { &mut *state.cast::<State>() };
    let size = || state.file.size().map(|size| size as i64);
    let base = match whence & !(ffi::AVSEEK_FORCE as c_int) {
        0 => Ok(0),
        1 => Ok(state.position as i64),
        2 => size(),
        whence if whence == ffi::AVSEEK_SIZE as c_int => {
            return size().unwrap_or_else(|error| failure(&error).into());
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    match base.map(|base| base.checked_add(offset).filter(|&target| target >= 0)) {
        Ok(Some(target)) => {
            state.position = target as u64;
            target
        }
        Ok(None) => ffi::AVERROR(ffmpeg_next::error::EINVAL).into(),
        Err(error) => failure(&error).into(),
    }
}

fn failure(error: &io::Error) -> c_int {
    ffi::AVERROR(error.raw_os_error().unwrap_or(ffmpeg_next::error::EIO))
}
