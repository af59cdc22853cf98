//! Picture files, in a form that browsers show.

use std::fs;
use std::io::{BufReader, Read};
use std::path::Path;

use exif::{In, Tag};
use transect_frame_client::{Format, Image, ImageFormat, ImageRequest, Kind, WorkerError};

use crate::indexer::{self, refuse_special, unreadable};
use crate::libav::{
    Colour, Decoder, Error, Frame, Guard, Input, LARGEST_PIXELS, Packet, PixelFormat, Threads,
    scale,
};
use crate::picture::encode;
use crate::transcode::{failed, small};
use crate::turn::{Orientation, turn};

const JPEG_QUALITY: u8 = 92;
const WEBP_QUALITY: u8 = 90;
const THUMBNAIL_QUALITY: u8 = 85;

/// Makes a picture file, and a small one if that is asked for; `progress` is called between them. Both are upright, unless the file stays as it is.
///
/// Errors: `Unreadable` if the source is no picture or too large; `Io`.
pub fn convert(request: &ImageRequest, progress: &mut dyn FnMut()) -> Result<Image, WorkerError> {
    let source = &request.source;
    refuse_special(source)?;
    let fault = |error: Error| unreadable(source, &error.to_string());
    let stored = Stored::open(source)?;
    progress();
    let (width, height) = stored.upright_size();
    let kept = (request.format == ImageFormat::Keep)
        .then_some(stored.mime)
        .flatten();
    let (mime, size_bytes) = match kept {
        Some(mime) => {
            let copied = fs::copy(source, &request.file);
            (mime, copied.map_err(|error| failed(&request.file, &error))?)
        }
        None => {
            let (format, quality) = match request.format {
                ImageFormat::Keep | ImageFormat::Png => (Format::Png, 100),
                ImageFormat::Jpg => (Format::Jpg, JPEG_QUALITY),
                ImageFormat::Webp => (Format::Webp, WEBP_QUALITY),
            };
            let picture = match format {
                Format::Png => stored.upright(stored.png_format(), (width, height)),
                Format::Webp if stored.picture.format().has_alpha() => {
                    stored.upright(PixelFormat::RGBA, (width, height))
                }
                Format::Webp => stored.upright(PixelFormat::RGB24, (width, height)),
                _ => stored.for_jpeg((width, height)),
            };
            let encoded = encode(&picture.map_err(fault)?, format, quality)?;
            (format.mime(), write(&request.file, &encoded.bytes)?)
        }
    };
    progress();
    let thumbnail = match &request.thumbnail {
        Some((file, width_wanted)) => {
            let size = small((width, height), *width_wanted);
            let picture = stored.for_jpeg(size).map_err(fault)?;
            let encoded = encode(&picture, Format::Jpg, THUMBNAIL_QUALITY)?;
            Some((size.0, size.1, write(file, &encoded.bytes)?))
        }
        None => None,
    };
    Ok(Image {
        width,
        height,
        mime: mime.to_owned(),
        size_bytes,
        thumbnail,
    })
}

fn write(file: &Path, bytes: &[u8]) -> Result<u64, WorkerError> {
    fs::write(file, bytes).map_err(|error| failed(file, &error))?;
    Ok(bytes.len() as u64)
}

/// A picture as its file holds it.
struct Stored {
    picture: Frame,
    orientation: Orientation,
    /// Media type, of files that can stay as they are.
    mime: Option<&'static str>,
}

impl Stored {
    fn open(source: &Path) -> Result<Self, WorkerError> {
        let fault = |error: std::io::Error| unreadable(source, &error.to_string());
        let mut head = [0; 24];
        let known = fs::File::open(source)
            .and_then(|mut file| file.read(&mut head))
            .map_err(fault)?;
        let mime = match &head[..known] {
            [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
            [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
            _ => None,
        };
        refuse_bomb(&head[..known]).map_err(|reason| unreadable(source, &reason))?;
        let picture = decode(source).map_err(|reason| unreadable(source, &reason))?;
        Ok(Stored {
            orientation: orientation(source),
            picture,
            mime,
        })
    }

    /// Width and height in pixels, as it is to be seen.
    fn upright_size(&self) -> (u32, u32) {
        self.before((self.picture.width(), self.picture.height()))
    }

    /// A size before turning from one after it, and the other way round.
    fn before(&self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.orientation.swaps() {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// What the numbers of the picture mean. Gray ones have no reserve at both ends.
    fn colour(&self) -> Colour {
        if self.picture.format().is_gray() {
            Colour::JPEG
        } else {
            self.picture.colour()
        }
    }

    /// The picture as it is to be seen, in this format and size.
    fn upright(&self, format: PixelFormat, size: (u32, u32)) -> Result<Frame, Error> {
        let (width, height) = self.before(size);
        let same = (self.picture.width(), self.picture.height()) == (width, height)
            && self.picture.format() == format;
        let picture = if same {
            self.picture.share()?
        } else {
            let from = self.colour();
            scale(&self.picture, from, format, Colour::JPEG, width, height)?
        };
        turn(&picture, self.orientation)
    }

    fn for_jpeg(&self, size: (u32, u32)) -> Result<Frame, Error> {
        let (format, jpeg) = (PixelFormat::YUVJ420P, Colour::JPEG);
        let colours = self.upright(PixelFormat::RGB24, size)?;
        scale(&colours, jpeg, format, jpeg, size.0, size.1)
    }

    /// The format of PNG that loses nothing, but for the depth of video.
    fn png_format(&self) -> PixelFormat {
        let format = self.picture.format();
        let deep = format.depth() > 8;
        let name = match (format.is_gray(), format.has_alpha()) {
            (true, false) if deep => "gray16be",
            (true, false) => "gray",
            (true, true) if deep => "ya16be",
            (true, true) => "ya8",
            (false, true) if deep && format.is_rgb() => "rgba64be",
            (false, true) => "rgba",
            (false, false) if deep && format.is_rgb() => "rgb48be",
            (false, false) => "rgb24",
        };
        PixelFormat::by_name(name).unwrap_or(PixelFormat::RGB24)
    }
}

/// How the camera was held, as EXIF has it; upright if it says nothing.
fn orientation(source: &Path) -> Orientation {
    let Ok(file) = fs::File::open(source) else {
        return Orientation::UPRIGHT;
    };
    let read = exif::Reader::new().read_from_container(&mut BufReader::new(file));
    let number = read.ok().and_then(|exif| {
        exif.get_field(Tag::Orientation, In::PRIMARY)?
            .value
            .get_uint(0)
    });
    number.map_or(Orientation::UPRIGHT, Orientation::from_exif)
}

/// Says what is wrong with a PNG that a few bytes make too large for any decoder. Those refuse it as well, without a reason.
fn refuse_bomb(head: &[u8]) -> Result<(), String> {
    let side = |at: usize| Some(u32::from_be_bytes(*head.get(at..)?.first_chunk()?));
    let (Some(b"IHDR"), Some(width), Some(height)) = (head.get(12..16), side(16), side(20)) else {
        return Ok(());
    };
    if u64::from(width) * u64::from(height) <= LARGEST_PIXELS {
        return Ok(());
    }
    let most = LARGEST_PIXELS / 1_000_000;
    Err(format!(
        "a picture may have {most} megapixels, and this one has {width} by {height} pixels"
    ))
}

/// Decodes the first picture of a file.
fn decode(source: &Path) -> Result<Frame, String> {
    let mut input = Input::open(source).map_err(|error| error.to_string())?;
    if indexer::kind(&input) != Kind::Image {
        return Err(format!("not a picture but {}", input.container()));
    }
    let say = |error: Error| error.to_string();
    let parameters = input.parameters().map_err(say)?;
    let mut decoder = Decoder::open(&parameters, Guard::Hide, Threads::One).map_err(say)?;
    let mut packet = Packet::new().map_err(say)?;
    if !input.read(&mut packet).map_err(say)? {
        return Err("the file is empty".into());
    }
    decoder.send(&packet).map_err(say)?;
    let picture = match decoder.receive().map_err(say)? {
        Some(picture) => Some(picture),
        None => {
            decoder.finish().map_err(say)?;
            decoder.receive().map_err(say)?
        }
    };
    picture.ok_or_else(|| "the picture does not decode".into())
}
