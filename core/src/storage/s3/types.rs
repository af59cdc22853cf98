//! What a bucket, a stored version and an access key are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use s3s::dto::{BucketLifecycleConfiguration, CORSConfiguration, PublicAccessBlockConfiguration};
use serde::{Deserialize, Serialize};

use super::super::types::{Object, Place};

/// The number of the station's own bucket.
pub const OWN: i64 = 1;

/// The version id of what was written without versioning, on the wire.
pub const NULL: &str = "null";

/// Whether a bucket keeps the versions of its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It never did.
    Never,
    /// Every write makes a version.
    Enabled,
    /// Versions stay, new writes take the place of the one without an id.
    Suspended,
}

impl Versioning {
    pub fn from_name(name: &str) -> Self {
        match name {
            "Enabled" => Self::Enabled,
            "Suspended" => Self::Suspended,
            _ => Self::Never,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "",
            Self::Enabled => "Enabled",
            Self::Suspended => "Suspended",
        }
    }
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub id: i64,
    pub name: String,
    /// The canonical id of its owner; empty for the station's own bucket.
    pub owner: String,
    pub versioning: Versioning,
    /// UTC milliseconds.
    pub created_at: i64,
    pub about: BucketAbout,
}

impl Bucket {
    /// Whether lists of access control count; where the bucket's owner owns everything, they do not.
    pub fn has_acls(&self) -> bool {
        self.about.ownership.as_deref() != Some("BucketOwnerEnforced")
    }
}

/// What was configured about a bucket.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BucketAbout {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acl: Option<Vec<Grant>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CORSConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<BucketLifecycleConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access: Option<PublicAccessBlockConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<(String, String)>>,
}

/// Who is granted something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grantee {
    /// A canonical user id.
    User(String),
    /// Everybody, also without a key.
    All,
    /// Everybody with a key.
    Authenticated,
    /// Whoever delivers logs; nobody does here.
    Logs,
}

/// What one entry of an access control list permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Permission {
    Read,
    Write,
    ReadAcp,
    WriteAcp,
    FullControl,
}

/// One entry of an access control list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub to: Grantee,
    pub permission: Permission,
}

/// Checksums as S3 writes them: base64, and `-parts` behind it where they are of the parts' checksums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sums {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// One part of an object that was uploaded in parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartAbout {
    pub number: i32,
    pub size: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub sums: Sums,
}

/// What is known of an object beside its bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The canonical id of its owner; empty for the bucket's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Headers that come back with it, by lower-case name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What clients note, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    #[serde(skip_serializing_if = "is_default")]
    pub sums: Sums,
    /// Whether the checksums are of all bytes; otherwise of the parts' checksums.
    #[serde(skip_serializing_if = "is_default")]
    pub whole_sums: bool,
    /// Which checksum an upload in parts is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartAbout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acl: Option<Vec<Grant>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One version of an object, or a delete marker.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    /// Its version id; empty for what was written without versioning.
    pub version: String,
    /// Orders the versions of a key.
    pub number: i64,
    pub size_bytes: u64,
    /// Without the quotes.
    pub etag: String,
    /// Where its bytes are; none for a delete marker.
    pub place: Option<Place>,
    /// UTC milliseconds.
    pub created_at: i64,
    pub about: About,
}

impl Entry {
    /// Its version id as the wire has it.
    pub fn version_id(&self) -> &str {
        if self.version.is_empty() {
            NULL
        } else {
            &self.version
        }
    }

    /// The blob that holds its bytes, if one does.
    pub fn blob(&self) -> Option<&str> {
        match &self.place {
            Some(Place::Blob(blob)) => Some(blob),
            _ => None,
        }
    }

    /// The file in place that it stands for, if it does.
    pub fn source(&self) -> Option<&PathBuf> {
        match &self.place {
            Some(Place::File(path)) => Some(path),
            _ => None,
        }
    }

    /// The object to read its bytes from; none for a delete marker.
    pub fn object(&self) -> Option<Object> {
        Some(Object {
            key: self.key.clone(),
            size_bytes: self.size_bytes,
            etag: self.etag.clone(),
            modified_at: self.created_at,
            place: self.place.clone()?,
        })
    }
}

/// An upload in parts that is under way.
#[derive(Debug, Clone)]
pub struct Upload {
    pub id: String,
    pub key: String,
    /// The canonical id of who began it.
    pub owner: String,
    pub created_at: i64,
    pub about: About,
}

/// One part that was uploaded.
#[derive(Debug, Clone)]
pub struct UploadedPart {
    pub number: i32,
    pub size_bytes: u64,
    pub etag: String,
    pub blob: String,
    pub created_at: i64,
    pub sums: Sums,
}

/// A key of an S3 client.
#[derive(Debug, Clone)]
pub struct AccessKey {
    pub access_key: String,
    pub secret: String,
    /// The canonical id of its account.
    pub owner: String,
    /// The name of its account.
    pub name: String,
    /// Whether its account administers the station.
    pub staff: bool,
    /// The only bucket that it reaches, by name.
    pub bucket: Option<String>,
    pub read_only: bool,
    pub created_at: i64,
}
