//! What a bucket is.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::storage::objects::remote::Connection;

/// Which kind of store a bucket is in, by the wire's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StoreType {
    /// Amazon S3.
    Aws,
    /// MinIO.
    Minio,
    /// Google Cloud Storage.
    Gcp,
    /// Oracle Cloud.
    Oci,
    /// Any store that speaks S3, as older servers call it.
    Vast,
    /// Any store that speaks S3.
    S3basic,
    /// Azure Blob Storage.
    Azure,
}

impl StoreType {
    const ALL: [Self; 7] = [
        Self::Aws,
        Self::Minio,
        Self::Gcp,
        Self::Oci,
        Self::Vast,
        Self::S3basic,
        Self::Azure,
    ];

    /// The wire's text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Minio => "MINIO",
            Self::Gcp => "GCP",
            Self::Oci => "OCI",
            Self::Vast => "VAST",
            Self::S3basic => "S3BASIC",
            Self::Azure => "AZURE",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The storage class that archived objects go to unless somebody says otherwise.
    pub fn archive_class(self) -> &'static str {
        match self {
            Self::Aws => "DEEP_ARCHIVE",
            Self::Gcp => "COLDLINE",
            _ => "STANDARD",
        }
    }
}

/// A bucket as the wire shows it: without what signs in there.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Bucket describes them"
)]
pub struct Bucket {
    pub id: i64,
    pub organization: i64,
    /// Follows from the configuration.
    pub endpoint_url: String,
    pub name: String,
    pub archive_sc: String,
    pub live_sc: String,
    pub store_type: StoreType,
    pub external_host: Option<String>,
    pub effective_permission: i64,
    /// What signs in, in the shape of the store's kind.
    #[serde(skip)]
    pub config: Json,
    /// Whether an administrator of the station said where it is: then it may be in the station's own network.
    #[serde(skip)]
    pub trusted: bool,
}

impl Bucket {
    /// Where it is, and what signs in there.
    pub fn connection(&self) -> Connection {
        Connection {
            bucket: self.id,
            name: self.name.clone(),
            access: super::config::access(self.store_type, &self.config),
            trusted: self.trusted,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct NewBucket {
    pub config: Json,
    pub name: String,
    pub store_type: StoreType,
    pub archive_sc: Option<String>,
    pub live_sc: Option<String>,
    pub external_host: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct BucketPatch {
    pub config: Option<Json>,
    pub name: Option<String>,
    pub store_type: Option<StoreType>,
    pub archive_sc: Option<String>,
    pub live_sc: Option<String>,
    pub external_host: Option<String>,
}
