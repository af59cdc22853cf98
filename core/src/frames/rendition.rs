//! Renditions: what the records of `media_files` say of stored videos and pictures.

use serde_json::Value as Json;

use crate::media::Media;

/// One record of `media_files` that has a size in pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendition {
    /// The key of a stored object, or a URL elsewhere.
    pub path: String,
    /// The key of the segment index, for fragmented files.
    pub segment_info: Option<String>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The records of a role, in their order; those without a size are left out.
pub(super) fn of_role(media: &Media, role: &str) -> Vec<Rendition> {
    let files = media.media_files.as_ref();
    let records = files
        .and_then(|files| files.get(role))
        .and_then(Json::as_array);
    records.into_iter().flatten().filter_map(read).collect()
}

fn read(record: &Json) -> Option<Rendition> {
    let side = |at: usize| {
        let pixels = u32::try_from(record["resolution"].get(at)?.as_i64()?).ok()?;
        (pixels > 0).then_some(pixels)
    };
    Some(Rendition {
        path: record["path"].as_str()?.to_owned(),
        segment_info: record["segment_info"].as_str().map(str::to_owned),
        height: side(0)?,
        width: side(1)?,
    })
}

/// The rendition whose height is nearest to `quality`, or the highest one; of several equal ones the
/// first, as clients choose.
pub(super) fn nearest(renditions: &[Rendition], quality: Option<u32>) -> Option<&Rendition> {
    match quality {
        Some(quality) => renditions
            .iter()
            .min_by_key(|one| one.height.abs_diff(quality)),
        None => renditions
            .iter()
            .min_by_key(|one| std::cmp::Reverse(one.height)),
    }
}

/// The lowest rendition that still has `height`, where it is lower than `whole`.
pub(super) fn covering(renditions: &[Rendition], height: u32, whole: u32) -> Option<&Rendition> {
    renditions
        .iter()
        .filter(|one| one.height >= height && one.height < whole)
        .min_by_key(|one| one.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renditions() -> Vec<Rendition> {
        let record = |height: u32, name: &str| {
            read(&serde_json::json!({"path": name, "resolution": [height, height * 2]})).unwrap()
        };
        vec![
            record(144, "a"),
            record(720, "b"),
            record(720, "c"),
            record(360, "d"),
        ]
    }

    #[test]
    fn the_nearest_height_is_chosen_and_the_highest_without_one() {
        let all = renditions();
        let cases = [
            (None, "b"),
            (Some(0), "a"),
            (Some(300), "d"),
            (Some(540), "b"),
            (Some(9999), "b"),
        ];
        for (quality, name) in cases {
            assert_eq!(nearest(&all, quality).unwrap().path, name, "{quality:?}");
        }
        assert_eq!(nearest(&[], Some(1)), None);
        assert_eq!((all[1].width, all[1].height), (1440, 720));
    }

    #[test]
    fn a_smaller_picture_comes_from_the_lowest_rendition_that_covers_it() {
        let all = renditions();
        let found = |height, whole| covering(&all, height, whole).map(|found| found.path.as_str());
        assert_eq!(found(100, 1080), Some("a"));
        assert_eq!(found(200, 1080), Some("d"));
        assert_eq!(found(800, 1080), None);
        assert_eq!(found(720, 720), None);
    }

    #[test]
    fn records_without_a_size_are_left_out() {
        for record in [
            serde_json::json!({"path": "a"}),
            serde_json::json!({"path": "a", "resolution": [0, 4]}),
            serde_json::json!({"resolution": [3, 4]}),
        ] {
            assert_eq!(read(&record), None);
        }
    }
}
