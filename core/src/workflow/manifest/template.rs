//! Reading templates, and the programs they run.

use super::call;
use super::read::{artifacts, parameters, volumes};
use super::reader::Reader;
use super::types::{Body, Mount, Output, Policy, Program, Retry, Source, Template};

const HOUSEKEEPING: &[&str] = &[
    "affinity",
    "archiveLocation",
    "automountServiceAccountToken",
    "executor",
    "hostAliases",
    "metadata",
    "metrics",
    "nodeSelector",
    "priority",
    "priorityClassName",
    "schedulerName",
    "securityContext",
    "serviceAccountName",
    "tolerations",
];

/// Kinds of templates that need more than a program on this machine.
const OTHER_KINDS: &[&str] = &[
    "suspend",
    "resource",
    "http",
    "data",
    "plugin",
    "containerSet",
];

pub(super) fn read(mut reader: Reader) -> Template {
    let name = reader.needed("name");
    let mut inputs = Vec::new();
    if let Some(mut given) = reader.object("inputs") {
        inputs = parameters(&mut given);
        artifacts(&mut given);
        given.done();
    }
    let own_volumes = volumes(&mut reader);
    for volume in own_volumes {
        let what = format!("declares {volume:?} for one template: move it to spec.volumes");
        reader.problem("volumes", &what);
    }
    let parallelism = reader.count("parallelism");
    let deadline_secs = reader.text("activeDeadlineSeconds");
    let timeout = reader.text("timeout");
    let body = body(&mut reader, parallelism, deadline_secs.or(timeout));
    let is_program = matches!(body, Body::Program(_));
    let outputs = reader
        .object("outputs")
        .map_or_else(Vec::new, |given| outputs(given, is_program));
    let retry = reader.object("retryStrategy").map(retry);
    refusals(&mut reader);
    reader.ignore(HOUSEKEEPING);
    reader.done();
    Template {
        name,
        inputs,
        outputs,
        body,
        retry,
    }
}

fn refusals(reader: &mut Reader) {
    reader.refuse("podSpecPatch", "write the values into the template");
    reader.refuse("initContainers", "make it a step of its own before");
    reader.refuse("sidecars", "start the program from the step itself");
    reader.refuse("memoize", "keep results in a volume");
    reader.refuse("synchronization", "use parallelism");
    reader.refuse("failFast", "it is known for dag templates, as dag.failFast");
    if reader.flag("daemon") == Some(true) {
        reader.problem(
            "daemon",
            "is not supported: a step ends before the next one begins",
        );
    }
}

fn body(reader: &mut Reader, parallelism: Option<usize>, deadline: Option<String>) -> Body {
    let kinds = ["container", "script", "steps", "dag"];
    let given: Vec<&str> = kinds.into_iter().filter(|kind| reader.has(kind)).collect();
    for kind in OTHER_KINDS {
        reader.refuse(
            kind,
            "templates of this kind do not run here; container, script, steps and dag do",
        );
    }
    if given.len() != 1 {
        let what = format!("must have exactly one of {}", kinds.join(", "));
        reader.problem("container", &what);
    }
    if deadline.is_some() && !matches!(given.first(), Some(&"container" | &"script")) {
        let what = "belongs to container and script templates, or to spec";
        reader.problem("activeDeadlineSeconds", what);
    }
    let body = match given.first() {
        Some(&"steps") => Body::Steps {
            groups: call::groups(reader),
            parallelism,
        },
        Some(&"dag") => call::dag(reader.object("dag").expect("it is there"), parallelism),
        Some(kind) => {
            let given = reader.object(kind).expect("it is there");
            Body::Program(Box::new(program(given, *kind == "script", deadline)))
        }
        None => Body::Steps {
            groups: Vec::new(),
            parallelism,
        },
    };
    reader.ignore(&kinds);
    body
}

fn program(mut reader: Reader, is_script: bool, deadline_secs: Option<String>) -> Program {
    let source = is_script.then(|| reader.needed("source"));
    let mut mounts = Vec::new();
    for mut mount in reader.objects("volumeMounts") {
        mounts.push(Mount {
            volume: mount.needed("name"),
            path: mount.needed("mountPath"),
            read_only: mount.flag("readOnly").unwrap_or(false),
        });
        mount.refuse("subPath", "mount the volume whole and use a folder in it");
        mount.refuse(
            "subPathExpr",
            "mount the volume whole and use a folder in it",
        );
        mount.ignore(&["mountPropagation"]);
        mount.done();
    }
    let mut env = Vec::new();
    for mut variable in reader.objects("env") {
        let name = variable.needed("name");
        variable.refuse("valueFrom", "give it a value, or a workflow parameter");
        env.push((name, variable.text("value").unwrap_or_default()));
        variable.done();
    }
    let mut memory = None;
    if let Some(mut resources) = reader.object("resources") {
        if let Some(mut limits) = resources.object("limits") {
            // Processor shares, devices and the like are the machine's own affair here.
            memory = limits.text("memory");
        }
        resources.ignore(&["requests", "claims"]);
        resources.done();
    }
    let program = Program {
        image: reader.text("image").unwrap_or_default(),
        command: reader.texts("command"),
        args: reader.texts("args"),
        source,
        env,
        folder: reader.text("workingDir"),
        mounts,
        memory,
        deadline_secs,
    };
    if program.command.is_empty() {
        reader.problem(
            "command",
            "is missing: this station cannot look into the image for it",
        );
    }
    reader.refuse("envFrom", "list the variables under env");
    reader.refuse("lifecycle", "start such a program from the step itself");
    reader.refuse("volumeDevices", "mount a volume instead");
    reader.ignore(&[
        "name",
        "imagePullPolicy",
        "livenessProbe",
        "ports",
        "readinessProbe",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
    ]);
    reader.done();
    program
}

fn outputs(mut reader: Reader, is_program: bool) -> Vec<Output> {
    let mut outputs = Vec::new();
    for mut output in reader.objects("parameters") {
        let name = output.needed("name");
        output.refuse("globalName", "pass the value on as an argument");
        output.ignore(&["description"]);
        let mut default = output.text("default");
        let mut from = output.text("value").map(Source::Text);
        if let Some(mut given) = output.object("valueFrom") {
            default = given.text("default").or(default);
            let key = if is_program { "path" } else { "parameter" };
            let text = given.needed(key);
            from = Some(if is_program {
                Source::File(text)
            } else {
                Source::Text(text)
            });
            given.done();
        }
        match from {
            Some(from) => outputs.push(Output {
                name,
                from,
                default,
            }),
            None => output.problem("valueFrom", "is missing"),
        }
        output.done();
    }
    artifacts(&mut reader);
    reader.ignore(&["result", "exitCode"]);
    reader.done();
    outputs
}

fn retry(mut reader: Reader) -> Retry {
    let policy = reader.text("retryPolicy");
    let policy = match policy.as_deref() {
        Some("Always") => Policy::Always,
        Some("OnError" | "OnTransientError") => Policy::OnError,
        None | Some("OnFailure") => Policy::OnFailure,
        Some(_) => {
            reader.problem(
                "retryPolicy",
                "must be Always, OnFailure, OnError or OnTransientError",
            );
            Policy::OnFailure
        }
    };
    reader.refuse("expression", "use retryPolicy");
    reader.ignore(&["affinity"]);
    let mut retry = Retry {
        limit: reader.text("limit"),
        policy,
        pause_secs: None,
        factor: None,
        within_secs: None,
    };
    if let Some(mut backoff) = reader.object("backoff") {
        retry.pause_secs = backoff.text("duration");
        retry.factor = backoff.text("factor");
        retry.within_secs = backoff.text("maxDuration");
        backoff.done();
    }
    reader.done();
    retry
}
