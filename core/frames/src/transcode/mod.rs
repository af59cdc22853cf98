//! From one decode of a source to many files.
//!
//! Pictures go from [`feed`] through one [`stage`] for each stream, from the largest to the smallest; each scales what the one
//! before it has made and has its [`coders`] encode it. Stills are collected on the way, or decoded on their own where nothing else has to be.
//! A [`stream_file`] grows by whole groups of pictures, whose times depend on the frames alone, so that one which was left
//! unfinished can be continued.

mod audio;
mod coders;
mod copy;
mod encoding;
mod feed;
mod flat_copy;
mod fragment_copy;
mod produced;
mod selection;
mod stage;
mod stills;
mod stream_file;
mod streams;

use std::path::Path;
use std::sync::{Arc, Mutex};

use transect_frame_client::{Output, Produced, Stretch, TranscodeRequest, WorkerError};

use crate::cache::{Cache, Pictures};
use crate::source::Source;
pub use stills::small;
pub use stream_file::failed;

use crate::transcode::selection::Selection;
use crate::transcode::stills::Still;
use crate::transcode::streams::Streams;

/// Decoded pictures kept, for stills that are near to one another.
const CACHE_BYTES: u64 = 64 << 20;

/// Makes all outputs and returns what they are, in the order of the request. `progress` gets the frames that are done and
/// their number.
///
/// Errors: `Invalid` if the request cannot be fulfilled; `OutOfRange`; `Unreadable`; `Io`.
pub fn transcode(
    request: &TranscodeRequest,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Produced>, WorkerError> {
    let mut source = Source::open(1, &request.source, &request.index_file)?;
    let index = source.film.index.clone();
    refuse_conflicts(request)?;
    let selection = Selection::new(&index, &request.ranges)?;
    let mut more = Reel::open(request)?;
    let all = [&selection]
        .into_iter()
        .chain(more.iter().map(|reel| &reel.selection));
    let selection = Arc::new(Selection::joined(&all.collect::<Vec<_>>()));
    let pictures: Pictures = Mutex::new(Cache::new(CACHE_BYTES));
    let total = selection.count();
    progress(0, total);

    // What fails early comes first: plans, then what takes little time, then what takes long.
    let mut stills = Vec::new();
    for (output, wanted) in request.outputs.iter().enumerate() {
        stills.extend(Still::plan(output, wanted, &index, &selection)?);
    }
    let streams = Streams::plan(&mut source, &more, &pictures, &selection, request)?;
    let mut made: Vec<Option<Produced>> = request.outputs.iter().map(|_| None).collect();
    let copies = !request
        .outputs
        .iter()
        .any(|output| matches!(output, Output::Stream { .. }));
    for (at, output) in request.outputs.iter().enumerate() {
        match output {
            Output::Audio { file } => {
                let heard = audio::extract(source.path(), &index, &selection, file, &mut || {
                    progress(0, total);
                })?;
                made[at] = Some(produced::sound(file, heard));
            }
            Output::Copy { file, fragmented } => {
                let copied = copy::copy(&source, &selection, file, *fragmented, &mut |packets| {
                    let done = if copies { packets.min(total) } else { 0 };
                    progress(done, total);
                })?;
                made[at] = Some(produced::copy(file, &index, &selection, copied)?);
            }
            _ => {}
        }
    }
    for (at, stream) in streams.make(&mut source, &mut more, &pictures, &mut stills, progress)? {
        made[at] = Some(stream);
    }
    for still in stills {
        let at = still.output;
        let still = still.finish(&mut source, &pictures, &mut || progress(0, total))?;
        made[at] = Some(produced::still(&request.outputs[at], still));
    }
    progress(total, total);
    Ok(made.into_iter().flatten().collect())
}

/// A file whose frames follow those of the first.
struct Reel {
    source: Source,
    selection: Selection,
}

impl Reel {
    /// Opens all that a request names.
    ///
    /// Errors: `Invalid` where something else than encoded streams is wanted of several files; as of [`transcode`].
    fn open(request: &TranscodeRequest) -> Result<Vec<Self>, WorkerError> {
        let streams = |output: &Output| matches!(output, Output::Stream { .. });
        if !request.more.is_empty() && !request.outputs.iter().all(streams) {
            return Err(WorkerError::Invalid {
                message: "of several files only encoded streams are made".into(),
            });
        }
        // The first file has number 1.
        let open = |(number, stretch): (u64, &Stretch)| {
            let source = Source::open(number, &stretch.source, &stretch.index_file)?;
            let selection = Selection::new(&source.film.index, &stretch.ranges)?;
            Ok(Reel { source, selection })
        };
        (2..).zip(&request.more).map(open).collect()
    }
}

/// Outputs must not overwrite one another, nor the sources.
fn refuse_conflicts(request: &TranscodeRequest) -> Result<(), WorkerError> {
    let mut taken: Vec<&Path> = vec![&request.source, &request.index_file];
    let more = request.more.iter();
    taken.extend(more.flat_map(|one| [one.source.as_path(), one.index_file.as_path()]));
    for output in &request.outputs {
        let file: &Path = output.file();
        if taken.contains(&file) {
            return Err(WorkerError::Invalid {
                message: format!("more than one file would be written to {}", file.display()),
            });
        }
        taken.push(file);
    }
    Ok(())
}
