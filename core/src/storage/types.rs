//! What an object, an upload and a download are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One stored object.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its entity tag, without the quotes: the MD5 of its bytes, for objects uploaded in parts
    /// `md5-parts` as S3 has it, and for files in place something that changes with them.
    pub etag: String,
    /// When it was stored, or the file in place changed; UTC milliseconds.
    pub modified_at: i64,
    /// Where its bytes are.
    pub place: Place,
}

/// Where the bytes of an object are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a blob of the object store.
    Blob(String),
    /// In a file that is somebody else's: never written, never deleted.
    File(PathBuf),
}

/// One part of a multipart upload.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub number: i64,
    pub etag: String,
    pub blob: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct UploadQuery {
    pub expiration: i64,
    pub num_parts: i64,
    pub media_id: Option<i64>,
    pub file_id: Option<i64>,
    pub filename: Option<String>,
    pub bucket_id: Option<i64>,
}

/// Where to put the bytes of an upload.
#[derive(Debug, Clone, Serialize)]
pub struct UploadInfo {
    /// A link for each part.
    pub urls: Vec<String>,
    /// The key that the bytes get.
    pub key: String,
    /// What the completion names; empty for an upload in one piece.
    pub upload_id: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct UploadCompletion {
    pub key: Option<String>,
    pub upload_id: Option<String>,
    #[serde(default)]
    pub parts: Vec<UploadPart>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct UploadPart {
    #[serde(rename = "ETag")]
    pub etag: Option<String>,
    #[serde(rename = "PartNumber")]
    pub number: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct DownloadRequest {
    pub keys: Vec<String>,
}

/// A key and a link to its bytes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DownloadInfo {
    pub key: String,
    pub url: String,
}
