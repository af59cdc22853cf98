//! What can go wrong, by remedy.

use serde::{Deserialize, Serialize};

/// Why a request to a frame worker failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WorkerError {
    /// The file is corrupt, unsupported, missing, or changed since it was indexed; the message says what and where.
    #[error("{message}")]
    Unreadable {
        /// What is wrong, with the path last.
        message: String,
    },
    /// The source has no such frame.
    #[error("frame {frame} is out of range: the source has {count} frames")]
    OutOfRange {
        /// The frame asked for.
        frame: u64,
        /// Frames in the source.
        count: u64,
    },
    /// The request contradicts itself or asks for something no worker can make.
    #[error("{message}")]
    Invalid {
        /// What is wrong with the request.
        message: String,
    },
    /// The worker died while it held this request.
    #[error("the frame worker died: {message}")]
    Crashed {
        /// Exit status and the last thing the worker said.
        message: String,
    },
    /// The source has killed its worker twice in a row; it is refused until its size or modification time changes.
    #[error("refused because it stopped its frame worker twice in a row: {message}")]
    Quarantined {
        /// The source and the last failure.
        message: String,
    },
    /// The worker gave no sign of life for the request timeout, and was killed.
    #[error("the frame worker did not answer in time")]
    Timeout,
    /// Bytes of the source did not come; they may later.
    #[error("{message}")]
    Unavailable {
        /// Why they did not come.
        message: String,
    },
    /// The worker could not be started or spoken to, or a file could not be read or written.
    #[error("{message}")]
    Io {
        /// The failed operation and the system's reason.
        message: String,
    },
}

impl WorkerError {
    /// An [`WorkerError::Io`] that names the operation.
    pub fn io(what: &str, error: &std::io::Error) -> Self {
        Self::Io {
            message: format!("{what}: {error}"),
        }
    }

    /// An [`WorkerError::Unreadable`].
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self::Unreadable {
            message: message.into(),
        }
    }
}

/// Why an index file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file system refused.
    #[error("index file: {0}")]
    Io(#[from] std::io::Error),
    /// Not an index file, of another version, or damaged; it can be built again from the source.
    #[error("index file is not usable: {0}")]
    Format(String),
}
