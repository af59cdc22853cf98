//! The segment index: where the parts of a fragmented MP4 file are, as Tator's clients read it.

use serde::{Deserialize, Serialize};

/// The version that clients know.
const VERSION: u32 = 2;

/// The boxes of a fragmented MP4 file, in order. As JSON:
/// `{"file": {"start": 0.0, "version": 2}, "segments": [{"name": "ftyp", "offset": 0, "size": 28}, …]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentIndex {
    /// About the whole file.
    pub file: SegmentFile,
    /// Its top-level boxes, in file order and without gaps.
    pub segments: Vec<Segment>,
}

/// About a segmented file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentFile {
    /// Time of the first picture in seconds.
    pub start: f64,
    /// Version of this description.
    pub version: u32,
}

/// A top-level box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its four-character code, such as `moof`.
    pub name: String,
    /// Bytes before it.
    pub offset: u64,
    /// Its bytes.
    pub size: u64,
    /// Of a `moof`: pictures in the file before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_start: Option<u64>,
    /// Of a `moof`: pictures in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_samples: Option<u64>,
}

impl SegmentIndex {
    /// The index of a file with these boxes, whose pictures begin at `start_secs`.
    pub fn new(start_secs: f64, segments: Vec<Segment>) -> Self {
        SegmentIndex {
            file: SegmentFile {
                start: start_secs,
                version: VERSION,
            },
            segments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_clients_expect() {
        let plain = Segment {
            name: "ftyp".into(),
            offset: 0,
            size: 28,
            frame_start: None,
            frame_samples: None,
        };
        let fragment = Segment {
            name: "moof".into(),
            offset: 28,
            size: 304,
            frame_start: Some(0),
            frame_samples: Some(25),
        };
        let index = SegmentIndex::new(0.0, vec![plain, fragment]);
        assert_eq!(
            serde_json::to_string(&index).unwrap(),
            r#"{"file":{"start":0.0,"version":2},"segments":[{"name":"ftyp","offset":0,"size":28},{"name":"moof","offset":28,"size":304,"frame_start":0,"frame_samples":25}]}"#
        );
    }
}
