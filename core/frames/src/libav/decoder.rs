//! A decoder: packets in, pictures out.
#![expect(unsafe_code, reason = "calls into libavcodec")]

use std::ptr;

use ffmpeg_next::ffi;

use super::{Error, Frame, Packet, Parameters, Result, check, fail, no_memory};

/// What to do with pictures whose references are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Hold them back, as players do.
    Hide,
    /// Let them out: the caller has made sure that it asks for none of them.
    Show,
}

/// Threads that decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The calling one: costs the least processor time, where workers run side by side.
    One,
    /// As many as libav thinks good for this machine; pictures come out some packets later.
    Many,
}

/// Pictures of more pixels are refused, before memory is asked for.
pub const LARGEST_PIXELS: u64 = 1 << 28;

/// A decoder of one stream.
pub struct Decoder {
    context: *mut ffi::AVCodecContext,
}

// libav ties a decoder to no thread.
unsafe impl Send for Decoder {}

impl Decoder {
    /// Opens the decoder for a stream.
    ///
    /// Errors: no decoder for the codec, or it refuses the headers.
    pub fn open(parameters: &Parameters, guard: Guard, threads: Threads) -> Result<Self> {
        unsafe {
            let codec = ffi::avcodec_find_decoder((*parameters.0).codec_id);
            if codec.is_null() {
                return Err(Error {
                    what: "decode",
                    reason: format!("no decoder for {}", parameters.codec()),
                });
            }
            let decoder = Decoder {
                context: ffi::avcodec_alloc_context3(codec),
            };
            if decoder.context.is_null() {
                return Err(no_memory("open the decoder"));
            }
            check(
                "open the decoder",
                ffi::avcodec_parameters_to_context(decoder.context, parameters.0),
            )?;
            (*decoder.context).thread_count = i32::from(threads == Threads::One);
            (*decoder.context).max_pixels = LARGEST_PIXELS as i64;
            if guard == Guard::Show {
                (*decoder.context).flags |= ffi::AV_CODEC_FLAG_OUTPUT_CORRUPT as i32;
            }
            check(
                "open the decoder",
                ffi::avcodec_open2(decoder.context, codec, ptr::null_mut()),
            )?;
            Ok(decoder)
        }
    }

    /// Decodes a packet. The caller takes out all pictures after each call.
    pub fn send(&mut self, packet: &Packet) -> Result<()> {
        check("decode a packet", unsafe {
            ffi::avcodec_send_packet(self.context, packet.0)
        })
        .map(|_| ())
    }

    /// Says that no packet follows, so that all pictures come out. After that only [`Decoder::reset`] is of use.
    pub fn finish(&mut self) -> Result<()> {
        check("end decoding", unsafe {
            ffi::avcodec_send_packet(self.context, ptr::null())
        })
        .map(|_| ())
    }

    /// Takes out the next picture, in display order; none if the decoder wants more packets.
    ///
    /// Errors: a packet did not decode; the next call goes on after it.
    pub fn receive(&mut self) -> Result<Option<Frame>> {
        let frame = Frame::new()?;
        let code = unsafe { ffi::avcodec_receive_frame(self.context, frame.0) };
        match code {
            0.. => Ok(Some(frame)),
            code if code == ffi::AVERROR(ffmpeg_next::error::EAGAIN)
                || code == ffi::AVERROR_EOF =>
            {
                Ok(None)
            }
            code => Err(fail("decode", code)),
        }
    }

    /// Forgets everything, before starting at another random access point.
    pub fn reset(&mut self) {
        unsafe { ffi::avcodec_flush_buffers(self.context) }
    }

    /// From the next packet on, leaves out pictures that no other one refers to.
    pub fn skip_unreferenced(&mut self, skip: bool) {
        let discard = if skip {
            ffi::AVDiscard::AVDISCARD_NONREF
        } else {
            ffi::AVDiscard::AVDISCARD_DEFAULT
        };
        unsafe { (*self.context).skip_frame = discard }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        unsafe { ffi::avcodec_free_context(&mut self.context) }
    }
}
