//! Whether the parts of a manifest fit together: what calls and references name must be there.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::Problems;
use super::types::{Body, Call, Each, Manifest, Program, Source, Template};
use crate::workflow::expression::references;

/// What a task may be asked for in `depends`.
const ENDS: &[&str] = &[
    "Succeeded",
    "Failed",
    "Errored",
    "Skipped",
    "Omitted",
    "Daemoned",
    "AnySucceeded",
    "AllFailed",
];

/// What is known of the workflow everywhere.
const WORKFLOW: &[&str] = &[
    "name",
    "uid",
    "namespace",
    "mainEntrypoint",
    "creationTimestamp",
    "parameters",
];
/// What is known of it in the exit handler, beside that.
const AT_EXIT: &[&str] = &["status", "failures", "duration"];

pub(super) fn check(manifest: &Manifest, problems: &Problems) {
    let note = |text: String| problems.borrow_mut().push(text);
    if !manifest.entrypoint.is_empty()
        && let Err(why) = manifest.template(&manifest.entrypoint)
    {
        note(format!("spec.entrypoint is wrong: {why}"));
    }
    if let Some(Err(why)) = manifest
        .on_exit
        .as_ref()
        .map(|name| manifest.template(name))
    {
        note(format!("spec.onExit is wrong: {why}"));
    }
    for template in manifest.templates.values() {
        let place = format!("template {:?}", template.name);
        for problem in of_template(manifest, template) {
            note(format!("{place}: {problem}"));
        }
    }
}

fn of_template(manifest: &Manifest, template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    let mut texts: Vec<&str> = Vec::new();
    texts.extend(
        template
            .inputs
            .iter()
            .filter_map(|input| input.value.as_deref()),
    );
    if let Some(retry) = &template.retry {
        let given = [
            &retry.limit,
            &retry.pause_secs,
            &retry.factor,
            &retry.within_secs,
        ];
        texts.extend(given.into_iter().flatten().map(String::as_str));
    }
    let mut scope = Scope {
        inputs: names(template.inputs.iter().map(|input| input.name.as_str())),
        outputs: names(template.outputs.iter().map(|output| output.name.as_str())),
        prefix: "steps",
        done: BTreeSet::new(),
    };
    found.extend(scope.unknown(&texts, false));
    match &template.body {
        Body::Program(program) => {
            found.extend(scope.unknown(&texts_of(program), false));
            found.extend(of_mounts(manifest, program));
        }
        Body::Steps { groups, .. } => {
            let mut known = BTreeSet::new();
            for group in groups {
                for call in group {
                    found.extend(of_call(manifest, call, &scope));
                    if !known.insert(call.name.as_str()) {
                        found.push(format!("two steps are called {:?}", call.name));
                    }
                }
                scope
                    .done
                    .extend(group.iter().map(|call| call.name.as_str()));
            }
        }
        Body::Dag { tasks, targets, .. } => {
            scope.prefix = "tasks";
            match order(tasks) {
                Ok(ancestors) => {
                    for call in tasks {
                        scope.done.clone_from(&ancestors[call.name.as_str()]);
                        found.extend(of_call(manifest, call, &scope));
                    }
                }
                Err(why) => found.push(why),
            }
            scope.done = names(tasks.iter().map(|call| call.name.as_str()));
            for target in targets
                .iter()
                .flat_map(|targets| targets.split_whitespace())
            {
                if !scope.done.contains(target) {
                    found.push(format!("dag.target names no task: {target:?}"));
                }
            }
        }
    }
    for output in &template.outputs {
        let (Source::File(text) | Source::Text(text)) = &output.from;
        found.extend(scope.unknown(&[text], false));
    }
    found
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> BTreeSet<&'n str> {
    names.collect()
}

fn texts_of(program: &Program) -> Vec<&str> {
    let mut texts: Vec<&str> = vec![&program.image];
    texts.extend(program.command.iter().map(String::as_str));
    texts.extend(program.args.iter().map(String::as_str));
    texts.extend(program.env.iter().map(|(_, value)| value.as_str()));
    let given = [
        &program.source,
        &program.folder,
        &program.memory,
        &program.deadline_secs,
    ];
    texts.extend(given.into_iter().flatten().map(String::as_str));
    texts.extend(program.mounts.iter().map(|mount| mount.path.as_str()));
    texts
}

fn of_mounts(manifest: &Manifest, program: &Program) -> Vec<String> {
    let mut found = Vec::new();
    for mount in &program.mounts {
        if !manifest.volumes.contains(&mount.volume) {
            found.push(format!(
                "it mounts the volume {:?}, which spec.volumes and spec.volumeClaimTemplates do not declare",
                mount.volume
            ));
        }
        if !mount.path.starts_with('/') && !mount.path.contains("{{") {
            found.push(format!("the mountPath {:?} must begin with /", mount.path));
        }
    }
    found
}

fn of_call(manifest: &Manifest, call: &Call, scope: &Scope) -> Vec<String> {
    let mut found = Vec::new();
    match manifest.template(&call.template) {
        Ok(template) => {
            for (name, _) in &call.arguments {
                if !template.inputs.iter().any(|input| input.name == *name) {
                    found.push(format!(
                        "the template {:?} has no input {name:?}",
                        call.template
                    ));
                }
            }
            for input in &template.inputs {
                let given = call.arguments.iter().any(|(name, _)| *name == input.name);
                if !given && input.value.is_none() {
                    found.push(format!(
                        "the template {:?} needs the input {:?}",
                        call.template, input.name
                    ));
                }
            }
        }
        Err(why) => found.push(why),
    }
    let mut texts: Vec<&str> = call
        .arguments
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    texts.extend(call.when.as_deref());
    found.extend(scope.unknown(&texts, call.each.is_some()));
    match &call.each {
        Some(Each::Param(text)) => found.extend(scope.unknown(&[text], false)),
        Some(Each::Sequence {
            count, start, end, ..
        }) => {
            let texts: Vec<&str> = [count, start, end]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            found.extend(scope.unknown(&texts, false));
        }
        _ => {}
    }
    let place = |problem| format!("call {:?}: {problem}", call.name);
    found.into_iter().map(place).collect()
}

/// What references may name in one place.
struct Scope<'m> {
    inputs: BTreeSet<&'m str>,
    outputs: BTreeSet<&'m str>,
    /// `steps` or `tasks`.
    prefix: &'static str,
    /// Calls that are over before.
    done: BTreeSet<&'m str>,
}

impl Scope<'_> {
    fn unknown(&self, texts: &[&str], with_item: bool) -> Vec<String> {
        let mut found = Vec::new();
        for name in texts.iter().flat_map(|text| references(text)) {
            if name.starts_with('=') {
                found.push(format!(
                    "{{{{{name}}}}} is not supported: use plain references, or compute it in a step"
                ));
            } else if !self.knows(name, with_item) {
                found.push(format!("{{{{{name}}}}} names nothing that is known there"));
            }
        }
        found
    }

    fn knows(&self, name: &str, with_item: bool) -> bool {
        let parts: Vec<&str> = name.split('.').collect();
        match parts[..] {
            ["item"] | ["item", ..] => with_item,
            ["inputs", "parameters"] => true,
            ["inputs", "parameters", ref rest @ ..] => {
                self.inputs.contains(rest.join(".").as_str())
            }
            ["outputs", "parameters", name, "path"] => self.outputs.contains(name),
            ["workflow", "parameters" | "labels" | "annotations", _, ..] => true,
            ["workflow", what] => WORKFLOW.contains(&what) || AT_EXIT.contains(&what),
            ["pod", "name"] | ["node", "name"] | ["retries"] => true,
            [
                prefix,
                call,
                "status" | "id" | "exitCode" | "startedAt" | "finishedAt",
            ]
            | [
                prefix,
                call,
                "outputs",
                "result" | "exitCode" | "parameters",
            ]
            | [prefix, call, "outputs", "parameters", _] => {
                prefix == self.prefix && self.done.contains(call)
            }
            _ => false,
        }
    }
}

/// The tasks that each task waits for, directly or not. Errors: names that are not there, and circles.
pub(crate) fn order(tasks: &[Call]) -> Result<BTreeMap<&str, BTreeSet<&str>>, String> {
    let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for task in tasks {
        let mut needed = BTreeSet::new();
        let mut problem = None;
        if let Some(depends) = &task.depends {
            depends.each_leaf(&mut |leaf| {
                let (name, end) = operand(&leaf.text);
                if !tasks.iter().any(|other| other.name == name) {
                    problem = Some(format!(
                        "task {:?} depends on {name:?}, which is no task",
                        task.name
                    ));
                } else if end.is_some_and(|end| !ENDS.contains(&end)) {
                    problem = Some(format!(
                        "task {:?}: {:?} is no way to end",
                        task.name, leaf.text
                    ));
                }
                needed.insert(name);
            });
        }
        if let Some(problem) = problem {
            return Err(problem);
        }
        if direct.insert(&task.name, needed).is_some() {
            return Err(format!("two tasks are called {:?}", task.name));
        }
    }
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    while all.len() < direct.len() {
        let ready = direct.iter().find(|(name, needed)| {
            !all.contains_key(*name) && needed.iter().all(|needed| all.contains_key(needed))
        });
        let Some((name, needed)) = ready else {
            return Err("the tasks depend on each other in a circle".into());
        };
        let mut whole = needed.clone();
        for needed in needed {
            whole.extend(all[needed].iter().copied());
        }
        all.insert(name, whole);
    }
    Ok(all)
}

/// Splits an operand of `depends` into the task and how it must have ended.
pub(crate) fn operand(text: &str) -> (&str, Option<&str>) {
    match text.split_once('.') {
        Some((name, end)) => (name, Some(end)),
        None => (text, None),
    }
}
