//! The engine: which step of a workflow may begin now, and what the ends of steps lead to.
//!
//! It starts no program and reads no clock. [`Engine::advance`] walks the plan from its entrypoint,
//! puts every node where its children and conditions allow, and returns the programs that may
//! begin; whoever runs them reports with [`Engine::began`] and [`Engine::ended`]. All that it knows
//! is in its [`State`], which can be stored after each step: an engine made from a stored state goes
//! on at the first node that was not over, and begins programs again that were running.

mod dag;
mod order;
mod repeat;
mod retry;
mod scope;
mod state;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::manifest::{Body, Manifest, Template};
use crate::time;
pub use order::{Order, Wanted};
use repeat::seconds;
use scope::Scope;
pub use scope::Values;
pub use state::{Kind, Node, Outcome, Outputs, Phase, State};

/// The most nodes of one workflow.
const MOST_NODES: usize = 5000;
/// How deep templates may call each other.
const DEEPEST: usize = 50;
const LATE: &str = "the workflow took longer than its activeDeadlineSeconds";

/// A workflow that is being run.
pub struct Engine {
    manifest: Arc<Manifest>,
    name: String,
    facts: Arc<Values>,
    arguments: Values,
    state: State,
    /// Programs that were ordered and have not ended, with the nodes above them.
    running: BTreeMap<String, Vec<String>>,
    orders: Vec<Order>,
    now: i64,
    wake: Option<i64>,
}

/// Where in the plan something is.
#[derive(Clone)]
struct Place {
    path: String,
    task: String,
    parent: Option<String>,
    /// Nodes above, each with how many programs may run below it.
    above: Vec<(String, Option<usize>)>,
    is_exit: bool,
    /// Which repetition after a failure this is.
    retries: usize,
}

impl Place {
    fn child(&self, path: String, task: &str, most: Option<usize>) -> Self {
        let mut above = self.above.clone();
        above.push((self.path.clone(), most));
        Self {
            path,
            task: task.to_owned(),
            parent: Some(self.path.clone()),
            above,
            is_exit: self.is_exit,
            retries: self.retries,
        }
    }
}

/// What a workflow is run with.
pub struct Given {
    /// Its name: the path of its first node.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its parameters.
    pub parameters: Values,
    /// Labels, beside those of the manifest.
    pub labels: Values,
    /// Annotations, beside those of the manifest.
    pub annotations: Values,
}

impl Engine {
    /// An engine at the beginning, or where a stored state left off.
    pub fn new(manifest: Arc<Manifest>, given: Given, state: Option<State>, now_ms: i64) -> Self {
        let mut state = state.unwrap_or_else(|| State {
            nodes: BTreeMap::new(),
            phase: Phase::Running,
            message: String::new(),
            started_at: now_ms,
            main: None,
        });
        for node in state.nodes.values_mut() {
            if node.kind == Kind::Pod && !node.phase.is_over() {
                (node.phase, node.started_at) = (Phase::Pending, None);
            }
        }
        Self {
            facts: Arc::new(facts(&manifest, &given, state.started_at)),
            manifest,
            name: given.name,
            arguments: given.parameters,
            state,
            running: BTreeMap::new(),
            orders: Vec::new(),
            now: now_ms,
            wake: None,
        }
    }

    /// How far it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// When to advance again although nothing ended; UTC milliseconds.
    pub fn wake_at(&self) -> Option<i64> {
        self.wake
    }

    /// Puts everything as far as it can go, and returns the programs that may begin now.
    pub fn advance(&mut self, now_ms: i64) -> Vec<Order> {
        (self.now, self.wake) = (now_ms, None);
        let manifest = self.manifest.clone();
        if self.state.main.is_none() {
            let phase = self.root(&self.name.clone(), &manifest.entrypoint, false);
            if !phase.is_over() {
                self.wake_by(self.until());
                return std::mem::take(&mut self.orders);
            }
            self.state.main = Some((phase, self.message(&self.name)));
        }
        let (mut phase, mut message) = self.state.main.clone().expect("it was just set");
        if let Some(handler) = &manifest.on_exit {
            self.tell_end(phase);
            let path = format!("{}.onExit", self.name);
            let exit = self.root(&path, handler, true);
            if !exit.is_over() {
                return std::mem::take(&mut self.orders);
            }
            if exit.is_bad() {
                (phase, message) = (exit, format!("onExit: {}", self.message(&path)));
            }
        }
        let phase = if phase.is_bad() {
            phase
        } else {
            Phase::Succeeded
        };
        (self.state.phase, self.state.message) = (phase, message);
        Vec::new()
    }

    /// A program was started.
    pub fn began(&mut self, path: &str, now_ms: i64) {
        if let Some(node) = self.state.nodes.get_mut(path)
            && node.phase == Phase::Pending
        {
            (node.phase, node.started_at) = (Phase::Running, Some(now_ms));
        }
    }

    /// A program ended, or could not be started.
    pub fn ended(&mut self, path: &str, outcome: Outcome, now_ms: i64) {
        self.running.remove(path);
        if let Some(node) = self.state.nodes.get_mut(path) {
            node.phase = outcome.phase;
            node.message = outcome.message;
            node.outputs = outcome.outputs;
            node.finished_at = Some(now_ms);
        }
    }

    fn root(&mut self, path: &str, template: &str, is_exit: bool) -> Phase {
        let place = Place {
            path: path.to_owned(),
            task: path.to_owned(),
            parent: None,
            above: Vec::new(),
            is_exit,
            retries: 0,
        };
        let arguments = self.arguments.clone();
        self.call(&place, template, &arguments)
    }

    fn message(&self, path: &str) -> String {
        let node = self.state.nodes.get(path);
        node.map_or_else(String::new, |node| node.message.clone())
    }

    fn phase(&self, path: &str) -> Option<Phase> {
        self.state.nodes.get(path).map(|node| node.phase)
    }

    /// Runs a template at a place, or sees how far it is.
    fn call(&mut self, place: &Place, template: &str, arguments: &Values) -> Phase {
        if let Some(phase) = self.phase(&place.path).filter(|phase| phase.is_over()) {
            return phase;
        }
        let manifest = self.manifest.clone();
        let phase = (|| {
            if place.above.len() > DEEPEST {
                return Err(format!(
                    "templates call each other more than {DEEPEST} deep"
                ));
            }
            let template = manifest.template(template)?;
            let inputs = self.inputs(template, arguments)?;
            match &template.retry {
                Some(retry) => self.tries(place, template, retry, &inputs),
                None => self.perform(place, template, &inputs),
            }
        })();
        phase.unwrap_or_else(|why| self.end(place, Kind::Pod, Phase::Error, why))
    }

    fn inputs(&self, template: &Template, arguments: &Values) -> Result<Values, String> {
        let scope = Scope::new(&self.facts, &Values::new());
        let mut inputs = Values::new();
        for input in &template.inputs {
            let value = match (arguments.get(&input.name), &input.value) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => self.resolve(default, &scope)?,
                (None, None) => {
                    return Err(format!(
                        "the input {:?} of the template {:?} has no value",
                        input.name, template.name
                    ));
                }
            };
            if let Some(choices) = input
                .choices
                .as_ref()
                .filter(|known| !known.contains(&value))
            {
                return Err(format!(
                    "the input {:?} is {value:?} and must be one of {}",
                    input.name,
                    choices.join(", ")
                ));
            }
            inputs.insert(input.name.clone(), value);
        }
        Ok(inputs)
    }

    fn resolve(&self, text: &str, scope: &Scope) -> Result<String, String> {
        super::expression::substitute(text, &|name| scope.get(name))
    }

    fn perform(
        &mut self,
        place: &Place,
        template: &Template,
        inputs: &Values,
    ) -> Result<Phase, String> {
        match &template.body {
            Body::Program(program) => self.program(place, template, program, inputs),
            Body::Steps {
                groups,
                parallelism,
            } => self.steps(place, template, groups, *parallelism, inputs),
            Body::Dag { .. } => self.dag(place, template, inputs),
        }
    }

    /// Makes sure that there is a node.
    fn begin(&mut self, place: &Place, kind: Kind) -> Result<(), String> {
        if self.state.nodes.contains_key(&place.path) {
            return Ok(());
        }
        if self.state.nodes.len() >= MOST_NODES {
            return Err(format!("a workflow may have {MOST_NODES} nodes"));
        }
        let waits = kind == Kind::Pod;
        let node = Node {
            ordinal: self.state.nodes.len(),
            task: place.task.clone(),
            kind,
            parent: place.parent.clone(),
            phase: if waits {
                Phase::Pending
            } else {
                Phase::Running
            },
            message: String::new(),
            started_at: (!waits).then_some(self.now),
            finished_at: None,
            outputs: Outputs::default(),
        };
        self.state.nodes.insert(place.path.clone(), node);
        Ok(())
    }

    fn end(&mut self, place: &Place, kind: Kind, phase: Phase, message: String) -> Phase {
        self.end_with(place, kind, phase, message, Outputs::default())
    }

    fn end_with(
        &mut self,
        place: &Place,
        kind: Kind,
        phase: Phase,
        message: String,
        outputs: Outputs,
    ) -> Phase {
        let next = self.state.nodes.len();
        let now = self.now;
        let node = self
            .state
            .nodes
            .entry(place.path.clone())
            .or_insert_with(|| Node {
                ordinal: next,
                task: place.task.clone(),
                kind,
                parent: place.parent.clone(),
                phase,
                message: String::new(),
                started_at: Some(now),
                finished_at: None,
                outputs: Outputs::default(),
            });
        node.phase = phase;
        node.message = message;
        node.outputs = outputs;
        node.finished_at = Some(now);
        phase
    }

    /// When the workflow must have ended, without its exit handler.
    fn until(&self) -> Option<i64> {
        let scope = Scope::new(&self.facts, &Values::new());
        let text = self.manifest.deadline_secs.as_ref()?;
        let secs = seconds(&self.resolve(text, &scope).ok()?).ok()?;
        Some(self.state.started_at + (secs * 1000.0) as i64)
    }

    fn is_late(&self, place: &Place) -> bool {
        !place.is_exit && self.until().is_some_and(|until| self.now >= until)
    }

    fn wake_by(&mut self, at: Option<i64>) {
        self.wake = match (self.wake, at.filter(|at| *at > self.now)) {
            (Some(known), Some(at)) => Some(known.min(at)),
            (known, at) => known.or(at),
        };
    }

    /// Makes known to the exit handler how the workflow went.
    fn tell_end(&mut self, phase: Phase) {
        let bad = self
            .state
            .nodes
            .iter()
            .filter(|(_, node)| node.kind == Kind::Pod && node.phase.is_bad());
        let failures: Vec<_> = bad
            .map(|(path, node)| {
                json!({
                    "displayName": node.task,
                    "message": node.message,
                    "podName": path,
                    "phase": node.phase.name(),
                    "finishedAt": node.finished_at.map(time::wire),
                })
            })
            .collect();
        let status = if phase.is_bad() {
            phase
        } else {
            Phase::Succeeded
        };
        let ended = self
            .state
            .nodes
            .get(&self.name)
            .and_then(|node| node.finished_at);
        let secs = (ended.unwrap_or(self.now) - self.state.started_at) as f64 / 1000.0;
        let mut facts = (*self.facts).clone();
        facts.insert("workflow.status".into(), status.name().into());
        facts.insert("workflow.failures".into(), json!(failures).to_string());
        facts.insert("workflow.duration".into(), format!("{secs:.3}"));
        self.facts = Arc::new(facts);
    }
}

fn facts(manifest: &Manifest, given: &Given, started_at: i64) -> Values {
    let mut facts = Values::new();
    let mut add = |name: &str, value: String| facts.insert(format!("workflow.{name}"), value);
    add("name", given.name.clone());
    add("uid", given.uid.clone());
    add("namespace", "default".into());
    add("mainEntrypoint", manifest.entrypoint.clone());
    add("creationTimestamp", time::wire(started_at));
    for (name, value) in &given.parameters {
        add(&format!("parameters.{name}"), value.clone());
    }
    let list: Vec<_> = given
        .parameters
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    add("parameters", json!(list).to_string());
    for (name, value) in manifest.labels.iter().chain(&given.labels) {
        add(&format!("labels.{name}"), value.clone());
    }
    for (name, value) in manifest.annotations.iter().chain(&given.annotations) {
        add(&format!("annotations.{name}"), value.clone());
    }
    facts
}
