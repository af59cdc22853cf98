//! Tries of a template.

use super::repeat::seconds;
use super::scope::Scope;
use super::{Engine, Kind, LATE, Phase, Place, Values};
use crate::workflow::manifest::{Policy, Retry, Template};

/// What becomes of a further try.
enum Repetition {
    Now,
    Later,
    Never(String),
}

impl Engine {
    /// Tries a template until it goes well or may not be tried again.
    pub(super) fn tries(
        &mut self,
        place: &Place,
        template: &Template,
        retry: &Retry,
        inputs: &Values,
    ) -> Result<Phase, String> {
        self.begin(place, Kind::Retry)?;
        for count in 0.. {
            let mut child = place.child(
                format!("{}({count})", place.path),
                &format!("{}({count})", place.task),
                None,
            );
            child.retries = count;
            if count > 0 && self.phase(&child.path).is_none() {
                let last = format!("{}({})", place.path, count - 1);
                match self.repetition(place, retry, count, &last, inputs)? {
                    Repetition::Never(why) => {
                        let node = &self.state.nodes[&last];
                        let (phase, message) = (node.phase, node.message.clone());
                        return Ok(self.end(
                            place,
                            Kind::Retry,
                            phase,
                            format!("{why}: {message}"),
                        ));
                    }
                    Repetition::Later => return Ok(Phase::Running),
                    Repetition::Now => {}
                }
            }
            let phase = match self.phase(&child.path).filter(|phase| phase.is_over()) {
                Some(phase) => phase,
                None => self
                    .perform(&child, template, inputs)
                    .unwrap_or_else(|why| self.end(&child, Kind::Pod, Phase::Error, why)),
            };
            if !phase.is_over() {
                return Ok(Phase::Running);
            }
            if !phase.is_bad() {
                let outputs = self.state.nodes[&child.path].outputs.clone();
                return Ok(self.end_with(place, Kind::Retry, phase, String::new(), outputs));
            }
        }
        Ok(Phase::Running)
    }

    /// Whether the try number `count` may begin, and when.
    fn repetition(
        &mut self,
        place: &Place,
        retry: &Retry,
        count: usize,
        last: &str,
        inputs: &Values,
    ) -> Result<Repetition, String> {
        let scope = Scope::new(&self.facts, inputs);
        let given = |text: &Option<String>| {
            text.as_ref()
                .map(|text| self.resolve(text, &scope))
                .transpose()
        };
        let node = &self.state.nodes[last];
        let fits = match retry.policy {
            Policy::Always => true,
            Policy::OnFailure => node.phase == Phase::Failed,
            Policy::OnError => node.phase == Phase::Error,
        };
        if !fits {
            return Ok(Repetition::Never("it is not tried again".into()));
        }
        if let Some(limit) = given(&retry.limit)? {
            let most = limit.trim().parse::<usize>();
            let most =
                most.map_err(|_| format!("retryStrategy.limit is no whole number: {limit:?}"))?;
            if count > most {
                return Ok(Repetition::Never(format!(
                    "no tries are left after {count}"
                )));
            }
        }
        let number = |text: Option<String>, read: fn(&str) -> Result<f64, String>| {
            text.map(|text| read(&text)).transpose()
        };
        let factor = number(given(&retry.factor)?, |text| {
            let wrong = || format!("backoff.factor is no number: {text:?}");
            text.trim().parse().map_err(|_| wrong())
        })?;
        let pause = number(given(&retry.pause_secs)?, seconds)?.unwrap_or(0.0);
        let pause = pause
            * factor
                .unwrap_or(1.0)
                .powi(i32::try_from(count).unwrap_or(i32::MAX) - 1);
        let ended = node.finished_at.unwrap_or(self.now);
        let due = ended.saturating_add((pause * 1000.0) as i64);
        if let Some(within) = number(given(&retry.within_secs)?, seconds)? {
            let first = &self.state.nodes[&place.path];
            let end = first.started_at.unwrap_or(self.now) + (within * 1000.0) as i64;
            if due > end {
                return Ok(Repetition::Never("backoff.maxDuration is over".into()));
            }
        }
        if self.is_late(place) {
            return Ok(Repetition::Never(LATE.into()));
        }
        if self.now < due {
            self.wake_by(Some(due));
            return Ok(Repetition::Later);
        }
        Ok(Repetition::Now)
    }
}
