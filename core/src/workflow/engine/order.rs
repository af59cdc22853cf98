//! Programs that may begin.

use super::repeat::{bytes, seconds};
use super::scope::Scope;
use super::{Engine, Kind, LATE, Phase, Place, Values};
use crate::workflow::manifest::{Mount, Program, Source, Template};

/// A program to be run, with everything filled in.
#[derive(Debug, Clone)]
pub struct Order {
    /// The path of its node.
    pub node: String,
    /// The number of its node.
    pub ordinal: usize,
    /// Image, command, arguments, source, environment, folder and mounts.
    pub program: Program,
    /// The most memory of each of its processes.
    pub memory_bytes: Option<u64>,
    /// Files that it is to leave.
    pub outputs: Vec<Wanted>,
    /// How long it may take once it has begun, in milliseconds.
    pub most_ms: Option<i64>,
    /// When it must have ended, whenever it began; UTC milliseconds.
    pub until_ms: Option<i64>,
}

/// A file that a program is to leave.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The output's name.
    pub name: String,
    /// Where the file is, as the program sees it.
    pub path: String,
    /// The value where there is none.
    pub default: Option<String>,
}

impl Engine {
    /// Orders a program if it may begin now.
    pub(super) fn program(
        &mut self,
        place: &Place,
        template: &Template,
        program: &Program,
        inputs: &Values,
    ) -> Result<Phase, String> {
        self.begin(place, Kind::Pod)?;
        if self.running.contains_key(&place.path) {
            return Ok(self.state.nodes[&place.path].phase);
        }
        if self.is_late(place) {
            return Ok(self.end(place, Kind::Pod, Phase::Failed, LATE.into()));
        }
        if !self.has_room(place) {
            return Ok(Phase::Pending);
        }
        let order = self.order(place, template, program, inputs)?;
        let above = place.above.iter().map(|(path, _)| path.clone());
        self.running.insert(place.path.clone(), above.collect());
        self.orders.push(order);
        Ok(Phase::Pending)
    }

    /// Whether every limit above leaves room for one more program.
    fn has_room(&self, place: &Place) -> bool {
        let whole = self.manifest.parallelism;
        if whole.is_some_and(|most| self.running.len() >= most) {
            return false;
        }
        place.above.iter().all(|(path, most)| {
            let below = || self.running.values().filter(|above| above.contains(path));
            most.is_none_or(|most| below().count() < most)
        })
    }

    fn order(
        &self,
        place: &Place,
        template: &Template,
        program: &Program,
        inputs: &Values,
    ) -> Result<Order, String> {
        let mut scope = Scope::new(&self.facts, inputs);
        let known = &mut scope.results;
        known.insert("pod.name".into(), place.path.clone());
        known.insert("node.name".into(), place.path.clone());
        known.insert("retries".into(), place.retries.to_string());
        let mut outputs = Vec::new();
        for output in &template.outputs {
            if let Source::File(path) = &output.from {
                let path = self.resolve(path, &scope)?;
                let name = format!("outputs.parameters.{}.path", output.name);
                scope.results.insert(name, path.clone());
                outputs.push(Wanted {
                    name: output.name.clone(),
                    path,
                    default: output.default.clone(),
                });
            }
        }
        let fill = |text: &str| self.resolve(text, &scope);
        let maybe = |text: &Option<String>| text.as_deref().map(fill).transpose();
        let all = |texts: &[String]| {
            texts
                .iter()
                .map(|text| fill(text))
                .collect::<Result<Vec<_>, _>>()
        };
        let mut mounts = Vec::new();
        for mount in &program.mounts {
            mounts.push(Mount {
                volume: mount.volume.clone(),
                path: fill(&mount.path)?,
                read_only: mount.read_only,
            });
        }
        let mut env = Vec::new();
        for (name, value) in &program.env {
            env.push((name.clone(), fill(value)?));
        }
        let memory = maybe(&program.memory)?;
        let deadline = maybe(&program.deadline_secs)?;
        let most_secs = deadline.as_deref().map(seconds).transpose()?;
        Ok(Order {
            node: place.path.clone(),
            ordinal: self.state.nodes[&place.path].ordinal,
            memory_bytes: memory.as_deref().map(bytes).transpose()?,
            program: Program {
                image: fill(&program.image)?,
                command: all(&program.command)?,
                args: all(&program.args)?,
                source: maybe(&program.source)?,
                folder: maybe(&program.folder)?,
                env,
                mounts,
                memory,
                deadline_secs: deadline,
            },
            outputs,
            most_ms: most_secs.map(|secs| (secs * 1000.0) as i64),
            until_ms: self.until().filter(|_| !place.is_exit),
        })
    }
}
