//! Graphs of tasks.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::Scope;
use super::steps::{member_path, tolerates};
use super::{Engine, Kind, Phase, Place, Values};
use crate::workflow::logic::Logic;
use crate::workflow::manifest::{Body, Call, Template, operand, order};

impl Engine {
    pub(super) fn dag(
        &mut self,
        place: &Place,
        template: &Template,
        inputs: &Values,
    ) -> Result<Phase, String> {
        let Body::Dag {
            tasks,
            targets,
            fail_fast,
            parallelism,
        } = &template.body
        else {
            return Err("the template is no dag".into());
        };
        self.begin(place, Kind::Dag)?;
        // Children hang under the graph itself; the limit is the graph's own.
        let mut inside = place.clone();
        inside.above.push((place.path.clone(), *parallelism));
        let before = order(tasks)?;
        let targets = match targets {
            Some(targets) => targets.split_whitespace().collect(),
            None => ends(tasks, &before),
        };
        let mut wanted: Vec<&Call> = tasks
            .iter()
            .filter(|task| {
                let name = task.name.as_str();
                targets.contains(name) || targets.iter().any(|target| before[target].contains(name))
            })
            .collect();
        wanted.sort_by_key(|task| before[task.name.as_str()].len());
        let mut whole = Scope::new(&self.facts, inputs);
        let mut all_over = true;
        for task in &wanted {
            let path = member_path(place, task);
            let phase = self.phase(&path);
            if phase.is_none() {
                let ready = |name: &str| {
                    self.phase(&format!("{}.{name}", place.path))
                        .is_some_and(Phase::is_over)
                };
                if !needs(task).iter().all(|name| ready(name)) {
                    continue;
                }
                if *fail_fast && wanted.iter().any(|other| self.stops(place, other, tasks)) {
                    continue;
                }
                if !self.holds(place, task, tasks) {
                    let why = "what it depends on did not end as it must".to_owned();
                    let below = place.child(path, &task.name, None);
                    self.end(&below, Kind::Pod, Phase::Omitted, why);
                    continue;
                }
            }
            let mut scope = Scope::new(&self.facts, inputs);
            for other in tasks
                .iter()
                .filter(|other| before[task.name.as_str()].contains(other.name.as_str()))
            {
                self.add_to(&mut scope, "tasks", place, other);
            }
            all_over &= self.member(&inside, task, &scope).is_over();
        }
        if !all_over {
            return Ok(Phase::Running);
        }
        for task in &wanted {
            self.add_to(&mut whole, "tasks", place, task);
        }
        let worst = wanted
            .iter()
            .filter(|task| targets.contains(task.name.as_str()))
            .find_map(|task| self.branch(place, task, tasks));
        if let Some((phase, message)) = worst {
            return Ok(self.end(place, Kind::Dag, phase, message));
        }
        let outputs = self.outputs(template, &whole)?;
        Ok(self.end_with(place, Kind::Dag, Phase::Succeeded, String::new(), outputs))
    }

    /// Whether a task ended so that nothing more begins.
    fn stops(&self, place: &Place, task: &Call, tasks: &[Call]) -> bool {
        let phase = self.phase(&member_path(place, task));
        phase.is_some_and(|phase| phase.is_bad() && !tolerates(task, phase))
            && !is_expected(task, tasks)
    }

    /// Whether what a task depends on ended as it must.
    fn holds(&self, place: &Place, task: &Call, tasks: &[Call]) -> bool {
        let ended = |text: &str| {
            let (name, end) = operand(text);
            let path = format!("{}.{name}", place.path);
            let Some(phase) = self.phase(&path) else {
                return false;
            };
            let below = || {
                self.state
                    .nodes
                    .values()
                    .filter(|node| node.parent.as_deref() == Some(&path))
            };
            match end {
                None => {
                    let tolerated = tasks
                        .iter()
                        .any(|other| other.name == name && tolerates(other, phase));
                    phase != Phase::Omitted && tolerated
                }
                Some("Succeeded") => phase == Phase::Succeeded,
                Some("Failed") => phase == Phase::Failed,
                Some("Errored") => phase == Phase::Error,
                Some("Skipped") => phase == Phase::Skipped,
                Some("Omitted") => phase == Phase::Omitted,
                Some("AnySucceeded") => {
                    phase == Phase::Succeeded || below().any(|node| node.phase == Phase::Succeeded)
                }
                Some("AllFailed") => phase.is_bad() && below().all(|node| node.phase.is_bad()),
                _ => false,
            }
        };
        task.depends
            .as_ref()
            .is_none_or(|logic| decide(logic, &ended))
    }

    /// What went wrong on the way to a task, as far as nobody expected it.
    fn branch(&self, place: &Place, task: &Call, tasks: &[Call]) -> Option<(Phase, String)> {
        let node = self.state.nodes.get(&member_path(place, task));
        match node.map(|node| node.phase) {
            Some(Phase::Succeeded) => None,
            Some(phase) if phase.is_bad() => (!tolerates(task, phase)).then(|| {
                let message = node.map_or("", |node| &node.message);
                (phase, format!("task {:?} went wrong: {message}", task.name))
            }),
            _ => tasks
                .iter()
                .filter(|other| needs(task).contains(other.name.as_str()))
                .find_map(|other| self.branch(place, other, tasks)),
        }
    }
}

/// The tasks that no other waits for.
fn ends<'t>(tasks: &'t [Call], before: &BTreeMap<&str, BTreeSet<&str>>) -> BTreeSet<&'t str> {
    let names = tasks.iter().map(|task| task.name.as_str());
    names
        .filter(|name| !before.values().any(|before| before.contains(name)))
        .collect()
}

/// The tasks that a task waits for directly.
fn needs(task: &Call) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    if let Some(logic) = &task.depends {
        logic.each_leaf(&mut |leaf| {
            names.insert(operand(&leaf.text).0);
        });
    }
    names
}

/// Whether another task reckons with this one going wrong.
fn is_expected(task: &Call, tasks: &[Call]) -> bool {
    tasks
        .iter()
        .filter_map(|other| other.depends.as_ref())
        .any(|logic| {
            let mut found = false;
            logic.each_leaf(&mut |leaf| {
                let (name, end) = operand(&leaf.text);
                found |=
                    name == task.name && matches!(end, Some("Failed" | "Errored" | "AllFailed"));
            });
            found
        })
}

fn decide(logic: &Logic, ended: &dyn Fn(&str) -> bool) -> bool {
    match logic {
        Logic::Leaf(leaf) => ended(&leaf.text),
        Logic::Compare(..) => false,
        Logic::Not(inner) => !decide(inner, ended),
        Logic::And(left, right) => decide(left, ended) && decide(right, ended),
        Logic::Or(left, right) => decide(left, ended) || decide(right, ended),
    }
}
