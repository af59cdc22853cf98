//! Reading calls of templates: steps and the tasks of a graph.

use serde_json::Value as Json;

use super::read::{artifacts, parameters};
use super::reader::Reader;
use super::types::{Body, Call, Each, Tolerance};
use crate::workflow::logic::{self, Leaf, Logic};

/// `steps`: a list of lists of calls.
pub(super) fn groups(reader: &mut Reader) -> Vec<Vec<Call>> {
    let problem = "must be a list of lists: each inner list runs side by side";
    let mut groups = Vec::new();
    for (index, group) in reader.list("steps").into_iter().enumerate() {
        let key = format!("steps[{index}]");
        if !group.is_array() {
            reader.problem(&key, problem);
            continue;
        }
        let calls = reader.nested(&key, group).into_iter();
        groups.push(calls.map(|call| read(call, false)).collect());
    }
    groups
}

/// `dag`.
pub(super) fn dag(mut reader: Reader, parallelism: Option<usize>) -> Body {
    let tasks = reader.objects("tasks");
    if tasks.is_empty() {
        reader.problem("tasks", "must list at least one task");
    }
    let body = Body::Dag {
        tasks: tasks.into_iter().map(|task| read(task, true)).collect(),
        targets: reader.text("target"),
        fail_fast: reader.flag("failFast").unwrap_or(true),
        parallelism,
    };
    reader.done();
    body
}

fn read(mut reader: Reader, is_task: bool) -> Call {
    let name = reader.needed("name");
    reader.refuse("templateRef", "write the template into the manifest");
    reader.refuse("inline", "make it a template of its own");
    reader.refuse("onExit", "add a step with continueOn, or use spec.onExit");
    reader.refuse("hooks", "add a step with continueOn, or use spec.onExit");
    let mut arguments = Vec::new();
    if let Some(mut given) = reader.object("arguments") {
        for parameter in parameters(&mut given) {
            match parameter.value {
                Some(value) => arguments.push((parameter.name, value)),
                None => given.problem(
                    "parameters",
                    &format!("gives {:?} no value", parameter.name),
                ),
            }
        }
        artifacts(&mut given);
        given.done();
    }
    let mut continue_on = Tolerance::default();
    let tolerates = reader.has("continueOn");
    if let Some(mut given) = reader.object("continueOn") {
        continue_on.failed = given.flag("failed").unwrap_or(false);
        continue_on.error = given.flag("error").unwrap_or(false);
        given.done();
    }
    let mut depends = None;
    if is_task {
        if reader.has("depends") && (reader.has("dependencies") || tolerates) {
            reader.problem(
                "depends",
                "cannot stand beside dependencies or continueOn; say it all in depends",
            );
        }
        let all = reader.texts("dependencies").into_iter().map(|text| {
            Logic::Leaf(Leaf {
                text,
                quoted: false,
            })
        });
        depends = all.reduce(|left, right| Logic::And(Box::new(left), Box::new(right)));
        if let Some(text) = reader.text("depends") {
            match logic::parse(&text) {
                Ok(logic) if compares(&logic) => {
                    reader.problem("depends", "knows names of tasks, &&, || and ! only");
                }
                Ok(logic) => depends = Some(logic),
                Err(why) => reader.problem("depends", &format!("is wrong: {why}")),
            }
        }
    }
    let when = reader.text("when");
    if let Some(Err(why)) = when.as_deref().map(logic::parse) {
        reader.problem("when", &format!("is wrong: {why}"));
    }
    let call = Call {
        template: reader.needed("template"),
        each: each(&mut reader),
        name,
        arguments,
        when,
        continue_on,
        depends,
    };
    reader.done();
    call
}

fn compares(logic: &Logic) -> bool {
    match logic {
        Logic::Leaf(_) => false,
        Logic::Compare(..) => true,
        Logic::Not(inner) => compares(inner),
        Logic::And(left, right) | Logic::Or(left, right) => compares(left) || compares(right),
    }
}

fn each(reader: &mut Reader) -> Option<Each> {
    let kinds = ["withItems", "withParam", "withSequence"];
    if kinds.iter().filter(|kind| reader.has(kind)).count() > 1 {
        reader.problem("withItems", "cannot stand beside withParam or withSequence");
    }
    match reader.value("withItems") {
        Some(Json::Array(items)) => return Some(Each::Items(items)),
        Some(Json::String(text)) => return Some(Each::Param(text)),
        Some(_) => reader.problem("withItems", "must be a list"),
        None => {}
    }
    if let Some(text) = reader.text("withParam") {
        return Some(Each::Param(text));
    }
    let mut sequence = reader.object("withSequence")?;
    let (count, end) = (sequence.text("count"), sequence.text("end"));
    if count.is_some() == end.is_some() {
        sequence.problem("count", "or end must be given, and not both");
    }
    let each = Each::Sequence {
        count,
        start: sequence.text("start"),
        end,
        format: sequence.text("format"),
    };
    sequence.done();
    Some(each)
}
