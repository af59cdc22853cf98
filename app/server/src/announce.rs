//! `transect announce`.

use transect::station::{self, Command};

use crate::arguments::Announce;
use crate::place::Place;
use crate::print;

/// Tells everybody something, or takes it back; returns the exit code.
pub async fn perform(place: &Place, task: Announce) -> anyhow::Result<u8> {
    let settings = place.settings(&[])?;
    if let Some(announcement) = task.withdraw {
        let command = Command::Withdraw { announcement };
        station::perform(&place.data, settings, command, |_| {}).await?;
        return print(&format!("announcement {announcement} is taken back"));
    }
    let command = Command::Announce {
        text: task.text.unwrap_or_default(),
        days: task.days,
    };
    let made = station::perform(&place.data, settings, command, |_| {}).await?;
    if task.json {
        return print(&made.to_string());
    }
    print(&format!(
        "announcement {} is shown until {}",
        made["id"],
        made["eol_datetime"].as_str().unwrap_or_default()
    ))
}
