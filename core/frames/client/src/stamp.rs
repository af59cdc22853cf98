//! A cheap check that a file is still the one that was indexed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

const EDGE_BYTES: u64 = 64 * 1024;
const SAMPLES: u64 = 16;
const SAMPLE_BYTES: u64 = 4 * 1024;

/// Returns lower-case hex BLAKE3 over the file's size, its first and last 64 KiB, and 16 evenly spread 4 KiB samples.
/// Reads at most 192 KiB; depends on nothing but content.
///
/// Errors: those of the file system.
pub fn stamp(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    stamp_of(size, |range| {
        file.seek(SeekFrom::Start(range.start))?;
        let mut bytes = Vec::new();
        let length = range.end - range.start;
        file.by_ref().take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// As [`stamp`], of a file of this size whose bytes somebody reads: those of [`stamp_ranges`], in their order.
///
/// Errors: those of the reading.
pub fn stamp_of(
    size: u64,
    mut read: impl FnMut(Range<u64>) -> io::Result<Vec<u8>>,
) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&size.to_le_bytes());
    for range in stamp_ranges(size) {
        hasher.update(&read(range)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// What a stamp looks at in a file of this size.
pub fn stamp_ranges(size: u64) -> Vec<Range<u64>> {
    let spread = (1..=SAMPLES).map(|at| (size / (SAMPLES + 1) * at, SAMPLE_BYTES));
    let edges = [
        (0, EDGE_BYTES),
        (size.saturating_sub(EDGE_BYTES), EDGE_BYTES),
    ];
    let all = edges.into_iter().chain(spread);
    all.map(|(start, length)| start..(start + length).min(size))
        .collect()
}
