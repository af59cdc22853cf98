//! Playlists of HLS feeds (RFC 8216): which segments there are, where, and when they were.

use std::ops::Range;

use chrono::DateTime;
use m3u8_rs::{ByteRange, KeyMethod, MasterPlaylist, MediaPlaylist, MediaSegment, Playlist};
use reqwest::Url;

use crate::client;
use crate::context::Context;
use crate::error::{Error, Result};

/// Bytes that a playlist may have.
const LIMIT: u64 = 8 << 20;
/// What a segment may take, and when it may be: beyond, a feed does not know what it says.
const LONGEST_SECS: f64 = 86_400.0;
const LATEST_US: i64 = 8_000_000_000_000_000;
/// Playlists that name each other.
const DEPTH: usize = 3;

/// Bytes at a URL: all, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub url: String,
    pub range: Option<Range<u64>>,
}

/// A segment that a feed lists.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listing {
    pub sequence: i64,
    pub piece: Piece,
    /// What a decoder needs before it.
    pub init: Option<Piece>,
    pub duration_us: i64,
    /// When it begins, in UTC microseconds, as the feed states.
    pub utc_us: Option<i64>,
    /// Whether its times do not go on from those before.
    pub breaks: bool,
    /// How many such breaks the feed counts up to it.
    pub discontinuity: i64,
}

/// What a feed lists at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    /// Where it was read.
    pub url: String,
    pub target_secs: u64,
    /// Whether nothing more will come.
    pub ended: bool,
    /// Whether the segments are encrypted.
    pub encrypted: bool,
    /// Breaks that the feed counts before its first segment.
    pub discontinuity: i64,
    pub segments: Vec<Listing>,
}

/// What is wanted of a feed that comes in several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'c> {
    /// The name of one.
    pub feed: &'c str,
    /// The height in pixels that it should come nearest to; the best one without.
    pub height: Option<u32>,
}

/// Reads a feed's playlist, through the one that lists several if there is one.
///
/// Errors: those of the client; `Invalid` for what is no playlist.
pub(super) async fn load(cx: &Context, url: &str, choice: Choice<'_>) -> Result<Listed> {
    let mut place = url.to_owned();
    for _ in 0..DEPTH {
        let (found, bytes) = client::document(cx, &place, &[], LIMIT).await?;
        let base = Url::parse(&found).map_err(|error| no_playlist(&place, error.to_string()))?;
        match m3u8_rs::parse_playlist_res(&bytes) {
            Ok(Playlist::MediaPlaylist(list)) => return listed(&base, &list),
            Ok(Playlist::MasterPlaylist(several)) => place = chosen(&base, &several, choice)?,
            Err(_) => return Err(no_playlist(&place, "it is not an M3U8 file".into())),
        }
    }
    Err(no_playlist(url, "playlists that name playlists".into()))
}

fn no_playlist(url: &str, why: String) -> Error {
    let place = url.split(['?', '#']).next().unwrap_or_default();
    Error::invalid_because(format!("the feed gives no HLS playlist: {place}"), why)
}

/// The playlist of the feed that is wanted among several.
fn chosen(base: &Url, several: &MasterPlaylist, choice: Choice) -> Result<String> {
    let all = several.variants.iter().filter(|one| !one.is_i_frame);
    let mut all: Vec<_> = all.collect();
    // The best comes first; sorting is stable, so that what follows keeps this order.
    all.sort_by_key(|one| std::cmp::Reverse(one.bandwidth));
    if let Some(height) = choice.height {
        let distance = |one: &&m3u8_rs::VariantStream| {
            let own = one.resolution.map(|own| own.height);
            own.map_or(u64::MAX, |own| own.abs_diff(u64::from(height)))
        };
        all.sort_by_key(distance);
    }
    let named = all.iter().find(|one| {
        let other = one.other_attributes.as_ref();
        let name = other.and_then(|other| other.get("NAME"));
        !choice.feed.is_empty()
            && (name.is_some_and(|name| name.as_str() == choice.feed)
                || one.video.as_deref() == Some(choice.feed))
    });
    let one = named.or(all.first());
    let one = one.ok_or_else(|| no_playlist(base.as_str(), "it lists no feed".into()))?;
    joined(base, &one.uri)
}

fn joined(base: &Url, uri: &str) -> Result<String> {
    let url = base.join(uri);
    let url = url.map_err(|error| no_playlist(base.as_str(), format!("{uri}: {error}")))?;
    Ok(url.into())
}

/// What a playlist says, with everything that it leaves to be inferred.
pub(super) fn listed(base: &Url, list: &MediaPlaylist) -> Result<Listed> {
    // Nobody counts further than floats do.
    let signed = |number: u64| number.min(1 << 53) as i64;
    let first = signed(list.media_sequence);
    let mut segments: Vec<Listing> = Vec::with_capacity(list.segments.len());
    let (mut init, mut encrypted) = (None, false);
    let mut discontinuity = signed(list.discontinuity_sequence);
    for (sequence, one) in (first..).zip(&list.segments) {
        if let Some(map) = &one.map {
            init = Some(piece(base, &map.uri, map.byte_range.as_ref(), None)?);
        }
        let plain = |method: &KeyMethod| *method == KeyMethod::None;
        encrypted |= one.key.as_ref().is_some_and(|key| !plain(&key.method));
        discontinuity += i64::from(one.discontinuity);
        let before = segments.last();
        let told = stated(one);
        let follows = before.filter(|_| !one.discontinuity);
        let inferred = follows.and_then(|before| Some(before.utc_us? + before.duration_us));
        let before = before.map(|before| before.piece.clone());
        let listing = Listing {
            sequence,
            piece: piece(base, &one.uri, one.byte_range.as_ref(), before)?,
            init: init.clone(),
            duration_us: (f64::from(one.duration).clamp(0.0, LONGEST_SECS) * 1e6).round() as i64,
            utc_us: told.or(inferred),
            breaks: one.discontinuity,
            discontinuity,
        };
        segments.push(listing);
    }
    Ok(Listed {
        url: base.to_string(),
        target_secs: list.target_duration,
        ended: list.end_list,
        encrypted,
        discontinuity: signed(list.discontinuity_sequence),
        segments,
    })
}

/// When a segment begins, as the feed states it, in UTC microseconds. FFmpeg, and many a camera with it,
/// writes zones without a colon, which RFC 3339 does not know.
fn stated(one: &MediaSegment) -> Option<i64> {
    let loose = || {
        let mut tags = one.unknown_tags.iter();
        let tag = tags.find(|tag| tag.tag == "X-PROGRAM-DATE-TIME")?;
        let text = tag.rest.as_deref()?.trim();
        DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z").ok()
    };
    let at = one.program_date_time.or_else(loose)?;
    Some(at.timestamp_micros()).filter(|at_us| (0..LATEST_US).contains(at_us))
}

/// A range without a beginning goes on where that of the segment before ended.
fn piece(base: &Url, uri: &str, range: Option<&ByteRange>, before: Option<Piece>) -> Result<Piece> {
    let url = joined(base, uri)?;
    let range = range.map(|range| {
        let before = before.filter(|before| before.url == url);
        let behind = before.and_then(|before| Some(before.range?.end));
        let start = range.offset.or(behind).unwrap_or_default();
        start..start.saturating_add(range.length)
    });
    Ok(Piece { url, range })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Listed {
        let base = Url::parse("http://camera/live/a.m3u8").unwrap();
        match m3u8_rs::parse_playlist_res(text.as_bytes()).unwrap() {
            Playlist::MediaPlaylist(list) => listed(&base, &list).unwrap(),
            Playlist::MasterPlaylist(_) => panic!("not a media playlist"),
        }
    }

    #[test]
    fn what_is_left_out_is_inferred() {
        let list = read(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"10@0\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00.250+02:00\n#EXTINF:2.002,\n\
             #EXT-X-BYTERANGE:100@10\nall.mp4\n#EXTINF:2.0,\n#EXT-X-BYTERANGE:50\nall.mp4\n\
             #EXT-X-DISCONTINUITY\n#EXTINF:1.5,\nhttp://other/b.mp4\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00.250+0200\n#EXTINF:1,\nc.mp4\n",
        );
        let of = |at: usize| &list.segments[at];
        assert_eq!((of(0).sequence, of(2).sequence), (7, 9));
        assert_eq!(of(0).piece.url, "http://camera/live/all.mp4");
        assert_eq!(of(0).piece.range, Some(10..110));
        assert_eq!(of(1).piece.range, Some(110..160));
        assert_eq!(of(2).piece.url, "http://other/b.mp4");
        assert_eq!(of(1).init.as_ref().unwrap().range, Some(0..10));
        let start = crate::time::parse_us("2026-11-20T08:00:00.250Z").unwrap();
        assert_eq!(of(0).utc_us, Some(start));
        assert_eq!(of(1).utc_us, Some(start + 2_002_000));
        assert_eq!((of(2).utc_us, of(3).utc_us), (None, Some(start)));
        assert_eq!((of(1).discontinuity, of(2).discontinuity), (3, 4));
        assert!(!list.ended && !list.encrypted && of(2).breaks);
    }

    #[test]
    fn one_of_several_is_chosen_by_name_then_height_then_rate() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100,RESOLUTION=640x360,NAME=\"bow\"\na.m3u8\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=1920x1080\nb.m3u8\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=500,RESOLUTION=1280x720\nc.m3u8\n";
        let Ok(Playlist::MasterPlaylist(several)) = m3u8_rs::parse_playlist_res(text.as_bytes())
        else {
            panic!("it lists several");
        };
        let base = Url::parse("http://camera/live/all.m3u8").unwrap();
        let found = |feed, height| {
            let url = chosen(&base, &several, Choice { feed, height }).unwrap();
            url.rsplit('/').next().unwrap().to_owned()
        };
        assert_eq!(found("", None), "b.m3u8");
        assert_eq!(found("", Some(700)), "c.m3u8");
        assert_eq!(found("bow", Some(1080)), "a.m3u8");
    }

    #[test]
    fn encryption_is_seen() {
        let list = read(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:2,\na.ts\n",
        );
        assert!(list.encrypted);
    }
}
