//! What is understood, and what is refused by its name.

use super::*;

fn refused(text: &str) -> String {
    match document(text).and_then(Manifest::read) {
        Ok(_) => String::new(),
        Err(Error::Invalid { message, details }) => format!("{message}\n{details}"),
        Err(error) => panic!("{error}"),
    }
}

fn with_spec(spec: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{generateName: x-}}\nspec:\n{spec}"
    )
}

const PLAIN: &str = "  entrypoint: main
  templates:
  - name: main
    container: {image: any, command: [x]}
";

#[test]
fn an_ordinary_manifest_is_understood() {
    let text = with_spec(
        "  entrypoint: main
  onExit: bye
  serviceAccountName: worker
  ttlStrategy: {secondsAfterCompletion: 300}
  podGC: {strategy: OnPodCompletion}
  nodeSelector: {gpu: 'true'}
  imagePullSecrets: [{name: registry}]
  parallelism: 4
  activeDeadlineSeconds: 3600
  volumeClaimTemplates:
  - metadata: {name: workdir}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
  volumes: [{name: scratch, emptyDir: {}}]
  arguments: {parameters: [{name: threshold, value: 0.5}, {name: model}]}
  templates:
  - name: main
    inputs: {parameters: [{name: media_ids}]}
    dag:
      tasks:
      - name: detect
        template: detect
        arguments: {parameters: [{name: ids, value: '{{inputs.parameters.media_ids}}'}]}
      - {name: track, template: bye, dependencies: [detect], when: '{{tasks.detect.outputs.parameters.count}} > 0'}
  - name: detect
    inputs: {parameters: [{name: ids}]}
    outputs: {parameters: [{name: count, valueFrom: {path: /work/count, default: '0'}}]}
    nodeSelector: {gpu: 'true'}
    retryStrategy: {limit: '2', retryPolicy: Always, backoff: {duration: 5s, factor: 2}}
    container:
      image: detector:1.2
      imagePullPolicy: Always
      command: [python3]
      args: ['-m', detect, '{{inputs.parameters.ids}}', '{{workflow.parameters.threshold}}', '{{outputs.parameters.count.path}}']
      env: [{name: MODE, value: fast}]
      resources: {limits: {memory: 2Gi, cpu: 1000m, nvidia.com/gpu: 1}}
      volumeMounts: [{name: workdir, mountPath: /work}, {name: scratch, mountPath: /scratch}]
  - name: bye
    activeDeadlineSeconds: 60
    script: {image: any, command: [sh], source: 'echo {{workflow.status}}'}
",
    );
    assert_eq!(refused(&text), "");
    let manifest = Manifest::read(document(&text).unwrap()).unwrap();
    assert_eq!(manifest.parameters[0].value.as_deref(), Some("0.5"));
    assert_eq!(manifest.parameters[1].value, None);
    assert!(manifest.volumes.contains("workdir") && manifest.volumes.contains("scratch"));
    let Body::Program(program) = &manifest.templates["detect"].body else {
        panic!("detect runs a program")
    };
    assert_eq!(
        (program.memory.as_deref(), program.mounts.len()),
        (Some("2Gi"), 2)
    );
}

#[test]
fn what_would_be_run_differently_is_refused_by_its_name() {
    let template = |text: &str| format!("  entrypoint: main\n  templates:\n  - name: main\n{text}");
    let container = |more: &str| {
        template(&format!(
            "    container: {{image: any, command: [x], {more}}}\n"
        ))
    };
    let steps = |call: &str| {
        format!(
            "{}  - name: other\n    inputs: {{parameters: [{{name: a}}]}}\n    container: {{image: x, command: [x]}}\n",
            template(&format!(
                "    steps: [[{{name: s, template: other, {call}}}]]\n"
            ))
        )
    };
    let table = [
        (template("    suspend: {}\n"), "spec.templates[0].suspend is not supported"),
        (template("    resource: {action: create}\n"), "spec.templates[0].resource is not supported"),
        (template("    http: {url: x}\n"), "spec.templates[0].http is not supported"),
        (template("    containerSet: {}\n"), "containerSet is not supported"),
        (container("envFrom: []"), "spec.templates[0].container.envFrom is not supported"),
        (container("shell: yes"), "spec.templates[0].container.shell is not supported"),
        (container("env: [{name: A, valueFrom: {secretKeyRef: {}}}]"), "container.env[0].valueFrom is not supported"),
        (container("volumeMounts: [{name: v, mountPath: /v}]"), "mounts the volume \"v\""),
        (container("args: ['{{inputs.parameters.x}}']"), "{{inputs.parameters.x}} names nothing"),
        (container("args: ['{{=1+1}}']"), "{{=1+1}} is not supported"),
        (template("    container: {image: any}\n"), "container.command is missing"),
        (template("    container: {image: any, command: [x]}\n    sidecars: [{name: y}]\n"), "spec.templates[0].sidecars"),
        (template("    container: {image: any, command: [x]}\n    inputs: {artifacts: [{name: y}]}\n"), "inputs.artifacts is not supported: hand files on in a volume"),
        (template("    container: {image: any, command: [x]}\n    script: {}\n"), "exactly one of"),
        (template("    steps: [{name: a, template: main}]\n"), "steps[0] must be a list of lists"),
        (template("    activeDeadlineSeconds: 3\n    steps: []\n"), "activeDeadlineSeconds belongs to"),
        (steps("arguments: {parameters: [{name: b, value: 1}]}"), "has no input \"b\""),
        (steps("when: true"), "needs the input \"a\""),
        (steps("arguments: {parameters: [{name: a, value: '{{item}}'}]}"), "{{item}} names nothing"),
        (steps("arguments: {parameters: [{name: a, value: '{{steps.s.outputs.result}}'}]}"), "{{steps.s.outputs.result}} names nothing"),
        (steps("when: '((a'"), "when is wrong"),
        (steps("withItems: [1], withParam: x"), "cannot stand beside"),
        (steps("templateRef: {name: x}"), "templateRef is not supported"),
        (template("    dag: {tasks: [{name: a, template: main, dependencies: [b]}, {name: b, template: main, dependencies: [a]}]}\n"), "in a circle"),
        (template("    dag: {tasks: [{name: a, template: main, depends: 'c.Failed'}]}\n"), "\"c\", which is no task"),
        (template("    dag: {tasks: [{name: a, template: main, depends: 'a == b'}]}\n"), "depends knows names of tasks"),
        (format!("{PLAIN}  suspend: true\n"), "spec.suspend is not supported"),
        (format!("{PLAIN}  onExit: nobody\n"), "spec.onExit is wrong"),
        (format!("{PLAIN}  volumes: [{{name: v, hostPath: {{path: /}}}}]\n"), "emptyDir is missing"),
        ("  entrypoint: other\n  templates: [{name: main, container: {image: x, command: [x]}}]\n".into(), "no template \"other\""),
        ("  entrypoint: other\n".into(), "spec.templates must list"),
    ];
    for (spec, expected) in table {
        let text = with_spec(&spec);
        let refusal = refused(&text);
        assert!(refusal.contains(expected), "{text}\n{refusal}");
    }
    assert_eq!(refused(&with_spec(PLAIN)), "");
}

#[test]
fn other_documents_are_refused() {
    assert!(refused("a: [").contains("not valid YAML"));
    assert!(refused("- a\n- b").contains("not a mapping"));
    assert!(refused("apiVersion: v1\nkind: Pod\nspec: {}").contains("argoproj.io/v1alpha1"));
    let cron = with_spec(PLAIN).replace("kind: Workflow", "kind: CronWorkflow");
    assert!(refused(&cron).contains("must be Workflow, not CronWorkflow"));
}
