//! A media file and its video stream.
#![expect(unsafe_code, reason = "calls into libavformat")]

use std::ffi::{c_char, c_int};
use std::ops::Range;
use std::path::Path;
use std::ptr;

use ffmpeg_next::ffi;
use transect_frame_client::Fraction;

use super::bytes::Bytes;
use super::{Error, Packet, Parameters, Result, c_string, check, fail, frame, no_memory, text};
use crate::supply::MediaFile;
use crate::turn::Orientation;

/// Formats that hold their own media bytes. What is absent on purpose: play lists and the like, which open other files.
const FORMATS: &str = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,nut,dv,gxf,ivf,obu,h264,hevc,m4v,\
    mjpeg,yuv4mpegpipe,gif,apng,av1,vc1,wtv,rm,bmp_pipe,dpx_pipe,exr_pipe,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,\
    pam_pipe,pbm_pipe,pcx_pipe,pgm_pipe,png_pipe,ppm_pipe,psd_pipe,qoi_pipe,sgi_pipe,sunrast_pipe,tiff_pipe,webp_pipe";

/// Formats that hold sound and nothing else.
const SOUND_FORMATS: &str = "wav,w64,aiff,flac,mp3,aac,ac3,eac3,caf,au,amr,opus";

/// Which packets to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Video,
    /// The sound that players pick.
    Sound,
    /// Every stream of sound.
    Sounds,
}

/// A packet in the table of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub position: u64,
    pub size: u32,
    /// Decoding may start here, as the container has it.
    pub key: bool,
}

/// An open media file.
pub struct Input {
    context: *mut ffi::AVFormatContext,
    /// The stream that this is about.
    stream: usize,
    /// The streams whose packets are read, that one among them.
    read: Vec<usize>,
    /// Closed after the context, which reads from it.
    bytes: Bytes,
}

// libav ties an open file to no thread.
unsafe impl Send for Input {}

impl Input {
    /// Opens a file and finds its video stream; reads as much of it as libav wants to see.
    ///
    /// Errors: not a known format, damaged headers, or no video in it.
    pub fn open(path: &Path) -> Result<Self> {
        let mut input = Self::open_file(path, FORMATS)?;
        input.choose(Wanted::Video)?;
        Ok(input)
    }

    /// As [`Input::open`], for the sound that players pick.
    pub fn open_sound(path: &Path) -> Result<Self> {
        let mut input = Self::open_file(path, &format!("{FORMATS},{SOUND_FORMATS}"))?;
        input.choose(Wanted::Sound)?;
        Ok(input)
    }

    /// As [`Input::open`], for all streams of sound.
    pub fn open_sounds(path: &Path) -> Result<Self> {
        let mut input = Self::open_file(path, FORMATS)?;
        input.choose(Wanted::Sounds)?;
        Ok(input)
    }

    fn open_file(path: &Path, formats: &str) -> Result<Self> {
        let file = MediaFile::open(path).map_err(|error| Error {
            what: "open",
            reason: error.to_string(),
        })?;
        let bytes = Bytes::new(file)?;
        let mut input = Input {
            context: unsafe { ffi::avformat_alloc_context() },
            stream: 0,
            read: Vec::new(),
            bytes,
        };
        if input.context.is_null() {
            return Err(no_memory("open"));
        }
        let mut options = ptr::null_mut();
        // Names can mean something to libav: numbered pictures, lists, addresses. It gets none, and opens nothing by one.
        for (key, value) in [
            ("protocol_whitelist", "none"),
            ("format_whitelist", formats),
        ] {
            let (key, value) = (c_string(key)?, c_string(value)?);
            check("set an option", unsafe {
                ffi::av_dict_set(&mut options, key.as_ptr(), value.as_ptr(), 0)
            })?;
        }
        unsafe {
            (*input.context).pb = input.bytes.context;
            (*input.context).io_open = Some(refuse);
            let code = ffi::avformat_open_input(
                &mut input.context,
                c"".as_ptr(),
                ptr::null(),
                &mut options,
            );
            ffi::av_dict_free(&mut options);
            check("open", code)?;
            check(
                "read the headers",
                ffi::avformat_find_stream_info(input.context, ptr::null_mut()),
            )?;
        }
        Ok(input)
    }

    /// Picks the streams to read, and drops all others.
    fn choose(&mut self, wanted: Wanted) -> Result<()> {
        let video = wanted == Wanted::Video;
        let (kind, what, missing) = if video {
            (
                ffi::AVMediaType::AVMEDIA_TYPE_VIDEO,
                "find a picture",
                "no video stream",
            )
        } else {
            (
                ffi::AVMediaType::AVMEDIA_TYPE_AUDIO,
                "find the sound",
                "no audio stream",
            )
        };
        let none = |reason: &str| Error {
            what,
            reason: reason.to_owned(),
        };
        unsafe {
            let stream = ffi::av_find_best_stream(self.context, kind, -1, -1, ptr::null_mut(), 0);
            self.stream = usize::try_from(stream).map_err(|_| none(missing))?;
            if video && (*self.stream()).disposition & ffi::AV_DISPOSITION_ATTACHED_PIC != 0 {
                return Err(none("only cover art"));
            }
            self.read = vec![self.stream];
            for at in 0..(*self.context).nb_streams as usize {
                let other = *(*self.context).streams.add(at);
                if wanted == Wanted::Sounds && (*(*other).codecpar).codec_type == kind {
                    self.read.push(at);
                } else if at != self.stream {
                    (*other).discard = ffi::AVDiscard::AVDISCARD_ALL;
                }
            }
            self.read.sort_unstable();
            self.read.dedup();
        }
        Ok(())
    }

    fn stream(&self) -> *mut ffi::AVStream {
        unsafe { *(*self.context).streams.add(self.stream) }
    }

    /// Reads the next packet of the chosen streams; false at the end. Damage that stops the
    /// demuxer counts as the end, as it does for a player.
    ///
    /// Errors: the file system fails, or memory runs out.
    pub fn read(&mut self, packet: &mut Packet) -> Result<bool> {
        loop {
            unsafe {
                ffi::av_packet_unref(packet.0);
                let code = ffi::av_read_frame(self.context, packet.0);
                if code == ffi::AVERROR(ffmpeg_next::error::EAGAIN) {
                    continue;
                }
                // A disk or network that fails is no end of file: the rest may be there tomorrow.
                let io = (*self.context).pb.as_ref().map_or(0, |stream| stream.error);
                let io_failed = io < 0 && io != ffi::AVERROR_EOF;
                if code < 0 && (io_failed || code == ffi::AVERROR(ffmpeg_next::error::ENOMEM)) {
                    return Err(fail("read a packet", if io_failed { io } else { code }));
                }
                if code < 0 {
                    return Ok(false);
                }
                if self.read.contains(&packet.stream()) {
                    return Ok(true);
                }
            }
        }
    }

    /// From now on, packets that lie within these rising ranges of the file come with everything but their payload: as many
    /// bytes, of no particular value.
    pub fn pass_over(&mut self, ranges: Vec<Range<u64>>) {
        self.bytes.pass_over(ranges);
    }

    /// What the container's own table says of a packet, as far as that has been read.
    pub fn entry(&self, ordinal: usize) -> Option<Entry> {
        let ordinal = c_int::try_from(ordinal).ok()?;
        let entry = unsafe { ffi::avformat_index_get_entry(self.stream(), ordinal).as_ref()? };
        Some(Entry {
            position: u64::try_from(entry.pos).ok()?,
            size: u32::try_from(entry.size()).ok()?,
            key: entry.flags() & ffi::AVINDEX_KEYFRAME != 0,
        })
    }

    /// Goes to a byte of the file, for formats that can start anywhere.
    pub fn seek_byte(&mut self, position: u64) -> Result<()> {
        let code = unsafe {
            ffi::av_seek_frame(
                self.context,
                self.stream as i32,
                position as i64,
                ffi::AVSEEK_FLAG_BYTE,
            )
        };
        check("seek", code).map(|_| ())
    }

    /// Goes to the last random access point the container knows at or before a time stamp in ticks.
    pub fn seek_time(&mut self, timestamp: i64) -> Result<()> {
        let code = unsafe {
            ffi::av_seek_frame(
                self.context,
                self.stream as i32,
                timestamp,
                ffi::AVSEEK_FLAG_BACKWARD,
            )
        };
        check("seek", code).map(|_| ())
    }

    pub fn parameters(&self) -> Result<Parameters> {
        Parameters::of(unsafe { (*self.stream()).codecpar })
    }

    /// Numbers, parameters and seconds per tick of the streams that are read.
    pub fn streams(&self) -> Result<Vec<(usize, Parameters, Fraction)>> {
        let one = |&at: &usize| {
            let stream = unsafe { &**(*self.context).streams.add(at) };
            let time_base = fraction(stream.time_base).unwrap_or(Fraction { num: 1, den: 1000 });
            Ok((at, Parameters::of(stream.codecpar)?, time_base))
        };
        self.read.iter().map(one).collect()
    }

    /// Pictures in the stream, where the container counts them.
    pub fn frames(&self) -> Option<u64> {
        u64::try_from(unsafe { (*self.stream()).nb_frames })
            .ok()
            .filter(|&frames| frames > 0)
    }

    /// As the container has it.
    pub fn duration_secs(&self) -> Option<f64> {
        let duration = unsafe { (*self.context).duration };
        (duration > 0).then(|| duration as f64 / f64::from(ffi::AV_TIME_BASE))
    }

    /// The container as libav names it.
    pub fn container(&self) -> String {
        text(unsafe { (*(*self.context).iformat).name })
    }

    /// The brand of an ISO base media file, such as `isom` or `avif`; empty elsewhere.
    pub fn brand(&self) -> String {
        unsafe {
            let entry = ffi::av_dict_get(
                (*self.context).metadata,
                c"major_brand".as_ptr(),
                ptr::null(),
                0,
            );
            if entry.is_null() {
                String::new()
            } else {
                text((*entry).value)
            }
        }
    }

    pub fn time_base(&self) -> Fraction {
        fraction(unsafe { (*self.stream()).time_base }).unwrap_or(Fraction { num: 1, den: 1000 })
    }

    /// After so many ticks the clock of the container begins again; none if it does not.
    pub fn clock_ticks(&self) -> Option<i64> {
        let bits = unsafe { (*self.stream()).pts_wrap_bits };
        (1..=60).contains(&bits).then(|| 1 << bits)
    }

    /// The average rate as the container or the probe has it.
    pub fn frame_rate(&self) -> Option<Fraction> {
        fraction(unsafe { (*self.stream()).avg_frame_rate })
    }

    pub fn sample_aspect_ratio(&self) -> Fraction {
        let (stream, parameters) = unsafe { (&*self.stream(), &*(*self.stream()).codecpar) };
        fraction(stream.sample_aspect_ratio)
            .or_else(|| fraction(parameters.sample_aspect_ratio))
            .unwrap_or(Fraction { num: 1, den: 1 })
    }

    /// How the picture becomes upright, from the display matrix.
    pub fn orientation(&self) -> Orientation {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
        let mut size = 0;
        let matrix = unsafe { ffi::av_stream_get_side_data(self.stream(), kind, &mut size) };
        if matrix.is_null() || size < 36 {
            Orientation::UPRIGHT
        } else {
            unsafe { frame::orientation(matrix.cast()) }
        }
    }

    pub fn has_audio(&self) -> bool {
        let context = unsafe { &*self.context };
        (0..context.nb_streams as usize).any(|at| unsafe {
            (*(**context.streams.add(at)).codecpar).codec_type
                == ffi::AVMediaType::AVMEDIA_TYPE_AUDIO
        })
    }

    /// Bits per second of the whole file, where known.
    pub fn bit_rate(&self) -> Option<u64> {
        u64::try_from(unsafe { (*self.context).bit_rate })
            .ok()
            .filter(|&rate| rate > 0)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        unsafe { ffi::avformat_close_input(&mut self.context) }
    }
}

/// Keeps files from opening others, or worse, addresses.
unsafe extern "C" fn refuse(
    _: *mut ffi::AVFormatContext,
    _: *mut *mut ffi::AVIOContext,
    _: *const c_char,
    _: c_int,
    _: *mut *mut ffi::AVDictionary,
) -> c_int {
    ffi::AVERROR(ffmpeg_next::error::EACCES)
}

fn fraction(value: ffi::AVRational) -> Option<Fraction> {
    let valid = value.num > 0 && value.den > 0;
    valid.then(|| Fraction {
        num: value.num.into(),
        den: value.den.into(),
    })
}
