//! What an applet is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::hosted_template::Parameter;

/// An applet as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Applet describes them"
)]
pub struct Applet {
    pub id: i64,
    pub project: i64,
    /// The page made from the template, where there is one.
    pub rendered: Option<String>,
    pub name: String,
    pub html_file: Option<String>,
    pub description: Option<String>,
    pub categories: Vec<String>,
    pub template: Option<i64>,
    pub tparams: Vec<Parameter>,
    pub extended_info: Map<String, Json>,
    /// What is sent along to get the template: it may hold secrets.
    #[serde(skip)]
    pub headers: Vec<Parameter>,
}

impl Applet {
    /// Whether the other one's template gives the same text.
    pub(super) fn is_rendered_as(&self, other: &Self) -> bool {
        self.template == other.template
            && self.tparams == other.tparams
            && self.headers == other.headers
    }

    /// Whether the other one shows the same, as far as the row says.
    pub(super) fn shows_as(&self, other: &Self) -> bool {
        self.is_rendered_as(other) && self.html_file == other.html_file
    }
}

/// What to make of an applet, or to change of it: the wire knows one component for both. A
/// `template` of 0 takes it away.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AppletPatch {
    pub name: Option<String>,
    pub html_file: Option<String>,
    pub description: Option<String>,
    pub categories: Option<Vec<String>>,
    pub template: Option<i64>,
    pub tparams: Option<Vec<Parameter>>,
    pub headers: Option<Vec<Parameter>>,
    pub extended_info: Option<Map<String, Json>>,
}

impl AppletPatch {
    /// An applet with these changes.
    pub fn apply(self, mut applet: Applet) -> Applet {
        // A page that is given is the one that is meant.
        if self.html_file.is_some() {
            applet.template = None;
        }
        applet.template = match self.template {
            Some(0) => None,
            template => template.or(applet.template),
        };
        applet.html_file = self.html_file.or(applet.html_file);
        applet.name = self.name.unwrap_or(applet.name);
        applet.description = self.description.or(applet.description);
        applet.categories = self.categories.unwrap_or(applet.categories);
        applet.tparams = self.tparams.unwrap_or(applet.tparams);
        applet.headers = self.headers.unwrap_or(applet.headers);
        applet.extended_info = self.extended_info.unwrap_or(applet.extended_info);
        applet
    }
}
