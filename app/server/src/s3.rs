//! `transect s3 …`.

use serde_json::Value;
use transect::station::{self, Command};

use crate::arguments::{S3KeyTask, S3Task};
use crate::place::Place;
use crate::print;

/// Performs a task and prints its answer; returns the exit code.
pub async fn perform(place: &Place, task: S3Task) -> anyhow::Result<u8> {
    let S3Task::Key(task) = task;
    match task {
        S3KeyTask::Create {
            user,
            bucket,
            read_only,
        } => {
            let command = Command::S3KeyCreate {
                user,
                bucket,
                read_only,
            };
            print(&ask(place, command).await?.to_string())
        }
        S3KeyTask::List { json } => list(&ask(place, Command::S3KeyList).await?, json),
        S3KeyTask::Remove { access_key } => {
            let done = format!("{access_key} is removed");
            ask(place, Command::S3KeyRemove { access_key }).await?;
            print(&done)
        }
    }
}

async fn ask(place: &Place, command: Command) -> anyhow::Result<Value> {
    Ok(station::perform(&place.data, place.settings(&[])?, command, |_| {}).await?)
}

fn list(keys: &Value, json: bool) -> anyhow::Result<u8> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = keys.as_array().into_iter().flatten().map(|key| {
        if json {
            return key.to_string();
        }
        let bucket = match &key["bucket"] {
            Value::String(name) => name,
            _ => "every bucket",
        };
        let right = if key["read_only"] == true {
            "read only"
        } else {
            ""
        };
        let (name, user) = (text(&key["access_key"]), text(&key["user"]));
        format!("{name:<20}  {user:<24}  {bucket:<24}  {right}")
            .trim_end()
            .to_owned()
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        if !json {
            eprintln!("no keys yet; make one with: transect s3 key create");
        }
        return Ok(0);
    }
    print(&lines.join("\n"))
}
