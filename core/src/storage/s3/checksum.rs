//! Checksums: counting them while bytes pass, comparing them, and putting those of parts together.

use std::sync::{Arc, Mutex};

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use futures::StreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::{S3Result, TrailingHeaders, s3_error};

use super::super::objects::ByteStream;
use super::types::Sums;

/// The algorithms, as headers and the checksum headers name them.
pub const ALGORITHMS: [&str; 5] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];

impl Sums {
    /// The checksum of an algorithm.
    pub fn get(&self, algorithm: &str) -> Option<&String> {
        match algorithm {
            "CRC32" => self.crc32.as_ref(),
            "CRC32C" => self.crc32c.as_ref(),
            "CRC64NVME" => self.crc64nvme.as_ref(),
            "SHA1" => self.sha1.as_ref(),
            "SHA256" => self.sha256.as_ref(),
            _ => None,
        }
    }

    pub fn set(&mut self, algorithm: &str, sum: Option<String>) {
        match algorithm {
            "CRC32" => self.crc32 = sum,
            "CRC32C" => self.crc32c = sum,
            "CRC64NVME" => self.crc64nvme = sum,
            "SHA1" => self.sha1 = sum,
            "SHA256" => self.sha256 = sum,
            _ => {}
        }
    }

    /// The algorithms of which there is one.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let known = ALGORITHMS.into_iter();
        known.filter(|name| self.get(name).is_some()).collect()
    }
}

/// Gathers the checksums that a request announces.
macro_rules! announced {
    ($input:expr) => {
        $crate::storage::s3::types::Sums {
            crc32: $input.checksum_crc32.clone(),
            crc32c: $input.checksum_crc32c.clone(),
            crc64nvme: $input.checksum_crc64nvme.clone(),
            sha1: $input.checksum_sha1.clone(),
            sha256: $input.checksum_sha256.clone(),
        }
    };
}
pub(super) use announced;

/// What passing bytes are compared with once they have passed.
pub struct Expected {
    pub announced: Sums,
    /// The base64 of `Content-MD5`.
    pub md5: Option<String>,
    /// What is to be counted, whether or not it is announced.
    pub algorithm: Option<String>,
    pub trailers: Option<TrailingHeaders>,
    /// The algorithms whose checksum is to come in the trailers.
    pub promised: Vec<&'static str>,
}

/// The algorithms whose checksum a request promises to send behind its bytes.
pub fn promised(headers: &HeaderMap) -> Vec<&'static str> {
    let told = headers.get_all("x-amz-trailer").iter();
    let told = told.filter_map(|value| value.to_str().ok());
    let names: Vec<String> = told
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().to_uppercase())
        .collect();
    let known = ALGORITHMS.into_iter();
    known
        .filter(|name| names.contains(&format!("X-AMZ-CHECKSUM-{name}")))
        .collect()
}

impl Expected {
    /// Checks that what is announced can be compared at all. Errors: `InvalidDigest`, `InvalidRequest`.
    pub fn check(&self) -> S3Result<()> {
        let fits = |text: &str, length: usize| {
            STANDARD
                .decode(text)
                .is_ok_and(|bytes| bytes.len() == length)
        };
        if self.md5.as_deref().is_some_and(|text| !fits(text, 16)) {
            return Err(s3_error!(
                InvalidDigest,
                "The Content-MD5 you specified was invalid."
            ));
        }
        for (name, length) in ALGORITHMS.into_iter().zip([4, 4, 8, 20, 32]) {
            if self
                .announced
                .get(name)
                .is_some_and(|text| !fits(text, length))
            {
                return Err(s3_error!(
                    InvalidRequest,
                    "Value for x-amz-checksum-{} header is invalid.",
                    name.to_lowercase()
                ));
            }
        }
        Ok(())
    }
}

/// What was counted, and what was wrong.
#[derive(Default)]
pub struct Counted {
    pub sums: Sums,
    pub refused: Option<s3s::S3Error>,
}

/// Passes bytes on and counts; a stream that does not fit what was announced ends with an error, so
/// that nothing is stored of it.
pub fn counting(bytes: ByteStream, expected: Expected) -> (ByteStream, Arc<Mutex<Counted>>) {
    let counted = Arc::new(Mutex::new(Counted::default()));
    let mut hasher = ChecksumHasher::default();
    let wanted = |name: &str| {
        expected.announced.get(name).is_some() || expected.algorithm.as_deref() == Some(name)
    };
    if wanted("CRC32") {
        hasher.crc32 = Some(Crc32::new());
    }
    if wanted("CRC32C") {
        hasher.crc32c = Some(Crc32c::new());
    }
    if wanted("CRC64NVME") {
        hasher.crc64nvme = Some(Crc64Nvme::new());
    }
    if wanted("SHA1") {
        hasher.sha1 = Some(Sha1::new());
    }
    if wanted("SHA256") {
        hasher.sha256 = Some(Sha256::new());
    }
    let md5 = expected.md5.is_some().then(<md5::Md5 as md5::Digest>::new);
    let state = (bytes, Some((hasher, md5, expected)), Arc::clone(&counted));
    let stream = futures::stream::unfold(state, |(mut bytes, mut counting, counted)| async move {
        let (hasher, md5, _) = counting.as_mut()?;
        match bytes.next().await {
            Some(Ok(chunk)) => {
                hasher.update(&chunk);
                if let Some(md5) = md5 {
                    md5::Digest::update(md5, &chunk);
                }
                Some((Ok(chunk), (bytes, counting, counted)))
            }
            Some(Err(error)) => Some((Err(error), (bytes, None, counted))),
            None => {
                let (hasher, md5, expected) = counting.take()?;
                let outcome = compare(hasher, md5, &expected);
                let mut said = counted.lock().ok()?;
                match outcome {
                    Ok(sums) => {
                        said.sums = sums;
                        None
                    }
                    Err(refused) => {
                        said.refused = Some(refused);
                        drop(said);
                        let error = std::io::Error::other("a checksum does not fit");
                        Some((Err(error), (bytes, None, counted)))
                    }
                }
            }
        }
    });
    (stream.boxed(), counted)
}

fn compare(hasher: ChecksumHasher, md5: Option<md5::Md5>, expected: &Expected) -> S3Result<Sums> {
    let found = hasher.finalize();
    let found = announced!(found);
    let mut announced = expected.announced.clone();
    if let Some(trailers) = expected.trailers.as_ref().and_then(TrailingHeaders::take) {
        for name in ALGORITHMS {
            let header = format!("x-amz-checksum-{}", name.to_lowercase());
            if let Some(value) = trailers.get(&header).and_then(|value| value.to_str().ok()) {
                announced.set(name, Some(value.to_owned()));
            }
        }
    }
    // Whoever leaves it out would have bytes kept that nothing was compared with.
    for name in &expected.promised {
        if announced.get(name).is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "The trailer x-amz-checksum-{} that was announced did not come.",
                name.to_lowercase()
            ));
        }
    }
    for name in ALGORITHMS {
        if let (Some(told), Some(found)) = (announced.get(name), found.get(name))
            && told != found
        {
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
    }
    if let (Some(md5), Some(told)) = (md5, &expected.md5)
        && STANDARD.encode(md5::Digest::finalize(md5)) != *told
    {
        return Err(s3_error!(
            BadDigest,
            "The Content-MD5 you specified did not match what we received."
        ));
    }
    Ok(found)
}

/// The checksum of an object from those of its parts (checksum, length): of all bytes where
/// `whole`, and of the parts' checksums otherwise. None where a part has none.
pub fn combine(algorithm: &str, whole: bool, parts: &[(&Sums, u64)]) -> Option<String> {
    let digests = parts.iter().map(|(sums, size)| {
        let digest = STANDARD.decode(sums.get(algorithm)?).ok()?;
        Some((digest, *size))
    });
    let digests: Vec<(Vec<u8>, u64)> = digests.collect::<Option<_>>()?;
    if whole {
        let (kind, width) = match algorithm {
            "CRC32" => (CrcAlgorithm::Crc32IsoHdlc, 4),
            "CRC32C" => (CrcAlgorithm::Crc32Iscsi, 4),
            "CRC64NVME" => (CrcAlgorithm::Crc64Nvme, 8),
            _ => return None,
        };
        let number = |digest: &[u8]| {
            digest
                .iter()
                .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        let mut all = digests.iter();
        let mut sum = number(&all.next()?.0);
        for (digest, size) in all {
            sum = checksum_combine(kind, sum, number(digest), *size);
        }
        return Some(STANDARD.encode(&sum.to_be_bytes()[8 - width..]));
    }
    let joined: Vec<u8> = digests
        .iter()
        .flat_map(|(digest, _)| digest.clone())
        .collect();
    let digest = match algorithm {
        "CRC32" => Crc32::checksum(&joined).to_vec(),
        "CRC32C" => Crc32c::checksum(&joined).to_vec(),
        "CRC64NVME" => Crc64Nvme::checksum(&joined).to_vec(),
        "SHA1" => Sha1::checksum(&joined).to_vec(),
        "SHA256" => Sha256::checksum(&joined).to_vec(),
        _ => return None,
    };
    Some(format!("{}-{}", STANDARD.encode(digest), parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(bytes: &[u8]) -> Sums {
        Sums {
            crc32: Some(STANDARD.encode(Crc32::checksum(bytes))),
            crc64nvme: Some(STANDARD.encode(Crc64Nvme::checksum(bytes))),
            ..Sums::default()
        }
    }

    #[test]
    fn parts_make_the_checksum_of_the_whole() {
        let (first, second, all) = (sums(b"hello, "), sums(b"object"), sums(b"hello, object"));
        let parts = [(&first, 7), (&second, 6)];
        for name in ["CRC32", "CRC64NVME"] {
            assert_eq!(combine(name, true, &parts).as_ref(), all.get(name));
            let composite = combine(name, false, &parts).unwrap();
            assert!(composite.ends_with("-2") && Some(&composite) != all.get(name));
        }
        assert_eq!(combine("SHA256", false, &parts), None);
    }

    #[tokio::test]
    async fn bytes_that_do_not_fit_end_with_an_error() {
        for (told, fits) in [(b"abc".as_slice(), true), (b"abd", false)] {
            let bytes = futures::stream::iter([Ok(bytes::Bytes::from_static(b"abc"))]).boxed();
            let expected = Expected {
                announced: sums(told),
                md5: None,
                algorithm: None,
                trailers: None,
                promised: Vec::new(),
            };
            let (stream, counted) = counting(bytes, expected);
            let passed: Vec<_> = stream.collect().await;
            assert_eq!(passed.iter().all(Result::is_ok), fits);
            assert_eq!(counted.lock().unwrap().refused.is_none(), fits);
        }
    }
}
