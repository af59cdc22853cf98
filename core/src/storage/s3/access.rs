//! Who may do what: the limits of a key, the bucket's policy, its owner, and lists of access control,
//! in this order.

use std::collections::HashMap;

use s3s::{S3Request, S3Result, s3_error};

use super::error::denied;
use super::policy::{Asked, Policy, Verdict};
use super::store;
use super::types::{AccessKey, Bucket, Entry, Grant, Grantee, OWN, Permission};
use crate::database::Tx;
use crate::storage::direct::Peer;

/// What an operation takes.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Its name in policies.
    pub action: &'static str,
    /// The entry of an access control list that grants it; none where only owners and policies do.
    pub permission: Option<Permission>,
    /// Whether it changes something.
    pub writes: bool,
}

impl Need {
    /// Reads something that a list may grant.
    pub const fn read(action: &'static str, permission: Permission) -> Self {
        Self {
            action,
            permission: Some(permission),
            writes: false,
        }
    }

    /// Changes something that a list may grant.
    pub const fn write(action: &'static str, permission: Permission) -> Self {
        Self {
            action,
            permission: Some(permission),
            writes: true,
        }
    }

    /// Reads what is the owner's.
    pub const fn look(action: &'static str) -> Self {
        Self {
            action,
            permission: None,
            writes: false,
        }
    }

    /// Changes what is the owner's.
    pub const fn configure(action: &'static str) -> Self {
        Self {
            action,
            permission: None,
            writes: true,
        }
    }
}

pub const LIST: Need = Need::read("s3:ListBucket", Permission::Read);
pub const LIST_VERSIONS: Need = Need::read("s3:ListBucketVersions", Permission::Read);
pub const LIST_UPLOADS: Need = Need::read("s3:ListBucketMultipartUploads", Permission::Read);
pub const PUT: Need = Need::write("s3:PutObject", Permission::Write);
pub const DELETE: Need = Need::write("s3:DeleteObject", Permission::Write);
pub const DELETE_VERSION: Need = Need::write("s3:DeleteObjectVersion", Permission::Write);
pub const GET: Need = Need::read("s3:GetObject", Permission::Read);
pub const GET_VERSION: Need = Need::read("s3:GetObjectVersion", Permission::Read);

/// A request: who sent it, and what conditions of policies ask about it.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The name of the key that signed it.
    access_key: Option<String>,
    /// Values of condition keys, by lower-case name.
    pub values: HashMap<String, String>,
}

impl Call {
    /// What a request says about itself.
    pub fn of<T>(request: &S3Request<T>) -> Self {
        let mut values: HashMap<String, String> = HashMap::new();
        for (name, value) in &request.headers {
            let Ok(value) = value.to_str() else { continue };
            match name.as_str() {
                "referer" => values.insert("aws:referer".into(), value.into()),
                "user-agent" => values.insert("aws:useragent".into(), value.into()),
                name if name.starts_with("x-amz-") && !name.starts_with("x-amz-meta-") => {
                    values.insert(format!("s3:{name}"), value.into())
                }
                _ => None,
            };
        }
        if let Some(tags) = values.get("s3:x-amz-tagging").cloned() {
            for (name, value) in super::tagging::pairs(&tags) {
                values.insert(format!("s3:requestobjecttag/{name}").to_lowercase(), value);
            }
        }
        for (name, value) in
            super::super::signature::parse_query(request.uri.query().unwrap_or_default())
        {
            if matches!(
                name.as_str(),
                "prefix" | "delimiter" | "max-keys" | "versionId"
            ) {
                values.insert(format!("s3:{}", name.to_lowercase()), value);
            }
        }
        let peer = Peer::of(&request.extensions);
        let encrypted = peer.is_some_and(Peer::is_encrypted);
        if let Some(peer) = peer {
            values.insert("aws:sourceip".into(), peer.address.ip().to_string());
        }
        values.insert("aws:securetransport".into(), encrypted.to_string());
        Self {
            access_key: request
                .credentials
                .as_ref()
                .map(|known| known.access_key.clone()),
            values,
        }
    }

    /// Who sent it; none for somebody without a key.
    pub async fn caller(&self, tx: &mut Tx) -> S3Result<Caller> {
        let key = match &self.access_key {
            Some(name) => Some(store::find_key(tx, name).await?.ok_or_else(unknown_key)?),
            None => None,
        };
        Ok(Caller { key })
    }

    /// Finds a bucket, and lets the caller do something with it and perhaps with a key of it.
    ///
    /// Errors: `NoSuchBucket`, `AccessDenied`.
    pub async fn enter(
        &self,
        tx: &mut Tx,
        bucket: &str,
        key: Option<&str>,
        need: Need,
    ) -> S3Result<(Caller, Bucket)> {
        let caller = self.caller(tx).await?;
        let bucket = find_bucket(tx, bucket).await?;
        caller.check(self, &bucket, key, None, need)?;
        Ok((caller, bucket))
    }

    /// As [`Call::enter`], where what may be done depends on an object that is yet to be found.
    pub async fn approach(&self, tx: &mut Tx, bucket: &str) -> S3Result<(Caller, Bucket)> {
        let caller = self.caller(tx).await?;
        Ok((caller, find_bucket(tx, bucket).await?))
    }
}

pub async fn find_bucket(tx: &mut Tx, name: &str) -> S3Result<Bucket> {
    let found = store::find_bucket(tx, name).await?;
    found.ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
}

pub fn unknown_key() -> s3s::S3Error {
    s3_error!(
        InvalidAccessKeyId,
        "The AWS access key Id you provided does not exist in our records."
    )
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    pub key: Option<AccessKey>,
}

impl Caller {
    /// The canonical id; empty for somebody without a key.
    pub fn id(&self) -> &str {
        self.key.as_ref().map_or("", |key| &key.owner)
    }

    fn is_owner(&self, owner: &str) -> bool {
        !owner.is_empty() && self.id() == owner
    }

    /// Whether the key may do such a thing at all, whatever the bucket says.
    pub fn check_limits(&self, bucket: &str, need: Need) -> S3Result<()> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let elsewhere = key.bucket.as_deref().is_some_and(|only| only != bucket);
        if elsewhere || (key.read_only && need.writes) {
            return Err(denied());
        }
        Ok(())
    }

    /// Lets the caller do something with a bucket, or with an object of it.
    pub fn check(
        &self,
        call: &Call,
        bucket: &Bucket,
        key: Option<&str>,
        object: Option<&Entry>,
        need: Need,
    ) -> S3Result<()> {
        self.check_limits(&bucket.name, need)?;
        if bucket.id == OWN {
            // What lies in it is the API's to change.
            let staff = self.key.as_ref().is_some_and(|key| key.staff);
            return if staff && !need.writes {
                Ok(())
            } else {
                Err(denied())
            };
        }
        let verdict = self.policy(call, bucket, key, object, need)?;
        let owns_bucket = self.is_owner(&bucket.owner);
        let owner = object.map(|object| owner_of(object, bucket));
        let allowed = match verdict {
            Verdict::Denied => {
                // Owners can always take back a policy that locks them out.
                owns_bucket && need.action.ends_with("BucketPolicy")
            }
            Verdict::Allowed => true,
            Verdict::Silent => {
                let (owns, acl) = match (owner, object) {
                    (Some(owner), Some(object)) => (self.is_owner(owner), &object.about.acl),
                    _ => (owns_bucket, &bucket.about.acl),
                };
                match (need.permission, acl) {
                    (None, _) => owns || owns_bucket,
                    (Some(_), Some(grants)) if bucket.has_acls() => {
                        // An owner can always give back what a list took.
                        self.is_granted(bucket, grants, need) || (owns && is_about_acl(need))
                    }
                    _ => owns,
                }
            }
        };
        if allowed { Ok(()) } else { Err(denied()) }
    }

    fn policy(
        &self,
        call: &Call,
        bucket: &Bucket,
        key: Option<&str>,
        object: Option<&Entry>,
        need: Need,
    ) -> S3Result<Verdict> {
        let Some(text) = &bucket.about.policy else {
            return Ok(Verdict::Silent);
        };
        let policy = Policy::parse(text, &bucket.name)?;
        let resource = match key {
            Some(key) => format!("arn:aws:s3:::{}/{key}", bucket.name),
            None => format!("arn:aws:s3:::{}", bucket.name),
        };
        let mut values = call.values.clone();
        for (name, value) in object.iter().flat_map(|object| &object.about.tags) {
            let name = format!("s3:existingobjecttag/{name}").to_lowercase();
            values.insert(name, value.clone());
        }
        let verdict = policy.verdict(&Asked {
            action: need.action,
            resource: &resource,
            principal: self
                .key
                .as_ref()
                .map(|key| (key.owner.as_str(), key.name.as_str())),
            values: &values,
        });
        let block = bucket.about.public_access.as_ref();
        let restricted = block.and_then(|block| block.restrict_public_buckets) == Some(true);
        if verdict == Verdict::Allowed
            && restricted
            && policy.is_public()
            && !self.is_owner(&bucket.owner)
        {
            return Ok(Verdict::Silent);
        }
        Ok(verdict)
    }

    fn is_granted(&self, bucket: &Bucket, grants: &[Grant], need: Need) -> bool {
        let Some(wanted) = need.permission else {
            return false;
        };
        let block = bucket.about.public_access.as_ref();
        let ignored = block.and_then(|block| block.ignore_public_acls) == Some(true);
        grants.iter().any(|grant| {
            let meant = match &grant.to {
                Grantee::User(id) => self.is_owner(id),
                Grantee::All => !ignored,
                Grantee::Authenticated => !ignored && self.key.is_some(),
                Grantee::Logs => false,
            };
            let granted = grant.permission == wanted || grant.permission == Permission::FullControl;
            meant && granted
        })
    }

    /// What to say of an object that is not there: whoever may not list learns nothing.
    pub fn missing(&self, call: &Call, bucket: &Bucket, absent: s3s::S3Error) -> s3s::S3Error {
        match self.check(call, bucket, None, None, LIST) {
            Ok(()) => absent,
            Err(_) => denied(),
        }
    }
}

fn is_about_acl(need: Need) -> bool {
    matches!(
        need.permission,
        Some(Permission::ReadAcp | Permission::WriteAcp)
    )
}

/// The canonical id of an object's owner.
pub fn owner_of<'o>(object: &'o Entry, bucket: &'o Bucket) -> &'o str {
    if object.about.owner.is_empty() || !bucket.has_acls() {
        &bucket.owner
    } else {
        &object.about.owner
    }
}
