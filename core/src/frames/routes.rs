//! Routes of the frame service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use transect_frame_client::{
    ComposeRequest, Format, Fraction, Layout, Packets, Picture, Roi, Size,
};

use super::caching::Caching;
use super::notice;
use super::service::{self, Wanted};
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Operation};

/// Frames that one composed picture may hold.
const MOST_FRAMES: usize = 32;
/// Frames that one request for packets may span.
const MOST_PACKETS: u64 = 2_000;

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/GetFrame/{id}", "GetFrame", get_frame)
            .about("Render one or several frames of a media.")
            .query("frames: [int<0..>]=[0], tile: string, roi: string, force_scale: string, animate: int<0..15>, quality: int<0..>")
            .binary("image/*", &["png", "jpg", "gif", "mp4"])
        .refused_with(notice::png),
        Operation::get("/rest/FrameIndex/{id}", "GetFrameIndex", frame_index)
            .about("The frame index of a media: which pictures it has, when they show, where decoding can start.")
            .answers("FrameIndex"),
        Operation::get("/rest/FramePackets/{id}", "GetFramePackets", packets)
            .about("Coded packets that show a range of frames, in decode order, each with its frame's ordinal.")
            .query("*first: int<0..>, *last: int<0..>, tag: string")
            .binary("application/octet-stream", &[]),
        Operation::get("/rest/FramePicture/{id}/{frame}", "GetFramePicture", frame_picture)
            .about("One frame as a picture, by its ordinal.")
            .query("height: int<1..8192>, roi: string, quality: int<1..100>=85, tag: string")
            .binary("image/*", &["jpg", "png", "webp"]),
    ]
}

#[derive(Debug, Deserialize)]
struct FrameQuery {
    frames: Vec<u64>,
    tile: Option<String>,
    roi: Option<String>,
    force_scale: Option<String>,
    animate: Option<i64>,
}

fn format(call: &Call, default: Format) -> Format {
    match call.format() {
        Some("jpg") => Format::Jpg,
        Some("png") => Format::Png,
        Some("webp") => Format::Webp,
        Some("gif") => Format::Gif,
        Some("mp4") => Format::Mp4,
        _ => default,
    }
}

fn roi(text: Option<&str>) -> Result<Option<Roi>> {
    let roi: Option<Roi> = text
        .map(str::parse)
        .transpose()
        .map_err(|_| Error::invalid("Query parameter error: roi"))?;
    Ok(roi)
}

/// `AxB` as two positive numbers.
fn by(text: &str, parameter: &str) -> Result<(u32, u32)> {
    let parsed = text
        .split_once('x')
        .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parsed
        .filter(|(a, b)| *a > 0 && *b > 0 && *a <= 16384 && *b <= 16384)
        .ok_or_else(|| Error::invalid(format!("Query parameter error: {parameter}")))
}

async fn get_frame(call: Call) -> Result<Answer> {
    let query: FrameQuery = call.query()?;
    let source = service::ready(&call.cx, call.actor()?, call.id("id")).await?;
    let fingerprint = source.fingerprint.as_deref().unwrap_or_default();
    let caching = Caching::new(fingerprint, None, &format!("{query:?} {:?}", call.format()));
    let known = caching.is_known(&call.headers);
    if known.unwrap_or_else(|| not_modified(&call, source.modified_at)) {
        return Ok(caching.unchanged());
    }
    if query.frames.is_empty() || query.frames.len() > MOST_FRAMES {
        return Err(Error::invalid(format!(
            "Too many frames requested: ask for 1 to {MOST_FRAMES} at a time"
        )));
    }
    let roi = roi(query.roi.as_deref())?;
    let size = match &query.force_scale {
        Some(text) => {
            let (width, height) = by(text, "force_scale")?;
            Size::Exact { width, height }
        }
        None => Size::Native,
    };
    let animate = query.animate.filter(|rate| *rate > 0);
    let picture = if query.frames.len() == 1 && animate.is_none() && query.tile.is_none() {
        let format = format(&call, Format::Png);
        if format == Format::Mp4 {
            return Err(Error::invalid("format=mp4 needs animate"));
        }
        let wanted = Wanted {
            frame: query.frames[0],
            size,
            roi,
            format,
            quality: 95,
        };
        service::frame(&call.cx, &source, wanted).await?
    } else {
        let (layout, fallback) = match (animate, &query.tile) {
            (Some(rate), _) => (
                Layout::Animate {
                    rate: Fraction { num: rate, den: 1 },
                },
                Format::Gif,
            ),
            (None, Some(tile)) => {
                let (columns, rows) = by(tile, "tile")?;
                (
                    Layout::Tile {
                        columns: Some(columns),
                        rows: Some(rows),
                    },
                    Format::Png,
                )
            }
            (None, None) => (
                Layout::Tile {
                    columns: None,
                    rows: None,
                },
                Format::Png,
            ),
        };
        let format = format(&call, fallback);
        let frames = query.frames;
        service::compose(&call.cx, &source, |path, index_file| ComposeRequest {
            source: path.to_owned(),
            index_file: index_file.to_owned(),
            frames,
            layout,
            roi,
            size,
            format,
            quality: 90,
        })
        .await?
    };
    let modified = crate::time::http(source.modified_at);
    Ok(caching.on(answer(picture).header("last-modified", modified)))
}

/// Whether the caller has the state of exactly that second: a file may be replaced by an older one.
fn not_modified(call: &Call, modified_at: i64) -> bool {
    let since = call
        .headers
        .get("if-modified-since")
        .and_then(|value| value.to_str().ok());
    since.is_some_and(|since| {
        crate::time::parse_http(since).is_some_and(|since| since / 1000 == modified_at / 1000)
    })
}

fn answer(picture: Picture) -> Answer {
    Answer::bytes(picture.mime, picture.bytes)
}

async fn frame_index(call: Call) -> Result<Answer> {
    Answer::json(&service::wire_index(&call.cx, call.actor()?, call.id("id")).await?)
}

async fn frame_picture(call: Call) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Query {
        height: Option<u32>,
        roi: Option<String>,
        quality: u8,
        tag: Option<String>,
    }
    let query: Query = call.query()?;
    let frame =
        u64::try_from(call.id("frame")).map_err(|_| Error::invalid("frames count from zero"))?;
    let wanted = Wanted {
        frame,
        size: query.height.map_or(Size::Native, Size::MaxHeight),
        roi: roi(query.roi.as_deref())?,
        format: format(&call, Format::Jpg),
        quality: query.quality,
    };
    let source = service::ready(&call.cx, call.actor()?, call.id("id")).await?;
    let fingerprint = source.fingerprint.as_deref().unwrap_or_default();
    let caching = Caching::new(fingerprint, query.tag.as_deref(), &format!("{wanted:?}"));
    if caching.is_known(&call.headers) == Some(true) {
        return Ok(caching.unchanged());
    }
    let picture = service::frame(&call.cx, &source, wanted).await?;
    Ok(caching.on(answer(picture).header("x-transect-fingerprint", fingerprint)))
}

async fn packets(call: Call) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Range {
        first: u64,
        last: u64,
        tag: Option<String>,
    }
    let range: Range = call.query()?;
    if range.last < range.first || range.last - range.first >= MOST_PACKETS {
        return Err(Error::invalid(format!(
            "ask for a range of 1 to {MOST_PACKETS} frames"
        )));
    }
    let source = service::ready(&call.cx, call.actor()?, call.id("id")).await?;
    let fingerprint = source.fingerprint.as_deref().unwrap_or_default();
    let request = format!("packets {} {}", range.first, range.last);
    let caching = Caching::new(fingerprint, range.tag.as_deref(), &request);
    if caching.is_known(&call.headers) == Some(true) {
        return Ok(caching.unchanged());
    }
    let found = service::packets(&call.cx, &source, range.first, range.last).await?;
    let bytes = framed(&found)?;
    Ok(caching.on(Answer::bytes("application/octet-stream", bytes)))
}

/// A little-endian length, that many bytes of JSON (decoder configuration and the list of packets),
/// then the packets' bytes one after another.
fn framed(found: &Packets) -> Result<Vec<u8>> {
    let packets: Vec<_> = found
        .packets
        .iter()
        .map(|packet| json!({"frame": packet.frame, "key": packet.key, "size": packet.bytes.len()}))
        .collect();
    let head = serde_json::to_vec(&json!({
        "config": {
            "codec": found.codec_string,
            "codedWidth": found.coded_width,
            "codedHeight": found.coded_height,
            "description": found.description.as_ref().map(|bytes| STANDARD.encode(bytes)),
        },
        "packets": packets,
    }))?;
    let length =
        u32::try_from(head.len()).map_err(|error| Error::internal("frame packets", error))?;
    let payload: usize = found.packets.iter().map(|packet| packet.bytes.len()).sum();
    let mut bytes = Vec::with_capacity(4 + head.len() + payload);
    bytes.extend(length.to_le_bytes());
    bytes.extend(head);
    for packet in &found.packets {
        bytes.extend_from_slice(&packet.bytes);
    }
    Ok(bytes)
}
