//! What MP4 files are made of (ISO/IEC 14496-12): enough to find fragments, count their pictures, and name their codec.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use transect_frame_client::Segment;

use crate::supply::MediaFile;

/// A `moof` of a fragment of 25 frames has some hundred bytes.
const LARGEST_MOOF_BYTES: u64 = 64 << 20;
/// What a video sample entry holds before its boxes.
const SAMPLE_ENTRY_BYTES: usize = 78;

/// Top-level boxes of a file, in order, up to the first one that is damaged or cut short.
///
/// Errors: those of the file system.
pub fn top_level(file: &File) -> io::Result<Vec<Segment>> {
    let end = file.metadata()?.len();
    let (mut offset, mut frame_start) = (0, 0);
    let mut segments = Vec::new();
    while end - offset >= 8 {
        let mut head = [0; 16];
        let known = (end - offset).min(16) as usize;
        file.read_exact_at(&mut head[..known], offset)?;
        let Some((name, size)) = head_of(&head[..known]) else {
            break;
        };
        if size > end - offset {
            break;
        }
        let mut segment = Segment {
            name: name.iter().map(|&byte| char::from(byte)).collect(),
            offset,
            size,
            frame_start: None,
            frame_samples: None,
        };
        if &name == b"moof" && size <= LARGEST_MOOF_BYTES {
            let mut bytes = vec![0; size as usize];
            file.read_exact_at(&mut bytes, offset)?;
            let fragment = fragment(&bytes[8..]);
            segment.frame_start = Some(frame_start);
            segment.frame_samples = Some(fragment.samples);
            frame_start += fragment.samples;
        }
        offset += size;
        segments.push(segment);
    }
    Ok(segments)
}

/// The media bytes of a file: the content of its `mdat` boxes, in order, cut where the file ends. None if something that is no
/// box comes before its end. `progress` is called for every box.
///
/// Errors: those of the file system.
pub fn media(file: &MediaFile, progress: &mut dyn FnMut()) -> io::Result<Option<Vec<Range<u64>>>> {
    let end = file.size()?;
    let mut offset = 0;
    let mut media = Vec::new();
    while offset < end {
        progress();
        let mut head = [0; 16];
        let known = (end - offset).min(16) as usize;
        file.read_exact_at(&mut head[..known], offset)?;
        let Some((name, size)) = head_of(&head[..known]) else {
            // The last box may leave its size open.
            let open = head.starts_with(&[0; 4]) && head[4..8] == *b"mdat";
            media.extend(open.then_some(offset + 8..end));
            return Ok(open.then_some(media));
        };
        let behind = offset.saturating_add(size).min(end);
        if &name == b"mdat" {
            let wide = head.starts_with(&[0, 0, 0, 1]);
            let start = offset + if wide { 16 } else { 8 };
            media.push(start.min(behind)..behind);
        }
        offset = behind;
    }
    Ok(Some(media))
}

/// Name and size of the box that begins here.
fn head_of(bytes: &[u8]) -> Option<([u8; 4], u64)> {
    let size = u64::from(u32::from_be_bytes(*bytes.first_chunk()?));
    let name: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
    let size = if size == 1 {
        u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?)
    } else {
        size
    };
    (size >= 8 && name.iter().all(|byte| (b' '..=b'~').contains(byte))).then_some((name, size))
}

/// Boxes one after the other: name and content.
pub fn children(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (name, size) = head_of(bytes)?;
        let head = if bytes.starts_with(&[0, 0, 0, 1]) {
            16
        } else {
            8
        };
        let (this, rest) = bytes.split_at_checked(usize::try_from(size).ok()?)?;
        bytes = rest;
        Some((name, this.get(head..)?))
    })
}

/// The content of the first box that this path leads to.
fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, name| {
        children(bytes)
            .find(|(found, _)| found == *name)
            .map(|(_, content)| content)
    })
}

/// What a `moof` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Time of the first picture to be decoded, in the track's ticks.
    pub time: u64,
    /// Pictures in it.
    pub samples: u64,
}

/// Reads the content of a `moof`.
pub fn fragment(moof: &[u8]) -> Fragment {
    let mut result = Fragment {
        time: 0,
        samples: 0,
    };
    for (_, track) in children(moof).filter(|(name, _)| name == b"traf") {
        for (name, content) in children(track) {
            match &name {
                b"trun" => result.samples += u64::from(number(content, 4).unwrap_or(0)),
                b"tfdt" if content.first() == Some(&1) => {
                    let high = u64::from(number(content, 4).unwrap_or(0));
                    result.time = high << 32 | u64::from(number(content, 8).unwrap_or(0));
                }
                b"tfdt" => result.time = u64::from(number(content, 4).unwrap_or(0)),
                _ => {}
            }
        }
    }
    result
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The decoder configuration record of the first video track in the content of a `moov`.
pub fn codec_record(moov: &[u8]) -> Option<Vec<u8>> {
    let tracks = children(moov).filter(|(name, _)| name == b"trak");
    tracks.into_iter().find_map(|(_, track)| {
        let entries = find(track, &[b"mdia", b"minf", b"stbl", b"stsd"])?.get(8..)?;
        let (_, entry) = children(entries).next()?;
        let record = |(name, _): &([u8; 4], &[u8])| matches!(name, b"avcC" | b"hvcC" | b"av1C");
        let (_, content) = children(entry.get(SAMPLE_ENTRY_BYTES..)?).find(record)?;
        Some(content.to_vec())
    })
}

/// Puts an edit list into the first track of a file's beginning (`ftyp` and `moov`), so that it is shown from `start` on, in
/// the track's ticks.
pub fn with_edit_list(mut beginning: Vec<u8>, start: i64) -> Vec<u8> {
    if start == 0 {
        return beginning;
    }
    let path = [b"moov", b"trak", b"tkhd"];
    let (mut at, mut heads) = (0, Vec::new());
    for name in path {
        while let Some((found, size)) = beginning.get(at..).and_then(head_of) {
            if &found == name {
                heads.push(at);
                break;
            }
            at += size as usize;
        }
        at += 8;
    }
    let [moov, track, header] = heads[..] else {
        return beginning;
    };
    // One entry, of the duration that the rest of the file has.
    let mut entry = vec![1, 0, 0, 0, 0, 0, 0, 1];
    entry.extend(0_u64.to_be_bytes());
    entry.extend(start.to_be_bytes());
    entry.extend([0, 1, 0, 0]);
    let list = boxed(*b"edts", &boxed(*b"elst", &entry));
    let size_at = |bytes: &[u8], at: usize| number(bytes, at).unwrap_or(0);
    for at in [moov, track] {
        let size = size_at(&beginning, at) + list.len() as u32;
        beginning[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    let behind = header + size_at(&beginning, header) as usize;
    beginning.splice(behind..behind, list);
    beginning
}

/// Returns a random access index (`mfra`) of fragments: time of each in the track's ticks, and its offset.
pub fn random_access_index(fragments: &[(u64, u64)]) -> Vec<u8> {
    let mut table = vec![1, 0, 0, 0];
    table.extend(1_u32.to_be_bytes()); // track
    table.extend(0_u32.to_be_bytes()); // numbers of track fragment, run and sample take one byte each
    table.extend((fragments.len() as u32).to_be_bytes());
    for (time, offset) in fragments {
        table.extend(time.to_be_bytes());
        table.extend(offset.to_be_bytes());
        table.extend([1, 1, 1]);
    }
    let table = boxed(*b"tfra", &table);
    let size = 8 + table.len() as u32 + 16;
    let end = boxed(*b"mfro", &[[0; 4], size.to_be_bytes()].concat());
    boxed(*b"mfra", &[table, end].concat())
}

fn boxed(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = (content.len() as u32 + 8).to_be_bytes().to_vec();
    bytes.extend(name);
    bytes.extend(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moof(time: u64, samples: &[u32]) -> Vec<u8> {
        let start = boxed(*b"tfdt", &[&[1, 0, 0, 0][..], &time.to_be_bytes()].concat());
        let runs = samples
            .iter()
            .flat_map(|count| boxed(*b"trun", &[[0; 4], count.to_be_bytes()].concat()));
        let track: Vec<u8> = start.into_iter().chain(runs).collect();
        boxed(
            *b"moof",
            &[boxed(*b"mfhd", &[0; 8]), boxed(*b"traf", &track)].concat(),
        )
    }

    #[test]
    fn counts_pictures_and_stops_at_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let first = moof(5 << 32, &[20, 5]);
        assert_eq!(
            fragment(&first[8..]),
            Fragment {
                time: 5 << 32,
                samples: 25
            }
        );
        let whole = [
            boxed(*b"ftyp", b"isom"),
            first,
            boxed(*b"mdat", &[7; 30]),
            moof(9, &[3]),
        ]
        .concat();
        for (bytes, count) in [
            (whole.clone(), 4),
            (whole[..whole.len() - 1].to_vec(), 3),
            ([whole.clone(), vec![0; 20]].concat(), 4),
            (Vec::new(), 0),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let segments = top_level(&File::open(&path).unwrap()).unwrap();
            assert_eq!(segments.len(), count);
            if count == 4 {
                assert_eq!(segments[1].frame_samples, Some(25));
                assert_eq!(segments[3].frame_start, Some(25));
                assert_eq!(segments[3].offset, segments[2].offset + segments[2].size);
            }
        }
    }

    #[test]
    fn puts_an_edit_list_behind_the_track_header() {
        let track = boxed(
            *b"trak",
            &[boxed(*b"tkhd", &[5; 20]), boxed(*b"mdia", &[6; 9])].concat(),
        );
        let moov = boxed(*b"moov", &[boxed(*b"mvhd", &[4; 12]), track].concat());
        let beginning = [boxed(*b"ftyp", b"isom"), moov].concat();
        let edited = with_edit_list(beginning.clone(), 1024);
        let (_, moov) = children(&edited).nth(1).unwrap();
        let track = find(moov, &[b"trak"]).unwrap();
        let names: Vec<_> = children(track).map(|(name, _)| name).collect();
        assert_eq!(names, [*b"tkhd", *b"edts", *b"mdia"]);
        let entry = find(track, &[b"edts", b"elst"]).unwrap();
        assert_eq!((entry.len(), number(entry, 20)), (28, Some(1024)));
        assert_eq!(with_edit_list(beginning.clone(), 0), beginning);
    }

    #[test]
    fn writes_an_index_that_says_its_own_size() {
        let index = random_access_index(&[(0, 100), (12800, 5000)]);
        assert_eq!(number(&index, 0).unwrap() as usize, index.len());
        assert_eq!(
            number(&index, index.len() - 4).unwrap() as usize,
            index.len()
        );
        assert_eq!(children(&index[8..]).count(), 2);
    }
}
