//! The one error of the product: a variant for each remedy.

use std::fmt;

/// What went wrong, by what the caller can do about it.
///
/// `http::problem` is the only place that turns a variant into a status code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thing does not exist, or the caller may not know that it does.
    #[error("{0}")]
    NotFound(String),
    /// The request is wrong; `details` names the value and the rule.
    #[error("{message}")]
    Invalid {
        /// What is wrong, as clients match on it.
        message: String,
        /// The violated rules, one after another.
        details: String,
    },
    /// Nobody is signed in, or the credentials are wrong.
    #[error("{0}")]
    Unauthenticated(String),
    /// The caller is known but lacks the right.
    #[error("{0}")]
    Forbidden(String),
    /// The disk (or its reserve) is full; reads go on.
    #[error("{0}")]
    StorageFull(String),
    /// A bucket or a project holds as much as it may; reads and deletions go on.
    #[error("{0}")]
    QuotaExceeded(String),
    /// A part of the station is not ready; try again later.
    #[error("{0}")]
    Busy(String),
    /// The caller asks too fast.
    #[error("too many requests; try again in {retry_after_secs} s")]
    TooMany {
        /// When the next one is answered.
        retry_after_secs: u64,
    },
    /// Something that should not happen; the source says what.
    #[error("{context}")]
    Internal {
        /// What was being done.
        context: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The result type of services and stores.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A request that is wrong, with no further details.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            details: "None".into(),
        }
    }

    /// A request that is wrong, with the rules it violates.
    pub fn invalid_because(message: impl Into<String>, details: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            details: details.into(),
        }
    }

    /// The wire's text for an id in a path that names nothing.
    pub fn no_match(noun: &str) -> Self {
        Self::NotFound(format!("No {noun} matches the given query."))
    }

    /// The wire's text for a reference in a body that names nothing.
    pub fn no_reference(noun: &str) -> Self {
        Self::NotFound(format!("{noun} matching query does not exist."))
    }

    /// What is missing, in the wire's text for references in bodies.
    pub fn of_reference(self, noun: &str) -> Self {
        match self {
            Self::NotFound(_) => Self::no_reference(noun),
            other => other,
        }
    }

    /// The wire's text for a missing right.
    pub fn forbidden() -> Self {
        Self::Forbidden("You do not have permission to perform this action.".into())
    }

    /// The message with its details, for people who see nothing else.
    pub fn explained(&self) -> String {
        match self {
            Self::Invalid { message, details } if details != "None" => {
                format!("{message}: {details}")
            }
            other => Chain(other).to_string(),
        }
    }

    /// Wraps an unexpected failure, keeping its source.
    pub fn internal(
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            context: context.into(),
            source: source.into(),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(source: serde_json::Error) -> Self {
        Self::internal("stored or validated JSON did not have its shape", source)
    }
}

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::StorageFull {
            return Self::StorageFull(storage_full_message());
        }
        Self::internal("file operation failed", source)
    }
}

/// The sentence shown when a write is refused for lack of space.
pub fn storage_full_message() -> String {
    "the disk of the data folder is full: nothing was written; free some space and try again \
     (reading and signing in still work)"
        .into()
}

/// Prints an error with its causes on one line, for logs and the command line.
pub struct Chain<'e>(pub &'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
