//! Objects as S3 clients see them: buckets and keys of their own, versions, parts, access control.
//!
//! Crate `s3s` speaks the protocol (signatures, XML, streaming); what happens is decided here. Every
//! operation finds out who asks and what they may do inside the transaction that does it, so that
//! conditions and rights cannot change in between. Bytes are durable before the row that names them;
//! deletions leave bytes to `collect`.
//!
//! The station's own bucket, `transect`, holds media, uploads and files in place. Keys of
//! administrators can list and read it; it is changed through the API only.
//!
//! What is deliberately absent answers `NotImplemented`: see the table in the README.

mod access;
mod acl;
mod bucket;
mod checksum;
mod condition;
mod door;
mod error;
pub mod keys;
mod lifecycle;
mod listing;
mod multipart;
mod object;
mod policy;
mod server;
mod store;
mod tagging;
mod types;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::context::Context;
use crate::database::Tx;
use crate::error::Result;

pub use door::check as check_certificate;
pub use lifecycle::sweep;
pub use server::{OFF, bind, endpoint, router, serve};
pub(super) use types::OWN;

type Answer<T> = S3Result<S3Response<T>>;

/// The operations that S3 clients may ask for.
struct Api(Arc<Context>);

/// Names for each operation what it takes, what it answers, and who does it.
macro_rules! operations {
    ($($name:ident: $input:ident -> $output:ident = $does:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Api {
            $(
                async fn $name(&self, request: S3Request<$input>) -> Answer<$output> {
                    $does(&self.0, request).await
                }
            )*
        }
    };
}

operations! {
    list_buckets: ListBucketsInput -> ListBucketsOutput = bucket::list;
    create_bucket: CreateBucketInput -> CreateBucketOutput = bucket::create;
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput = bucket::delete;
    head_bucket: HeadBucketInput -> HeadBucketOutput = bucket::head;
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput = bucket::location;
    get_bucket_versioning: GetBucketVersioningInput -> GetBucketVersioningOutput = bucket::get_versioning;
    put_bucket_versioning: PutBucketVersioningInput -> PutBucketVersioningOutput = bucket::put_versioning;
    get_bucket_cors: GetBucketCorsInput -> GetBucketCorsOutput = bucket::get_cors;
    put_bucket_cors: PutBucketCorsInput -> PutBucketCorsOutput = bucket::put_cors;
    delete_bucket_cors: DeleteBucketCorsInput -> DeleteBucketCorsOutput = bucket::delete_cors;
    get_bucket_lifecycle_configuration: GetBucketLifecycleConfigurationInput
        -> GetBucketLifecycleConfigurationOutput = bucket::get_lifecycle;
    put_bucket_lifecycle_configuration: PutBucketLifecycleConfigurationInput
        -> PutBucketLifecycleConfigurationOutput = bucket::put_lifecycle;
    delete_bucket_lifecycle: DeleteBucketLifecycleInput -> DeleteBucketLifecycleOutput = bucket::delete_lifecycle;
    get_bucket_policy: GetBucketPolicyInput -> GetBucketPolicyOutput = bucket::get_policy;
    put_bucket_policy: PutBucketPolicyInput -> PutBucketPolicyOutput = bucket::put_policy;
    delete_bucket_policy: DeleteBucketPolicyInput -> DeleteBucketPolicyOutput = bucket::delete_policy;
    get_bucket_policy_status: GetBucketPolicyStatusInput -> GetBucketPolicyStatusOutput = bucket::policy_status;
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput
        -> GetBucketOwnershipControlsOutput = bucket::get_ownership;
    put_bucket_ownership_controls: PutBucketOwnershipControlsInput
        -> PutBucketOwnershipControlsOutput = bucket::put_ownership;
    delete_bucket_ownership_controls: DeleteBucketOwnershipControlsInput
        -> DeleteBucketOwnershipControlsOutput = bucket::delete_ownership;
    get_public_access_block: GetPublicAccessBlockInput -> GetPublicAccessBlockOutput = bucket::get_public_access;
    put_public_access_block: PutPublicAccessBlockInput -> PutPublicAccessBlockOutput = bucket::put_public_access;
    delete_public_access_block: DeletePublicAccessBlockInput
        -> DeletePublicAccessBlockOutput = bucket::delete_public_access;
    get_bucket_request_payment: GetBucketRequestPaymentInput
        -> GetBucketRequestPaymentOutput = bucket::get_payment;
    put_bucket_request_payment: PutBucketRequestPaymentInput
        -> PutBucketRequestPaymentOutput = bucket::put_payment;
    get_bucket_tagging: GetBucketTaggingInput -> GetBucketTaggingOutput = tagging::get_bucket;
    put_bucket_tagging: PutBucketTaggingInput -> PutBucketTaggingOutput = tagging::put_bucket;
    delete_bucket_tagging: DeleteBucketTaggingInput -> DeleteBucketTaggingOutput = tagging::delete_bucket;
    get_bucket_acl: GetBucketAclInput -> GetBucketAclOutput = acl::get_bucket;
    put_bucket_acl: PutBucketAclInput -> PutBucketAclOutput = acl::put_bucket;
    get_object_acl: GetObjectAclInput -> GetObjectAclOutput = acl::get;
    put_object_acl: PutObjectAclInput -> PutObjectAclOutput = acl::put;
    list_objects: ListObjectsInput -> ListObjectsOutput = listing::first;
    list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output = listing::second;
    list_object_versions: ListObjectVersionsInput -> ListObjectVersionsOutput = listing::versions;
    list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput = listing::uploads;
    put_object: PutObjectInput -> PutObjectOutput = object::put;
    get_object: GetObjectInput -> GetObjectOutput = object::get;
    head_object: HeadObjectInput -> HeadObjectOutput = object::head;
    copy_object: CopyObjectInput -> CopyObjectOutput = object::copy;
    delete_object: DeleteObjectInput -> DeleteObjectOutput = object::delete;
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput = object::delete_many;
    get_object_attributes: GetObjectAttributesInput -> GetObjectAttributesOutput = object::attributes;
    get_object_tagging: GetObjectTaggingInput -> GetObjectTaggingOutput = tagging::get;
    put_object_tagging: PutObjectTaggingInput -> PutObjectTaggingOutput = tagging::put;
    delete_object_tagging: DeleteObjectTaggingInput -> DeleteObjectTaggingOutput = tagging::delete;
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput = multipart::create;
    upload_part: UploadPartInput -> UploadPartOutput = multipart::put_part;
    upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput = multipart::copy_part;
    complete_multipart_upload: CompleteMultipartUploadInput
        -> CompleteMultipartUploadOutput = multipart::complete;
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput = multipart::abort;
    list_parts: ListPartsInput -> ListPartsOutput = multipart::list;
}

/// A time of ours as the wire has it.
fn timestamp(at_ms: i64) -> Timestamp {
    let since = Duration::from_millis(u64::try_from(at_ms).unwrap_or_default());
    Timestamp::from(SystemTime::UNIX_EPOCH + since)
}

/// Takes the keys of an account that goes away.
pub async fn forget_account(tx: &mut Tx, account: i64) -> Result<()> {
    store::remove_keys_of(tx, account).await
}

/// The number of a bucket of S3 clients; none for the station's own.
pub(super) async fn find_bucket(tx: &mut Tx, name: &str) -> Result<Option<i64>> {
    let found = store::find_bucket(tx, name).await?;
    Ok(found
        .filter(|bucket| bucket.id != types::OWN)
        .map(|bucket| bucket.id))
}

/// Whether a bucket of S3 clients is an account's.
pub(super) async fn owns_bucket(tx: &mut Tx, account: i64, name: &str) -> Result<bool> {
    let Some(bucket) = store::find_bucket(tx, name).await? else {
        return Ok(false);
    };
    store::is_canonical(tx, account, &bucket.owner).await
}

/// The number of a bucket of S3 clients. Errors: `NotFound`, also for the station's own.
pub(super) async fn bucket_id(cx: &Context, name: &str) -> Result<i64> {
    let wanted = name.to_owned();
    let found = cx
        .database
        .read(move |tx| Box::pin(async move { find_bucket(tx, &wanted).await }));
    found.await?.ok_or_else(|| {
        crate::error::Error::NotFound(format!("there is no bucket of S3 clients named {name}"))
    })
}
