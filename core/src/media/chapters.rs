//! Chapters: files that a camera made of one recording, told by their names.
//!
//! Only names that say so are believed: GoPro's (`GX010123.MP4`, `GX020123.MP4`; before, `GOPR0123.MP4`, `GP010123.MP4`), and
//! numbers behind an underscore (`dive_001.mp4`, `dive_002.mp4`), which may also be recordings of their own, so that more has to
//! speak for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How names say that files belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scheme {
    /// The camera's own names for chapters.
    Chapters,
    /// Names that only differ in a number.
    Numbers,
}

/// Files of one recording, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chapters {
    pub scheme: Scheme,
    /// What the whole is called.
    pub name: String,
    /// Places of the files in the list that was given.
    pub files: Vec<usize>,
}

/// Finds what belongs together: files of one folder that are numbered from the first one on without gaps, at least two.
pub(super) fn find(paths: &[&Path]) -> Vec<Chapters> {
    let mut groups: BTreeMap<(PathBuf, Scheme, String), BTreeMap<u32, usize>> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            continue;
        };
        if let Some((scheme, whole, number)) = read(&name.to_string_lossy()) {
            let group = groups.entry((folder.to_owned(), scheme, whole));
            group.or_default().insert(number, at);
        }
    }
    let whole = |files: &BTreeMap<u32, usize>| {
        let first = files.keys().next().copied().unwrap_or(2);
        files.len() > 1 && first <= 1 && files.keys().copied().eq((first..).take(files.len()))
    };
    let groups = groups.into_iter().filter(|(_, files)| whole(files));
    let chapters = groups.map(|((_, scheme, name), files)| Chapters {
        scheme,
        name,
        files: files.into_values().collect(),
    });
    chapters.collect()
}

/// Reads a name: what the whole is called, and the number of this chapter.
fn read(name: &str) -> Option<(Scheme, String, u32)> {
    let (stem, ending) = name.rsplit_once('.')?;
    if !stem.is_ascii() {
        return numbered(stem, ending);
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let upper = stem.to_ascii_uppercase();
    if upper.len() == 8 {
        let (camera, rest) = upper.split_at(2);
        let (chapter, recording) = rest.split_at(2);
        if upper.starts_with("GOPR") && digits(recording) {
            return Some((Scheme::Chapters, format!("GP{recording}.{ending}"), 0));
        }
        if digits(rest) && matches!(camera, "GX" | "GH" | "GL" | "GP") {
            let number = chapter.parse().ok()?;
            let whole = format!("{camera}{recording}.{ending}");
            // Of GoPro's older names the first chapter has no number.
            let counts = camera == "GP" || number > 0;
            return counts.then_some((Scheme::Chapters, whole, number));
        }
    }
    numbered(stem, ending)
}

fn numbered(stem: &str, ending: &str) -> Option<(Scheme, String, u32)> {
    let (whole, number) = stem.rsplit_once('_')?;
    let counts = number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
    let fits = counts && !whole.is_empty();
    fits.then(|| {
        Some((
            Scheme::Numbers,
            format!("{whole}.{ending}"),
            number.parse().ok()?,
        ))
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, Vec<usize>)> {
        let paths: Vec<&Path> = names.iter().map(Path::new).collect();
        let chapters = find(&paths).into_iter();
        chapters.map(|found| (found.name, found.files)).collect()
    }

    #[test]
    fn names_tell_chapters_and_their_order() {
        let names = [
            "a/GX020007.MP4",
            "a/GX010007.MP4",
            "a/GX010008.MP4",
            "b/GX030007.MP4",
        ];
        assert_eq!(found(&names), [("GX0007.MP4".to_owned(), vec![1, 0])]);
        let names = ["GP010042.MP4", "GOPR0042.MP4", "GP020042.MP4"];
        assert_eq!(found(&names), [("GP0042.MP4".to_owned(), vec![1, 0, 2])]);
        let names = ["dive_002.mp4", "dive_001.mp4", "other_001.mp4"];
        assert_eq!(found(&names), [("dive.mp4".to_owned(), vec![1, 0])]);
    }

    #[test]
    fn what_has_gaps_or_begins_late_is_left_alone() {
        for names in [
            &["GX010007.MP4", "GX030007.MP4"][..],
            &["GX020007.MP4", "GX030007.MP4"],
            &["dive_002.mp4", "dive_003.mp4"],
            &["dive_01.mp4", "dive_02.mp4"],
            &["GX010007.MP4", "GH020007.MP4"],
            &["clip1.mp4", "clip2.mp4", "_001.mp4", "_002.mp4"],
        ] {
            assert_eq!(found(names), [], "{names:?}");
        }
    }
}
