//! Identities. Integer ids come from [`crate::database::Tx::allocate`]; what travels between
//! stations is a UUID, minted here.

use uuid::Uuid;

/// A new UUIDv7 as text: ordered by time, so that indexes grow at their end.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where UUIDs are minted"
)]
pub fn uuid() -> String {
    Uuid::now_v7().to_string()
}

/// A new UUIDv4 as text: nothing about it can be guessed, not even when it was made.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where UUIDs are minted"
)]
pub fn random_uuid() -> String {
    Uuid::new_v4().to_string()
}

/// A random text of `length` characters from `alphabet`, for names that must not be guessed.
pub fn random_text(alphabet: &[u8], length: usize) -> String {
    (0..length)
        .map(|_| char::from(alphabet[rand::random_range(0..alphabet.len())]))
        .collect()
}

/// Forty lower-case hexadecimal characters, as API tokens have them.
pub fn token() -> String {
    random_text(b"0123456789abcdef", 40)
}

/// Normalizes a UUID given by a caller, or says that it is none.
pub fn parse_uuid(text: &str) -> crate::error::Result<String> {
    Uuid::parse_str(text)
        .map(|uuid| uuid.to_string())
        .map_err(|_| {
            crate::error::Error::invalid(format!("Could not convert '{text}' into a UUID"))
        })
}
