//! Groups of calls, one after another, and calls that are repeated.

use serde_json::Value as Json;

use super::repeat::items;
use super::scope::{Scope, gathered, plain};
use super::{Engine, Kind, Outputs, Phase, Place, Values};
use crate::workflow::expression::condition;
use crate::workflow::manifest::{Call, Source, Template};

impl Engine {
    pub(super) fn steps(
        &mut self,
        place: &Place,
        template: &Template,
        groups: &[Vec<Call>],
        parallelism: Option<usize>,
        inputs: &Values,
    ) -> Result<Phase, String> {
        self.begin(place, Kind::Steps)?;
        let mut scope = Scope::new(&self.facts, inputs);
        for (index, group) in groups.iter().enumerate() {
            let path = format!("{}[{index}]", place.path);
            let below = place.child(path, &format!("[{index}]"), parallelism);
            let phase = self.group(&below, group, &scope)?;
            if !phase.is_over() {
                return Ok(Phase::Running);
            }
            if phase.is_bad() {
                let message = self.message(&below.path);
                return Ok(self.end(place, Kind::Steps, phase, message));
            }
            for call in group {
                self.add_to(&mut scope, "steps", &below, call);
            }
        }
        let outputs = self.outputs(template, &scope)?;
        Ok(self.end_with(place, Kind::Steps, Phase::Succeeded, String::new(), outputs))
    }

    fn group(&mut self, place: &Place, group: &[Call], scope: &Scope) -> Result<Phase, String> {
        if let Some(phase) = self.phase(&place.path).filter(|phase| phase.is_over()) {
            return Ok(phase);
        }
        self.begin(place, Kind::StepGroup)?;
        let (mut all_over, mut worst) = (true, None);
        for call in group {
            let phase = self.member(place, call, scope);
            all_over &= phase.is_over();
            if phase.is_bad() && !tolerates(call, phase) && worst.is_none() {
                worst = Some((phase, call));
            }
        }
        if !all_over {
            return Ok(Phase::Running);
        }
        Ok(match worst {
            Some((phase, call)) => {
                let message = self.message(&member_path(place, call));
                let message = format!("step {:?} went wrong: {message}", call.name);
                self.end(place, Kind::StepGroup, phase, message)
            }
            None => self.end(place, Kind::StepGroup, Phase::Succeeded, String::new()),
        })
    }

    /// Makes what became of a call known to a scope.
    pub(super) fn add_to(&self, scope: &mut Scope, prefix: &str, place: &Place, call: &Call) {
        let path = member_path(place, call);
        if let Some(node) = self.state.nodes.get(&path) {
            scope.add(prefix, &call.name, path, node);
        }
    }

    /// One call of a group or graph, repeated or not.
    pub(super) fn member(&mut self, place: &Place, call: &Call, scope: &Scope) -> Phase {
        let below = place.child(member_path(place, call), &call.name, None);
        if let Some(phase) = self.phase(&below.path).filter(|phase| phase.is_over()) {
            return phase;
        }
        let phase = match &call.each {
            None => self.single(&below, call, scope),
            Some(each) => match items(each, scope) {
                Ok(items) => self.repeated(&below, call, scope, &items),
                Err(why) => Err(why),
            },
        };
        phase.unwrap_or_else(|why| self.end(&below, Kind::Pod, Phase::Error, why))
    }

    fn single(&mut self, place: &Place, call: &Call, scope: &Scope) -> Result<Phase, String> {
        if self.phase(&place.path).is_none()
            && let Some(when) = &call.when
            && !condition(when, &|name| scope.get(name))?
        {
            let why = format!("the condition {when:?} does not hold");
            return Ok(self.end(place, Kind::Pod, Phase::Skipped, why));
        }
        let mut arguments = Values::new();
        for (name, value) in &call.arguments {
            arguments.insert(name.clone(), self.resolve(value, scope)?);
        }
        Ok(self.call(place, &call.template, &arguments))
    }

    fn repeated(
        &mut self,
        place: &Place,
        call: &Call,
        scope: &Scope,
        items: &[Json],
    ) -> Result<Phase, String> {
        if items.is_empty() {
            let why = "there is nothing to repeat it over".to_owned();
            let outputs = gathered(&[]);
            return Ok(self.end_with(place, Kind::TaskGroup, Phase::Skipped, why, outputs));
        }
        self.begin(place, Kind::TaskGroup)?;
        let (mut all_over, mut worst, mut paths) = (true, None, Vec::new());
        for (index, item) in items.iter().enumerate() {
            let task = format!("{}({index}:{})", call.name, brief(item));
            let below = place.child(format!("{}({index})", place.path), &task, None);
            let scope = scope.with_item(Some(item));
            let phase = match self.phase(&below.path).filter(|phase| phase.is_over()) {
                Some(phase) => phase,
                None => self
                    .single(&below, call, &scope)
                    .unwrap_or_else(|why| self.end(&below, Kind::Pod, Phase::Error, why)),
            };
            all_over &= phase.is_over();
            if phase.is_bad() && worst.is_none() {
                worst = Some((phase, below.path.clone(), task));
            }
            paths.push(below.path);
        }
        if !all_over {
            return Ok(Phase::Running);
        }
        let nodes: Vec<_> = paths.iter().map(|path| &self.state.nodes[path]).collect();
        let outputs = gathered(&nodes);
        let (phase, message) = match worst {
            Some((phase, path, task)) => (phase, format!("{task}: {}", self.message(&path))),
            None => (Phase::Succeeded, String::new()),
        };
        Ok(self.end_with(place, Kind::TaskGroup, phase, message, outputs))
    }

    /// What a template of calls leaves, from the results of its calls.
    pub(super) fn outputs(&self, template: &Template, scope: &Scope) -> Result<Outputs, String> {
        let mut outputs = Outputs::default();
        for output in &template.outputs {
            if let Source::Text(text) = &output.from {
                let value = match (self.resolve(text, scope), &output.default) {
                    (Ok(value), _) => value,
                    (Err(_), Some(default)) => default.clone(),
                    (Err(why), None) => return Err(format!("output {:?}: {why}", output.name)),
                };
                outputs.parameters.insert(output.name.clone(), value);
            }
        }
        Ok(outputs)
    }
}

pub(super) fn member_path(place: &Place, call: &Call) -> String {
    format!("{}.{}", place.path, call.name)
}

pub(super) fn tolerates(call: &Call, phase: Phase) -> bool {
    match phase {
        Phase::Failed => call.continue_on.failed,
        Phase::Error => call.continue_on.error,
        _ => true,
    }
}

/// An item as part of a name.
fn brief(item: &Json) -> String {
    let text = match item {
        Json::Object(members) => {
            let pairs = members
                .iter()
                .map(|(name, value)| format!("{name}:{}", plain(value)));
            pairs.collect::<Vec<_>>().join(",")
        }
        other => plain(other),
    };
    text.chars().take(60).collect()
}
