//! `transect quota …`.

use bytesize::ByteSize;
use serde_json::Value;
use transect::station::{self, Command};
use transect::storage::quota::{Target, Use};

use crate::arguments::{QuotaTask, Size};
use crate::place::Place;
use crate::print;

/// Performs a task and prints its answer; returns the exit code.
pub async fn perform(place: &Place, task: QuotaTask) -> anyhow::Result<u8> {
    match task {
        QuotaTask::List { json } => list(&ask(place, Command::QuotaList).await?, json),
        QuotaTask::Set {
            bucket,
            project,
            organization,
            size: Size(quota_bytes),
        } => {
            let target = match (bucket, organization) {
                (Some(name), _) => Target::Bucket(name),
                (None, Some(name)) => Target::Organization(name),
                (None, None) => Target::Project(project.unwrap_or_default()),
            };
            let command = Command::QuotaSet {
                target,
                quota_bytes,
            };
            let set: Use = serde_json::from_value(ask(place, command).await?)?;
            print(&in_line(&set))
        }
    }
}

async fn ask(place: &Place, command: Command) -> anyhow::Result<Value> {
    Ok(station::perform(&place.data, place.settings(&[])?, command, |_| {}).await?)
}

fn in_line(one: &Use) -> String {
    let quota = one.quota_bytes.map_or_else(
        || "no quota".to_owned(),
        |bytes| ByteSize(bytes).to_string(),
    );
    let used = ByteSize(one.used_bytes).to_string();
    let (kind, id, name) = (&one.kind, one.id, &one.name);
    let deleted = if one.deleted { " (deleted)" } else { "" };
    format!("{kind:<12} {id:>6} {name:<32} {used:>12} of {quota}{deleted}")
}

fn list(answer: &Value, json: bool) -> anyhow::Result<u8> {
    let uses: Vec<Use> = serde_json::from_value(answer.clone())?;
    if uses.is_empty() {
        if !json {
            eprintln!("nothing is stored yet");
        }
        return Ok(0);
    }
    let lines = uses.iter().map(|one| {
        if json {
            Ok(serde_json::to_string(one)?)
        } else {
            Ok(in_line(one))
        }
    });
    let lines: anyhow::Result<Vec<String>> = lines.collect();
    print(&lines?.join("\n"))
}
