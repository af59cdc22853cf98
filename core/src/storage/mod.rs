//! Stored objects: keys, uploads, downloads, and links that carry their own permission.
//!
//! An object is a key that stands for a blob of the object store, or for a file in place (then it
//! is read-only). Several keys may share a blob; it goes when the last of them does. Bytes travel
//! between the HTTP side (`serve`) and the engine only: no service ever holds them.
//!
//! Bytes are in the station's own store or in a bucket of another one, see `remote`; what is said here of blobs
//! is true of both.
//!
//! The station's own objects are in the bucket `transect`. Links look as S3's do and live at most a
//! week. S3 clients have buckets of their own, see [`s3`].

mod backup;
pub(crate) mod direct;
pub mod generic;
mod key;
pub mod links;
pub mod objects;
mod page;
mod picture;
pub mod quota;
mod remote;
pub mod routes;
pub mod s3;
mod scrub;
mod serve;
pub mod service;
pub(crate) mod signature;
mod store;
#[cfg(test)]
mod tests;
mod types;
mod upload;

pub use backup::{Backups, back_up_behind, backups, plan_project};
pub use key::{Owner, UPLOADS};
pub use links::{LinkKey, key_of_link, presign};
pub use page::serve_file;
pub use picture::{keep_upload, organization_upload};
pub use remote::{
    Known, Tier, free_names, has_tiers, is_any_in_use, is_bucket_in_use, set_tier, settle_behind,
    waiting,
};
pub use scrub::{Scrubbed, scrub};
pub use serve::serve;
pub use service::{
    adopt, collect, collect_behind, copy_link, expire, find, open, owner, path, put_bytes,
    put_file, put_in_place, remove, size,
};
pub use types::{Object, Place, UploadInfo};
pub use upload::check_bucket;
