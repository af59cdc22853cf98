//! What a hosted template is.

use serde::{Deserialize, Serialize};

/// A named text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its text.
    pub value: String,
}

/// A hosted template as the wire shows it to Admins.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component HostedTemplate describes them"
)]
pub struct HostedTemplate {
    pub id: i64,
    pub organization: i64,
    pub effective_permission: i64,
    pub name: String,
    pub url: String,
    pub tparams: Vec<Parameter>,
    /// What is sent along to get the text: it may hold secrets.
    #[serde(skip)]
    pub headers: Vec<Parameter>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewHostedTemplate {
    pub name: String,
    pub url: String,
    #[serde(default)]
    pub tparams: Vec<Parameter>,
    #[serde(default)]
    pub headers: Vec<Parameter>,
}

/// The body of a PATCH: name and URL are required, the rest is changed where it is given.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct HostedTemplatePatch {
    pub name: String,
    pub url: String,
    pub tparams: Option<Vec<Parameter>>,
    pub headers: Option<Vec<Parameter>>,
}
