//! Lists of access control: what clients send, canned or in full, and what they get to see.

use std::collections::BTreeMap;
use std::sync::Arc;

use s3s::dto::{self, *};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::{Call, Need, owner_of};
use super::object::find_entry;
use super::types::{Bucket, Grant, Grantee, Permission};
use super::{Answer, error, store};
use crate::context::Context;
use crate::database::Tx;

const ALL: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOGS: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
/// The most entries of a list.
const MOST: usize = 100;

const GET: Need = Need::read("s3:GetObjectAcl", Permission::ReadAcp);
const PUT: Need = Need::write("s3:PutObjectAcl", Permission::WriteAcp);
const GET_BUCKET: Need = Need::read("s3:GetBucketAcl", Permission::ReadAcp);
const PUT_BUCKET: Need = Need::write("s3:PutBucketAcl", Permission::WriteAcp);

/// What a request says about access, in whichever way.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub canned: Option<String>,
    /// The headers `x-amz-grant-…`.
    pub grants: Vec<(Permission, String)>,
    pub list: Option<AccessControlPolicy>,
}

/// Gathers what a request says about access.
macro_rules! wanted {
    ($input:expr) => {
        $crate::storage::s3::acl::Wanted {
            canned: $input.acl.as_ref().map(|acl| acl.as_str().to_owned()),
            grants: $crate::storage::s3::acl::granted(
                &$input.grant_full_control,
                &$input.grant_read,
                &$input.grant_read_acp,
                &$input.grant_write_acp,
            ),
            list: None,
        }
    };
}
pub(super) use wanted;

pub fn granted(
    full: &Option<String>,
    read: &Option<String>,
    read_acp: &Option<String>,
    write_acp: &Option<String>,
) -> Vec<(Permission, String)> {
    [
        (Permission::FullControl, full),
        (Permission::Read, read),
        (Permission::ReadAcp, read_acp),
        (Permission::WriteAcp, write_acp),
    ]
    .into_iter()
    .filter_map(|(permission, text)| Some((permission, text.clone()?)))
    .collect()
}

fn grant(to: Grantee, permission: Permission) -> Grant {
    Grant { to, permission }
}

/// The list that a canned one stands for; none for the owner alone.
fn canned(name: &str, owner: &str, bucket_owner: Option<&str>) -> S3Result<Option<Vec<Grant>>> {
    let own = grant(Grantee::User(owner.into()), Permission::FullControl);
    let more = match (name, bucket_owner) {
        ("private", _) => return Ok(None),
        ("public-read", _) => vec![grant(Grantee::All, Permission::Read)],
        ("public-read-write", _) => vec![
            grant(Grantee::All, Permission::Read),
            grant(Grantee::All, Permission::Write),
        ],
        ("authenticated-read", _) => vec![grant(Grantee::Authenticated, Permission::Read)],
        ("log-delivery-write", None) => vec![
            grant(Grantee::Logs, Permission::Write),
            grant(Grantee::Logs, Permission::ReadAcp),
        ],
        ("aws-exec-read", _) => Vec::new(),
        ("bucket-owner-read" | "bucket-owner-full-control", None) => Vec::new(),
        ("bucket-owner-read" | "bucket-owner-full-control", Some(other)) if other == owner => {
            Vec::new()
        }
        ("bucket-owner-read", Some(other)) => {
            vec![grant(Grantee::User(other.into()), Permission::Read)]
        }
        ("bucket-owner-full-control", Some(other)) => {
            vec![grant(Grantee::User(other.into()), Permission::FullControl)]
        }
        _ => {
            return Err(s3_error!(
                InvalidArgument,
                "there is no such canned ACL: {name}"
            ));
        }
    };
    Ok(Some([more, vec![own]].concat()))
}

fn group(uri: &str) -> S3Result<Grantee> {
    match uri {
        ALL => Ok(Grantee::All),
        AUTHENTICATED => Ok(Grantee::Authenticated),
        LOGS => Ok(Grantee::Logs),
        _ => Err(s3_error!(InvalidArgument, "Invalid group uri")),
    }
}

/// The account that a canonical id names. Errors: `InvalidArgument`.
async fn user(tx: &mut Tx, id: &str) -> S3Result<Grantee> {
    match store::display_name(tx, id).await? {
        Some(_) => Ok(Grantee::User(id.to_owned())),
        None => Err(s3_error!(InvalidArgument, "Invalid id")),
    }
}

async fn mailbox(tx: &mut Tx, address: &str) -> S3Result<Grantee> {
    let found = store::canonical_of_email(tx, address).await?;
    found.map(Grantee::User).ok_or_else(|| {
        s3_error!(
            UnresolvableGrantByEmailAddress,
            "The e-mail address you provided does not match any account on record."
        )
    })
}

fn permission(name: &str) -> S3Result<Permission> {
    match name {
        "READ" => Ok(Permission::Read),
        "WRITE" => Ok(Permission::Write),
        "READ_ACP" => Ok(Permission::ReadAcp),
        "WRITE_ACP" => Ok(Permission::WriteAcp),
        "FULL_CONTROL" => Ok(Permission::FullControl),
        _ => Err(malformed()),
    }
}

fn malformed() -> s3s::S3Error {
    s3_error!(
        MalformedACLError,
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
}

/// The list that a request asks for; none for the owner alone.
///
/// `bucket_owner` is none for the list of a bucket itself. Errors: those of S3 for lists that name
/// nobody, or are not allowed here.
pub async fn resolve(
    tx: &mut Tx,
    bucket: Option<&Bucket>,
    owner: &str,
    bucket_owner: Option<&str>,
    wanted: &Wanted,
) -> S3Result<Option<Vec<Grant>>> {
    let acl = resolve_list(tx, owner, bucket_owner, wanted).await?;
    let Some(bucket) = bucket else {
        return Ok(acl);
    };
    let plain = acl.is_none()
        || wanted.canned.as_deref() == Some("bucket-owner-full-control")
        || wanted.canned.as_deref() == Some("bucket-owner-read");
    if !bucket.has_acls() && !plain {
        return Err(s3_error!(
            AccessControlListNotSupported,
            "The bucket does not allow ACLs"
        ));
    }
    let block = bucket.about.public_access.as_ref();
    let blocked = block.and_then(|block| block.block_public_acls) == Some(true);
    if blocked && acl.as_ref().is_some_and(|acl| is_public(acl)) {
        return Err(error::denied());
    }
    Ok(acl)
}

/// Whether a list grants anything to everybody.
pub fn is_public(acl: &[Grant]) -> bool {
    acl.iter()
        .any(|grant| matches!(grant.to, Grantee::All | Grantee::Authenticated))
}

async fn resolve_list(
    tx: &mut Tx,
    owner: &str,
    bucket_owner: Option<&str>,
    wanted: &Wanted,
) -> S3Result<Option<Vec<Grant>>> {
    if let Some(list) = &wanted.list {
        if wanted.canned.is_some() || !wanted.grants.is_empty() {
            return Err(s3_error!(
                UnexpectedContent,
                "This request does not support content besides headers of access control"
            ));
        }
        let named = list.owner.as_ref().and_then(|owner| owner.id.as_deref());
        if named.is_none_or(|named| named != owner) {
            return Err(match named {
                None => malformed(),
                Some(_) => error::denied(),
            });
        }
        let mut grants = Vec::new();
        for one in list.grants.iter().flatten() {
            let to = one.grantee.as_ref().ok_or_else(malformed)?;
            let to = match to.type_.as_str() {
                dto::Type::CANONICAL_USER => {
                    user(tx, to.id.as_deref().ok_or_else(malformed)?).await?
                }
                dto::Type::GROUP => group(to.uri.as_deref().ok_or_else(malformed)?)?,
                dto::Type::AMAZON_CUSTOMER_BY_EMAIL => {
                    mailbox(tx, to.email_address.as_deref().ok_or_else(malformed)?).await?
                }
                _ => return Err(malformed()),
            };
            let name = one.permission.as_ref().ok_or_else(malformed)?;
            grants.push(grant(to, permission(name.as_str())?));
        }
        if grants.len() > MOST {
            return Err(malformed());
        }
        return Ok(Some(grants));
    }
    if !wanted.grants.is_empty() {
        if wanted.canned.is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Specifying both Canned ACLs and Header Grants is not allowed"
            ));
        }
        let mut grants = Vec::new();
        for (permission, text) in &wanted.grants {
            for who in text.split(',') {
                let (kind, value) = who.trim().split_once('=').unwrap_or_default();
                let value = value.trim_matches('"');
                let to = match kind {
                    "id" => user(tx, value).await?,
                    "uri" => group(value)?,
                    "emailAddress" => mailbox(tx, value).await?,
                    _ => return Err(s3_error!(InvalidArgument, "Argument format not recognized")),
                };
                grants.push(grant(to, *permission));
            }
        }
        return Ok(Some(grants));
    }
    match &wanted.canned {
        Some(name) => canned(name, owner, bucket_owner),
        None => Ok(None),
    }
}

/// An owner as the wire shows one.
pub async fn wire_owner(tx: &mut Tx, id: &str) -> S3Result<Owner> {
    let name = match id {
        "" => Some("transect".to_owned()),
        id => store::display_name(tx, id).await?,
    };
    Ok(Owner {
        display_name: Some(name.unwrap_or_default()),
        id: Some(id.to_owned()),
    })
}

/// Names of owners, looked up once each.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, Owner>);

impl Names {
    pub async fn owner(&mut self, tx: &mut Tx, id: &str) -> S3Result<Owner> {
        if let Some(known) = self.0.get(id) {
            return Ok(known.clone());
        }
        let owner = wire_owner(tx, id).await?;
        self.0.insert(id.to_owned(), owner.clone());
        Ok(owner)
    }
}

async fn wire_grants(
    tx: &mut Tx,
    owner: &str,
    acl: Option<&Vec<Grant>>,
) -> S3Result<Vec<dto::Grant>> {
    let own = vec![grant(
        Grantee::User(owner.to_owned()),
        Permission::FullControl,
    )];
    let mut shown = Vec::new();
    for one in acl.unwrap_or(&own) {
        let group = |uri: &str| dto::Grantee {
            display_name: None,
            email_address: None,
            id: None,
            type_: dto::Type::from_static(dto::Type::GROUP),
            uri: Some(uri.to_owned()),
        };
        let grantee = match &one.to {
            Grantee::User(id) => {
                let owner = wire_owner(tx, id).await?;
                dto::Grantee {
                    display_name: owner.display_name,
                    email_address: None,
                    id: owner.id,
                    type_: dto::Type::from_static(dto::Type::CANONICAL_USER),
                    uri: None,
                }
            }
            Grantee::All => group(ALL),
            Grantee::Authenticated => group(AUTHENTICATED),
            Grantee::Logs => group(LOGS),
        };
        let permission = match one.permission {
            Permission::Read => dto::Permission::READ,
            Permission::Write => dto::Permission::WRITE,
            Permission::ReadAcp => dto::Permission::READ_ACP,
            Permission::WriteAcp => dto::Permission::WRITE_ACP,
            Permission::FullControl => dto::Permission::FULL_CONTROL,
        };
        shown.push(dto::Grant {
            grantee: Some(grantee),
            permission: Some(dto::Permission::from_static(permission)),
        });
    }
    Ok(shown)
}

pub async fn get_bucket(
    cx: &Arc<Context>,
    request: S3Request<GetBucketAclInput>,
) -> Answer<GetBucketAclOutput> {
    let call = Call::of(&request);
    let name = request.input.bucket;
    let output = error::read(cx, move |tx| {
        Box::pin(async move {
            let (_, bucket) = call.enter(tx, &name, None, GET_BUCKET).await?;
            Ok(GetBucketAclOutput {
                grants: Some(wire_grants(tx, &bucket.owner, bucket.about.acl.as_ref()).await?),
                owner: Some(wire_owner(tx, &bucket.owner).await?),
            })
        })
    });
    Ok(S3Response::new(output.await?))
}

pub async fn put_bucket(
    cx: &Arc<Context>,
    request: S3Request<PutBucketAclInput>,
) -> Answer<PutBucketAclOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let mut wanted = wanted!(input);
    let writes = input.grant_write.iter().cloned();
    wanted
        .grants
        .extend(writes.map(|text| (Permission::Write, text)));
    wanted.list = input.access_control_policy;
    if wanted.canned.is_none() && wanted.grants.is_empty() && wanted.list.is_none() {
        return Err(s3_error!(
            MissingSecurityHeader,
            "Your request was missing a required header"
        ));
    }
    error::write(cx, move |tx| {
        Box::pin(async move {
            let (_, mut bucket) = call.enter(tx, &input.bucket, None, PUT_BUCKET).await?;
            let owner = bucket.owner.clone();
            bucket.about.acl = resolve(tx, Some(&bucket), &owner, None, &wanted).await?;
            Ok(store::update_bucket(tx, &bucket).await?)
        })
    })
    .await?;
    Ok(S3Response::new(PutBucketAclOutput {}))
}

pub async fn get(
    cx: &Arc<Context>,
    request: S3Request<GetObjectAclInput>,
) -> Answer<GetObjectAclOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let output = error::read(cx, move |tx| {
        Box::pin(async move {
            let (caller, bucket) = call.approach(tx, &input.bucket).await?;
            let version = input.version_id.as_deref();
            let entry = find_entry(tx, &call, &caller, &bucket, &input.key, version, GET).await?;
            let owner = owner_of(&entry, &bucket).to_owned();
            let acl = entry.about.acl.as_ref().filter(|_| bucket.has_acls());
            Ok(GetObjectAclOutput {
                grants: Some(wire_grants(tx, &owner, acl).await?),
                owner: Some(wire_owner(tx, &owner).await?),
                request_charged: None,
            })
        })
    });
    Ok(S3Response::new(output.await?))
}

pub async fn put(
    cx: &Arc<Context>,
    request: S3Request<PutObjectAclInput>,
) -> Answer<PutObjectAclOutput> {
    let call = Call::of(&request);
    let input = request.input;
    let mut wanted = wanted!(input);
    let writes = input.grant_write.iter().cloned();
    wanted
        .grants
        .extend(writes.map(|text| (Permission::Write, text)));
    wanted.list = input.access_control_policy;
    error::write(cx, move |tx| {
        Box::pin(async move {
            let (caller, bucket) = call.approach(tx, &input.bucket).await?;
            let version = input.version_id.as_deref();
            let mut entry =
                find_entry(tx, &call, &caller, &bucket, &input.key, version, PUT).await?;
            let owner = owner_of(&entry, &bucket).to_owned();
            let bucket_owner = bucket.owner.clone();
            entry.about.acl =
                resolve(tx, Some(&bucket), &owner, Some(&bucket_owner), &wanted).await?;
            Ok(store::update_about(tx, bucket.id, &entry).await?)
        })
    })
    .await?;
    Ok(S3Response::new(PutObjectAclOutput::default()))
}
