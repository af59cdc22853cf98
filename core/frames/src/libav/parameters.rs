//! What a decoder has to know about a stream.
#![expect(unsafe_code, reason = "calls into libavcodec")]

use ffmpeg_next::ffi;
use transect_frame_client::{DecoderSetup, FrameIndex};

use super::{Error, PixelFormat, Result, c_string, check, no_memory, rational, text};

/// What a decoder has to know about a stream.
pub struct Parameters(pub(super) *mut ffi::AVCodecParameters);

impl Parameters {
    fn new() -> Result<Self> {
        let parameters = unsafe { ffi::avcodec_parameters_alloc() };
        if parameters.is_null() {
            Err(no_memory("make parameters"))
        } else {
            Ok(Parameters(parameters))
        }
    }

    /// Copies those of a stream.
    pub(super) fn of(source: *const ffi::AVCodecParameters) -> Result<Self> {
        let parameters = Self::new()?;
        check("copy parameters", unsafe {
            ffi::avcodec_parameters_copy(parameters.0, source)
        })?;
        Ok(parameters)
    }

    /// Those of what an encoder gives.
    pub(super) fn of_encoder(context: *const ffi::AVCodecContext) -> Result<Self> {
        let parameters = Self::new()?;
        check("copy parameters", unsafe {
            ffi::avcodec_parameters_from_context(parameters.0, context)
        })?;
        Ok(parameters)
    }

    /// Those that were noted when the index was made.
    pub fn from_index(index: &FrameIndex) -> Result<Self> {
        let parameters = Self::new()?;
        let setup = &index.decoder;
        unsafe {
            let raw = &mut *parameters.0;
            raw.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
            raw.codec_id = codec_id(&index.codec)?;
            raw.codec_tag = setup.tag;
            raw.width = index.width as i32;
            raw.height = index.height as i32;
            raw.bits_per_coded_sample = setup.bits_per_coded_sample;
            raw.profile = setup.profile;
            raw.level = setup.level;
            raw.video_delay = i32::from(setup.reorder);
            raw.sample_aspect_ratio = rational(index.sample_aspect_ratio);
            raw.format = PixelFormat::by_name(&index.pixel_format).map_or(-1, PixelFormat::number);
            set_extradata(raw, &setup.extradata)?;
        }
        Ok(parameters)
    }

    /// Those of a codec, by its libav name, with its headers.
    pub fn of_codec(codec: &str, extradata: &[u8]) -> Result<Self> {
        let parameters = Self::new()?;
        unsafe {
            let raw = &mut *parameters.0;
            raw.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
            raw.codec_id = codec_id(codec)?;
            set_extradata(raw, extradata)?;
        }
        Ok(parameters)
    }

    /// What to note in the index; `reorder` is filled in by the scan.
    pub fn setup(&self) -> DecoderSetup {
        let raw = unsafe { &*self.0 };
        DecoderSetup {
            tag: raw.codec_tag,
            extradata: self.extradata().to_vec(),
            bits_per_coded_sample: raw.bits_per_coded_sample,
            profile: raw.profile,
            level: raw.level,
            reorder: 0,
        }
    }

    pub fn extradata(&self) -> &[u8] {
        unsafe {
            if (*self.0).extradata.is_null() || (*self.0).extradata_size <= 0 {
                return &[];
            }
            std::slice::from_raw_parts((*self.0).extradata, (*self.0).extradata_size as usize)
        }
    }

    pub fn codec(&self) -> String {
        text(unsafe { ffi::avcodec_get_name((*self.0).codec_id) })
    }

    /// The code that MP4 files have for the codec, where there is a choice: HEVC with its headers in front, as Apple's
    /// players want it.
    pub(super) fn mp4_tag(&self) -> Option<[u8; 4]> {
        (unsafe { (*self.0).codec_id } == ffi::AVCodecID::AV_CODEC_ID_HEVC).then_some(*b"hvc1")
    }

    /// Codec for people.
    pub fn codec_description(&self) -> String {
        unsafe {
            ffi::avcodec_descriptor_get((*self.0).codec_id)
                .as_ref()
                .map_or_else(|| self.codec(), |descriptor| text(descriptor.long_name))
        }
    }

    /// AAC as RFC 6381 spells it: object type, which is one more than the profile's number in libav.
    pub fn aac_string(&self) -> Option<String> {
        let raw = unsafe { &*self.0 };
        let aac = raw.codec_id == ffi::AVCodecID::AV_CODEC_ID_AAC;
        aac.then(|| format!("mp4a.40.{}", raw.profile.max(1) + 1))
    }

    /// Width and height of the coded picture in pixels.
    pub fn size(&self) -> (u32, u32) {
        unsafe {
            (
                (*self.0).width.max(0) as u32,
                (*self.0).height.max(0) as u32,
            )
        }
    }

    /// Pixel format as libav names it; empty if the headers do not tell.
    pub fn pixel_format(&self) -> String {
        unsafe { PixelFormat::from_libav((*self.0).format) }.name()
    }

    /// Samples per second and channels, of sound.
    pub fn sound(&self) -> (u32, u32) {
        unsafe {
            (
                (*self.0).sample_rate.max(0) as u32,
                (*self.0).ch_layout.nb_channels.max(0) as u32,
            )
        }
    }

    /// True if every packet of this codec stands alone.
    pub fn intra_only(&self) -> bool {
        let descriptor = unsafe { ffi::avcodec_descriptor_get((*self.0).codec_id) };
        !descriptor.is_null() && unsafe { (*descriptor).props } & ffi::AV_CODEC_PROP_INTRA_ONLY != 0
    }

    pub fn bit_rate(&self) -> Option<u64> {
        u64::try_from(unsafe { (*self.0).bit_rate })
            .ok()
            .filter(|&rate| rate > 0)
    }

    /// Pictures that an encoder may put before one that is shown earlier. x265 does not tell; it does as x264.
    pub fn delay(&self) -> usize {
        let hevc = unsafe { (*self.0).codec_id } == ffi::AVCodecID::AV_CODEC_ID_HEVC;
        self.reorder().max(if hevc { 2 } else { 0 }) as usize
    }

    /// Reordering as the container, the probe or the encoder has it, in pictures.
    pub fn reorder(&self) -> i32 {
        unsafe { (*self.0).video_delay }
    }
}

fn codec_id(codec: &str) -> Result<ffi::AVCodecID> {
    let name = c_string(codec)?;
    let descriptor = unsafe { ffi::avcodec_descriptor_get_by_name(name.as_ptr()).as_ref() };
    let descriptor = descriptor.ok_or_else(|| Error {
        what: "find the codec",
        reason: format!("unknown name {codec}"),
    })?;
    Ok(descriptor.id)
}

/// Copies codec headers into parameters that have none.
fn set_extradata(raw: &mut ffi::AVCodecParameters, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let room = bytes.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
    unsafe {
        let copy = ffi::av_mallocz(room).cast::<u8>();
        if copy.is_null() {
            return Err(no_memory("copy codec headers"));
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy, bytes.len());
        raw.extradata = copy;
    }
    raw.extradata_size = bytes.len() as i32;
    Ok(())
}

impl Drop for Parameters {
    fn drop(&mut self) {
        unsafe { ffi::avcodec_parameters_free(&mut self.0) }
    }
}
