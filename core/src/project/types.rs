//! What a project and a membership are.

use serde::{Deserialize, Serialize};

/// What a member may do in a project; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Nothing.
    #[serde(rename = "No Access")]
    None,
    /// Read everything.
    #[serde(rename = "View Only")]
    View,
    /// Change annotations, sections, versions, and media's own fields.
    #[serde(rename = "Can Edit")]
    Edit,
    /// Add media and files.
    #[serde(rename = "Can Transfer")]
    Transfer,
    /// Run algorithms, and change files and applets.
    #[serde(rename = "Can Execute")]
    Execute,
    /// Change types, members and the project itself.
    #[serde(rename = "Full Control")]
    Full,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::View,
        Self::Edit,
        Self::Transfer,
        Self::Execute,
        Self::Full,
    ];

    /// The wire's text.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "No Access",
            Self::View => "View Only",
            Self::Edit => "Can Edit",
            Self::Transfer => "Can Transfer",
            Self::Execute => "Can Execute",
            Self::Full => "Full Control",
        }
    }

    /// The level of that text; `None` for an unknown one.
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == name)
            .unwrap_or(Self::None)
    }
}
