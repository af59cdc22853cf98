//! Formats out: tables of the API's answers, and annotation formats of other programs.

mod coco;
pub mod csv;
mod names;

use std::path::{Path, PathBuf};

pub use names::named;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::project;

/// Formats that annotations can be exported in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// COCO instances: boxes and polygons.
    Coco,
}

/// What to export, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Export {
    /// The project's name.
    pub project: String,
    /// The format.
    pub format: Format,
    /// The file to write; an existing one is replaced once the new one is whole.
    pub out: PathBuf,
    /// The attribute whose value is the category; the type's name where this is absent.
    pub category: Option<String>,
}

/// What was written, and what the format cannot hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The file.
    pub path: String,
    /// Annotations written.
    pub annotations: usize,
    /// Pictures written (annotated frames, and images).
    pub images: usize,
    /// Categories written.
    pub categories: usize,
    /// What was left out and why, a sentence each; empty when nothing was.
    pub losses: Vec<String>,
}

/// Exports the annotations of a project.
///
/// Errors: `NotFound` for a project that does not exist, `StorageFull`.
pub async fn export(cx: &Context, what: Export) -> Result<Report> {
    let project = project::service::find_any_by_name(cx, &what.project).await?;
    match what.format {
        Format::Coco => coco::export(cx, project, &what).await,
    }
}

/// Writes a file whole or not at all; a link is followed, and what is no regular file is refused.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let path = target.as_path();
    if std::fs::metadata(path).is_ok_and(|facts| !facts.is_file()) {
        return Err(Error::invalid(format!(
            "the output must be a regular file: {}",
            path.display()
        )));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .ok_or_else(|| Error::invalid("the output path names no file"))?;
    let unfinished = folder.join(format!(
        ".{}.{}",
        name.to_string_lossy(),
        crate::id::token()
    ));
    let written = std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::File::open(&unfinished)?.sync_all())
        .and_then(|()| std::fs::rename(&unfinished, path));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&unfinished);
        if error.kind() == std::io::ErrorKind::StorageFull {
            return Err(error.into());
        }
        return Err(Error::invalid(format!(
            "cannot write the file: {error}: {}",
            path.display()
        )));
    }
    Ok(())
}
