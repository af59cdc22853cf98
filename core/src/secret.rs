//! The station's secret: what signs sessions and links, and seals what the database keeps and must
//! be able to show again (API tokens, keys of other stores and clusters).
//!
//! It lies in the file `secret` of the data folder, readable by its owner only, and never in the
//! database, so that a dump of the database opens nothing. Stations that share a database share
//! the secret: the setting `account.secret` gives it to all of them.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::database::{Database, Tx};
use crate::error::{Error, Result};
use crate::{id, values};

/// The file in the data folder.
const FILE: &str = "secret";
/// The shortest secret that a setting may give, in characters.
const SHORTEST: usize = 32;
/// What sealed texts begin with; others were written before there was a seal.
const SEALED: &str = "sealed:";

/// The station's secret.
pub struct Secret {
    text: String,
    cipher: LessSafeKey,
}

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let key = blake3::derive_key("transect sealed texts 1", text.as_bytes());
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("the key has its length");
        Self {
            text,
            cipher: LessSafeKey::new(key),
        }
    }

    /// The text, to derive other keys from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Seals a text; `purpose` says where it stands, and it opens nowhere else.
    pub fn seal(&self, purpose: &str, text: &str) -> String {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut bytes = text.as_bytes().to_vec();
        let aad = Aad::from(purpose.as_bytes());
        self.cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes)
            .expect("a text is not too long to be sealed");
        let all = [&nonce[..], &bytes[..]].concat();
        format!("{SEALED}{}", STANDARD_NO_PAD.encode(all))
    }

    /// Opens what was sealed for that purpose; a text that never was sealed comes back as it is.
    ///
    /// Errors: `Internal` when another secret sealed it, or it was changed.
    pub fn open(&self, purpose: &str, sealed: &str) -> Result<String> {
        let Some(encoded) = sealed.strip_prefix(SEALED) else {
            return Ok(sealed.to_owned());
        };
        let wrong =
            || Error::internal("open a sealed text", format!("it does not open: {purpose}"));
        let mut bytes = STANDARD_NO_PAD.decode(encoded).map_err(|_| wrong())?;
        if bytes.len() < NONCE_LEN {
            return Err(wrong());
        }
        let mut rest = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| wrong())?;
        let opened = self
            .cipher
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut rest)
            .map_err(|_| wrong())?;
        String::from_utf8(opened.to_vec()).map_err(|_| wrong())
    }
}

/// The secret that the jobs of a station have at hand.
pub fn at_hand(tx: &Tx) -> Result<Arc<Secret>> {
    tx.companion()
        .ok_or_else(|| Error::internal("seal or open a text", "the station has no secret yet"))
}

/// The secret of the station on this folder and database; made at the first start.
///
/// Errors: `Invalid` when the database belongs to another secret, saying what to do.
pub(crate) async fn of(database: &Database, data: &Path, given: &str) -> Result<Secret> {
    let file = data.join(FILE);
    let text = match (given, std::fs::read_to_string(&file)) {
        ("", Ok(text)) => text.trim().to_owned(),
        ("", Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            first(database, &file).await?
        }
        ("", Err(error)) => return Err(error.into()),
        (given, _) if given.chars().count() < SHORTEST => {
            return Err(Error::invalid(format!(
                "account.secret is too short: at least {SHORTEST} characters that nobody guesses"
            )));
        }
        (given, _) => given.to_owned(),
    };
    let mark = blake3::derive_key("transect mark of a secret 1", text.as_bytes());
    let (mark, fresh) = (hex::encode(mark), hex::encode(mark));
    let known = database
        .write(|tx| {
            Box::pin(async move {
                tx.execute("delete from station where name = 'secret'", &[])
                    .await?;
                remembered(tx, "secret_mark", fresh).await
            })
        })
        .await?;
    if known != mark {
        return Err(Error::invalid(format!(
            "this database belongs to another station's secret: copy the file `{FILE}` from the data \
             folder of that station, or give both the same account.secret (TRANSECT_ACCOUNT_SECRET); \
             if it is lost for good, delete the row secret_mark of the table station: then everybody \
             signs in again, and stored keys of other stores have to be entered again"
        )));
    }
    Ok(Secret::new(text))
}

/// Makes the file: with what an older version kept in the database, or with something new.
async fn first(database: &Database, file: &Path) -> Result<String> {
    let sql = "select value from station where name = 'secret'";
    let older: Option<String> = database
        .read(move |tx| Box::pin(async move { tx.scalar(sql, &[]).await }))
        .await?;
    let marked = "select value from station where name = 'secret_mark'";
    let marked: Option<String> = database
        .read(move |tx| Box::pin(async move { tx.scalar(marked, &[]).await }))
        .await?;
    let text = older.unwrap_or_else(id::token);
    if marked.is_none() {
        let folder = file.parent().expect("it lies in the data folder");
        let mut writing = tempfile::NamedTempFile::new_in(folder)?;
        writing.write_all(text.as_bytes())?;
        writing.as_file().sync_all()?;
        writing.persist(file).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(text)
}

/// A value of the table `station`: `fresh` the first time, and then always the same.
pub(crate) async fn remembered(tx: &mut Tx, name: &str, fresh: String) -> Result<String> {
    let sql = "insert into station (name, value) values ($1, $2) on conflict (name) do nothing";
    tx.execute(sql, &values![name, fresh]).await?;
    let value = tx
        .scalar("select value from station where name = $1", &values![name])
        .await?;
    Ok(value.expect("the row was just made"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_only() {
        let secret = Secret::new("one");
        let sealed = secret.seal("token", "é 0123");
        assert!(!sealed.contains("0123"));
        assert_ne!(sealed, secret.seal("token", "é 0123"));
        assert_eq!(secret.open("token", &sealed).unwrap(), "é 0123");
        assert_eq!(secret.open("token", "older").unwrap(), "older");
        assert!(secret.open("bucket", &sealed).is_err());
        assert!(Secret::new("two").open("token", &sealed).is_err());
        let mut changed = sealed.into_bytes();
        let last = changed.len() - 2;
        changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(secret.open("token", &changed).is_err());
    }

    #[tokio::test]
    async fn a_database_opens_with_its_own_secret_only() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let database = Database::open("sqlite:", data).await.unwrap();
        let first = of(&database, data, "").await.unwrap();
        let again = of(&database, data, "").await.unwrap();
        assert_eq!(first.text(), again.text());
        let given = of(&database, data, first.text()).await.unwrap();
        assert_eq!(given.text(), first.text());
        assert!(of(&database, data, &"x".repeat(40)).await.is_err());
        assert!(of(&database, data, "short").await.is_err());
        std::fs::remove_file(data.join(FILE)).unwrap();
        let lost = of(&database, data, "").await.err().unwrap();
        assert!(lost.to_string().contains("copy the file"), "{lost}");
        assert!(
            !data.join(FILE).exists(),
            "a new secret would hide the loss"
        );
    }

    #[tokio::test]
    async fn an_older_secret_moves_from_the_database_to_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open("sqlite:", folder.path()).await.unwrap();
        database
            .write(|tx| Box::pin(async move { remembered(tx, "secret", "old".into()).await }))
            .await
            .unwrap();
        let secret = of(&database, folder.path(), "").await.unwrap();
        assert_eq!(secret.text(), "old");
        let left: Option<String> = database
            .read(|tx| {
                Box::pin(async move {
                    tx.scalar("select value from station where name = 'secret'", &[])
                        .await
                })
            })
            .await
            .unwrap();
        assert_eq!(left, None);
    }
}
