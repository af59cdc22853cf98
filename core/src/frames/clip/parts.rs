//! Which segments a clip consists of, and where their bytes are.

use std::ops::Range;

use transect_frame_client::SegmentIndex;

use crate::error::{Error, Result};

/// Frames of a segment, as renditions are encoded.
pub(super) const SEGMENT_FRAMES: u64 = 25;

/// A segment of a video: first and last frame.
pub(super) type Span = (u64, u64);

/// The parts of a fragmented file.
#[derive(Debug, PartialEq)]
pub(super) struct Parts {
    /// Bytes before the first fragment, which tell how to decode all of them.
    pub head: u64,
    /// What each fragment shows, ascending.
    pub spans: Vec<Span>,
    /// Where it is.
    pub bytes: Vec<Range<u64>>,
}

/// Reads `a:b` items: first and last frame of each range.
///
/// Errors: `Invalid` for what is none, and for none at all.
pub(super) fn ranges(items: &[String]) -> Result<Vec<Span>> {
    let range = |item: &String| {
        let (first, last) = item.split_once(':')?;
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some((first, last))
    };
    let ranges: Option<Vec<Span>> = items.iter().map(range).collect();
    ranges.filter(|ranges| !ranges.is_empty()).ok_or_else(|| {
        Error::invalid_because(
            "Query parameter error: frame_ranges",
            format!(
                "{:?} are no ranges of frames: write first:last, separated by commas",
                items.join(",")
            ),
        )
    })
}

/// The segments of a video with so many frames.
pub(super) fn of_frames(count: u64) -> Vec<Span> {
    (0..count.div_ceil(SEGMENT_FRAMES))
        .map(|at| {
            let first = at * SEGMENT_FRAMES;
            (first, (first + SEGMENT_FRAMES).min(count) - 1)
        })
        .collect()
}

/// The segments of a file by its index; none when the index describes no fragments.
pub(super) fn of_index(index: &SegmentIndex) -> Option<Parts> {
    let moov = index.segments.iter().find(|part| part.name == "moov")?;
    let mut parts = Parts {
        head: moov.offset.saturating_add(moov.size),
        spans: Vec::new(),
        bytes: Vec::new(),
    };
    for part in &index.segments {
        let end = part.offset.saturating_add(part.size);
        match (part.name.as_str(), part.frame_start, part.frame_samples) {
            ("moof", Some(first), Some(frames)) if frames > 0 => {
                parts.spans.push((first, first.saturating_add(frames - 1)));
                parts.bytes.push(part.offset..end);
            }
            ("mdat", ..) => {
                let bytes = parts.bytes.last_mut()?;
                bytes.end = end.max(bytes.start);
            }
            _ => {}
        }
    }
    (!parts.spans.is_empty()).then_some(parts)
}

/// Places of the segments that show any frame of the ranges, ascending. A frame before the first
/// segment is taken for its first one, as players do.
///
/// Errors: `Invalid` for a range beyond the end.
pub(super) fn covering(spans: &[Span], ranges: &[Span]) -> Result<Vec<usize>> {
    let last_frame = spans.last().map_or(0, |(_, last)| *last);
    if let Some((first, last)) = ranges.iter().find(|(_, last)| *last > last_frame) {
        return Err(Error::invalid(format!(
            "frames {first}:{last} are beyond the end: the last frame is {last_frame}"
        )));
    }
    let first_frame = spans.first().map_or(0, |(first, _)| *first);
    let meets = |(start, end): &Span| {
        ranges.iter().any(|(first, last)| {
            (*first).max(first_frame) <= *end && (*last).max(first_frame) >= *start
        })
    };
    Ok((0..spans.len()).filter(|at| meets(&spans[*at])).collect())
}

/// The same with neighbours put together.
pub(super) fn joined(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for (first, last) in spans {
        match joined.last_mut() {
            Some(before) if before.1 + 1 == first => before.1 = last,
            _ => joined.push((first, last)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Span>> {
        let items: Vec<String> = text.split(',').map(str::to_owned).collect();
        ranges(&items)
    }

    fn covered(frames: u64, text: &str) -> Result<Vec<Span>> {
        let spans = of_frames(frames);
        let places = covering(&spans, &read(text)?)?;
        Ok(places.into_iter().map(|at| spans[at]).collect())
    }

    #[test]
    fn whole_segments_cover_the_ranges() {
        let found = covered(600, "10:20,40:60").unwrap();
        assert_eq!(found, [(0, 24), (25, 49), (50, 74)]);
        assert_eq!(covered(600, "0:30").unwrap(), [(0, 24), (25, 49)]);
        assert_eq!(
            covered(600, "60:60,10:20,61:62").unwrap(),
            [(0, 24), (50, 74)]
        );
        assert_eq!(covered(30, "26:29").unwrap(), [(25, 29)]);
    }

    #[test]
    fn what_is_no_range_or_beyond_the_end_is_refused() {
        for text in ["", "5", "a:b", "9:3", "-1:4", "3:4,", "1:2:3"] {
            assert!(matches!(read(text), Err(Error::Invalid { .. })), "{text}");
        }
        assert!(ranges(&[]).is_err());
        assert!(covered(30, "10:30").is_err());
        assert!(covered(30, "40:50").is_err());
        assert!(covered(0, "0:0").is_ok_and(|found| found.is_empty()));
    }

    #[test]
    fn fragments_are_where_the_index_says() {
        let index: SegmentIndex = serde_json::from_str(
            r#"{"file": {"start": 0.066667, "version": 2}, "segments": [
                {"name": "ftyp", "offset": 0, "size": 28},
                {"name": "moov", "offset": 28, "size": 744},
                {"name": "moof", "offset": 772, "size": 304, "frame_start": 0, "frame_samples": 25},
                {"name": "mdat", "offset": 1076, "size": 12125},
                {"name": "moof", "offset": 13201, "size": 304, "frame_start": 25, "frame_samples": 5},
                {"name": "mdat", "offset": 13505, "size": 95},
                {"name": "mfra", "offset": 13600, "size": 50}]}"#,
        )
        .unwrap();
        let parts = of_index(&index).unwrap();
        assert_eq!(parts.head, 772);
        assert_eq!(parts.spans, [(0, 24), (25, 29)]);
        assert_eq!(parts.bytes, [772..13201, 13201..13600]);
        let plain = SegmentIndex {
            segments: index.segments[..2].to_vec(),
            ..index
        };
        assert_eq!(of_index(&plain), None);
    }

    #[test]
    fn files_that_begin_later_have_a_first_segment() {
        let spans = [(2, 26), (27, 51)];
        assert_eq!(covering(&spans, &[(0, 0)]).unwrap(), [0]);
        assert_eq!(covering(&spans, &[(0, 30)]).unwrap(), [0, 1]);
    }

    #[test]
    fn neighbours_are_one_range() {
        let spans = [(0, 24), (25, 49), (75, 99)];
        assert_eq!(joined(spans), [(0, 49), (75, 99)]);
    }
}
