//! Plans played through without any program.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::workflow::manifest::{self, Manifest};

type Ending = Box<dyn FnMut(&Order) -> Outcome>;

/// A workflow and what its programs do.
struct Play {
    manifest: Arc<Manifest>,
    parameters: Values,
    ending: Ending,
    /// Programs in the order they began, with their arguments.
    begun: Vec<(String, Vec<String>)>,
    most_at_once: usize,
    now: i64,
    /// Milliseconds that each program takes.
    takes: i64,
    /// Whether the engine is stored and made anew after every event.
    forgetful: bool,
}

fn good(result: &str) -> Outcome {
    Outcome {
        phase: Phase::Succeeded,
        message: String::new(),
        outputs: Outputs {
            result: Some(result.to_owned()),
            exit_code: Some(0),
            ..Outputs::default()
        },
    }
}

fn read(templates: &str) -> Result<Manifest, crate::error::Error> {
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  entrypoint: main\n{templates}"
    );
    Manifest::read(manifest::document(&text)?)
}

const ECHO: &str = "
  - name: echo
    inputs: {parameters: [{name: text, default: none}]}
    container: {image: any, command: [echo], args: ['{{inputs.parameters.text}}']}
";

impl Play {
    fn new(spec: &str, ending: impl FnMut(&Order) -> Outcome + 'static) -> Self {
        let text = format!("{spec}{ECHO}");
        let manifest = read(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        Self {
            manifest: Arc::new(manifest),
            parameters: BTreeMap::new(),
            ending: Box::new(ending),
            begun: Vec::new(),
            most_at_once: 0,
            now: 1_000_000,
            takes: 10,
            forgetful: true,
        }
    }

    fn engine(&self, state: Option<State>) -> Engine {
        let given = Given {
            name: "wf".into(),
            uid: "u".into(),
            parameters: self.parameters.clone(),
            labels: Values::new(),
            annotations: Values::new(),
        };
        Engine::new(self.manifest.clone(), given, state, self.now)
    }

    fn run(&mut self) -> State {
        self.run_shuffled(&mut StdRng::seed_from_u64(1))
    }

    /// Ends running programs in any order; may forget everything but the state between any two.
    fn run_shuffled(&mut self, rng: &mut impl Rng) -> State {
        let mut engine = self.engine(None);
        let mut running: BTreeMap<String, Order> = BTreeMap::new();
        for _ in 0..10_000 {
            for order in engine.advance(self.now) {
                engine.began(&order.node, self.now);
                let args = order.program.args.clone();
                self.begun.push((order.node.clone(), args));
                assert!(running.insert(order.node.clone(), order).is_none());
            }
            self.most_at_once = self.most_at_once.max(running.len());
            if engine.state().phase.is_over() {
                assert!(running.is_empty(), "{running:?}");
                return engine.state().clone();
            }
            let names: Vec<String> = running.keys().cloned().collect();
            match names.choose(rng) {
                Some(name) => {
                    self.now += self.takes;
                    let order = running.remove(name).unwrap();
                    let most = order.until_ms.is_some_and(|until| self.now >= until);
                    let outcome = if most {
                        Outcome::failed("too late")
                    } else {
                        (self.ending)(&order)
                    };
                    engine.ended(name, outcome, self.now);
                }
                None => self.now = engine.wake_at().expect("something must go on"),
            }
            if self.forgetful && rng.random_bool(0.3) {
                let stored = serde_json::to_string(engine.state()).unwrap();
                engine = self.engine(Some(serde_json::from_str(&stored).unwrap()));
                // What ran was killed: it is ordered again, and not counted as begun before.
                self.begun.retain(|(name, _)| !running.contains_key(name));
                running.clear();
            }
        }
        panic!("it never ends: {:?}", engine.state());
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.begun.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn args(&self) -> Vec<&str> {
        let mut args: Vec<&str> = self
            .begun
            .iter()
            .map(|(_, args)| args[0].as_str())
            .collect();
        args.sort_unstable();
        args
    }
}

fn phases(state: &State) -> BTreeMap<&str, &str> {
    let pairs = state
        .nodes
        .iter()
        .map(|(name, node)| (name.as_str(), node.phase.name()));
    pairs.collect()
}

#[test]
fn steps_pass_results_on_and_skip_what_does_not_hold() {
    let mut play = Play::new(
        "  templates:
  - name: main
    outputs: {parameters: [{name: side, valueFrom: {parameter: '{{steps.flip.outputs.result}}'}}]}
    steps:
    - - {name: flip, template: echo}
    - - {name: heads, template: echo, when: '{{steps.flip.outputs.result}} == heads',
         arguments: {parameters: [{name: text, value: 'it is {{steps.flip.outputs.result}}'}]}}
      - {name: tails, template: echo, when: '{{steps.flip.outputs.result}} == tails'}
    - - {name: last, template: echo, arguments: {parameters: [{name: text, value: '{{steps.tails.status}}'}]}}
",
        |_| good("heads"),
    );
    let state = play.run();
    assert_eq!(state.phase, Phase::Succeeded);
    assert_eq!(play.names(), ["wf[0].flip", "wf[1].heads", "wf[2].last"]);
    assert_eq!(play.args(), ["Skipped", "it is heads", "none"]);
    assert_eq!(phases(&state)["wf[1].tails"], "Skipped");
    assert_eq!(state.nodes["wf"].outputs.parameters["side"], "heads");
    assert_eq!(state.nodes["wf[1].heads"].parent.as_deref(), Some("wf[1]"));
}

#[test]
fn a_failed_step_ends_its_steps_unless_it_may_fail() {
    let spec = |continue_on: &str| {
        format!(
            "  templates:
  - name: main
    steps:
    - - {{name: a, template: echo{continue_on}}}
      - {{name: b, template: echo}}
    - - {{name: c, template: echo}}
"
        )
    };
    let ending = |order: &Order| match order.node.as_str() {
        "wf[0].a" => Outcome::failed("exit code 3"),
        _ => good(""),
    };
    let mut play = Play::new(&spec(""), ending);
    let state = play.run();
    assert_eq!(state.phase, Phase::Failed);
    assert_eq!(state.message, "step \"a\" went wrong: exit code 3");
    assert_eq!(play.names(), ["wf[0].a", "wf[0].b"]);
    let mut play = Play::new(&spec(", continueOn: {failed: true}"), ending);
    assert_eq!(play.run().phase, Phase::Succeeded);
    assert_eq!(play.begun.len(), 3);
    let mut play = Play::new(&spec(", continueOn: {error: true}"), ending);
    assert_eq!(play.run().phase, Phase::Failed);
}

#[test]
fn calls_are_repeated_over_items_lists_and_numbers() {
    let mut play = Play::new(
        "  templates:
  - name: main
    steps:
    - - {name: items, template: echo, withItems: [one, {k: 2}, 3],
         arguments: {parameters: [{name: text, value: 'i {{item}}'}]}}
      - {name: keys, template: echo, withItems: [{k: x}, {k: y}], when: '{{item.k}} != y',
         arguments: {parameters: [{name: text, value: 'k {{item.k}}'}]}}
      - {name: numbers, template: echo, withSequence: {count: 2, format: 'n%02d'},
         arguments: {parameters: [{name: text, value: '{{item}}'}]}}
    - - {name: again, template: echo, withParam: '{{steps.numbers.outputs.result}}',
         arguments: {parameters: [{name: text, value: 'again {{item}}'}]}}
      - {name: none, template: echo, withParam: '[]'}
",
        |order| good(&order.program.args[0]),
    );
    let state = play.run();
    assert_eq!(state.phase, Phase::Succeeded, "{state:?}");
    let expected = [
        "again n00",
        "again n01",
        "i 3",
        "i one",
        "i {\"k\":2}",
        "k x",
        "n00",
        "n01",
    ];
    assert_eq!(play.args(), expected);
    let phases = phases(&state);
    assert_eq!(
        (phases["wf[0].keys(1)"], phases["wf[1].none"]),
        ("Skipped", "Skipped")
    );
    assert_eq!(state.nodes["wf[0].numbers(1)"].task, "numbers(1:n01)");
}

#[test]
fn a_graph_runs_in_its_order_and_fails_fast() {
    let spec = |more: &str| {
        format!(
            "  templates:
  - name: main
    dag:
      {more}
      tasks:
      - {{name: a, template: echo}}
      - {{name: b, template: echo, dependencies: [a]}}
      - {{name: c, template: echo, dependencies: [a]}}
      - {{name: d, template: echo, dependencies: [b, c],
         arguments: {{parameters: [{{name: text, value: '{{{{tasks.b.outputs.result}}}}'}}]}}}}
      - {{name: e, template: echo, depends: 'b.Failed && !c.Failed'}}
"
        )
    };
    let mut play = Play::new(&spec("failFast: true"), |order| good(&order.node));
    let state = play.run();
    assert_eq!(state.phase, Phase::Succeeded);
    assert_eq!(play.names(), ["wf.a", "wf.b", "wf.c", "wf.d"]);
    assert_eq!(phases(&state)["wf.e"], "Omitted");
    assert!(play.begun.contains(&("wf.d".into(), vec!["wf.b".into()])));
    let fails = |name: &'static str| {
        move |order: &Order| {
            if order.node == name {
                Outcome::failed("no")
            } else {
                good("")
            }
        }
    };
    // b may fail, as e waits for that; d still cannot be.
    let mut play = Play::new(&spec("failFast: true"), fails("wf.b"));
    let state = play.run();
    assert_eq!(
        (state.phase, phases(&state)["wf.e"]),
        (Phase::Failed, "Succeeded")
    );
    assert_eq!(phases(&state)["wf.d"], "Omitted");
    let mut play = Play::new(&spec("target: e"), fails("wf.b"));
    assert_eq!(play.run().phase, Phase::Succeeded);
    let mut play = Play::new(&spec("failFast: false"), fails("wf.a"));
    let state = play.run();
    assert_eq!((state.phase, play.begun.len()), (Phase::Failed, 1));
    assert_eq!(state.message, "task \"a\" went wrong: no");
}

#[test]
fn what_went_wrong_is_tried_again_after_a_pause() {
    let spec = |more: &str| {
        format!(
            "  templates:
  - name: main
    steps: [[{{name: s, template: shaky}}]]
  - name: shaky
    retryStrategy: {{limit: 3, {more}}}
    container: {{image: any, command: [x], args: ['{{{{retries}}}}']}}
"
        )
    };
    let third = |order: &Order| match order.program.args[0].as_str() {
        "2" => good(""),
        _ => Outcome::failed("exit code 1"),
    };
    let mut play = Play::new(&spec("backoff: {duration: 10s, factor: 2}"), third);
    let state = play.run();
    assert_eq!(state.phase, Phase::Succeeded);
    assert_eq!(play.args(), ["0", "1", "2"]);
    assert_eq!(phases(&state)["wf[0].s(1)"], "Failed");
    let times: Vec<i64> = (0..3)
        .filter_map(|n| state.nodes[&format!("wf[0].s({n})")].started_at)
        .collect();
    assert!(
        times[1] - times[0] >= 10_000 && times[2] - times[1] >= 20_000,
        "{times:?}"
    );
    let mut play = Play::new(&spec("retryPolicy: OnError"), third);
    assert_eq!(play.run().phase, Phase::Failed);
    assert_eq!(play.begun.len(), 1);
    let mut play = Play::new(&spec("retryPolicy: Always"), |_| {
        Outcome::error("no such program")
    });
    let state = play.run();
    assert_eq!((state.phase, play.begun.len()), (Phase::Error, 4));
    assert!(
        state
            .message
            .contains("no tries are left after 4: no such program"),
        "{}",
        state.message
    );
    let mut play = Play::new(&spec("backoff: {duration: 1m, maxDuration: 90s}"), |_| {
        Outcome::failed("no")
    });
    play.run();
    assert_eq!(play.begun.len(), 2);
}

#[test]
fn limits_on_how_many_run_at_once_hold() {
    let spec = |workflow: &str, template: &str| {
        format!(
            "{workflow}  templates:
  - name: main
    {template}
    steps: [[{{name: s, template: echo, withSequence: {{count: 9}}}}, {{name: t, template: echo}}]]
"
        )
    };
    for (workflow, template, most) in [
        ("  parallelism: 2\n", "", 2),
        ("", "parallelism: 3", 3),
        ("", "", 10),
    ] {
        let mut play = Play::new(&spec(workflow, template), |_| good(""));
        play.forgetful = false;
        assert_eq!(play.run().phase, Phase::Succeeded);
        assert_eq!((play.most_at_once, play.begun.len()), (most, 10));
    }
}

#[test]
fn a_deadline_ends_everything_but_the_exit_handler() {
    let mut play = Play::new(
        "  activeDeadlineSeconds: 5
  onExit: bye
  templates:
  - name: bye
    container: {image: any, command: [x], args: ['{{workflow.status}} {{workflow.name}}']}
  - name: main
    parallelism: 1
    steps: [[{name: s, template: echo, withSequence: {count: 9}}]]
",
        |_| good(""),
    );
    play.takes = 2000;
    play.forgetful = false;
    let state = play.run();
    assert_eq!(state.phase, Phase::Failed);
    assert_eq!(play.begun.len(), 4, "three of nine, and the handler");
    assert_eq!(
        play.begun[3],
        ("wf.onExit".into(), vec!["Failed wf".into()])
    );
    assert_eq!(state.nodes["wf.onExit"].phase, Phase::Succeeded);
    assert_eq!(state.nodes["wf[0].s(8)"].message, LATE);
}

#[test]
fn a_failing_exit_handler_fails_the_workflow() {
    let mut play = Play::new(
        "  onExit: echo
  templates:
  - name: main
    steps: [[{name: s, template: echo}]]
",
        |order| {
            if order.node == "wf.onExit" {
                Outcome::failed("no")
            } else {
                good("")
            }
        },
    );
    let state = play.run();
    assert_eq!(
        (state.phase, state.message.as_str()),
        (Phase::Failed, "onExit: no")
    );
}

#[test]
fn values_that_are_not_there_are_errors_of_their_node() {
    let mut play = Play::new(
        "  templates:
  - name: main
    steps:
    - - {name: a, template: echo, arguments: {parameters: [{name: text, value: '{{workflow.parameters.nothing}}'}]}}
",
        |_| good(""),
    );
    let state = play.run();
    assert_eq!(state.phase, Phase::Error);
    assert!(
        state
            .message
            .contains("{{workflow.parameters.nothing}} has no value"),
        "{}",
        state.message
    );
    play.parameters.insert("nothing".into(), "something".into());
    assert_eq!(play.run().phase, Phase::Succeeded);
    assert_eq!(play.args(), ["something"]);
}

#[test]
fn templates_that_call_themselves_end() {
    let mut play = Play::new(
        "  templates:
  - name: main
    steps: [[{name: a, template: main}]]
",
        |_| good(""),
    );
    let state = play.run();
    assert_eq!(state.phase, Phase::Error);
    assert!(
        state.message.contains("more than 50 deep"),
        "{}",
        state.message
    );
}

/// Random graphs, failures and crashes: whatever happens, order and counts hold.
#[test]
fn any_graph_ends_in_order_however_often_it_is_interrupted() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let size = rng.random_range(1..12);
        let mut tasks = String::new();
        let mut needs: Vec<Vec<usize>> = Vec::new();
        for task in 0..size {
            let needed: Vec<usize> = (0..task).filter(|_| rng.random_bool(0.3)).collect();
            let names: Vec<String> = needed.iter().map(|needed| format!("t{needed}")).collect();
            tasks += &format!(
                "      - {{name: t{task}, template: echo, dependencies: [{}]}}\n",
                names.join(", ")
            );
            needs.push(needed);
        }
        let fail_fast = rng.random_bool(0.5);
        let broken: Vec<bool> = (0..size).map(|_| rng.random_bool(0.15)).collect();
        let spec = format!(
            "  templates:\n  - name: main\n    dag:\n      failFast: {fail_fast}\n      tasks:\n{tasks}"
        );
        let number = |name: &str| name[4..].parse::<usize>().unwrap();
        let broken_too = broken.clone();
        let mut play = Play::new(&spec, move |order| {
            if broken_too[number(&order.node)] {
                Outcome::failed("broken")
            } else {
                good("")
            }
        });
        let state = play.run_shuffled(&mut rng);
        let begun: Vec<usize> = play.begun.iter().map(|(name, _)| number(name)).collect();
        for (at, task) in begun.iter().enumerate() {
            assert!(
                !begun[..at].contains(task),
                "seed {seed}: t{task} ran twice"
            );
            for needed in &needs[*task] {
                assert!(
                    begun[..at].contains(needed) && !broken[*needed],
                    "seed {seed}: t{task} before t{needed}"
                );
            }
        }
        let any_broken = begun.iter().any(|task| broken[*task]);
        assert_eq!(state.phase.is_bad(), any_broken, "seed {seed}");
        if !any_broken {
            assert_eq!(begun.len(), size, "seed {seed}");
        }
        if !fail_fast {
            let reachable = |task: usize| {
                needs[task]
                    .iter()
                    .all(|needed| begun.contains(needed) && !broken[*needed])
            };
            for task in 0..size {
                assert_eq!(
                    begun.contains(&task),
                    reachable(task),
                    "seed {seed}: t{task}"
                );
            }
        }
    }
}
