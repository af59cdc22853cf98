//! Files whose bytes come while they are read: a worker asks for what it needs, and the station brings it.

use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;

/// The ranges of a file that are there, or why those that were asked for do not come.
pub type Supplied = Pin<Box<dyn Future<Output = Result<Vec<Range<u64>>, String>> + Send>>;

/// Brings bytes of files that are not whole yet.
pub trait Supply: Send + Sync {
    /// The folder that such files are in. They have their full length from the beginning.
    fn folder(&self) -> &Path;

    /// Sees to it that these ranges of a file of the folder are there, and says which ranges of it are, these among them. It
    /// gives up by itself when they do not come.
    fn supply(&self, file: PathBuf, ranges: Vec<Range<u64>>) -> Supplied;
}
