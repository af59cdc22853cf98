//! An encoder: pictures in, packets out.
#![expect(unsafe_code, reason = "calls into libavcodec")]

use std::ptr;

use ffmpeg_next::ffi;
use transect_frame_client::Fraction;

use super::{
    Error, Frame, Packet, Parameters, Result, c_string, check, fail, no_memory, rational, text,
};

/// What an encoder is told beside the size and format of its pictures.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Options by name, as the ffmpeg manual lists them for the encoder.
    pub options: Vec<(&'static str, String)>,
    /// Constant quantiser, for MJPEG.
    pub quantiser: Option<f64>,
    /// Threads that share each picture, one by default.
    pub slices: Option<i32>,
    /// Pictures per second; the encoder then is one for video.
    pub rate: Option<Fraction>,
    /// Threads that share the pictures, zero for as many as the encoder thinks good for this machine; one by default.
    pub threads: Option<u32>,
    /// Pictures from one random access point to the next.
    pub gop: Option<u32>,
    /// Width of a pixel over its height.
    pub sample_aspect_ratio: Option<Fraction>,
}

/// An encoder for pictures that look like the first one.
pub struct Encoder {
    context: *mut ffi::AVCodecContext,
}

impl Encoder {
    /// Opens an encoder by its libav name for pictures of the size and format of `like`.
    ///
    /// Errors: the library lacks the encoder, or it refuses the format or an option.
    pub fn open(name: &'static str, like: &Frame, setting: &Setting) -> Result<Self> {
        let codec_name = c_string(name)?;
        unsafe {
            let codec = ffi::avcodec_find_encoder_by_name(codec_name.as_ptr());
            if codec.is_null() {
                return Err(Error {
                    what: "encode",
                    reason: format!("no encoder {name}"),
                });
            }
            let encoder = Encoder {
                context: ffi::avcodec_alloc_context3(codec),
            };
            let Some(context) = encoder.context.as_mut() else {
                return Err(no_memory("open the encoder"));
            };
            if !takes(codec, (*like.0).format) {
                return Err(Error {
                    what: "encode",
                    reason: format!("{name} does not take {}", like.format().name()),
                });
            }
            let rate = setting.rate.unwrap_or(Fraction { num: 25, den: 1 });
            context.width = (*like.0).width;
            context.height = (*like.0).height;
            context.pix_fmt = like.format().0;
            context.color_range = (*like.0).color_range;
            context.colorspace = (*like.0).colorspace;
            context.color_primaries = (*like.0).color_primaries;
            context.color_trc = (*like.0).color_trc;
            context.chroma_sample_location = (*like.0).chroma_location;
            context.framerate = rational(rate);
            context.time_base = ffi::av_inv_q(context.framerate);
            context.sample_aspect_ratio = rational(
                setting
                    .sample_aspect_ratio
                    .unwrap_or(Fraction { num: 1, den: 1 }),
            );
            context.thread_count = match setting.slices {
                Some(slices) => slices,
                None => setting.threads.map_or(1, |threads| threads.min(64) as i32),
            };
            if let Some(gop) = setting.gop {
                context.gop_size = i32::try_from(gop).unwrap_or(i32::MAX);
                context.keyint_min = context.gop_size;
            }
            if setting.slices.is_some() {
                context.thread_type = ffi::FF_THREAD_SLICE;
            }
            if setting.rate.is_some() {
                context.flags |=
                    ffi::AV_CODEC_FLAG_GLOBAL_HEADER as i32 | ffi::AV_CODEC_FLAG_CLOSED_GOP as i32;
            }
            if let Some(quantiser) = setting.quantiser {
                context.flags |= ffi::AV_CODEC_FLAG_QSCALE as i32;
                context.global_quality = (quantiser * f64::from(ffi::FF_QP2LAMBDA)) as i32;
            }
            let mut options = ptr::null_mut();
            for (key, value) in &setting.options {
                let (key, value) = (c_string(key)?, c_string(value)?);
                ffi::av_dict_set(&mut options, key.as_ptr(), value.as_ptr(), 0);
            }
            let code = ffi::avcodec_open2(encoder.context, codec, &mut options);
            let unknown = ffi::av_dict_get(
                options,
                c"".as_ptr(),
                ptr::null(),
                ffi::AV_DICT_IGNORE_SUFFIX,
            );
            let unknown = unknown.as_ref().map(|option| text(option.key));
            ffi::av_dict_free(&mut options);
            check("open the encoder", code)?;
            match unknown {
                Some(option) => Err(Error {
                    what: "open the encoder",
                    reason: format!("{name} has no option {option}"),
                }),
                None => Ok(encoder),
            }
        }
    }

    /// Seconds per tick of the packets' stamps.
    pub fn time_base(&self) -> Fraction {
        let time_base = unsafe { (*self.context).time_base };
        Fraction {
            num: time_base.num.into(),
            den: time_base.den.into(),
        }
    }

    /// What a decoder has to know about the packets.
    pub fn parameters(&self) -> Result<Parameters> {
        Parameters::of_encoder(self.context)
    }

    /// Hands in a picture, or none to end.
    pub fn send(&mut self, frame: Option<&Frame>) -> Result<()> {
        let frame = frame.map_or(ptr::null(), |frame| frame.0.cast_const());
        check("encode", unsafe {
            ffi::avcodec_send_frame(self.context, frame)
        })
        .map(|_| ())
    }

    /// Takes out a packet; false if there is none now.
    pub fn receive(&mut self, packet: &mut Packet) -> Result<bool> {
        match unsafe { ffi::avcodec_receive_packet(self.context, packet.0) } {
            0.. => Ok(true),
            code if code == ffi::AVERROR(ffmpeg_next::error::EAGAIN)
                || code == ffi::AVERROR_EOF =>
            {
                Ok(false)
            }
            code => Err(fail("encode", code)),
        }
    }

    /// Encodes one picture on its own, with an encoder that holds none back.
    pub fn still(&mut self, frame: &Frame) -> Result<Vec<u8>> {
        let mut packet = Packet::new()?;
        let picture = frame.share()?;
        unsafe {
            (*picture.0).quality = (*self.context).global_quality;
            // Encoders refuse times that do not rise, and stills come in any order.
            (*picture.0).pts = ffi::AV_NOPTS_VALUE;
        }
        self.send(Some(&picture))?;
        if !self.receive(&mut packet)? {
            return Err(Error {
                what: "encode",
                reason: "nothing came out".into(),
            });
        }
        Ok(packet.bytes().to_vec())
    }
}

// libav ties an encoder to no thread.
unsafe impl Send for Encoder {}

/// True if the encoder takes pictures of a format, or does not say which it takes.
unsafe fn takes(codec: *const ffi::AVCodec, format: i32) -> bool {
    unsafe {
        let mut next = (*codec).pix_fmts;
        if next.is_null() {
            return true;
        }
        while *next != ffi::AVPixelFormat::AV_PIX_FMT_NONE {
            if *next as i32 == format {
                return true;
            }
            next = next.add(1);
        }
        false
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        unsafe { ffi::avcodec_free_context(&mut self.context) }
    }
}
