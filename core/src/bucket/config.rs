//! Configurations of buckets: which shape each kind of store takes, and where it leads. Pure.

use serde_json::Value as Json;

use super::types::StoreType;
use crate::error::{Error, Result};
use crate::storage::objects::remote::Access;

const S3: &[&str] = &[
    "endpoint_url",
    "region_name",
    "aws_access_key_id",
    "aws_secret_access_key",
];
const OCI: &[&str] = &["user", "key_content", "fingerprint", "tenancy", "region"];
const GCP: &[&str] = &[
    "type",
    "project_id",
    "private_key_id",
    "private_key",
    "client_email",
    "client_id",
    "auth_uri",
    "token_uri",
    "auth_provider_x509_cert_url",
    "client_x509_cert_url",
];
const AZURE: &[&str] = &["connection_string"];

/// Checks that a configuration has the shape of its kind of store; returns the address it leads to.
///
/// Errors: `Invalid`, naming the key that is missing and never a value.
pub fn endpoint(kind: StoreType, config: &Json) -> Result<String> {
    match kind {
        StoreType::Aws | StoreType::Minio | StoreType::Vast | StoreType::S3basic => {
            check(kind, config, S3)?;
            Ok(text(&config["endpoint_url"]))
        }
        StoreType::Oci => {
            check(kind, &config["boto3_config"], S3)?;
            check(kind, &config["native_config"], OCI)?;
            Ok(text(&config["boto3_config"]["endpoint_url"]))
        }
        StoreType::Gcp => {
            check(kind, config, GCP)?;
            Ok("https://storage.googleapis.com".into())
        }
        StoreType::Azure => {
            check(kind, config, AZURE)?;
            azure(&text(&config["connection_string"])).ok_or_else(|| {
                misfit(
                    kind,
                    "connection_string has neither BlobEndpoint nor AccountName",
                )
            })
        }
    }
}

/// What signs in at a store. The configuration was checked by [`endpoint`].
pub fn access(kind: StoreType, config: &Json) -> Access {
    match kind {
        StoreType::Aws | StoreType::Minio | StoreType::Vast | StoreType::S3basic => s3(config),
        StoreType::Oci => s3(&config["boto3_config"]),
        StoreType::Gcp => {
            // Nothing but what a service account has: other keys could lead elsewhere.
            let account = GCP.iter().map(|key| (*key, &config[*key]));
            let account: serde_json::Map<_, _> = account
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .collect();
            Access::Gcs {
                service_account: Json::Object(account).to_string(),
            }
        }
        StoreType::Azure => {
            let connection = text(&config["connection_string"]);
            let part = |name: &str| part(&connection, name).unwrap_or_default().to_owned();
            let signature = part("SharedAccessSignature");
            let pairs = signature.trim_start_matches('?').split('&');
            let decoded = |text: &str| {
                let text = percent_encoding::percent_decode_str(text);
                text.decode_utf8_lossy().into_owned()
            };
            Access::Azure {
                endpoint: azure(&connection).unwrap_or_default(),
                account: part("AccountName"),
                key: part("AccountKey"),
                signature: pairs
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(name, value)| (name.to_owned(), decoded(value)))
                    .collect(),
            }
        }
    }
}

fn s3(config: &Json) -> Access {
    Access::S3 {
        endpoint: text(&config["endpoint_url"]),
        region: text(&config["region_name"]),
        access_key: text(&config["aws_access_key_id"]),
        secret_key: text(&config["aws_secret_access_key"]),
    }
}

fn check(kind: StoreType, config: &Json, keys: &[&str]) -> Result<()> {
    match keys.iter().find(|key| !config[**key].is_string()) {
        Some(key) => Err(misfit(kind, &format!("{key} is missing"))),
        None => Ok(()),
    }
}

fn misfit(kind: StoreType, why: &str) -> Error {
    Error::invalid_because(
        format!("The config does not fit the store type {}!", kind.name()),
        why,
    )
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The value of a key of an Azure connection string.
fn part<'text>(connection: &'text str, name: &str) -> Option<&'text str> {
    connection
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The address of the blobs that an Azure connection string names.
fn azure(connection: &str) -> Option<String> {
    let part = |name: &str| part(connection, name);
    if let Some(endpoint) = part("BlobEndpoint") {
        return Some(endpoint.trim_end_matches('/').to_owned());
    }
    let scheme = part("DefaultEndpointsProtocol").unwrap_or("https");
    let suffix = part("EndpointSuffix").unwrap_or("core.windows.net");
    Some(format!("{scheme}://{}.blob.{suffix}", part("AccountName")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn s3() -> Json {
        json!({"endpoint_url": "https://s3.example", "region_name": "r", "aws_access_key_id": "k",
            "aws_secret_access_key": "hidden"})
    }

    #[test]
    fn each_kind_takes_its_own_shape() {
        for kind in [
            StoreType::Aws,
            StoreType::Minio,
            StoreType::Vast,
            StoreType::S3basic,
        ] {
            assert_eq!(endpoint(kind, &s3()).unwrap(), "https://s3.example");
        }
        let native = json!({"user": "u", "key_content": "k", "fingerprint": "f", "tenancy": "t", "region": "r"});
        let oci = json!({"boto3_config": s3(), "native_config": native});
        assert_eq!(
            endpoint(StoreType::Oci, &oci).unwrap(),
            "https://s3.example"
        );
        for kind in [StoreType::Gcp, StoreType::Oci, StoreType::Azure] {
            let error = endpoint(kind, &s3()).unwrap_err();
            let Error::Invalid { message, details } = error else {
                panic!("{error:?}");
            };
            assert!(
                message.contains(kind.name()) && !details.contains("hidden"),
                "{details}"
            );
        }
    }

    #[test]
    fn an_azure_connection_string_names_its_endpoint() {
        let of = |text: &str| endpoint(StoreType::Azure, &json!({"connection_string": text}));
        let plain = "DefaultEndpointsProtocol=https;AccountName=lab;AccountKey=a==;EndpointSuffix=core.windows.net";
        assert_eq!(of(plain).unwrap(), "https://lab.blob.core.windows.net");
        assert_eq!(
            of("BlobEndpoint=http://127.0.0.1:10000/dev/;AccountName=dev").unwrap(),
            "http://127.0.0.1:10000/dev"
        );
        assert!(of("nonsense").is_err());
    }
}
