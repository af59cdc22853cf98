//! A container that is being written.
#![expect(unsafe_code, reason = "calls into libavformat")]

use std::ptr;

use ffmpeg_next::ffi;
use transect_frame_client::Fraction;

use super::{Error, Packet, Parameters, Result, c_string, check, no_memory, rational};
use crate::turn::Orientation;

/// A display matrix is nine numbers of four bytes.
const MATRIX_BYTES: usize = 36;

/// A stream of a container that is being written.
#[derive(Clone, Copy)]
pub struct Track<'a> {
    pub parameters: &'a Parameters,
    /// Seconds per tick of the time stamps that will be given.
    pub ticks: Fraction,
    /// What shows the picture upright.
    pub orientation: Orientation,
}

impl<'a> Track<'a> {
    /// A stream that is upright already.
    pub fn new(parameters: &'a Parameters, ticks: Fraction) -> Self {
        Track {
            parameters,
            ticks,
            orientation: Orientation::UPRIGHT,
        }
    }
}

/// A container that is being written, into memory or a file.
pub struct Container {
    context: *mut ffi::AVFormatContext,
    in_memory: bool,
}

// libav ties a container to no thread.
unsafe impl Send for Container {}

impl Container {
    /// Opens a container that is written into memory; `format` is a name that libav has for it.
    pub fn in_memory(format: &str) -> Result<Self> {
        let mut container = Self::new(format, true)?;
        container.begin_buffer()?;
        Ok(container)
    }

    /// Opens a container that is written into a file, which is replaced.
    pub fn in_file(format: &str, path: &str) -> Result<Self> {
        let container = Self::new(format, false)?;
        let url = c_string(&format!("file:{path}"))?;
        unsafe {
            // Moving the index to the front reads the file again by its name.
            (*container.context).url = ffi::av_strdup(url.as_ptr());
            let flags = ffi::AVIO_FLAG_WRITE;
            let code = ffi::avio_open(&mut (*container.context).pb, url.as_ptr(), flags);
            check("create the file", code)?;
        }
        Ok(container)
    }

    fn new(format: &str, in_memory: bool) -> Result<Self> {
        let format = c_string(format)?;
        let mut context = ptr::null_mut();
        let code = unsafe {
            let (any, no_name) = (ptr::null(), ptr::null());
            ffi::avformat_alloc_output_context2(&mut context, any, format.as_ptr(), no_name)
        };
        check("open a container", code)?;
        Ok(Container { context, in_memory })
    }

    /// Adds a stream.
    pub fn add_stream(&mut self, track: Track) -> Result<()> {
        let parameters = track.parameters;
        let holds = unsafe {
            let (format, codec) = ((*self.context).oformat, (*parameters.0).codec_id);
            ffi::avformat_query_codec(format, codec, ffi::FF_COMPLIANCE_EXPERIMENTAL)
        };
        if holds == 0 {
            return Err(Error {
                what: "begin the file",
                reason: format!("MP4 does not hold {}", parameters.codec()),
            });
        }
        unsafe {
            let stream = ffi::avformat_new_stream(self.context, ptr::null());
            let Some(stream) = stream.as_mut() else {
                return Err(no_memory("open a container"));
            };
            let code = ffi::avcodec_parameters_copy(stream.codecpar, parameters.0);
            check("open a container", code)?;
            (*stream.codecpar).codec_tag = parameters.mp4_tag().map_or(0, u32::from_le_bytes);
            stream.time_base = rational(track.ticks);
            stream.sample_aspect_ratio = (*parameters.0).sample_aspect_ratio;
            if track.orientation != Orientation::UPRIGHT {
                let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
                let matrix = ffi::av_stream_new_side_data(stream, kind, MATRIX_BYTES);
                if matrix.is_null() {
                    return Err(no_memory("open a container"));
                }
                // Clockwise, other than what libav reads back.
                let matrix = matrix.cast::<i32>();
                ffi::av_display_rotation_set(matrix, track.orientation.degrees.into());
                if track.orientation.mirrored {
                    for across in [matrix, matrix.add(1)] {
                        across.write_unaligned(-across.read_unaligned());
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps the muxer from moving all time stamps so that none is negative.
    pub fn keep_times(&mut self) {
        unsafe { (*self.context).avoid_negative_ts = ffi::AVFMT_AVOID_NEG_TS_DISABLED }
    }

    /// Writes a line of text about the file into it.
    pub fn set_comment(&mut self, comment: &str) -> Result<()> {
        let comment = c_string(comment)?;
        let code = unsafe {
            let metadata = &mut (*self.context).metadata;
            ffi::av_dict_set(metadata, c"comment".as_ptr(), comment.as_ptr(), 0)
        };
        check("set an option", code).map(|_| ())
    }

    /// Writes what comes before the first packet.
    ///
    /// Errors: the container does not take a codec, or not in this form.
    pub fn begin(&mut self, options: &[(&str, &str)]) -> Result<()> {
        let mut dictionary = ptr::null_mut();
        for (key, value) in options {
            let (key, value) = (c_string(key)?, c_string(value)?);
            unsafe { ffi::av_dict_set(&mut dictionary, key.as_ptr(), value.as_ptr(), 0) };
        }
        let code = unsafe { ffi::avformat_write_header(self.context, &mut dictionary) };
        unsafe { ffi::av_dict_free(&mut dictionary) };
        check("begin the file", code).map(|_| ())
    }

    /// Seconds per tick of a stream, as the container has it once it has begun.
    pub fn time_base(&self, stream: usize) -> Fraction {
        let time_base = unsafe { (**(*self.context).streams.add(stream)).time_base };
        Fraction {
            num: time_base.num.into(),
            den: time_base.den.into(),
        }
    }

    /// Writes a packet, whose stamps are in ticks of `time_base`, in the order in which it is given.
    pub fn write(&mut self, packet: &mut Packet, stream: usize, time_base: Fraction) -> Result<()> {
        self.rescale(packet, stream, time_base);
        let code = unsafe { ffi::av_write_frame(self.context, packet.0) };
        check("write a packet", code).map(|_| ())
    }

    /// As [`Container::write`], but sorts the packets of several streams by time. Takes the payload.
    pub fn interleave(
        &mut self,
        packet: &mut Packet,
        stream: usize,
        time_base: Fraction,
    ) -> Result<()> {
        self.rescale(packet, stream, time_base);
        let code = unsafe { ffi::av_interleaved_write_frame(self.context, packet.0) };
        check("write a packet", code).map(|_| ())
    }

    fn rescale(&mut self, packet: &mut Packet, stream: usize, time_base: Fraction) {
        unsafe {
            let target = (**(*self.context).streams.add(stream)).time_base;
            (*packet.0).stream_index = stream as i32;
            (*packet.0).pos = -1;
            ffi::av_packet_rescale_ts(packet.0, rational(time_base), target);
        }
    }

    /// Ends a fragment.
    pub fn flush(&mut self) -> Result<()> {
        let code = unsafe { ffi::av_write_frame(self.context, ptr::null_mut()) };
        check("end a fragment", code).map(|_| ())
    }

    /// Writes what comes after the last packet.
    pub fn end(&mut self) -> Result<()> {
        check("end the file", unsafe {
            ffi::av_write_trailer(self.context)
        })?;
        if !self.in_memory {
            let code = unsafe { ffi::avio_closep(&mut (*self.context).pb) };
            check("close the file", code)?;
        }
        Ok(())
    }

    fn begin_buffer(&mut self) -> Result<()> {
        let code = unsafe { ffi::avio_open_dyn_buf(&mut (*self.context).pb) };
        check("open a container", code).map(|_| ())
    }

    /// Takes out what was written into memory since the last time.
    pub fn take(&mut self) -> Result<Vec<u8>> {
        let bytes = self.end_buffer();
        self.begin_buffer()?;
        Ok(bytes)
    }

    fn end_buffer(&mut self) -> Vec<u8> {
        unsafe {
            let mut buffer = ptr::null_mut();
            let size = ffi::avio_close_dyn_buf((*self.context).pb, &mut buffer);
            (*self.context).pb = ptr::null_mut();
            if buffer.is_null() {
                return Vec::new();
            }
            let bytes = std::slice::from_raw_parts(buffer, size.max(0) as usize).to_vec();
            ffi::av_free(buffer.cast());
            bytes
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        unsafe {
            if !(*self.context).pb.is_null() {
                if self.in_memory {
                    self.end_buffer();
                } else {
                    ffi::avio_closep(&mut (*self.context).pb);
                }
            }
            ffi::avformat_free_context(self.context);
        }
    }
}
