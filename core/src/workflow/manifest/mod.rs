//! Manifests: the part of the Argo workflow format that this station runs.
//!
//! A document is read once, when it is registered, and refused as a whole when anything in it would
//! be run differently from what it says: every key is either understood, or known to mean nothing
//! on one machine (where pods are placed, how images are pulled), or named in the refusal.

mod call;
mod check;
mod read;
mod reader;
mod template;
#[cfg(test)]
mod tests;
mod types;

use std::cell::RefCell;

use serde_json::Value as Json;

use crate::error::{Error, Result};

pub(super) use check::{operand, order};
pub use types::*;

/// The largest document, in bytes.
pub const MOST_BYTES: usize = 1 << 20;

/// Reads the YAML of a manifest. Errors: `Invalid`, when it is not YAML or no mapping.
pub fn document(text: &str) -> Result<Json> {
    if text.len() > MOST_BYTES {
        return Err(Error::invalid(format!(
            "the manifest is larger than {MOST_BYTES} bytes"
        )));
    }
    // As YAML 1.2 has it: `y` and `off` are texts.
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let document: Json = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        Error::invalid_because("the manifest is not valid YAML", error.to_string())
    })?;
    if !document.is_object() {
        return Err(Error::invalid("the manifest is not a mapping"));
    }
    Ok(document)
}

impl Manifest {
    /// Reads a document. Errors: `Invalid`, whose details name everything that cannot be run.
    pub fn read(document: Json) -> Result<Self> {
        let problems = RefCell::default();
        let manifest = read::manifest(document, &problems);
        if problems.borrow().is_empty() {
            check::check(&manifest, &problems);
        }
        let problems = problems.into_inner();
        if problems.is_empty() {
            return Ok(manifest);
        }
        Err(Error::invalid_because(
            format!("this station cannot run the manifest: {}", problems[0]),
            problems.join("\n"),
        ))
    }
}
