//! What a letter is.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A letter to be sent.
#[derive(Debug, Clone)]
pub struct Letter {
    /// E-mail addresses; each gets the letter and sees the others.
    pub to: Vec<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// Files that come with it.
    pub attachments: Vec<Attachment>,
}

impl Letter {
    /// A letter without attachments to one address.
    pub fn to(address: &str, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            to: vec![address.to_owned()],
            subject: subject.into(),
            text: text.into(),
            attachments: Vec::new(),
        }
    }
}

/// A file that comes with a letter.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Its file name.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A letter to members of a project, as the wire asks for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component EmailSpec describes them"
)]
pub struct EmailSpec {
    pub recipients: Vec<String>,
    pub subject: String,
    pub text: String,
    #[serde(default)]
    pub attachments: Vec<Enclosure>,
}

/// A stored object that comes with a letter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enclosure {
    /// Its key, one of the letter's project.
    pub key: String,
    /// The file name that it gets.
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Notice {
    pub message: String,
    #[serde(default)]
    pub send_as_file: i64,
}
