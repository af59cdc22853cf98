//! One bucket of another store, through the crate `object_store`: bytes stream in and out, and what
//! fails says whether the store refuses or does not answer.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Limited};
use md5::{Digest, Md5};
use object_store::aws::{AmazonS3Builder, AwsAuthorizer, AwsCredential};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequestBody};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore as _,
    ObjectStoreExt as _, RetryConfig, WriteMultipart,
};

use super::ByteStream;
use super::places::Facts;
use crate::error::{Chain, Error, Result};

/// Bytes of one part of an upload, unless the whole needs larger ones. S3 takes at least 5 MiB.
const PART: u64 = 8 << 20;
/// Bytes of one part where nobody says how much comes.
const BLIND_PART: u64 = 16 << 20;
/// Parts of one upload; stores take 10,000.
const MOST_PARTS: u64 = 9_000;
/// Parts of one upload that are under way at once.
const AT_ONCE: usize = 4;
/// How often a request is made again, and until when, before somebody hears that the store fails.
const RETRIES: usize = 3;
const RETRY_FOR: Duration = Duration::from_secs(20);
/// How long a look at a bucket may take.
const LOOK: Duration = Duration::from_secs(10);
/// The longest answer to a question that the library has no function for, in bytes.
const LONGEST_ANSWER: usize = 64 << 10;
/// The longest cause that is shown, in characters.
const LONGEST_CAUSE: usize = 300;

/// What a refusal ends with, for those whom the doctor has not told.
pub const TELLS: &str = "; `transect doctor` tells how each bucket is";

/// Where a bucket is, and what signs in there.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// The bucket's id.
    pub bucket: i64,
    /// Its name in its store.
    pub name: String,
    /// The store.
    pub access: Access,
    /// Whether it may be in the station's own network.
    pub trusted: bool,
}

/// A store and what signs in there.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names that the stores themselves use")]
pub enum Access {
    /// Anything that speaks S3. An empty endpoint is Amazon's own.
    S3 {
        endpoint: String,
        region: String,
        access_key: String,
        secret_key: String,
    },
    /// Google Cloud Storage, with the JSON of a service account.
    Gcs { service_account: String },
    /// Azure Blob Storage; the key or the signature is empty.
    Azure {
        endpoint: String,
        account: String,
        key: String,
        signature: Vec<(String, String)>,
    },
}

impl Access {
    /// The address that requests go to.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::S3 { endpoint, .. } | Self::Azure { endpoint, .. } => endpoint,
            Self::Gcs { .. } => "https://storage.googleapis.com",
        }
    }

    /// What stands in the headers of requests.
    fn signing(&self) -> Vec<&str> {
        match self {
            Self::S3 {
                region, access_key, ..
            } => vec![region, access_key],
            Self::Gcs { .. } => Vec::new(),
            Self::Azure { account, .. } => vec![account],
        }
    }

    /// What must never be shown.
    fn secrets(&self) -> Vec<&str> {
        match self {
            Self::S3 {
                access_key,
                secret_key,
                ..
            } => vec![access_key, secret_key],
            Self::Gcs { .. } => Vec::new(),
            Self::Azure { key, .. } => vec![key],
        }
    }
}

/// Why a bucket cannot be used.
#[derive(Debug)]
pub enum Trouble {
    /// The store answers, and refuses: credentials, rights or the name are wrong.
    Refused(String),
    /// The object is archived, and must be brought back first.
    Archived(String),
    /// Nothing usable answers.
    Unreachable(String),
}

impl Trouble {
    /// What is wrong and what to do.
    pub fn message(&self) -> &str {
        match self {
            Self::Refused(message) | Self::Archived(message) | Self::Unreachable(message) => {
                message
            }
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Archived(message) => Self::Forbidden(message),
            Trouble::Refused(message) => Self::Busy(message),
            Trouble::Unreachable(message) => Self::Busy(format!("{message}{TELLS}")),
        }
    }
}

/// Why a write failed.
#[derive(Debug)]
pub struct Unwritten {
    /// The error.
    pub error: Error,
    /// Whether the store may have done it all the same, or be about to.
    pub in_doubt: bool,
}

impl From<Error> for Unwritten {
    fn from(error: Error) -> Self {
        Self {
            error,
            in_doubt: false,
        }
    }
}

/// What a store has where it was asked for a range.
pub(super) enum Found {
    /// No such object.
    Nothing,
    /// A shorter object than was thought, or one with another entity tag.
    Another,
    /// The range.
    Bytes {
        /// The length of the whole object.
        size_bytes: u64,
        /// Its entity tag, as the store has it.
        tag: Option<String>,
        /// What was asked for.
        bytes: ByteStream,
    },
}

/// A bucket that was opened. Opening asks nobody anything.
pub(super) struct Remote {
    pub(super) connection: Connection,
    client: reqwest::Client,
    store: Arc<dyn object_store::ObjectStore>,
}

/// Uses the station's own HTTP client, which decides where it goes.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Remote {
    /// Errors: `Busy` for a configuration that the library refuses.
    pub(super) fn open(connection: Connection, client: &reqwest::Client) -> Result<Self> {
        // The library takes addresses and names as they are, and trips over them at the first request.
        let (endpoint, name) = (connection.access.endpoint(), &connection.name);
        let cause = if !endpoint.is_empty() && !is_address(endpoint) {
            Some("its endpoint is no http:// or https:// address")
        } else if matches!(&connection.access, Access::S3 { region, .. } if !region.is_empty() && !is_plain(region))
        {
            Some("no store has such a region: letters, digits, dots, dashes and underscores")
        } else if !is_plain(name) {
            Some(
                "no store has buckets of such a name: letters, digits, dots, dashes and underscores",
            )
        } else if !connection
            .access
            .signing()
            .iter()
            .all(|text| is_signable(text))
        {
            Some("its region, account or key has spaces or letters that no such thing has")
        } else {
            None
        };
        if let Some(cause) = cause {
            return Err(Error::Busy(unreachable(&connection, cause)));
        }
        let store = match build(&connection, client) {
            Ok(store) => store,
            Err(error) => return Err(trouble(&connection, &error).into()),
        };
        let client = client.clone();
        Ok(Self {
            connection,
            client,
            store,
        })
    }

    fn trouble(&self, error: &object_store::Error) -> Trouble {
        trouble(&self.connection, error)
    }

    /// Stores a stream under a key, in a storage class if one is named; once it returns, the store has acknowledged it. Returns its length
    /// and the MD5 of its bytes. A stream that fails, or a future that is dropped, leaves nothing.
    ///
    /// Errors: `Invalid` when the stream breaks off, `Busy` when the store does not take it, and whether it may still.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: ByteStream,
        expected_bytes: Option<u64>,
        class: Option<&str>,
    ) -> Result<(u64, String), Unwritten> {
        let mut attributes = Attributes::new();
        if let Some(class) = class {
            attributes.insert(Attribute::StorageClass, class.to_owned().into());
        }
        let mut receiving = Receiving {
            part: expected_bytes.map_or(BLIND_PART, |bytes| PART.max(bytes.div_ceil(MOST_PARTS)))
                as usize,
            key: key_of(key)?,
            waiting: Vec::new(),
            size_bytes: 0,
            md5: Md5::new(),
            upload: Upload(None),
            attributes,
        };
        let received = self.receive(&mut receiving, bytes, expected_bytes).await;
        let Receiving {
            key,
            waiting,
            size_bytes,
            md5,
            mut upload,
            attributes,
            ..
        } = receiving;
        if let Err(error) = received {
            // Nothing is under the key before all of it has come.
            upload.abort().await;
            return Err(error.into());
        }
        let put = match upload.0.take() {
            Some(upload) => upload.finish().await,
            None => {
                let bytes = waiting.into_iter().collect();
                self.store.put_opts(&key, bytes, attributes.into()).await
            }
        };
        put.map_err(|error| Unwritten {
            in_doubt: is_in_doubt(&error),
            error: self.trouble(&error).into(),
        })?;
        Ok((size_bytes, hex::encode(md5.finalize())))
    }

    async fn receive(
        &self,
        receiving: &mut Receiving,
        mut bytes: ByteStream,
        expected_bytes: Option<u64>,
    ) -> Result<()> {
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|error| {
                Error::invalid_because("the bytes did not arrive whole", error.to_string())
            })?;
            receiving.md5.update(&chunk);
            receiving.size_bytes += chunk.len() as u64;
            if let Some(upload) = &mut receiving.upload.0 {
                upload.put(chunk);
                let room = upload.wait_for_capacity(AT_ONCE).await;
                room.map_err(|error| self.trouble(&error))?;
                continue;
            }
            receiving.waiting.push(chunk);
            if receiving.size_bytes > receiving.part as u64 {
                let attributes = receiving.attributes.clone().into();
                let begun = self
                    .store
                    .put_multipart_opts(&receiving.key, attributes)
                    .await;
                let begun = begun.map_err(|error| self.trouble(&error))?;
                let mut upload = WriteMultipart::new_with_chunk_size(begun, receiving.part);
                receiving
                    .waiting
                    .drain(..)
                    .for_each(|chunk| upload.put(chunk));
                receiving.upload = Upload(Some(upload));
            }
        }
        if expected_bytes.is_some_and(|expected| expected != receiving.size_bytes) {
            return Err(Error::invalid("the bytes did not arrive whole"));
        }
        Ok(())
    }

    /// The bytes of a range; none when there is no such object.
    ///
    /// Errors: `Busy` when the store does not give them, or has fewer.
    pub(super) async fn get(&self, key: &str, range: Range<u64>) -> Result<Option<ByteStream>> {
        if range.is_empty() {
            let found = self.head(key).await?;
            return Ok(found.map(|_| futures::stream::empty().boxed()));
        }
        match self.get_of(key, range, None).await? {
            Found::Nothing => Ok(None),
            Found::Another => Err(changed(&self.connection, key)),
            Found::Bytes { bytes, .. } => Ok(Some(bytes)),
        }
    }

    /// The bytes of a range that is not empty, of the object that has this entity tag if one is named.
    ///
    /// Errors: `Busy` when the store does not give them.
    pub(super) async fn get_of(
        &self,
        key: &str,
        range: Range<u64>,
        tag: Option<&str>,
    ) -> Result<Found> {
        let wanted = GetOptions::new()
            .with_range(Some(GetRange::Bounded(range.clone())))
            .with_if_match(tag);
        let found = match self.store.get_opts(&key_of(key)?, wanted).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(Found::Nothing),
            Err(object_store::Error::Precondition { .. }) => return Ok(Found::Another),
            found => found.map_err(|error| self.trouble(&error))?,
        };
        // Not every store knows the condition.
        let other = tag.is_some() && found.meta.e_tag.as_deref() != tag;
        if found.range != range || other {
            return Ok(Found::Another);
        }
        Ok(Found::Bytes {
            size_bytes: found.meta.size,
            tag: found.meta.e_tag.clone(),
            bytes: found.into_stream().map_err(std::io::Error::other).boxed(),
        })
    }

    /// The length of an object in bytes and when it was written, in UTC milliseconds; none when there
    /// is no such object.
    pub(super) async fn head(&self, key: &str) -> Result<Option<(u64, i64)>> {
        match self.store.head(&key_of(key)?).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            found => {
                let found = found.map_err(|error| self.trouble(&error))?;
                Ok(Some((found.size, found.last_modified.timestamp_millis())))
            }
        }
    }

    /// Deletes an object; twice is fine.
    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        match self.store.delete(&key_of(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.trouble(&error).into()),
        }
    }

    /// Looks whether the store lets the station in, and has the bucket.
    pub(super) async fn check(&self) -> Result<(), Trouble> {
        let nothing = Key::from("_uploads/transect-looks-for-nothing");
        let mut listed = self.store.list(Some(&nothing));
        match tokio::time::timeout(LOOK, listed.next()).await {
            Ok(None | Some(Ok(_))) => Ok(()),
            Ok(Some(Err(error))) => Err(self.trouble(&error)),
            Err(_) => Err(Trouble::Unreachable(unreachable(
                &self.connection,
                &format!("no answer within {} s", LOOK.as_secs()),
            ))),
        }
    }
}

/// What came of a change of an object's storage class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiering {
    /// The object has the class.
    Done,
    /// The store brings it back first, which takes hours.
    Waiting,
    /// The store has no such classes: the object stays as it is.
    Unsupported,
}

impl Remote {
    /// Gives an object another storage class: S3 copies it onto itself, in parts of at most `largest_copy` bytes; other
    /// stores get it once more.
    ///
    /// Errors: `Busy` when the store does not do it, or has no such object.
    pub(super) async fn set_class(
        &self,
        key: &str,
        facts: &Facts,
        class: &str,
        largest_copy: u64,
    ) -> Result<Tiering> {
        match &self.connection.access {
            Access::Azure { .. } => return Ok(Tiering::Unsupported),
            Access::Gcs { .. } => return self.put_again(key, facts, class).await,
            Access::S3 { .. } => {}
        }
        let found = self.ask("HEAD", key, "", &[], "").await?;
        if found.status != 200 {
            return Err(self.refusal(&found));
        }
        if found.class == class {
            return Ok(Tiering::Done);
        }
        let source = format!("/{}/{}", encode(&self.connection.name), encode(key));
        let copied = if facts.size_bytes > largest_copy {
            let parts = parts_of(facts.size_bytes, largest_copy);
            self.copy_in_parts(key, &source, class, parts).await?
        } else {
            let headers = [
                ("x-amz-copy-source", source.as_str()),
                ("x-amz-storage-class", class),
            ];
            self.ask("PUT", key, "", &headers, "").await?
        };
        match (copied.status, copied.code().as_deref()) {
            // A copy may fail after its status was sent.
            (200, None) => Ok(Tiering::Done),
            (_, Some("InvalidObjectState" | "ObjectNotInActiveTierError")) => {
                self.bring_back(key).await
            }
            (501, _) | (_, Some("NotImplemented" | "InvalidStorageClass")) => {
                Ok(Tiering::Unsupported)
            }
            _ => Err(self.refusal(&copied)),
        }
    }

    /// Copies an object onto itself part by part, for S3 copies no more than 5 GiB at once. Returns the answer that ended
    /// it: that to the completion, or the first refusal, after which everything is as it was.
    async fn copy_in_parts(
        &self,
        key: &str,
        source: &str,
        class: &str,
        parts: Vec<Range<u64>>,
    ) -> Result<Said> {
        let headers = [("x-amz-storage-class", class)];
        let begun = self.ask("POST", key, "?uploads", &headers, "").await?;
        let Some(upload) = element(&begun.body, "UploadId") else {
            return Ok(begun);
        };
        let upload = format!("uploadId={}", encode(upload).replace('/', "%2F"));
        let outcome = self.copy_parts(key, source, &upload, parts).await;
        let is_done = matches!(&outcome, Ok(said) if said.status == 200 && said.code().is_none());
        if !is_done {
            let query = format!("?{upload}");
            if let Err(error) = self.ask("DELETE", key, &query, &[], "").await {
                tracing::warn!(error = %Chain(&error), key, "parts of a copy that failed stay in a bucket; let it expire unfinished uploads");
            }
        }
        outcome
    }

    async fn copy_parts(
        &self,
        key: &str,
        source: &str,
        upload: &str,
        parts: Vec<Range<u64>>,
    ) -> Result<Said> {
        let mut listed = String::new();
        for (range, number) in parts.into_iter().zip(1..) {
            let range = format!("bytes={}-{}", range.start, range.end - 1);
            let headers = [
                ("x-amz-copy-source", source),
                ("x-amz-copy-source-range", range.as_str()),
            ];
            let query = format!("?partNumber={number}&{upload}");
            let copied = self.ask("PUT", key, &query, &headers, "").await?;
            let (Some(etag), 200) = (element(&copied.body, "ETag"), copied.status) else {
                return Ok(copied);
            };
            listed += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        let whole = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{listed}</CompleteMultipartUpload>"
        );
        self.ask("POST", key, &format!("?{upload}"), &[], &whole)
            .await
    }

    /// Asks Amazon to make an archived object readable for a while.
    async fn bring_back(&self, key: &str) -> Result<Tiering> {
        let wanted = "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>3</Days>\
                      <GlacierJobParameters><Tier>Standard</Tier></GlacierJobParameters></RestoreRequest>";
        let asked = self.ask("POST", key, "?restore", &[], wanted).await?;
        match (asked.status, asked.code().as_deref()) {
            (200 | 202, _) | (_, Some("RestoreAlreadyInProgress")) => Ok(Tiering::Waiting),
            _ => Err(self.refusal(&asked)),
        }
    }

    /// Stores an object once more, if it is what was written there before; else it stays as it is.
    async fn put_again(&self, key: &str, facts: &Facts, class: &str) -> Result<Tiering> {
        let Some(bytes) = self.get(key, 0..facts.size_bytes).await? else {
            return Err(changed(&self.connection, key));
        };
        let (bytes, is_other) = compared(bytes, facts.md5.clone());
        let put = self.put(key, bytes, Some(facts.size_bytes), Some(class));
        match put.await {
            Ok((_, md5)) if md5 == facts.md5 => Ok(Tiering::Done),
            Err(unwritten) if !is_other.load(Ordering::Relaxed) => Err(unwritten.error),
            _ => Err(changed(&self.connection, key)),
        }
    }

    /// One signed request that the library has no function for.
    async fn ask(
        &self,
        method: &str,
        key: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Said> {
        let Access::S3 {
            endpoint,
            region,
            access_key,
            secret_key,
        } = &self.connection.access
        else {
            return Err(Error::internal("ask a bucket", "it is no S3"));
        };
        let region = if region.is_empty() {
            "us-east-1"
        } else {
            region
        };
        let endpoint = match endpoint.trim_end_matches('/') {
            "" => format!("https://s3.{region}.amazonaws.com"),
            given => given.to_owned(),
        };
        let place = format!(
            "{endpoint}/{}/{}{query}",
            encode(&self.connection.name),
            encode(key)
        );
        let wrong = |error: String| Error::internal("ask a bucket", error);
        let mut request = axum::http::Request::builder().method(method).uri(place);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request
            .body(HttpRequestBody::from(body.to_owned()))
            .map_err(|error| wrong(error.to_string()))?;
        let credential = AwsCredential {
            key_id: access_key.clone(),
            secret_key: secret_key.clone(),
            token: None,
        };
        AwsAuthorizer::new(&credential, "s3", region)
            .try_authorize(&mut request, None)
            .map_err(|error| wrong(error.to_string()))?;
        let silent = |cause: &dyn std::error::Error| {
            Error::Busy(unreachable(&self.connection, &cause.to_string()))
        };
        let answer = HttpClient::new(self.client.clone()).execute(request).await;
        let answer = answer.map_err(|error| silent(&error))?;
        let status = answer.status().as_u16();
        let class = answer.headers().get("x-amz-storage-class");
        let class = class.and_then(|class| class.to_str().ok());
        let class = class.unwrap_or("STANDARD").to_owned();
        let bytes = Limited::new(answer.into_body(), LONGEST_ANSWER)
            .collect()
            .await;
        let bytes = bytes.map_err(|error| silent(error.as_ref()))?.to_bytes();
        Ok(Said {
            status,
            class,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    fn refusal(&self, said: &Said) -> Error {
        let cause = format!("{} {}", said.status, said.code().unwrap_or_default());
        Error::Busy(unreachable(&self.connection, cause.trim()))
    }
}

/// Bytes that break off before their end where their MD5 is another one; then the mark is set.
fn compared(bytes: ByteStream, md5: String) -> (ByteStream, Arc<AtomicBool>) {
    let is_other = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&is_other);
    let begun = Some((bytes, Md5::new()));
    let passing = futures::stream::unfold(begun, move |reading| {
        let (mark, expected) = (Arc::clone(&mark), md5.clone());
        async move {
            let (mut bytes, mut md5) = reading?;
            let Some(chunk) = bytes.next().await else {
                if hex::encode(md5.finalize()) == expected {
                    return None;
                }
                mark.store(true, Ordering::Relaxed);
                return Some((Err(std::io::Error::other("the bytes are other ones")), None));
            };
            if let Ok(chunk) = &chunk {
                md5.update(chunk);
            }
            Some((chunk, Some((bytes, md5))))
        }
    });
    (passing.boxed(), is_other)
}

/// What a store answered.
struct Said {
    status: u16,
    /// The storage class of the object; stores leave out the usual one.
    class: String,
    body: String,
}

impl Said {
    fn code(&self) -> Option<String> {
        code_of(&self.body)
    }
}

/// The code of an S3 error in an answer.
fn code_of(answer: &str) -> Option<String> {
    element(answer, "Code").map(str::to_owned)
}

/// The text of the first element of a name in an answer, as it stands there.
fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// Ranges of at most `most_bytes` that are the whole together.
fn parts_of(size_bytes: u64, most_bytes: u64) -> Vec<Range<u64>> {
    let most = most_bytes.max(1);
    let starts = (0..size_bytes).step_by(usize::try_from(most).unwrap_or(usize::MAX));
    starts
        .map(|start| start..size_bytes.min(start + most))
        .collect()
}

/// A key in a URL, as signatures have it.
fn encode(key: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/');
    percent_encoding::utf8_percent_encode(key, KEPT).to_string()
}

/// A link that reads a key straight from an S3 store, as seen under another address.
///
/// None for a store that does not speak S3, and an address that is none.
pub(super) async fn direct_link(
    connection: &Connection,
    external: &str,
    client: &reqwest::Client,
    key: &str,
    expires: Duration,
) -> Option<String> {
    let mut connection = connection.clone();
    let Access::S3 { endpoint, .. } = &mut connection.access else {
        return None;
    };
    let scheme = match endpoint.split_once("://") {
        Some((scheme, _)) => scheme,
        None => "https",
    };
    *endpoint = match external.contains("://") {
        true => external.trim_end_matches('/').to_owned(),
        false => format!("{scheme}://{}", external.trim_end_matches('/')),
    };
    if !is_address(endpoint) {
        return None;
    }
    let store = s3(&connection)?.with_http_connector(Connector(client.clone()));
    let store = store.build().ok()?;
    let key = key_of(key).ok()?;
    let link = store.signed_url(reqwest::Method::GET, &key, expires).await;
    link.ok().map(String::from)
}

struct Receiving {
    part: usize,
    key: Key,
    waiting: Vec<Bytes>,
    size_bytes: u64,
    md5: Md5,
    upload: Upload,
    attributes: Attributes,
}

/// An upload in parts that is called off when nobody finishes it.
struct Upload(Option<WriteMultipart>);

impl Upload {
    async fn abort(&mut self) {
        if let Some(upload) = self.0.take()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(
                error = %Chain(&error),
                "parts of an upload that failed stay in a bucket; let it expire unfinished uploads"
            );
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move { Upload(Some(upload)).abort().await });
        }
    }
}

fn is_address(endpoint: &str) -> bool {
    let url = reqwest::Url::parse(endpoint);
    url.is_ok_and(|url| {
        let plain = url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && plain
    }) && endpoint.parse::<axum::http::Uri>().is_ok()
}

/// Whether a text may stand in the header that signs a request.
fn is_signable(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && name != "." && name != ".." && name.chars().all(plain)
}

fn key_of(key: &str) -> Result<Key> {
    Key::parse(key)
        .map_err(|error| Error::invalid_because("no bucket takes this key", error.to_string()))
}

fn build(
    connection: &Connection,
    client: &reqwest::Client,
) -> object_store::Result<Arc<dyn object_store::ObjectStore>> {
    let connector = || Connector(client.clone());
    Ok(match &connection.access {
        Access::S3 { .. } => {
            let builder = s3(connection).expect("it is S3");
            Arc::new(builder.with_http_connector(connector()).build()?)
        }
        Access::Gcs { service_account } => Arc::new(
            GoogleCloudStorageBuilder::new()
                .with_service_account_key(service_account)
                .with_bucket_name(&connection.name)
                .with_retry(retry())
                .with_http_connector(connector())
                .build()?,
        ),
        Access::Azure {
            endpoint,
            account,
            key,
            signature,
        } => {
            let mut builder = MicrosoftAzureBuilder::new()
                .with_account(account)
                .with_container_name(&connection.name)
                .with_endpoint(endpoint.clone())
                .with_allow_http(true)
                .with_retry(retry())
                .with_http_connector(connector());
            builder = match signature.is_empty() {
                true => builder.with_access_key(key),
                false => builder.with_sas_authorization(signature.clone()),
            };
            Arc::new(builder.build()?)
        }
    })
}

/// None where the store is no S3.
fn s3(connection: &Connection) -> Option<AmazonS3Builder> {
    let Access::S3 {
        endpoint,
        region,
        access_key,
        secret_key,
    } = &connection.access
    else {
        return None;
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&connection.name)
        .with_access_key_id(access_key)
        .with_secret_access_key(secret_key)
        .with_allow_http(true)
        // Few stores but Amazon's take deletions in bulk the way it is asked for.
        .with_disable_bulk_delete(true)
        .with_retry(retry());
    if !region.is_empty() {
        builder = builder.with_region(region);
    }
    if !endpoint.is_empty() {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    Some(builder)
}

fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.,
        },
        max_retries: RETRIES,
        retry_timeout: RETRY_FOR,
    }
}

fn trouble(connection: &Connection, error: &object_store::Error) -> Trouble {
    use object_store::Error as Cause;
    let (id, name) = (connection.bucket, &connection.name);
    let status = status(error);
    let why = cause(connection, error);
    match (error, status) {
        _ if why == "InvalidObjectState" => Trouble::Archived(format!(
            "the object is archived in bucket {id} ({name}): set archive_state of its media to to_live, and try again when the \
             media is live, which may take hours"
        )),
        (Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. }, _)
        | (_, Some(401 | 403)) => Trouble::Refused(format!(
            "bucket {id} ({name}) refuses the station's credentials ({}): they must be right and allow listing, reading, \
                 writing and deleting; an administrator of the organization sets others with PATCH /rest/Bucket/{id}",
            why
        )),
        (Cause::NotFound { .. }, _) | (_, Some(404)) => Trouble::Refused(format!(
            "bucket {id} is missing: its store has none with the name {name}; make it there, or let an administrator of the \
             organization set another name with PATCH /rest/Bucket/{id}"
        )),
        _ => Trouble::Unreachable(unreachable(connection, &why)),
    }
}

/// Whether a write that failed may be done all the same: unless the store said no, or was not even reached.
fn is_in_doubt(error: &object_store::Error) -> bool {
    if let Some(status) = status(error) {
        return !(400..500).contains(&status);
    }
    let mut inner: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = inner {
        if let Some(failed) = cause.downcast_ref::<HttpError>() {
            return failed.kind() != HttpErrorKind::Connect;
        }
        inner = cause.source();
    }
    true
}

/// The status of the store's answer, where the library gives it in words only.
fn status(error: &object_store::Error) -> Option<u16> {
    let text = innermost(error).to_string();
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn innermost<'e>(error: &'e object_store::Error) -> &'e (dyn std::error::Error + 'static) {
    let mut inner: &'e (dyn std::error::Error + 'static) = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner
}

fn unreachable(connection: &Connection, cause: &str) -> String {
    let (id, name) = (connection.bucket, &connection.name);
    format!(
        "bucket {id} ({name}) does not answer as it should ({cause}): see that its store runs and that the station reaches it, \
         then try again"
    )
}

/// The innermost cause, without what is secret and without the store's whole answer.
fn cause(connection: &Connection, error: &object_store::Error) -> String {
    let text = innermost(error).to_string();
    // An answer of S3 has a code; the rest of it may repeat what was signed.
    if let Some(code) = code_of(&text) {
        return code;
    }
    let mut short: String = text.chars().take(LONGEST_CAUSE).collect();
    for secret in connection.access.secrets() {
        if !secret.is_empty() {
            short = short.replace(secret, "…");
        }
    }
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The error of an object that is not what the station wrote.
pub(super) fn changed(connection: &Connection, key: &str) -> Error {
    let (id, name) = (connection.bucket, &connection.name);
    Error::Busy(format!(
        "an object of bucket {id} ({name}) is not what the station wrote there; restore it from a copy: {key}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bucket of the library's own store in memory.
    fn bucket() -> Remote {
        Remote {
            connection: Connection {
                bucket: 1,
                name: "bucket".into(),
                access: Access::Gcs {
                    service_account: String::new(),
                },
                trusted: true,
            },
            client: crate::client::of_buckets(false),
            store: Arc::new(object_store::memory::InMemory::new()),
        }
    }

    fn stream(bytes: &'static [u8]) -> ByteStream {
        futures::stream::iter([Ok(Bytes::from_static(bytes))]).boxed()
    }

    #[test]
    fn parts_are_the_whole() {
        assert_eq!(parts_of(10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(parts_of(8, 4), [0..4, 4..8]);
        assert_eq!(parts_of(3, u64::MAX).first(), Some(&(0..3)));
    }

    #[tokio::test]
    async fn only_what_was_written_is_written_again() {
        let remote = bucket();
        let put = remote.put("k", stream(b"a clip"), Some(6), None);
        let (size_bytes, md5) = put.await.unwrap();
        let facts = Facts { size_bytes, md5 };
        let again = remote.set_class("k", &facts, "COLDLINE", 1).await.unwrap();
        assert_eq!(again, Tiering::Done);
        // Somebody else wrote as many other bytes there: they are left alone, and told of.
        remote
            .put("k", stream(b"a tale"), Some(6), None)
            .await
            .unwrap();
        let refused = remote.set_class("k", &facts, "STANDARD", 1).await;
        assert!(
            matches!(&refused, Err(Error::Busy(why)) if why.contains("not what the station wrote")),
            "{refused:?}"
        );
        let left = remote.get("k", 0..6).await.unwrap().unwrap();
        let left: Vec<Bytes> = left.try_collect().await.unwrap();
        assert_eq!(left.concat(), b"a tale");
    }
}
