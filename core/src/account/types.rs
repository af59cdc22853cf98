//! What an account is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The account on whose behalf something is done.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub username: String,
    /// Whether it administers the station.
    pub is_staff: bool,
}

/// Whether an account may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It may.
    Active,
    /// Somebody closed it for now; what it made stays.
    Disabled,
    /// Its e-mail address was not confirmed yet.
    Unconfirmed,
}

impl Status {
    /// The text of its rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Unconfirmed => "unconfirmed",
        }
    }

    /// The status of that text; an unknown one keeps people out.
    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "unconfirmed" => Self::Unconfirmed,
            _ => Self::Disabled,
        }
    }
}

/// An account as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component User describes them"
)]
pub struct User {
    pub id: i64,
    pub is_staff: bool,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub elemental_id: String,
    pub profile: Map<String, Value>,
    #[serde(skip)]
    pub status: Status,
}

/// An account as the command line and the journal show it.
#[derive(Debug, Clone, Serialize)]
pub struct Account<'a> {
    /// As the wire shows it.
    #[serde(flatten)]
    pub user: &'a User,
    /// Whether it may sign in.
    pub status: Status,
}

impl<'a> From<&'a User> for Account<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            user,
            status: user.status,
        }
    }
}

impl From<&User> for Actor {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            username: user.username.clone(),
            is_staff: user.is_staff,
        }
    }
}

/// An account to be made.
#[derive(Debug, Clone, Deserialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component UserSpec describes them"
)]
pub struct NewUser {
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub password: String,
    pub elemental_id: Option<String>,
    #[serde(default)]
    pub profile: Map<String, Value>,
    pub registration_token: Option<String>,
    #[serde(skip)]
    pub is_staff: bool,
}

/// What a PATCH of an account may change; absent keys stay.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct UserPatch {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub elemental_id: Option<String>,
    pub password: Option<String>,
    pub reset_token: Option<String>,
    pub new_avatar: Option<String>,
    #[serde(default)]
    pub clear_avatar: i64,
    #[serde(default)]
    pub set_profile_keys: Map<String, Value>,
    #[serde(default)]
    pub clear_profile_keys: Vec<String>,
}
