//! What references stand for in one place of the plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::state::{Node, Phase};
use crate::time;

/// Names and their values.
pub type Values = BTreeMap<String, String>;

/// What references stand for in one place.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// Everything that begins with `workflow.`, by its whole name.
    pub facts: Arc<Values>,
    /// Inputs of the template.
    pub inputs: Values,
    /// Results of what is over, and what else is known here, by whole names.
    pub results: Values,
    /// The item of a repeated call.
    pub item: Option<Json>,
}

impl Scope {
    pub fn new(facts: &Arc<Values>, inputs: &Values) -> Self {
        Self {
            facts: facts.clone(),
            inputs: inputs.clone(),
            results: Values::new(),
            item: None,
        }
    }

    pub fn with_item(&self, item: Option<&Json>) -> Self {
        Self {
            item: item.cloned(),
            ..self.clone()
        }
    }

    pub fn get(&self, name: &str) -> Option<String> {
        if let Some(input) = name.strip_prefix("inputs.parameters.") {
            return self.inputs.get(input).cloned();
        }
        match name {
            "inputs.parameters" => Some(json!(self.inputs).to_string()),
            "item" => self.item.as_ref().map(plain),
            _ if name.starts_with("item.") => self.item.as_ref()?.get(&name[5..]).map(plain),
            _ => self
                .facts
                .get(name)
                .or_else(|| self.results.get(name))
                .cloned(),
        }
    }

    /// Makes what became of a call known, as `steps.NAME.…` or `tasks.NAME.…`.
    pub fn add(&mut self, prefix: &str, call: &str, id: String, node: &Node) {
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                self.results.insert(format!("{prefix}.{call}.{key}"), value);
            }
        };
        let outputs = &node.outputs;
        add("id", Some(id));
        add("status", Some(node.phase.name().to_owned()));
        add("startedAt", node.started_at.map(time::wire));
        add("finishedAt", node.finished_at.map(time::wire));
        let code = outputs.exit_code.map(|code| code.to_string());
        add("exitCode", code.clone());
        add("outputs.exitCode", code);
        add("outputs.result", outputs.result.clone());
        for (name, value) in &outputs.parameters {
            add(&format!("outputs.parameters.{name}"), Some(value.clone()));
        }
        let whole = || json!(outputs.parameters).to_string();
        add(
            "outputs.parameters",
            Some(outputs.list.clone().unwrap_or_else(whole)),
        );
    }
}

/// A value as text: JSON, but texts without their quotes.
pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a repeated call left, from its repetitions that went well.
pub(super) fn gathered(nodes: &[&Node]) -> super::state::Outputs {
    let good: Vec<&&Node> = nodes
        .iter()
        .filter(|node| node.phase == Phase::Succeeded)
        .collect();
    let results: Vec<Json> = good
        .iter()
        .filter_map(|node| node.outputs.result.as_ref())
        .map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
        .collect();
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in &good {
        for (name, value) in &node.outputs.parameters {
            parameters
                .entry(name.clone())
                .or_default()
                .push(value.clone());
        }
    }
    let list: Vec<&BTreeMap<String, String>> =
        good.iter().map(|node| &node.outputs.parameters).collect();
    super::state::Outputs {
        result: Some(json!(results).to_string()),
        list: Some(json!(list).to_string()),
        parameters: parameters
            .into_iter()
            .map(|(name, values)| (name, json!(values).to_string()))
            .collect(),
        exit_code: None,
    }
}
