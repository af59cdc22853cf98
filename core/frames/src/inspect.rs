//! A look at the random access points that only the container vouches for, when there is time.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use transect_frame_client::{Access, Flags, FrameIndex, Inspection, WorkerError};

use crate::indexer::{refuse_special, unreadable};
use crate::supply::MediaFile;
use crate::tables::starts_decoding;

/// Looks at the next ones, in the order of the file, for as long as the budget lasts, and writes the index file anew. Nothing
/// but the marks of packets changes: frames, and what identifies them, stay what they are.
///
/// Errors: `Unreadable` if there is no index, or it is of another file; `Io`.
pub fn inspect(
    source: &Path,
    index_file: &Path,
    budget: Duration,
    progress: &mut dyn FnMut(),
) -> Result<Inspection, WorkerError> {
    refuse_special(source)?;
    let failed = |error: std::io::Error| unreadable(source, &error.to_string());
    let read = || FrameIndex::read(index_file);
    let mut index = read().map_err(|error| unreadable(index_file, &error.to_string()))?;
    let mut inspection = Inspection {
        looked_at: 0,
        refuted: 0,
        left: index.unverified_count() as u64,
    };
    // Only sample tables leave anything open, and their payloads lie in the file as they are.
    if inspection.left == 0 || index.access != Access::Direct {
        return Ok(inspection);
    }
    let file = MediaFile::open(source).map_err(failed)?;
    if file.stamp().map_err(failed)? != index.stamp {
        return Err(unreadable(
            source,
            "the file has changed since it was indexed",
        ));
    }
    let (began, mut bytes) = (Instant::now(), Vec::new());
    let (mut seen, mut refuted) = (0, HashSet::new());
    for at in 0..index.packet_count() {
        if began.elapsed() > budget && inspection.looked_at > 0 {
            break;
        }
        seen = at + 1;
        if !index.packet_flags(at).contains(Flags::UNVERIFIED) {
            continue;
        }
        progress();
        let packet = index.packet(at);
        let place = (packet.position, packet.size as usize);
        let headers = index.headers_at(at);
        let found =
            starts_decoding(&file, &index.codec, headers, place, &mut bytes).map_err(failed)?;
        inspection.looked_at += 1;
        if found == Some(false) {
            refuted.insert(at);
        }
    }
    index.tables.remark(|at, mut flags| {
        if at < seen {
            flags.remove(Flags::UNVERIFIED);
        }
        if refuted.contains(&at) {
            flags.remove(Flags::KEY);
        }
        flags
    });
    inspection.refuted = refuted.len() as u64;
    inspection.left = index.unverified_count() as u64;
    index.write(index_file).map_err(|error| WorkerError::Io {
        message: format!("{error}: {}", index_file.display()),
    })?;
    Ok(inspection)
}
