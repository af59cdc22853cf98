//! Sound: packets in, samples of one rate out, AAC from them.
#![expect(unsafe_code, reason = "calls into libavcodec and libswresample")]

use std::ptr;

use ffmpeg_next::ffi;
use transect_frame_client::Fraction;

use super::{Error, Packet, Parameters, Result, check, fail, no_memory};

/// AAC of browsers and phones knows these; other rates are converted to the last one.
const RATES_HZ: [u32; 9] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
];
const BITS_PER_CHANNEL: i64 = 64_000;

/// Samples of one moment, channel by channel: floats from −1 to 1.
pub type Sounds = Vec<Vec<f32>>;

/// Decodes a sound stream into samples of a rate that AAC knows, of one channel or two.
pub struct SoundDecoder {
    context: *mut ffi::AVCodecContext,
    frame: *mut ffi::AVFrame,
    resampler: *mut ffi::SwrContext,
    /// Rate, format and channels that the resampler was made for.
    made_for: (i32, i32, i32),
    pub rate_hz: u32,
    pub channels: u32,
}

impl SoundDecoder {
    /// Errors: no decoder for the codec, or it refuses the headers.
    pub fn open(parameters: &Parameters) -> Result<Self> {
        let (rate_hz, channels) = parameters.sound();
        let rate_hz = *RATES_HZ
            .iter()
            .find(|&&rate| rate == rate_hz)
            .unwrap_or(&RATES_HZ[8]);
        let mut decoder = SoundDecoder {
            context: ptr::null_mut(),
            frame: ptr::null_mut(),
            resampler: ptr::null_mut(),
            made_for: (0, 0, 0),
            rate_hz,
            channels: channels.clamp(1, 2),
        };
        unsafe {
            let codec = ffi::avcodec_find_decoder((*parameters.0).codec_id);
            if codec.is_null() {
                return Err(Error {
                    what: "decode the sound",
                    reason: format!("no decoder for {}", parameters.codec()),
                });
            }
            decoder.frame = ffi::av_frame_alloc();
            decoder.context = ffi::avcodec_alloc_context3(codec);
            if decoder.context.is_null() || decoder.frame.is_null() {
                return Err(no_memory("decode the sound"));
            }
            let code = ffi::avcodec_parameters_to_context(decoder.context, parameters.0);
            check("decode the sound", code)?;
            let code = ffi::avcodec_open2(decoder.context, codec, ptr::null_mut());
            check("decode the sound", code)?;
        }
        Ok(decoder)
    }

    /// Decodes a packet, or ends with none. `take` gets the time stamp in the stream's ticks, where there is one, and the
    /// samples that belong there. What does not decode is left out.
    ///
    /// Errors: the samples cannot be converted.
    pub fn decode(
        &mut self,
        packet: Option<&Packet>,
        take: &mut dyn FnMut(Option<i64>, Sounds),
    ) -> Result<()> {
        let raw = packet.map_or(ptr::null(), |packet| packet.0.cast_const());
        unsafe {
            // Damage is silence.
            let _ = ffi::avcodec_send_packet(self.context, raw);
            loop {
                let code = ffi::avcodec_receive_frame(self.context, self.frame);
                let no_more = ffi::AVERROR(ffmpeg_next::error::EAGAIN);
                if code == no_more || code == ffi::AVERROR_EOF {
                    break;
                }
                if code < 0 {
                    continue;
                }
                let raw = &*self.frame;
                let stamp =
                    Some(raw.best_effort_timestamp).filter(|&pts| pts != ffi::AV_NOPTS_VALUE);
                self.prepare()?;
                let sounds = self.convert(true)?;
                take(stamp, sounds);
            }
            if packet.is_none() && !self.resampler.is_null() {
                let rest = self.convert(false)?;
                take(None, rest);
            }
        }
        Ok(())
    }

    /// Makes a resampler for what the decoder gives now.
    unsafe fn prepare(&mut self) -> Result<()> {
        unsafe {
            let raw = &mut *self.frame;
            let fit = (raw.sample_rate, raw.format, raw.ch_layout.nb_channels);
            if self.made_for == fit && !self.resampler.is_null() {
                return Ok(());
            }
            if raw.ch_layout.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC {
                ffi::av_channel_layout_default(&mut raw.ch_layout, fit.2);
            }
            let mut layout = std::mem::zeroed::<ffi::AVChannelLayout>();
            ffi::av_channel_layout_default(&mut layout, self.channels as i32);
            ffi::swr_free(&mut self.resampler);
            let code = ffi::swr_alloc_set_opts2(
                &mut self.resampler,
                &mut layout,
                ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP,
                self.rate_hz as i32,
                &mut raw.ch_layout,
                (*self.context).sample_fmt,
                raw.sample_rate,
                0,
                ptr::null_mut(),
            );
            check("convert the sound", code)?;
            check("convert the sound", ffi::swr_init(self.resampler))?;
            self.made_for = fit;
            Ok(())
        }
    }

    /// Converts the frame, or what the resampler still holds back.
    unsafe fn convert(&mut self, frame: bool) -> Result<Sounds> {
        unsafe {
            let (data, count) = if frame {
                let raw = &*self.frame;
                (raw.extended_data, raw.nb_samples)
            } else {
                (ptr::null_mut(), 0)
            };
            let room = ffi::swr_get_out_samples(self.resampler, count).max(0);
            let mut sounds = vec![vec![0_f32; room as usize]; self.channels as usize];
            let mut pointers: Vec<*mut u8> = sounds
                .iter_mut()
                .map(|channel| channel.as_mut_ptr().cast())
                .collect();
            let made = ffi::swr_convert(
                self.resampler,
                pointers.as_mut_ptr().cast(),
                room,
                data.cast(),
                count,
            );
            let made = check("convert the sound", made)? as usize;
            for channel in &mut sounds {
                channel.truncate(made);
            }
            Ok(sounds)
        }
    }
}

impl Drop for SoundDecoder {
    fn drop(&mut self) {
        unsafe {
            ffi::swr_free(&mut self.resampler);
            ffi::av_frame_free(&mut self.frame);
            ffi::avcodec_free_context(&mut self.context);
        }
    }
}

/// Encodes samples as AAC.
pub struct AacEncoder {
    context: *mut ffi::AVCodecContext,
    rate_hz: u32,
    next: i64,
}

impl AacEncoder {
    /// Errors: the library lacks the encoder.
    pub fn open(rate_hz: u32, channels: u32) -> Result<Self> {
        unsafe {
            let codec = ffi::avcodec_find_encoder(ffi::AVCodecID::AV_CODEC_ID_AAC);
            if codec.is_null() {
                return Err(Error {
                    what: "encode the sound",
                    reason: "no encoder for aac".into(),
                });
            }
            let encoder = AacEncoder {
                context: ffi::avcodec_alloc_context3(codec),
                rate_hz,
                next: 0,
            };
            let Some(context) = encoder.context.as_mut() else {
                return Err(no_memory("encode the sound"));
            };
            context.sample_fmt = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP;
            context.sample_rate = rate_hz as i32;
            ffi::av_channel_layout_default(&mut context.ch_layout, channels as i32);
            context.bit_rate = BITS_PER_CHANNEL * i64::from(channels);
            context.time_base = ffi::AVRational {
                num: 1,
                den: rate_hz as i32,
            };
            context.flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER as i32;
            let code = ffi::avcodec_open2(encoder.context, codec, ptr::null_mut());
            check("encode the sound", code)?;
            Ok(encoder)
        }
    }

    pub fn parameters(&self) -> Result<Parameters> {
        Parameters::of_encoder(self.context)
    }

    /// Seconds per sample.
    pub fn ticks(&self) -> Fraction {
        Fraction {
            num: 1,
            den: self.rate_hz.into(),
        }
    }

    /// Samples that go in at once, but for the last ones.
    pub fn block(&self) -> usize {
        unsafe { (*self.context).frame_size.max(1) as usize }
    }

    /// Hands in at most [`AacEncoder::block`] samples of each channel, or none to end.
    pub fn send(&mut self, block: Option<&[&[f32]]>) -> Result<()> {
        let Some(block) = block else {
            let code = unsafe { ffi::avcodec_send_frame(self.context, ptr::null()) };
            return check("encode the sound", code).map(|_| ());
        };
        let count = block.iter().map(|channel| channel.len()).min().unwrap_or(0);
        unsafe {
            let mut frame = ffi::av_frame_alloc();
            let Some(raw) = frame.as_mut() else {
                return Err(no_memory("encode the sound"));
            };
            raw.format = (*self.context).sample_fmt as i32;
            raw.sample_rate = self.rate_hz as i32;
            raw.nb_samples = count as i32;
            raw.pts = self.next;
            let mut code =
                ffi::av_channel_layout_copy(&mut raw.ch_layout, &(*self.context).ch_layout);
            if code >= 0 {
                code = ffi::av_frame_get_buffer(frame, 0);
            }
            if code >= 0 {
                for (at, channel) in block.iter().enumerate() {
                    let target = (*frame).data[at].cast::<f32>();
                    ptr::copy_nonoverlapping(channel.as_ptr(), target, count);
                }
                code = ffi::avcodec_send_frame(self.context, frame);
            }
            ffi::av_frame_free(&mut frame);
            check("encode the sound", code)?;
        }
        self.next += count as i64;
        Ok(())
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
            code => Err(fail("encode the sound", code)),
        }
    }
}

impl Drop for AacEncoder {
    fn drop(&mut self) {
        unsafe { ffi::avcodec_free_context(&mut self.context) }
    }
}
