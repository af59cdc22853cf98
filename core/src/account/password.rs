//! Password hashes: Argon2id with the crate's recommended parameters.

use argon2::{Argon2, PasswordHasher, PasswordVerifier};

use crate::config;
use crate::error::{Error, Result};

/// Checks that a new password is long enough. Errors: `Invalid`.
pub fn check(settings: &config::Account, password: &str) -> Result<()> {
    let least = settings.password_characters.max(1);
    if password.chars().count() < least {
        return Err(Error::invalid(format!(
            "a password has at least {least} characters; choose a longer one"
        )));
    }
    Ok(())
}

/// Hashes a password; runs off the async threads, for it takes tens of milliseconds.
pub async fn hash(password: String) -> Result<String> {
    tokio::task::spawn_blocking(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| Error::internal("hash a password", error.to_string()))
    })
    .await
    .map_err(|error| Error::internal("hash a password", error))?
}

/// Whether the password fits the hash.
pub async fn fits(password: String, hash: String) -> Result<bool> {
    tokio::task::spawn_blocking(move || {
        Argon2::default()
            .verify_password(password.as_bytes(), hash.as_str())
            .is_ok()
    })
    .await
    .map_err(|error| Error::internal("check a password", error))
}

/// A hash that no password of anybody fits; the same one each time.
pub async fn of_nobody() -> Result<String> {
    static HASH: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    let made = HASH.get_or_try_init(|| hash(crate::id::token()));
    Ok(made.await?.clone())
}
