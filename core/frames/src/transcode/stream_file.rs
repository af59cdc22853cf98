//! A fragmented file that grows by whole groups of pictures, and can be continued.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transect_frame_client::{SegmentIndex, WorkerError};

use crate::boxes;
use crate::libav::{Fragments, Packet, Parameters, Times, Track};
use crate::picture::refused;
use crate::transcode::selection::Selection;

/// The packets of a group in decode order, each with its frame's place in the output.
pub type Group = Vec<(u64, Packet)>;

/// Pictures from one random access point to the next are a group, and make up a fragment.
pub struct StreamFile {
    path: PathBuf,
    file: File,
    fragments: Fragments,
    selection: Arc<Selection>,
    gop: u64,
    /// Ticks that a picture may be decoded after the time at which it is shown; players are told to wait for so long.
    lead: i64,
    /// Frames in the file.
    frames: u64,
}

/// What of a file is worth keeping.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    bytes: u64,
    fragments: u64,
    frames: u64,
}

impl StreamFile {
    /// Opens a file for packets with these parameters: goes on behind the last whole fragment of what is there if that begins
    /// the same file, else begins anew. `identity` is a text that tells the same output from all others.
    ///
    /// Errors: `Io`; `Invalid` if MP4 does not take the codec.
    pub fn open(
        path: &Path,
        parameters: &Parameters,
        selection: Arc<Selection>,
        gop: u32,
        identity: &str,
    ) -> Result<Self, WorkerError> {
        let lead = lead(&selection.times, parameters.delay());
        let track = Track::new(parameters, selection.ticks);
        let open = |first| Fragments::open(track, lead, identity, first);
        let unfit = |error: crate::libav::Error| WorkerError::Invalid {
            message: error.to_string(),
        };
        let (mut fragments, head) = open(1).map_err(unfit)?;
        let gop = u64::from(gop.max(1));
        let failed = |error| failed(path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let kept = kept(&file, &head, gop, selection.count()).map_err(failed)?;
        file.set_len(kept.bytes).map_err(failed)?;
        file.seek(SeekFrom::Start(kept.bytes)).map_err(failed)?;
        if kept.bytes == 0 {
            file.write_all(&head).map_err(failed)?;
        } else if kept.fragments > 0 {
            (fragments, _) = open(kept.fragments + 1).map_err(unfit)?;
        }
        Ok(StreamFile {
            path: path.to_owned(),
            file,
            fragments,
            lead,
            selection,
            gop,
            frames: kept.frames,
        })
    }

    /// Frames in the file.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames in a group.
    pub fn gop(&self) -> u64 {
        self.gop
    }

    /// Adds the group that comes next.
    ///
    /// Errors: `Io`, also if the disk is full; `Unreadable` if it is another one, or does not begin with a random access point.
    pub fn append(&mut self, group: Group) -> Result<(), WorkerError> {
        if !group.first().is_some_and(|(_, first)| first.key()) {
            return Err(broken("that do not begin where decoding can"));
        }
        let start = self.frames;
        let mut places: Vec<u64> = group.iter().map(|&(place, _)| place).collect();
        places.sort_unstable();
        let end = start + places.len() as u64;
        let whole = places.len() as u64 == self.gop || end == self.selection.count();
        if !whole || !places.iter().copied().eq(start..end) {
            return Err(broken(&format!("of other frames than {start} on")));
        }
        let times = &self.selection.times;
        let late = |(at, (place, _)): (usize, &(u64, Packet))| {
            times[start as usize + at] > times[*place as usize] + self.lead
        };
        if group.iter().enumerate().any(late) {
            return Err(broken("further out of order than it says"));
        }
        let timed = group.into_iter().enumerate().map(|(at, (place, packet))| {
            let turn = start as usize + at;
            let times = Times {
                pts: times[place as usize],
                dts: times[turn],
                duration: times[turn + 1] - times[turn],
            };
            (packet, times)
        });
        let bytes = self.fragments.fragment(timed).map_err(refused)?;
        self.file
            .write_all(&bytes)
            .map_err(|error| failed(&self.path, &error))?;
        self.frames = end;
        Ok(())
    }

    /// Writes the random access index, and makes the file durable. Returns its boxes, and its size.
    ///
    /// Errors: as [`StreamFile::append`]; also if frames are missing.
    pub fn finish(&mut self) -> Result<(SegmentIndex, u64), WorkerError> {
        if self.frames != self.selection.count() {
            let (frames, count) = (self.frames, self.selection.count());
            return Err(broken(&format!("for {frames} of {count} frames")));
        }
        self.seal().map_err(|error| failed(&self.path, &error))
    }

    fn seal(&mut self) -> std::io::Result<(SegmentIndex, u64)> {
        let mut segments = boxes::top_level(&self.file)?;
        if segments.last().is_none_or(|last| last.name != "mfra") {
            let mut fragments = Vec::new();
            for segment in segments.iter().filter(|segment| segment.name == "moof") {
                let mut bytes = vec![0; segment.size as usize];
                self.file.read_exact_at(&mut bytes, segment.offset)?;
                fragments.push((boxes::fragment(&bytes[8..]).time, segment.offset));
            }
            self.file.seek(SeekFrom::End(0))?;
            self.file
                .write_all(&boxes::random_access_index(&fragments))?;
            segments = boxes::top_level(&self.file)?;
        }
        self.file.sync_all()?;
        Ok((
            SegmentIndex::new(0.0, segments),
            self.file.metadata()?.len(),
        ))
    }
}

/// Ticks that so many frames take at most.
fn lead(times: &[i64], frames: usize) -> i64 {
    let spans = times.windows(frames + 1);
    spans.map(|span| span[frames] - span[0]).max().unwrap_or(0)
}

/// Looks how much of a file is whole: the same beginning, then fragments of whole groups. A finished file is kept entirely.
fn kept(file: &File, head: &[u8], gop: u64, count: u64) -> std::io::Result<Kept> {
    let mut kept = Kept {
        bytes: 0,
        fragments: 0,
        frames: 0,
    };
    let mut beginning = vec![0; head.len()];
    if file.read_exact_at(&mut beginning, 0).is_err() || beginning != head {
        return Ok(kept);
    }
    kept.bytes = head.len() as u64;
    let segments = boxes::top_level(file)?;
    let mut rest = segments
        .iter()
        .skip_while(|segment| segment.offset < head.len() as u64);
    while let (Some(moof), Some(mdat)) = (rest.next(), rest.next()) {
        let samples = moof.frame_samples.unwrap_or(0);
        let whole = samples == gop || (samples > 0 && kept.frames + samples == count);
        // After a loss of power, what was not written yet can be zeros.
        let mut first = [0; 12];
        let written = mdat.size > 12 && {
            file.read_exact_at(&mut first, mdat.offset)?;
            first[8..] != [0; 4]
        };
        if moof.name != "moof" || mdat.name != "mdat" || !whole || !written {
            break;
        }
        kept.frames += samples;
        kept.fragments += 1;
        kept.bytes = mdat.offset + mdat.size;
    }
    if kept.frames == count
        && let Some(last) = segments.last().filter(|last| last.name == "mfra")
    {
        kept.bytes = last.offset + last.size;
    }
    Ok(kept)
}

fn broken(what: &str) -> WorkerError {
    WorkerError::unreadable(format!("the encoder gave packets {what}"))
}

/// An `Io` that names the file last.
pub fn failed(path: &Path, error: &std::io::Error) -> WorkerError {
    WorkerError::Io {
        message: format!("cannot write: {error}: {}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_by_the_longest_frames() {
        assert_eq!(lead(&[0, 1, 3, 9, 10], 2), 8);
        assert_eq!(lead(&[0, 1, 3, 9, 10], 0), 0);
        assert_eq!(lead(&[0, 4], 2), 0);
    }
}
