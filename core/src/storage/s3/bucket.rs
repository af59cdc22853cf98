//! Buckets: making, listing and removing them, and what is configured about them.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::{Call, LIST, Need};
use super::acl::{Wanted, granted};
use super::policy::Policy;
use super::types::{Bucket as Stored, BucketAbout, OWN, Permission, Versioning};
use super::{Answer, acl, error, store, timestamp};
use crate::context::Context;

/// The most buckets of one owner.
const MOST: usize = 1000;
/// The most rules of CORS.
const MOST_RULES: usize = 100;

// ---------------------------------------------------------------- making, listing, removing

pub async fn list(
    cx: &Arc<Context>,
    request: S3Request<ListBucketsInput>,
) -> Answer<ListBucketsOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = input.continuation_token.unwrap_or_default();
    let most = match input.max_buckets {
        Some(most) if most < 1 => {
            return Err(s3_error!(InvalidArgument, "max-buckets must be at least 1"));
        }
        Some(most) => usize::try_from(most).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    let found = error::read(cx, move |tx| {
        Box::pin(async move {
            let caller = call.caller(tx).await?;
            let Some(key) = &caller.key else {
                return Ok((Vec::new(), None));
            };
            let mut buckets = store::buckets(tx, Some(&key.owner)).await?;
            if key.staff
                && let Some(own) = store::find_bucket(tx, "transect").await?
            {
                buckets.push(own);
                buckets.sort_by(|a, b| a.name.cmp(&b.name));
            }
            buckets.retain(|bucket| caller.check_limits(&bucket.name, LIST).is_ok());
            let owner = acl::wire_owner(tx, &key.owner).await?;
            Ok((buckets, Some(owner)))
        })
    });
    let (mut buckets, owner) = found.await?;
    buckets.retain(|bucket| bucket.name.starts_with(&prefix) && bucket.name > after);
    let more = buckets.len() > most;
    buckets.truncate(most);
    let next = buckets.last().map(|last| last.name.clone());
    let shown = buckets.into_iter().map(|bucket| Bucket {
        bucket_region: None,
        creation_date: Some(timestamp(bucket.created_at)),
        name: Some(bucket.name),
    });
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(shown.collect()),
        continuation_token: next.filter(|_| more),
        owner,
        prefix: input.prefix,
    }))
}

pub async fn create(
    cx: &Arc<Context>,
    request: S3Request<CreateBucketInput>,
) -> Answer<CreateBucketOutput> {
    let call = Call::of(&request);
    let input = request.input;
    if input.object_lock_enabled_for_bucket == Some(true) {
        return Err(error::not_offered("object lock"));
    }
    let mut wanted = Wanted {
        canned: input.acl.map(|acl| acl.as_str().to_owned()),
        grants: granted(
            &input.grant_full_control,
            &input.grant_read,
            &input.grant_read_acp,
            &input.grant_write_acp,
        ),
        list: None,
    };
    let writes = input.grant_write.into_iter();
    wanted
        .grants
        .extend(writes.map(|text| (Permission::Write, text)));
    let ownership = input.object_ownership.map(|one| one.as_str().to_owned());
    let location = input
        .create_bucket_configuration
        .and_then(|about| about.location_constraint)
        .map(|location| location.as_str().to_owned())
        .filter(|location| !location.is_empty());
    let (name, now) = (input.bucket, cx.now());
    let made = name.clone();
    error::write(cx, move |tx| {
        Box::pin(async move {
            let caller = call.caller(tx).await?;
            caller.check_limits(&name, Need::configure("s3:CreateBucket"))?;
            let key = caller.key.ok_or_else(error::denied)?;
            if let Some(bucket) = store::find_bucket(tx, &name).await? {
                // Asking again for what one has does no harm, as in the region that this store is.
                return if bucket.owner == key.owner {
                    Ok(())
                } else {
                    Err(s3_error!(
                        BucketAlreadyExists,
                        "The requested bucket name is not available."
                    ))
                };
            }
            if store::buckets(tx, Some(&key.owner)).await?.len() >= MOST {
                return Err(s3_error!(
                    TooManyBuckets,
                    "You have attempted to create more buckets than allowed"
                ));
            }
            let mut bucket = Stored {
                id: 0,
                name,
                owner: key.owner.clone(),
                versioning: Versioning::Never,
                created_at: now,
                about: BucketAbout {
                    location,
                    ownership,
                    ..BucketAbout::default()
                },
            };
            bucket.about.acl = acl::resolve(tx, None, &key.owner, None, &wanted).await?;
            if !bucket.has_acls() && bucket.about.acl.as_deref().is_some_and(acl::is_public) {
                return Err(s3_error!(
                    InvalidBucketAclWithObjectOwnership,
                    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
                ));
            }
            Ok(store::insert_bucket(tx, &mut bucket).await?)
        })
    })
    .await?;
    Ok(S3Response::new(CreateBucketOutput {
        location: Some(format!("/{made}")),
    }))
}

pub async fn delete(
    cx: &Arc<Context>,
    request: S3Request<DeleteBucketInput>,
) -> Answer<DeleteBucketOutput> {
    let call = Call::of(&request);
    let name = request.input.bucket;
    error::write(cx, move |tx| {
        Box::pin(async move {
            let need = Need::configure("s3:DeleteBucket");
            let (_, bucket) = call.enter(tx, &name, None, need).await?;
            if !store::is_empty(tx, bucket.id).await? {
                return Err(s3_error!(
                    BucketNotEmpty,
                    "The bucket you tried to delete is not empty"
                ));
            }
            Ok(store::remove_bucket(tx, bucket.id).await?)
        })
    })
    .await?;
    Ok(S3Response::new(DeleteBucketOutput {}))
}

pub async fn head(
    cx: &Arc<Context>,
    request: S3Request<HeadBucketInput>,
) -> Answer<HeadBucketOutput> {
    let call = Call::of(&request);
    let bucket = look(cx, call, request.input.bucket, LIST).await?;
    Ok(S3Response::new(HeadBucketOutput {
        bucket_region: Some(bucket.about.location.unwrap_or_else(|| "us-east-1".into())),
        ..HeadBucketOutput::default()
    }))
}

pub async fn location(
    cx: &Arc<Context>,
    request: S3Request<GetBucketLocationInput>,
) -> Answer<GetBucketLocationOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketLocation");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let location = bucket.about.location;
    Ok(S3Response::new(GetBucketLocationOutput {
        location_constraint: location.map(BucketLocationConstraint::from),
    }))
}

// ---------------------------------------------------------------- what is configured

/// A bucket that the caller may look at.
pub async fn look(cx: &Context, call: Call, name: String, need: Need) -> S3Result<Stored> {
    error::read(cx, move |tx| {
        Box::pin(async move { Ok(call.enter(tx, &name, None, need).await?.1) })
    })
    .await
}

/// Changes what is configured about a bucket.
pub async fn configure(
    cx: &Context,
    call: Call,
    name: String,
    need: Need,
    change: impl FnOnce(&mut Stored) -> S3Result<()> + Send + 'static,
) -> S3Result<()> {
    error::write(cx, move |tx| {
        Box::pin(async move {
            let (_, mut bucket) = call.enter(tx, &name, None, need).await?;
            if bucket.id == OWN {
                return Err(error::denied());
            }
            change(&mut bucket)?;
            Ok(store::update_bucket(tx, &bucket).await?)
        })
    })
    .await
}

pub async fn get_versioning(
    cx: &Arc<Context>,
    request: S3Request<GetBucketVersioningInput>,
) -> Answer<GetBucketVersioningOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketVersioning");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let status = match bucket.versioning {
        Versioning::Never => None,
        other => Some(BucketVersioningStatus::from_static(other.name())),
    };
    Ok(S3Response::new(GetBucketVersioningOutput {
        status,
        ..GetBucketVersioningOutput::default()
    }))
}

pub async fn put_versioning(
    cx: &Arc<Context>,
    request: S3Request<PutBucketVersioningInput>,
) -> Answer<PutBucketVersioningOutput> {
    let call = Call::of(&request);
    let wanted = request.input.versioning_configuration;
    if wanted
        .mfa_delete
        .is_some_and(|one| one.as_str() == "Enabled")
    {
        return Err(error::not_offered("deletion with a second factor"));
    }
    let status = wanted.status.map(|one| one.as_str().to_owned());
    let versioning = match status.as_deref() {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => {
            return Err(s3_error!(
                IllegalVersioningConfigurationException,
                "The Versioning element must be specified"
            ));
        }
    };
    let need = Need::configure("s3:PutBucketVersioning");
    configure(cx, call, request.input.bucket, need, move |bucket| {
        bucket.versioning = versioning;
        Ok(())
    })
    .await?;
    Ok(S3Response::new(PutBucketVersioningOutput {}))
}

pub async fn get_cors(
    cx: &Arc<Context>,
    request: S3Request<GetBucketCorsInput>,
) -> Answer<GetBucketCorsOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketCORS");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let cors = bucket.about.cors.ok_or_else(|| {
        s3_error!(
            NoSuchCORSConfiguration,
            "The CORS configuration does not exist"
        )
    })?;
    Ok(S3Response::new(GetBucketCorsOutput {
        cors_rules: Some(cors.cors_rules),
    }))
}

pub async fn put_cors(
    cx: &Arc<Context>,
    request: S3Request<PutBucketCorsInput>,
) -> Answer<PutBucketCorsOutput> {
    let call = Call::of(&request);
    let cors = request.input.cors_configuration;
    if cors.cors_rules.is_empty() || cors.cors_rules.len() > MOST_RULES {
        return Err(s3_error!(MalformedXML, "there are no rules, or too many"));
    }
    for rule in &cors.cors_rules {
        let methods = ["GET", "PUT", "HEAD", "POST", "DELETE"];
        for method in &rule.allowed_methods {
            if !methods.contains(&method.as_str()) {
                return Err(s3_error!(
                    InvalidRequest,
                    "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                ));
            }
        }
        if rule
            .allowed_origins
            .iter()
            .any(|one| one.matches('*').count() > 1)
        {
            return Err(s3_error!(
                InvalidRequest,
                "AllowedOrigin can not have more than one wildcard."
            ));
        }
    }
    let need = Need::configure("s3:PutBucketCORS");
    configure(cx, call, request.input.bucket, need, move |bucket| {
        bucket.about.cors = Some(cors);
        Ok(())
    })
    .await?;
    Ok(S3Response::new(PutBucketCorsOutput {}))
}

pub async fn delete_cors(
    cx: &Arc<Context>,
    request: S3Request<DeleteBucketCorsInput>,
) -> Answer<DeleteBucketCorsOutput> {
    let call = Call::of(&request);
    let need = Need::configure("s3:PutBucketCORS");
    configure(cx, call, request.input.bucket, need, |bucket| {
        bucket.about.cors = None;
        Ok(())
    })
    .await?;
    Ok(S3Response::new(DeleteBucketCorsOutput {}))
}

pub async fn get_lifecycle(
    cx: &Arc<Context>,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> Answer<GetBucketLifecycleConfigurationOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetLifecycleConfiguration");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let lifecycle = bucket.about.lifecycle.ok_or_else(|| {
        s3_error!(
            NoSuchLifecycleConfiguration,
            "The lifecycle configuration does not exist"
        )
    })?;
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
        rules: Some(lifecycle.rules),
        transition_default_minimum_object_size: None,
    }))
}

pub async fn put_lifecycle(
    cx: &Arc<Context>,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> Answer<PutBucketLifecycleConfigurationOutput> {
    let call = Call::of(&request);
    let wanted = request.input.lifecycle_configuration;
    let mut lifecycle =
        wanted.ok_or_else(|| s3_error!(MalformedXML, "the lifecycle configuration is missing"))?;
    super::lifecycle::check(&mut lifecycle)?;
    let need = Need::configure("s3:PutLifecycleConfiguration");
    configure(cx, call, request.input.bucket, need, move |bucket| {
        bucket.about.lifecycle = Some(lifecycle);
        Ok(())
    })
    .await?;
    Ok(S3Response::new(
        PutBucketLifecycleConfigurationOutput::default(),
    ))
}

pub async fn delete_lifecycle(
    cx: &Arc<Context>,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> Answer<DeleteBucketLifecycleOutput> {
    let call = Call::of(&request);
    let need = Need::configure("s3:PutLifecycleConfiguration");
    configure(cx, call, request.input.bucket, need, |bucket| {
        bucket.about.lifecycle = None;
        Ok(())
    })
    .await?;
    Ok(S3Response::new(DeleteBucketLifecycleOutput {}))
}

pub async fn get_policy(
    cx: &Arc<Context>,
    request: S3Request<GetBucketPolicyInput>,
) -> Answer<GetBucketPolicyOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketPolicy");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let policy = bucket
        .about
        .policy
        .ok_or_else(|| s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"))?;
    Ok(S3Response::new(GetBucketPolicyOutput {
        policy: Some(policy),
    }))
}

pub async fn put_policy(
    cx: &Arc<Context>,
    request: S3Request<PutBucketPolicyInput>,
) -> Answer<PutBucketPolicyOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let policy = Policy::parse(&input.policy, &input.bucket)?;
    let need = Need::configure("s3:PutBucketPolicy");
    configure(cx, call, input.bucket, need, move |bucket| {
        let block = bucket.about.public_access.as_ref();
        let blocked = block.and_then(|block| block.block_public_policy) == Some(true);
        if blocked && policy.is_public() {
            return Err(error::denied());
        }
        bucket.about.policy = Some(input.policy);
        Ok(())
    })
    .await?;
    Ok(S3Response::new(PutBucketPolicyOutput {}))
}

pub async fn delete_policy(
    cx: &Arc<Context>,
    request: S3Request<DeleteBucketPolicyInput>,
) -> Answer<DeleteBucketPolicyOutput> {
    let call = Call::of(&request);
    let need = Need::configure("s3:DeleteBucketPolicy");
    configure(cx, call, request.input.bucket, need, |bucket| {
        bucket.about.policy = None;
        Ok(())
    })
    .await?;
    Ok(S3Response::new(DeleteBucketPolicyOutput {}))
}

pub async fn policy_status(
    cx: &Arc<Context>,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> Answer<GetBucketPolicyStatusOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketPolicyStatus");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let policy = match &bucket.about.policy {
        Some(text) => Policy::parse(text, &bucket.name)?.is_public(),
        None => false,
    };
    let listed = bucket.about.acl.as_deref().is_some_and(acl::is_public);
    Ok(S3Response::new(GetBucketPolicyStatusOutput {
        policy_status: Some(PolicyStatus {
            is_public: Some(policy || listed),
        }),
    }))
}

pub async fn get_ownership(
    cx: &Arc<Context>,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> Answer<GetBucketOwnershipControlsOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketOwnershipControls");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let ownership = bucket.about.ownership.ok_or_else(|| {
        s3_error!(
            OwnershipControlsNotFoundError,
            "The bucket ownership controls were not found"
        )
    })?;
    Ok(S3Response::new(GetBucketOwnershipControlsOutput {
        ownership_controls: Some(OwnershipControls {
            rules: vec![OwnershipControlsRule {
                object_ownership: ObjectOwnership::from(ownership),
            }],
        }),
    }))
}

pub async fn put_ownership(
    cx: &Arc<Context>,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> Answer<PutBucketOwnershipControlsOutput> {
    let call = Call::of(&request);
    let rules = request.input.ownership_controls.rules;
    let known = [
        "BucketOwnerEnforced",
        "BucketOwnerPreferred",
        "ObjectWriter",
    ];
    let wanted = rules
        .first()
        .map(|rule| rule.object_ownership.as_str().to_owned());
    let wanted = wanted.filter(|name| rules.len() == 1 && known.contains(&name.as_str()));
    let wanted = wanted.ok_or_else(|| s3_error!(MalformedXML, "there is one rule of ownership"))?;
    let need = Need::configure("s3:PutBucketOwnershipControls");
    configure(cx, call, request.input.bucket, need, move |bucket| {
        bucket.about.ownership = Some(wanted);
        Ok(())
    })
    .await?;
    Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
}

pub async fn delete_ownership(
    cx: &Arc<Context>,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> Answer<DeleteBucketOwnershipControlsOutput> {
    let call = Call::of(&request);
    let need = Need::configure("s3:PutBucketOwnershipControls");
    configure(cx, call, request.input.bucket, need, |bucket| {
        bucket.about.ownership = None;
        Ok(())
    })
    .await?;
    Ok(S3Response::new(DeleteBucketOwnershipControlsOutput {}))
}

pub async fn get_public_access(
    cx: &Arc<Context>,
    request: S3Request<GetPublicAccessBlockInput>,
) -> Answer<GetPublicAccessBlockOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketPublicAccessBlock");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let block = bucket.about.public_access.ok_or_else(|| {
        s3s::S3Error::with_message(
            s3s::S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into()),
            "The public access block configuration was not found",
        )
    });
    let block = block.map_err(|mut refused| {
        refused.set_status_code(axum::http::StatusCode::NOT_FOUND);
        refused
    })?;
    Ok(S3Response::new(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(block),
    }))
}

pub async fn put_public_access(
    cx: &Arc<Context>,
    request: S3Request<PutPublicAccessBlockInput>,
) -> Answer<PutPublicAccessBlockOutput> {
    let call = Call::of(&request);
    let mut block = request.input.public_access_block_configuration;
    for setting in [
        &mut block.block_public_acls,
        &mut block.block_public_policy,
        &mut block.ignore_public_acls,
        &mut block.restrict_public_buckets,
    ] {
        *setting = Some(setting.unwrap_or(false));
    }
    let need = Need::configure("s3:PutBucketPublicAccessBlock");
    configure(cx, call, request.input.bucket, need, move |bucket| {
        bucket.about.public_access = Some(block);
        Ok(())
    })
    .await?;
    Ok(S3Response::new(PutPublicAccessBlockOutput {}))
}

pub async fn delete_public_access(
    cx: &Arc<Context>,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> Answer<DeletePublicAccessBlockOutput> {
    let call = Call::of(&request);
    let need = Need::configure("s3:PutBucketPublicAccessBlock");
    configure(cx, call, request.input.bucket, need, |bucket| {
        bucket.about.public_access = None;
        Ok(())
    })
    .await?;
    Ok(S3Response::new(DeletePublicAccessBlockOutput {}))
}

pub async fn get_payment(
    cx: &Arc<Context>,
    request: S3Request<GetBucketRequestPaymentInput>,
) -> Answer<GetBucketRequestPaymentOutput> {
    let call = Call::of(&request);
    let need = Need::look("s3:GetBucketRequestPayment");
    let bucket = look(cx, call, request.input.bucket, need).await?;
    let payer = bucket.about.payer.unwrap_or_else(|| "BucketOwner".into());
    Ok(S3Response::new(GetBucketRequestPaymentOutput {
        payer: Some(Payer::from(payer)),
    }))
}

pub async fn put_payment(
    cx: &Arc<Context>,
    request: S3Request<PutBucketRequestPaymentInput>,
) -> Answer<PutBucketRequestPaymentOutput> {
    let call = Call::of(&request);
    let payer = request.input.request_payment_configuration.payer;
    let payer = payer.as_str().to_owned();
    if !matches!(payer.as_str(), "BucketOwner" | "Requester") {
        return Err(s3_error!(MalformedXML, "there is no such payer"));
    }
    let need = Need::configure("s3:PutBucketRequestPayment");
    configure(cx, call, request.input.bucket, need, move |bucket| {
        bucket.about.payer = Some(payer);
        Ok(())
    })
    .await?;
    Ok(S3Response::new(PutBucketRequestPaymentOutput {}))
}
