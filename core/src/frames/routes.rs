//! Routes of the frame service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use transect_frame_client::{
    ConfigurationChange, Format, Fraction, Layout, Packets, Picture, Roi, Size,
};

use super::caching::Caching;
use super::clip;
use super::film::{self, Film};
use super::multi;
use super::notice;
use super::service::{self, Wanted, WantedTogether};
use super::stream::Stream;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Operation};

/// Frames that one composed picture may hold.
const MOST_FRAMES: usize = 32;
/// Pictures in a second of a film whose rate nobody says.
const RATE: i64 = 2;
/// Bytes of one message to a stream.
const MOST_SAID: usize = 64 << 10;
/// Frames that one request for packets may span.
const MOST_PACKETS: u64 = 2_000;

/// The operations of this noun.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/rest/GetFrame/{id}", "GetFrame", get_frame)
            .about("Render one or several frames of a media.")
            .query("frames: [int<0..>]=[0], tile: string, roi: string, force_scale: string, animate: int<0..15>, quality: int<0..100000>")
            .binary("image/*", &["png", "jpg", "gif", "mp4"])
        .refused_with(notice::png),
        Operation::get("/rest/GetClip/{id}", "GetClip", get_clip)
            .about("Cut ranges of frames into a temporary MP4 file.")
            .query("*frame_ranges: [string], quality: int<0..100000>, reencode: bool=false")
            .answers("VideoClip"),
        Operation::get("/rest/FrameIndex/{id}", "GetFrameIndex", frame_index)
            .about("The frame index of a media: which pictures it has, when they show, where decoding can start.")
            .answers("FrameIndex"),
        Operation::get("/rest/FramePackets/{id}", "GetFramePackets", packets)
            .about("Coded packets that show a range of frames, in decode order, each with its frame's ordinal.")
            .details(include_str!("packets.md"))
            .query("*first: int<0..>, *last: int<0..>, tag: string")
            .binary("application/octet-stream", &[]),
        Operation::get("/rest/FramePicture/{id}/{frame}", "GetFramePicture", frame_picture)
            .about("One frame as a picture, by its ordinal.")
            .query("height: int<1..8192>, roi: string, quality: int<1..100>=85, tag: string")
            .details("`format=y4m` gives the planes as they were decoded (YUV4MPEG2), without a copy in another colour space: for programs \
                that compute. RGB sources become 4:4:4; PNG keeps those as they are.")
            .binary("image/*", &["jpg", "png", "webp", "y4m"]),
        Operation::get("/rest/MultiFrames/{id}", "GetMultiFrames", multi_frames)
            .about("Which frames of the children of a multi belong to frames of its first child, or to times in seconds.")
            .query("frame: [int], time: [number]")
            .answers("[MultiFrame]"),
        Operation::get("/rest/FrameStream/{id}", "StreamFrames", frame_stream)
            .about("Pictures or coded packets of ranges of frames over a WebSocket, as many as the client gives credits for.")
            .details(include_str!("stream.md"))
            .binary("application/octet-stream", &[])
            .upgrades(),
    ]
}

#[derive(Debug, Deserialize)]
struct MomentQuery {
    frame: Option<Vec<i64>>,
    time: Option<Vec<f64>>,
}

async fn multi_frames(call: Call) -> Result<Answer> {
    let MomentQuery { frame, time } = call.query()?;
    let (frames, times) = (frame.unwrap_or_default(), time.unwrap_or_default());
    Answer::list(multi::moments(&call.cx, call.actor()?, call.id("id"), frames, times).await?)
}

#[derive(Debug, Deserialize)]
struct FrameQuery {
    frames: Vec<u64>,
    tile: Option<String>,
    roi: Option<String>,
    force_scale: Option<String>,
    animate: Option<i64>,
    quality: Option<u32>,
}

/// The encoding that `format=` names.
pub(crate) fn format(call: &Call, default: Format) -> Format {
    match call.format() {
        Some("jpg") => Format::Jpg,
        Some("png") => Format::Png,
        Some("webp") => Format::Webp,
        Some("gif") => Format::Gif,
        Some("mp4") => Format::Mp4,
        Some("y4m") => Format::Y4m,
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

/// `AxB` as two positive numbers. Errors: `Invalid`, naming the parameter.
pub(crate) fn by(text: &str, parameter: &str) -> Result<(u32, u32)> {
    let parsed = text
        .split_once('x')
        .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parsed
        .filter(|(a, b)| *a > 0 && *b > 0 && *a <= 16384 && *b <= 16384)
        .ok_or_else(|| Error::invalid(format!("Query parameter error: {parameter}")))
}

async fn get_frame(call: Call) -> Result<Answer> {
    let query: FrameQuery = call.query()?;
    let seen = film::seen(&call.cx, call.actor()?, call.id("id")).await?;
    let film = film::of_quality(&call.cx, &seen, query.quality).await?;
    let request = format!("{query:?} {:?}", call.format());
    let caching = Caching::new(&film.identity(), None, &request);
    let modified_at = seen.media.modified_datetime;
    let known = caching.is_known(&call.headers);
    if known.unwrap_or_else(|| not_modified(&call, modified_at)) {
        return Ok(caching.unchanged());
    }
    let picture = rendered(&call, &film, query).await?;
    let modified = crate::time::http(modified_at);
    Ok(caching.on(answer(picture).header("last-modified", modified)))
}

async fn rendered(call: &Call, film: &Film, query: FrameQuery) -> Result<Picture> {
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
    let tile = query.tile.as_deref().map(|tile| by(tile, "tile"));
    let tile = tile.transpose()?;
    let mut rate = query.animate.filter(|rate| *rate > 0);
    if format(call, Format::Png) == Format::Mp4 {
        if tile.is_some() && rate.is_none() {
            return Err(Error::invalid(
                "format=mp4 shows frames one after another, and tile beside one another: leave one of them out",
            ));
        }
        // A film it is, whether or not somebody says how fast.
        rate = rate.or(Some(RATE));
    }
    let layout = match (rate, tile) {
        (Some(rate), _) => Layout::Animate {
            rate: Fraction { num: rate, den: 1 },
        },
        (None, tile) => Layout::Tile {
            columns: tile.map(|(columns, _)| columns),
            rows: tile.map(|(_, rows)| rows),
        },
    };
    let alone = Layout::Tile {
        columns: None,
        rows: None,
    };
    if query.frames.len() == 1 && layout == alone {
        let wanted = Wanted {
            frame: query.frames[0],
            size,
            roi,
            format: format(call, Format::Png),
            quality: 95,
        };
        return service::frame(&call.cx, film, wanted).await;
    }
    let fallback = match layout {
        Layout::Animate { .. } => Format::Gif,
        Layout::Tile { .. } => Format::Png,
    };
    let wanted = WantedTogether {
        frames: query.frames,
        layout,
        roi,
        rois: Vec::new(),
        size,
        format: format(call, fallback),
        quality: 90,
    };
    service::compose(&call.cx, film, wanted).await
}

/// Whether the caller's picture is from after the last change of the media, its file or its
/// renditions: each of them shows in the media's own time.
fn not_modified(call: &Call, modified_at: i64) -> bool {
    let since = call
        .headers
        .get("if-modified-since")
        .and_then(|value| value.to_str().ok());
    since.is_some_and(|since| {
        crate::time::parse_http(since).is_some_and(|since| since / 1000 >= modified_at / 1000)
    })
}

fn answer(picture: Picture) -> Answer {
    Answer::bytes(picture.mime, picture.bytes)
}

async fn get_clip(call: Call) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Query {
        frame_ranges: Vec<String>,
        quality: Option<u32>,
        reencode: bool,
    }
    let query: Query = call.query()?;
    let wanted = clip::service::Wanted {
        frame_ranges: query.frame_ranges,
        quality: query.quality,
        reencode: query.reencode,
    };
    let made = clip::service::make(&call.cx, call.actor()?, call.id("id"), wanted).await?;
    let (first, last): (Vec<u64>, Vec<u64>) = made.spans.into_iter().unzip();
    Answer::json(&json!({
        "segment_start_frames": first,
        "segment_end_frames": last,
        "file": serde_json::to_value(made.file.wire(&call.origin))?,
    }))
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
    let seen = film::seen(&call.cx, call.actor()?, call.id("id")).await?;
    let film = film::whole(&call.cx, &seen).await?;
    let fingerprint = &film.facts.fingerprint;
    let caching = Caching::new(fingerprint, query.tag.as_deref(), &format!("{wanted:?}"));
    if caching.is_known(&call.headers) == Some(true) {
        return Ok(caching.unchanged());
    }
    let drawn_from = match (query.height, &wanted.roi) {
        (Some(height), None) => film::of_height(&call.cx, &seen, &film, height).await,
        _ => film.clone(),
    };
    let picture = service::frame(&call.cx, &drawn_from, wanted).await?;
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
    let media = call.id("id");
    let film = service::film(&call.cx, call.actor()?, media).await?;
    let fingerprint = &film.facts.fingerprint;
    let request = format!("packets {} {}", range.first, range.last);
    let caching = Caching::new(fingerprint, range.tag.as_deref(), &request);
    if caching.is_known(&call.headers) == Some(true) {
        return Ok(caching.unchanged());
    }
    let found = service::packets(&call.cx, media, &film, range.first, range.last).await?;
    let bytes = framed(&found)?;
    Ok(caching.on(Answer::bytes("application/octet-stream", bytes)))
}

/// A WebSocket, on which `stream` describes what is said.
async fn frame_stream(mut call: Call) -> Result<Answer> {
    let media = call.id("id");
    let actor = call.actor()?.clone();
    // A refusal is an answer, before there is a socket.
    film::seen(&call.cx, &actor, media).await?;
    let upgrade = call.upgrade()?;
    let place = call.cx.frames.streams.clone().try_acquire_owned();
    let place = place.map_err(|_| {
        Error::Busy("too many streams of frames are open; close one, or try again later".into())
    })?;
    let stream = Stream {
        cx: call.cx.clone(),
        actor,
        media,
        _place: place,
    };
    let upgrade = upgrade
        .max_message_size(MOST_SAID)
        .max_frame_size(MOST_SAID);
    Ok(Answer::switched(
        upgrade.on_upgrade(move |socket| stream.run(socket)),
    ))
}

/// What a decoder must be told, as WebCodecs takes it.
pub(super) fn configuration(told: &ConfigurationChange) -> serde_json::Value {
    json!({
        "codec": told.codec_string,
        "codedWidth": told.coded_width,
        "codedHeight": told.coded_height,
        "description": told.description.as_ref().map(|bytes| STANDARD.encode(bytes)),
    })
}

/// A little-endian length, that many bytes of JSON (decoder configuration, where it changes, and the list of packets),
/// then the packets' bytes one after another.
fn framed(found: &Packets) -> Result<Vec<u8>> {
    let packets: Vec<_> = found
        .packets
        .iter()
        .map(|packet| json!({"frame": packet.frame, "key": packet.key, "size": packet.bytes.len()}))
        .collect();
    let changes: Vec<_> = found
        .changes
        .iter()
        .map(|change| json!({"packet": change.at, "config": configuration(change)}))
        .collect();
    let head = serde_json::to_vec(&json!({
        "config": configuration(&found.first_configuration()),
        "changes": changes,
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
