//! Launching an algorithm over media.

use std::collections::HashSet;

use super::types::{Job, NewJob};
use crate::account::Actor;
use crate::algorithm::{self, Algorithm};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::project::{self, Level};
use crate::workflow::manifest::Manifest;
use crate::workflow::{KIND, Launch};
use crate::{id, jobs, media};

/// The most workflows of one launch.
const MOST_WORKFLOWS: usize = 5000;
/// Parameters that every workflow gets.
const GIVEN: &[&str] = &[
    "name",
    "media_ids",
    "gid",
    "uid",
    "host",
    "rest_url",
    "rest_token",
    "tus_url",
    "project_id",
];

/// Launches an algorithm: one workflow for each batch of media. Returns the jobs in their order.
///
/// Errors: `Forbidden` below Can Execute, and when the algorithm's user is no staff any more;
/// `NotFound` for an algorithm that is not there; `Invalid` for media of other projects, parameters
/// without a value, and manifests that cannot be run.
pub(super) async fn launch(
    cx: &Context,
    actor: &Actor,
    project: i64,
    new: NewJob,
) -> Result<Vec<Job>> {
    let (asking, name) = (actor.clone(), new.algorithm_name.clone());
    let media: HashSet<i64> = new.media_ids.iter().copied().collect();
    let algorithm = cx
        .database
        .read(move |tx| {
            Box::pin(async move {
                project::access(tx, &asking, project, Level::Execute).await?;
                let algorithm = algorithm::service::to_launch(tx, project, &name).await?;
                media::service::check_of_project(tx, &media, project).await?;
                Ok(algorithm)
            })
        })
        .await?;
    let launches = batches(cx, &algorithm, &new).await?;
    let (gid, actor, now) = (id::uuid(), actor.clone(), cx.now());
    let made = cx
        .database
        .write(move |tx| {
            Box::pin(async move {
                project::access(tx, &actor, project, Level::Execute).await?;
                let mut made = Vec::with_capacity(launches.len());
                for (uid, launch) in launches {
                    let new = jobs::NewJob {
                        kind: KIND,
                        uid,
                        gid: gid.clone(),
                        project: Some(project),
                        account: Some(actor.id),
                        media: launch.media_ids.clone(),
                        payload: serde_json::to_value(&launch)?,
                    };
                    made.push(jobs::enqueue(tx, &new, now).await?);
                }
                Ok(made)
            })
        })
        .await?;
    cx.jobs.ring();
    let begin = |job| {
        // Nothing has been heard of it yet; clients take it for running until then.
        let status = "Running";
        Ok(Job {
            status,
            ..Job::of(job)?
        })
    };
    made.into_iter().map(begin).collect()
}

/// What each workflow is started with, by its uid.
async fn batches(
    cx: &Context,
    algorithm: &Algorithm,
    new: &NewJob,
) -> Result<Vec<(String, Launch)>> {
    let document = algorithm::service::manifest(cx, algorithm).await?;
    let manifest = Manifest::read(document.clone())?;
    let own = algorithm.parameters.iter().chain(&new.extra_params);
    let parameters: Vec<(String, String)> = own
        .map(|parameter| (parameter.name.clone(), parameter.text()))
        .collect();
    for parameter in &manifest.parameters {
        let name = parameter.name.as_str();
        let given = GIVEN.contains(&name) || parameters.iter().any(|(own, _)| own == name);
        if parameter.value.is_none() && !given {
            return Err(Error::invalid(format!(
                "the workflow parameter {name} has no value; give it in extra_params, or a default in the manifest"
            )));
        }
    }
    let size = usize::try_from(algorithm.files_per_job).unwrap_or(1).max(1);
    let count = new.media_ids.len().div_ceil(size);
    if count > MOST_WORKFLOWS {
        return Err(Error::invalid(format!(
            "the launch would make {count} workflows, and at most {MOST_WORKFLOWS} are possible at once; raise \
             files_per_job of the algorithm, or launch it over fewer media"
        )));
    }
    let batch = |media: &[i64]| {
        let uid = id::uuid();
        let launch = Launch {
            name: workflow_name(&algorithm.name, &uid),
            algorithm: algorithm.id,
            algorithm_name: algorithm.name.clone(),
            manifest: document.clone(),
            media_ids: media.to_vec(),
            parameters: parameters.clone(),
            success_email: new.success_email_spec.clone(),
            failure_email: new.failure_email_spec.clone(),
        };
        (uid, launch)
    };
    Ok(new.media_ids.chunks(size).map(batch).collect())
}

/// `find-fish-0190a3f2b1c4` of `Find fish!`, as clusters want names.
fn workflow_name(algorithm: &str, uid: &str) -> String {
    let mut name = String::new();
    for letter in algorithm.chars().take(40) {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    let name = if name.is_empty() {
        "workflow"
    } else {
        name.trim_end_matches('-')
    };
    let digits: String = uid
        .chars()
        .rev()
        .filter(|digit| *digit != '-')
        .take(12)
        .collect();
    format!("{name}-{digits}")
}

#[cfg(test)]
mod tests {
    use super::workflow_name;

    #[test]
    fn names_of_workflows() {
        let uid = "0190a3f2-b1c4-7000-8000-0123456789ab";
        assert_eq!(workflow_name("Find fish!", uid), "find-fish-ba9876543210");
        assert_eq!(workflow_name("Ä / ", uid), "workflow-ba9876543210");
    }
}
