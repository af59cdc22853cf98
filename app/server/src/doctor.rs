//! `transect doctor`.

use transect::station::{self, Level};

use crate::place::Place;
use crate::{FAILED, print};

/// Examines the place and prints the findings; the exit code is 1 if something does not work.
pub async fn perform(place: &Place, json: bool, repair: bool, scrub: bool) -> anyhow::Result<u8> {
    let settings = place.settings(&[]);
    let findings =
        station::examine(&place.data, place.file.as_deref(), settings, repair, scrub).await;
    for finding in &findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Failed => "FAILED",
        };
        if json {
            print(&serde_json::to_string(finding)?)?;
        } else {
            print(&format!(
                "{level:<8} {:<10} {}",
                finding.check, finding.message
            ))?;
        }
    }
    let broken = findings
        .iter()
        .any(|finding| finding.level == Level::Failed);
    Ok(if broken { FAILED } else { 0 })
}
