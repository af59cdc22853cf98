//! From the document to a [`Manifest`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::reader::{Problems, Reader};
use super::template;
use super::types::{Manifest, Parameter};

/// Keys of `spec` that say how a cluster keeps house; they mean nothing here.
const HOUSEKEEPING: &[&str] = &[
    "affinity",
    "archiveLogs",
    "artifactGC",
    "artifactRepositoryRef",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "executor",
    "hostNetwork",
    "imagePullSecrets",
    "metrics",
    "nodeSelector",
    "podDisruptionBudget",
    "podGC",
    "podMetadata",
    "podPriority",
    "podPriorityClassName",
    "priority",
    "schedulerName",
    "securityContext",
    "serviceAccountName",
    "tolerations",
    "ttlStrategy",
    "volumeClaimGC",
    "workflowMetadata",
];

/// Reads a document; `problems` says what cannot be.
pub(super) fn manifest(document: Json, problems: &Problems) -> Manifest {
    let mut root = Reader::new("", document, problems);
    let version = root.needed("apiVersion");
    if !version.is_empty() && !version.starts_with("argoproj.io/") {
        root.problem("apiVersion", "must be argoproj.io/v1alpha1");
    }
    let kind = root.needed("kind");
    if !kind.is_empty() && kind != "Workflow" {
        let what = format!("must be Workflow, not {kind}");
        root.problem("kind", &what);
    }
    let (mut labels, mut annotations) = (BTreeMap::new(), BTreeMap::new());
    if let Some(mut metadata) = root.object("metadata") {
        metadata.ignore(&["name", "generateName", "namespace"]);
        labels = metadata.pairs("labels");
        annotations = metadata.pairs("annotations");
        metadata.done();
    }
    let spec = root.value("spec").unwrap_or(Json::Null);
    let mut spec = Reader::new("spec", spec, problems);
    let manifest = Manifest {
        entrypoint: spec.needed("entrypoint"),
        on_exit: spec.text("onExit"),
        parameters: arguments(&mut spec),
        volumes: volumes(&mut spec),
        templates: templates(&mut spec),
        deadline_secs: spec.text("activeDeadlineSeconds"),
        parallelism: spec.count("parallelism"),
        labels,
        annotations,
    };
    spec.refuse(
        "podSpecPatch",
        "write the values into the templates themselves",
    );
    spec.refuse(
        "workflowTemplateRef",
        "write the templates into the manifest",
    );
    spec.refuse("templateDefaults", "write the values into each template");
    spec.refuse("retryStrategy", "give the templates a retryStrategy each");
    spec.refuse(
        "hooks",
        "use onExit for what is to be done at the end of the workflow",
    );
    spec.ignore(HOUSEKEEPING);
    spec.done();
    root.ignore(&["status"]);
    root.done();
    manifest
}

fn templates(spec: &mut Reader) -> BTreeMap<String, super::types::Template> {
    let mut templates = BTreeMap::new();
    let given = spec.objects("templates");
    if given.is_empty() {
        spec.problem("templates", "must list at least one template");
    }
    for reader in given {
        let place = reader.place("name");
        let template = template::read(reader);
        let name = template.name.clone();
        if templates.insert(name.clone(), template).is_some() {
            spec.problem("templates", &format!("has two called {name:?} ({place})"));
        }
    }
    templates
}

fn arguments(spec: &mut Reader) -> Vec<Parameter> {
    let Some(mut arguments) = spec.object("arguments") else {
        return Vec::new();
    };
    let parameters = parameters(&mut arguments);
    artifacts(&mut arguments);
    arguments.done();
    parameters
}

/// The list `parameters` of an object.
pub(super) fn parameters(reader: &mut Reader) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for mut parameter in reader.objects("parameters") {
        parameter.ignore(&["description"]);
        parameter.refuse("valueFrom", "give it a value");
        parameter.refuse("globalName", "pass the value on as an argument");
        let default = parameter.text("default");
        let choices = parameter.has("enum").then(|| parameter.texts("enum"));
        parameters.push(Parameter {
            name: parameter.needed("name"),
            value: parameter.text("value").or(default),
            choices,
        });
        parameter.done();
    }
    parameters
}

/// Refuses `artifacts`, unless there are none.
pub(super) fn artifacts(reader: &mut Reader) {
    if reader.has("artifacts") && !reader.list("artifacts").is_empty() {
        reader.problem(
            "artifacts",
            "is not supported: hand files on in a volume (volumeClaimTemplates or emptyDir)",
        );
    }
}

/// Folders that steps share: every kind of claim is a folder that lives as long as the workflow.
pub(super) fn volumes(reader: &mut Reader) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for mut claim in reader.objects("volumeClaimTemplates") {
        claim.ignore(&["spec", "apiVersion", "kind", "status"]);
        match claim.object("metadata") {
            Some(mut metadata) => {
                names.insert(metadata.needed("name"));
                metadata.ignore(&["labels", "annotations", "creationTimestamp"]);
                metadata.done();
            }
            None => claim.problem("metadata", "is missing"),
        }
        claim.done();
    }
    for mut volume in reader.objects("volumes") {
        names.insert(volume.needed("name"));
        if !volume.has("emptyDir") {
            volume.problem(
                "emptyDir",
                "is missing: this station knows emptyDir volumes and volumeClaimTemplates only",
            );
        }
        volume.ignore(&["emptyDir"]);
        volume.done();
    }
    names
}
