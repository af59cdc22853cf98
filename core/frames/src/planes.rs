//! Pictures as their planes, in YUV4MPEG2: a line of text that says what follows, and then the samples as they were decoded.
//!
//! Format: <https://manned.org/yuv4mpeg.5>, with the names that FFmpeg has for deeper samples and for the range. A library would
//! bring a container for the twenty lines that a single picture takes.

use crate::libav::{Frame, Matrix, PixelFormat};

/// The pixel format in which a picture of this one goes out: itself, wherever YUV4MPEG2 has a name for it. Otherwise the nearest
/// one that it has, so that RGB becomes 4:4:4; `square` asks for as many chroma samples across as down.
pub fn nearest(format: PixelFormat, square: bool) -> PixelFormat {
    let (across, down) = format.chroma_steps();
    if name(format).is_some() && (!square || across == down) {
        return format;
    }
    let deep = format.depth() > 8;
    let depth = match format.depth() {
        ..=8 => "",
        9..=10 => "10le",
        11..=12 => "12le",
        _ => "16le",
    };
    let layout = match (across, down) {
        (2, 2) => "yuv420p",
        (2, 1) if !square => "yuv422p",
        _ => "yuv444p",
    };
    let wanted = match (format.is_gray(), deep) {
        (true, false) => "gray".to_owned(),
        (true, true) => "gray16le".to_owned(),
        (false, _) => format!("{layout}{depth}"),
    };
    PixelFormat::by_name(&wanted).unwrap_or(PixelFormat::YUV420P)
}

/// What YUV4MPEG2 calls a pixel format, if it has a name for it.
fn name(format: PixelFormat) -> Option<String> {
    let own = format.name().replace("yuvj", "yuv");
    let plain = own.strip_suffix("le").unwrap_or(&own);
    match plain {
        "gray" => return Some("mono".into()),
        "yuv420p" => return Some("420jpeg".into()),
        "yuv411p" | "yuv422p" | "yuv444p" => return Some(plain[3..6].into()),
        _ => {}
    }
    if let Some(depth) = plain.strip_prefix("gray") {
        return ["9", "10", "12", "16"]
            .contains(&depth)
            .then(|| format!("mono{depth}"));
    }
    let (layout, depth) = plain.strip_prefix("yuv")?.split_once('p')?;
    let known =
        ["420", "422", "444"].contains(&layout) && ["9", "10", "12", "14", "16"].contains(&depth);
    known.then(|| format!("{layout}p{depth}"))
}

/// The picture with its header. Samples of more than eight bits take two bytes, the lower one first.
///
/// Errors: why its format has no name; none for what [`nearest`] gives.
pub fn encode(picture: &Frame) -> Result<Vec<u8>, String> {
    let format = picture.format();
    let name = name(format).ok_or_else(|| format!("no planes of {}", format.name()))?;
    let colour = picture.colour();
    let range = if colour.full_range { "FULL" } else { "LIMITED" };
    let matrix = match colour.matrix {
        Matrix::Bt601 => "BT601",
        Matrix::Bt709 => "BT709",
        Matrix::Bt2020 => "BT2020",
        Matrix::Fcc => "FCC",
        Matrix::Smpte240 => "SMPTE240",
    };
    let (width, height) = (picture.width(), picture.height());
    // Rate, fields and the shape of pixels are not a single picture's to say.
    let mut bytes = format!(
        "YUV4MPEG2 W{width} H{height} F0:0 I? A0:0 C{name} XCOLORRANGE={range} XMATRIX={matrix}\nFRAME\n"
    )
    .into_bytes();
    let (across, down) = format.chroma_steps();
    for (plane, sample_bytes) in format.planes().into_iter().enumerate() {
        let step = |step: u32| if plane == 0 { 1 } else { step };
        let row_bytes = width.div_ceil(step(across)) as usize * sample_bytes;
        let rows = height.div_ceil(step(down)) as usize;
        let (samples, stride) = picture.plane(plane).ok_or("it has no planes")?;
        for row in samples.chunks(stride).take(rows) {
            bytes.extend_from_slice(&row[..row_bytes]);
        }
    }
    Ok(bytes)
}
