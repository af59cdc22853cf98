//! What an algorithm is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::hosted_template::Parameter;

/// A launch default: a text or a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlgorithmParameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Json,
}

impl AlgorithmParameter {
    /// Its value as the text that a workflow gets.
    pub fn text(&self) -> String {
        match &self.value {
            Json::String(text) => text.clone(),
            // Numbers come as floats, as the original sends them; whole ones are meant as such.
            Json::Number(number) => match number.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => {
                    (float as i64).to_string()
                }
                _ => number.to_string(),
            },
            other => other.to_string(),
        }
    }
}

/// An algorithm as the wire shows it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the wire's names; the component Algorithm describes them"
)]
pub struct Algorithm {
    pub id: i64,
    pub project: i64,
    /// The manifest made from the template, where there is one.
    pub rendered: Option<String>,
    pub name: String,
    pub user: i64,
    pub description: Option<String>,
    pub manifest: Option<String>,
    pub cluster: Option<i64>,
    pub files_per_job: i64,
    pub categories: Vec<String>,
    pub parameters: Vec<AlgorithmParameter>,
    pub template: Option<i64>,
    pub tparams: Vec<Parameter>,
    pub extended_info: Map<String, Json>,
    /// What is sent along to get the template: it may hold secrets.
    #[serde(skip)]
    pub headers: Vec<Parameter>,
}

impl Algorithm {
    /// Whether the other one's template gives the same text.
    pub(super) fn is_rendered_as(&self, other: &Self) -> bool {
        self.template == other.template
            && self.tparams == other.tparams
            && self.headers == other.headers
    }

    /// Whether the other one runs the same, as far as the row says.
    pub(super) fn runs_as(&self, other: &Self) -> bool {
        self.is_rendered_as(other)
            && self.manifest == other.manifest
            && self.cluster == other.cluster
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct NewAlgorithm {
    pub name: String,
    pub user: i64,
    pub description: Option<String>,
    pub manifest: Option<String>,
    pub cluster: Option<i64>,
    pub files_per_job: i64,
    #[serde(default)]
    pub categories: Vec<String>,
    #[serde(default)]
    pub parameters: Vec<AlgorithmParameter>,
    pub template: Option<i64>,
    #[serde(default)]
    pub tparams: Vec<Parameter>,
    #[serde(default)]
    pub headers: Vec<Parameter>,
    #[serde(default)]
    pub extended_info: Map<String, Json>,
}

/// What to change. A `cluster` or `template` of 0 takes it away: null is what clients send for
/// what they do not mean.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AlgorithmPatch {
    pub name: Option<String>,
    pub user: Option<i64>,
    pub description: Option<String>,
    pub manifest: Option<String>,
    pub cluster: Option<i64>,
    pub files_per_job: Option<i64>,
    pub categories: Option<Vec<String>>,
    pub parameters: Option<Vec<AlgorithmParameter>>,
    pub template: Option<i64>,
    pub tparams: Option<Vec<Parameter>>,
    pub headers: Option<Vec<Parameter>>,
    pub extended_info: Option<Map<String, Json>>,
}

impl AlgorithmPatch {
    /// The algorithm with these changes.
    pub fn apply(self, before: &Algorithm) -> Algorithm {
        let mut after = before.clone();
        // A manifest that is given is the one that is meant.
        if self.manifest.is_some() {
            after.template = None;
        }
        let given = |id: Option<i64>, before: Option<i64>| match id {
            Some(0) => None,
            id => id.or(before),
        };
        after.template = given(self.template, after.template);
        after.cluster = given(self.cluster, after.cluster);
        after.manifest = self.manifest.or(after.manifest);
        after.name = self.name.unwrap_or(after.name);
        after.user = self.user.unwrap_or(after.user);
        after.description = self.description.or(after.description);
        after.files_per_job = self.files_per_job.unwrap_or(after.files_per_job);
        after.categories = self.categories.unwrap_or(after.categories);
        after.parameters = self.parameters.unwrap_or(after.parameters);
        after.tparams = self.tparams.unwrap_or(after.tparams);
        after.headers = self.headers.unwrap_or(after.headers);
        after.extended_info = self.extended_info.unwrap_or(after.extended_info);
        after
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_as_text() {
        let text = |value: Json| {
            AlgorithmParameter {
                name: "p".into(),
                value,
            }
            .text()
        };
        assert_eq!(text(json!("0.50")), "0.50");
        assert_eq!(text(json!(3.0)), "3");
        assert_eq!(text(json!(0.25)), "0.25");
        assert_eq!(text(json!(1e300)), "1e+300");
    }
}
